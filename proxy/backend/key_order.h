// KeyOrder: what an operator wants to be done about single keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "replication/quarantine.h"

namespace crossfade::proxy {

struct KeyOrder {
  enum class Action : uint8_t {
    kSync,    // read from the authority, and written to the follower
    kRetry,   // quarantined: tried again at once
    kAccept,  // quarantined: known, and in no gate's way
  };
  Action action = Action::kSync;
  bool all = false;  // every quarantined key
  uint32_t db = 0;
  std::vector<std::string> keys;
};

struct QuarantineList {
  uint64_t keys = 0, accepted = 0;
  std::vector<replication::QuarantinedKey> first;  // of them
};

}  // namespace crossfade::proxy
