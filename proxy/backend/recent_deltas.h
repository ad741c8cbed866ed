// RecentDeltas: the differences found last, for the operator. Keeps so many and
// counts those that it dropped. Thread-safe.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "proxy/backend/delta_sink.h"

namespace crossfade::proxy {

class RecentDeltas final : public DeltaSink {
 public:
  static constexpr size_t kKept = 10'000;

  void Take(const Delta& delta) override {
    const std::lock_guard lock(mutex_);
    kept_.push_back(delta);
    if (kept_.size() <= kKept) return;
    kept_.pop_front();
    ++dropped_;
  }
  void PassBegan(const VerifyReport&) override {}
  void PassEnded(VerifyReport&) override {}

  struct Listing {
    std::vector<Delta> deltas;  // oldest first
    uint64_t dropped = 0;
  };
  Listing List() const {
    const std::lock_guard lock(mutex_);
    return {{kept_.begin(), kept_.end()}, dropped_};
  }

 private:
  mutable std::mutex mutex_;
  std::deque<Delta> kept_;
  uint64_t dropped_ = 0;
};

}  // namespace crossfade::proxy
