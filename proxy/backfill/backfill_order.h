// BackfillOrder: what an operator wants of the backfill.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace crossfade::proxy {

// Bounds instead of the plan's; what is not set is as in the plan.
struct BackfillBounds {
  std::optional<uint64_t> keys_per_second, bytes_per_second;  // 0: none
  std::optional<std::chrono::milliseconds> max_authority_p99;
};

struct BackfillOrder {
  enum class Action : uint8_t { kStart, kPause, kResume, kThrottle };
  Action action = Action::kStart;
  BackfillBounds bounds;  // of kThrottle; none set: the plan's again
};

}  // namespace crossfade::proxy
