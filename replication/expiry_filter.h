// ExpiryFilter: the keys that may have an expiry on the follower. It forgets
// nothing, so a key that is not in it has none. Guarded by the replication lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace crossfade::replication {

class ExpiryFilter {
 public:
  void Add(uint64_t key_hash) {
    if (bits_.empty()) bits_.resize(kBits / 64);
    bits_[(key_hash >> 6) % (kBits / 64)] |= uint64_t{1} << (key_hash & 63);
  }
  bool MayHaveExpiry(uint64_t key_hash) const {
    if (every_) return true;
    if (bits_.empty()) return false;
    return (bits_[(key_hash >> 6) % (kBits / 64)] >> (key_hash & 63) & 1) != 0;
  }
  // Nothing is known: every key may have one, until all that have one are added.
  void AddEvery() { every_ = true; }
  void KnownAgain() { every_ = false; }
  bool every() const { return every_; }
  // The follower is about to be filled from the beginning.
  void Clear() {
    every_ = false;
    bits_.clear();
  }

 private:
  static constexpr size_t kBits = size_t{1} << 24;  // 2 MiB once a key has an expiry
  std::vector<uint64_t> bits_;
  bool every_ = false;
};

}  // namespace crossfade::replication
