// Attempt: what a lane keeps of an attempt in flight for a client that waits in
// a blocking command: MULTI, questions, the command, EXEC.
#pragma once

#include <cstdint>
#include <string>

#include "replication/waiting_table.h"

namespace crossfade::proxy {

struct Attempt {
  replication::WaiterId waiter = 0;
  uint32_t questions = 0;  // commands between MULTI and the blocking command
  uint32_t seen = 0;       // replies that have come
  bool recorded = false;   // it has a WriteRecord
  bool refused = false;    // MULTI was: each command ran by itself
  std::string error;       // why the transaction was not run; or what ran by itself replied
};

}  // namespace crossfade::proxy
