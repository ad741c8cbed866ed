// AuthorityLatency: what clients have waited for the authority since the last look,
// from the workers' counters. Used by one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "proxy/snapshot.h"

namespace crossfade::proxy {

struct Core;

class AuthorityLatency {
 public:
  // The time that 99 of 100 requests since the last call were answered in; nothing
  // when there were too few to say.
  std::optional<int64_t> TakeP99Us(const Core& core);

 private:
  std::array<uint64_t, kLatencyBuckets> before_{};
};

}  // namespace crossfade::proxy
