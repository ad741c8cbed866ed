// Partitions: how far the backfill has come, for each of the 1,024 groups of 16
// hash slots (design §7). Guarded by the replication lock.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>

#include "config/limits.h"
#include "routing/slot.h"

namespace crossfade::replication {

enum class PartitionMode : uint8_t {
  kPending,  // not begun: of a key that is written only the name is kept
  kCopying,  // begun: a key that is written becomes dirty
  kLive,     // mirrored by effects, and readable
};

using PartitionSet = std::bitset<limits::kPartitions>;

inline uint32_t PartitionOf(std::string_view key) {
  return routing::HashSlot(key) / (limits::kHashSlots / limits::kPartitions);
}

class Partitions {
 public:
  PartitionMode Of(std::string_view key) const { return modes_[PartitionOf(key)]; }
  PartitionMode At(uint32_t partition) const { return modes_[partition]; }
  void Set(uint32_t partition, PartitionMode mode) {
    live_ += static_cast<uint32_t>(mode == PartitionMode::kLive) -
             static_cast<uint32_t>(modes_[partition] == PartitionMode::kLive);
    modes_[partition] = mode;
  }
  void SetAll(PartitionMode mode) {
    modes_.fill(mode);
    live_ = mode == PartitionMode::kLive ? limits::kPartitions : 0;
  }
  uint32_t live() const { return live_; }

 private:
  std::array<PartitionMode, limits::kPartitions> modes_{};
  uint32_t live_ = 0;
};

}  // namespace crossfade::replication
