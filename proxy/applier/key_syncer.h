// KeySyncer: has dirty keys read from the authority, each under the gate, so
// that their state stands in the log at the right place (design R6). Lives on
// worker 0, in its thread alone.
#pragma once

#include <cstdint>

#include "replication/dirty_keys.h"

namespace crossfade::proxy {

class Worker;

class KeySyncer {
 public:
  explicit KeySyncer(Worker& worker) : worker_(worker) {}
  // Sends as many reads as may be under way.
  void Run();

 private:
  void Read(const replication::KeyToSync& key, uint64_t hash);

  Worker& worker_;
};

}  // namespace crossfade::proxy
