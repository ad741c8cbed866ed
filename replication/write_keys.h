// WriteKeys: the keys of a command in flight, by hash: what it entered the gate
// with, and what it counts as pending on. One key needs no allocation.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replication/key_gate.h"

namespace crossfade::replication {

class WriteKeys {
 public:
  void SetOne(uint64_t hash) {
    all_ = false;
    more_.clear();
    one_ = hash;
    has_one_ = true;
  }
  void Set(std::span<const uint64_t> hashes, bool all) {
    all_ = all;
    has_one_ = hashes.size() == 1;
    if (has_one_) {
      one_ = hashes[0];
      more_.clear();
    } else {
      more_.assign(hashes.begin(), hashes.end());
    }
  }
  bool all() const { return all_; }
  std::span<const uint64_t> hashes() const {
    return has_one_ ? std::span<const uint64_t>(&one_, 1) : std::span<const uint64_t>(more_);
  }
  GateKeys gate() const { return {hashes(), all_}; }

 private:
  uint64_t one_ = 0;
  bool has_one_ = false;
  bool all_ = false;
  std::vector<uint64_t> more_;  // keeps its memory for the next command in this place
};

}  // namespace crossfade::replication
