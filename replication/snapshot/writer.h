// SnapshotWriter: makes a snapshot's bytes, a block at a time. Holds one block. What
// a failed call left in the sink is of no use, and no harm: reading it back goes
// on from the last whole block. Not thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "config/result.h"
#include "replication/byte_stream.h"
#include "replication/snapshot/format.h"

namespace crossfade::replication {

class SnapshotWriter {
 public:
  explicit SnapshotWriter(ByteSink& sink) : sink_(sink) {}

  // Either a new file, or one that holds so much already.
  Status Begin(const SnapshotHeader& header);
  void GoOn(const SnapshotTotals& totals, SnapshotPosition position);

  Status Add(const SnapshotRecord& record);
  // All that comes before it was added.
  void Reached(SnapshotPosition position) { position_ = position; }
  // The end record; on the disk when it returns.
  Status Finish();

  const SnapshotTotals& totals() const { return totals_; }

 private:
  // What a crash of the machine may take at most, about.
  static constexpr size_t kSyncBytes = size_t{64} << 20;
  Status WriteBlock();
  Status Write();

  ByteSink& sink_;
  SnapshotTotals totals_;
  SnapshotPosition position_;
  std::string records_;
  uint64_t keys_ = 0;  // in them
  std::string bytes_;
  size_t unsynced_ = 0;
};

}  // namespace crossfade::replication
