// Replicator: the backfill's part (design §7): which partitions are live, and what
// becomes of writes to keys of the others.
#include "replication/replicator.h"

namespace crossfade::replication {

void Replicator::BeginBackfill(const PartitionSet& finished) {
  if (state_ != MirrorState::kCopying) return;
  for (uint32_t partition = 0; partition < limits::kPartitions; ++partition) {
    partitions_.Set(partition,
                    finished[partition] ? PartitionMode::kLive : PartitionMode::kPending);
  }
  written_names_.Clear();
  by_partition_ = true;
  RecordState();
}

// What was sent while it was pending and is answered from here on makes its keys
// dirty; what was answered before is in the spool, or noted for it.
bool Replicator::BeginPartition(uint32_t partition) {
  if (state_ != MirrorState::kCopying) return false;
  partitions_.Set(partition, PartitionMode::kCopying);
  return true;
}

bool Replicator::FinishPartition(uint32_t partition) {
  if (state_ != MirrorState::kCopying) return false;
  partitions_.Set(partition, PartitionMode::kLive);
  return true;
}

bool Replicator::AnyKeyNotLive(uint32_t db) {
  bool any = false;
  ForEachKey(db, [&](std::string_view name, routing::Access, uint32_t) {
    any = any || partitions_.Of(name) != PartitionMode::kLive;
  });
  return any;
}

bool Replicator::AllLive(std::span<const ReadKey> keys) const {
  for (const ReadKey& key : keys) {
    if (partitions_.Of(key.name) != PartitionMode::kLive) return false;
  }
  return true;
}

void Replicator::NoteWritten(uint32_t db, std::string_view key) {
  written_names_.Add(db, key, intents_.low_water());
}

}  // namespace crossfade::replication
