// SyncPacer: how many key syncs may be under way. All at once, until the follower
// refuses one because of the state that it is in (no memory, read-only): then one
// at a time, ever more rarely, until one is taken. Guarded by the replication lock.
#pragma once

#include <algorithm>
#include <cstdint>

namespace crossfade::replication {

class SyncPacer {
 public:
  bool MayBegin(int64_t now_us, uint32_t under_way) const {
    return wait_us_ == 0 || (under_way == 0 && now_us >= next_us_);
  }
  void Refused(int64_t now_us) {
    if (now_us < next_us_) return;  // sent before it was known
    wait_us_ = std::clamp(wait_us_ * 2, kFirstUs, kLongestUs);
    next_us_ = now_us + wait_us_;
  }
  void Taken() { wait_us_ = next_us_ = 0; }
  bool refused() const { return wait_us_ > 0; }

 private:
  static constexpr int64_t kFirstUs = 100'000;
  static constexpr int64_t kLongestUs = 2'000'000;
  int64_t wait_us_ = 0;
  int64_t next_us_ = 0;
};

}  // namespace crossfade::replication
