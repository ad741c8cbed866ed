// ReadSuspension: why no read goes to the follower at the moment, whatever the
// mirror says: a store is in a state in which what the follower holds may not be
// what the authority holds. Written by worker 0, read by all.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace crossfade::proxy {

class ReadSuspension {
 public:
  enum Reason : uint32_t {
    kFollowerUnwell = 1,    // loading, read-only, out of memory, or it may evict
    kFollowerEvicted = 2,   // keys that the authority still has, until it was copied again
    kAuthorityEvicted = 4,  // keys that the follower still has, until it was copied again
    kFollowerDiffers = 8,   // in more keys than can be kept, as verification found
  };

  bool any() const { return reasons_.load(std::memory_order_relaxed) != 0; }
  uint32_t reasons() const { return reasons_.load(); }
  void Set(Reason reason, bool holds) {
    if (holds) {
      reasons_.fetch_or(reason);
    } else {
      reasons_.fetch_and(~static_cast<uint32_t>(reason));
    }
  }
  // For the operator; empty when there is none.
  std::string Text() const;

 private:
  std::atomic<uint32_t> reasons_{0};
};

}  // namespace crossfade::proxy
