// IntentWindow: every write from the moment it is sent to the authority until
// it is done (without effect, applied on the follower, or dirty). Gives the
// low-water mark (the greatest number such that it and all before it are done)
// and the lag, which counts from the sending, not the reply. Guarded by the
// replication lock.
#pragma once

#include <cstdint>

#include "config/check.h"
#include "replication/ring.h"

namespace crossfade::replication {

class IntentWindow {
 public:
  // Numbers begin with 1 and are given in the order of sending.
  uint64_t Open(int64_t now_us) {
    open_.Push() = now_us;
    return open_.tail();
  }
  void Close(uint64_t number) {
    CROSSFADE_CHECK(number > low_water() && number <= last());
    CROSSFADE_CHECK(open_.At(number - 1) != kDone);
    open_.At(number - 1) = kDone;
    while (!open_.empty() && open_.front() == kDone) open_.pop();
  }
  uint64_t last() const { return open_.tail(); }
  uint64_t low_water() const { return open_.head(); }
  bool empty() const { return open_.empty(); }
  // When the oldest write that is not done was sent; 0 when there is none.
  int64_t oldest_us() const { return open_.empty() ? 0 : open_.At(open_.head()); }
  int64_t LagUs(int64_t now_us) const {
    if (open_.empty()) return 0;
    const int64_t lag = now_us - oldest_us();
    return lag > 0 ? lag : 1;
  }

 private:
  static constexpr int64_t kDone = -1;
  Ring<int64_t> open_{1024};  // write n is at place n - 1
};

}  // namespace crossfade::replication
