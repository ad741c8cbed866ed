#include "replication/backfill/backfill.h"

#include <algorithm>
#include <utility>

namespace crossfade::replication {
namespace {

constexpr int64_t kFlushEveryUs = 500'000;
constexpr int64_t kSaveEveryUs = 300'000;
// Marked while the replication lock is held once.
constexpr uint64_t kSlice = 128;

}  // namespace

const char* Name(BackfillPhase phase) {
  switch (phase) {
    case BackfillPhase::kNone:
      return "none";
    case BackfillPhase::kEnumerating:
      return "enumerating";
    case BackfillPhase::kCopying:
      return "copying";
    case BackfillPhase::kDone:
      return "done";
  }
  return "?";
}

// The catalog forgets what was finished before the spool forgets the names of the
// rest, and before the journal says that the catalog tells.
Status Backfill::Begin(uint64_t mark) {
  record_ = {};
  current_ = kNoPartition;
  names_.clear();
  BackfillRecord record;
  record.phase = BackfillPhase::kEnumerating;
  record.mark = mark;
  if (const Status saved = ports_.Save(record); !saved) return saved;
  if (const Status begun = spool_.Begin(mark); !begun) return begun;
  record_ = record;
  ports_.WithReplicator([this](Replicator& replicator) {
    kept_seen_ = replicator.counters().kept_equal;
    replicator.BeginBackfill({});
  });
  return {};
}

Status Backfill::Resume(const BackfillRecord& record, std::span<const RecoveredKey> open) {
  record_ = {};
  current_ = kNoPartition;
  next_partition_ = 0;
  names_.clear();
  if (const Status taken = spool_.Resume(record.mark); !taken) return taken;
  if (spool_.bytes() < record.spool_bytes) return Fail("the backfill's spool ends too early");
  for (const RecoveredKey& key : open) {
    const uint32_t partition = PartitionOf(key.name);
    if (!record.finished[partition]) spool_.Add(partition, key.db, key.name);
  }
  if (const Status flushed = spool_.Flush(); !flushed) return flushed;
  kept_seen_ = 0;  // by a replicator that is new
  record_ = record;
  return {};
}

void Backfill::AddPage(uint32_t db, std::span<const std::string_view> names, ScanPosition next) {
  for (const std::string_view name : names) {
    const uint32_t partition = PartitionOf(name);
    if (record_.finished[partition]) continue;
    spool_.Add(partition, db, name);
  }
  record_.names += names.size();
  record_.position = std::move(next);
  unsaved_ = true;
}

Status Backfill::EndEnumeration() {
  if (const Status flushed = FlushSpool(); !flushed) return flushed;
  BackfillRecord record = record_;
  record.phase = BackfillPhase::kCopying;
  if (const Status saved = SaveAs(record); !saved) return saved;
  next_partition_ = 0;
  return {};
}

void Backfill::CountKept(const Replicator& replicator) {
  const uint64_t kept = replicator.counters().kept_equal;
  record_.kept += kept - std::exchange(kept_seen_, kept);
}

void Backfill::SpoolWritten(const std::vector<WrittenNames::Name>& names) {
  for (const WrittenNames::Name& name : names) {
    spool_.Add(PartitionOf(name.text), name.db, name.text);
  }
}

// Among them may be those of a partition that has left live.
std::vector<WrittenNames::Name> Backfill::TakeWritten(Replicator& replicator) {
  for (uint32_t partition = 0; partition < limits::kPartitions; ++partition) {
    if (replicator.partitions().At(partition) == PartitionMode::kLive) continue;
    shrunk_ = shrunk_ || record_.finished[partition];
    record_.finished.reset(partition);
  }
  return replicator.written_names().Take();
}

Status Backfill::Reopen() {
  BackfillRecord record = record_;
  record.phase = BackfillPhase::kCopying;
  ports_.WithReplicator([&](Replicator& replicator) {
    for (uint32_t partition = 0; partition < limits::kPartitions; ++partition) {
      record.finished[partition] = replicator.PartitionIsSafe(partition);
    }
  });
  if (const Status begun = spool_.Begin(record.mark); !begun) return begun;
  if (const Status saved = SaveAs(record); !saved) return saved;
  current_ = kNoPartition;
  next_partition_ = 0;
  names_.clear();
  return {};
}

Status Backfill::FlushSpool() {
  if (spool_.flushed() && !shrunk_) return {};
  if (const Status flushed = spool_.Flush(); !flushed) return flushed;
  unsaved_ = true;
  if (shrunk_) {
    if (const Status saved = SaveAs(record_); !saved) return saved;
    shrunk_ = false;
  }
  ports_.WithReplicator([](Replicator& replicator) { replicator.written_names().Spooled(); });
  return {};
}

// The catalog must not take it for cut off, and must know of all that is finished: the
// names of that are not kept.
Status Backfill::CompactSpool() {
  if (!spool_.WantsCompaction() || !spool_.flushed()) return {};
  BackfillRecord record = record_;
  record.spool_bytes = 0;
  if (const Status saved = ports_.Save(record); !saved) return saved;
  if (const Status compacted = spool_.Compact(record.finished); !compacted) return compacted;
  return SaveAs(record_);
}

Status Backfill::SaveAs(BackfillRecord record) {
  record.spool_bytes = record.phase == BackfillPhase::kDone ? 0 : spool_.bytes();
  if (const Status saved = ports_.Save(record); !saved) return saved;
  record_ = std::move(record);
  return {};
}

// What it says has been enumerated must be in the spool.
Status Backfill::SaveRecord(int64_t now_us) {
  if (!unsaved_ || now_us - saved_us_ < kSaveEveryUs) return {};
  if (record_.phase == BackfillPhase::kEnumerating && !spool_.flushed()) return {};
  if (const Status saved = SaveAs(record_); !saved) return saved;
  saved_us_ = now_us;
  unsaved_ = false;
  return {};
}

Status Backfill::Pump(int64_t now_us, uint64_t keys, uint64_t& begun) {
  if (!active()) return {};
  // What the spool's disk does not take stays with the replicator, which has a bound.
  if (!spool_.Full()) {
    std::vector<WrittenNames::Name> names;
    ports_.WithReplicator([&](Replicator& replicator) { names = TakeWritten(replicator); });
    SpoolWritten(names);
  }
  if (now_us - flushed_us_ >= kFlushEveryUs || spool_.NeedsFlush()) {
    if (const Status flushed = FlushSpool(); !flushed) return flushed;
    flushed_us_ = now_us;
    if (const Status compacted = CompactSpool(); !compacted) return compacted;
  }
  if (record_.phase == BackfillPhase::kCopying) {
    if (const Status marked = MarkNames(keys, begun); !marked) return marked;
    if (const Status noted = NoteSafe(); !noted) return noted;
  }
  return SaveRecord(now_us);
}

// Until there is no room, no time, or nothing any more.
Status Backfill::MarkNames(uint64_t keys, uint64_t& begun) {
  while (true) {
    if (current_ == kNoPartition) {
      if (const Status next = BeginNextPartition(); !next) return next;
      if (current_ == kNoPartition) return {};
    }
    uint64_t slice = 0;
    ports_.WithReplicator([&](Replicator& replicator) {
      if (replicator.state() != MirrorState::kCopying) return;
      const size_t dirty = replicator.dirty().size();
      const size_t room = dirty < limits::kDirtyAhead ? limits::kDirtyAhead - dirty : 0;
      slice =
          std::min<uint64_t>({kSlice, keys - std::min(keys, begun), room, names_.size() - marked_});
      for (uint64_t i = 0; i < slice; ++i, ++marked_) {
        replicator.AddScanned(names_[marked_].db, names_[marked_].name);
      }
      FinishMarked(replicator);
    });
    begun += slice;
    record_.copied += slice;
    if (slice == 0 && current_ != kNoPartition) return {};
  }
}

void Backfill::FinishMarked(Replicator& replicator) {
  if (marked_ < names_.size()) return;
  if (current_ != kNoPartition) replicator.FinishPartition(current_);
  current_ = kNoPartition;
  if (replicator.partitions().live() == limits::kPartitions) replicator.FinishCopy();
}

// Passes over those that are empty or live; round, since some may have left live behind
// it. What is written from its beginning on
// makes its keys dirty; what was noted before is taken here.
Status Backfill::BeginNextPartition() {
  bool begun = false;
  names_.clear();
  marked_ = 0;
  ports_.WithReplicator([&](Replicator& replicator) {
    for (uint32_t seen = 0; seen < limits::kPartitions; ++seen, ++next_partition_) {
      next_partition_ %= limits::kPartitions;
      if (replicator.partitions().At(next_partition_) == PartitionMode::kLive) continue;
      if (!replicator.BeginPartition(next_partition_)) return;
      SpoolWritten(TakeWritten(replicator));
      if (!spool_.Empty(next_partition_)) {
        begun = true;
        return;
      }
      replicator.FinishPartition(next_partition_);
    }
    FinishMarked(replicator);
  });
  if (!begun) return {};
  Result<std::vector<RecoveredKey>> names = spool_.Read(next_partition_);
  if (!names) {  // the names are lost: only another enumeration finds them
    ports_.WithReplicator(
        [&](Replicator& replicator) { replicator.LeaveLive(names.error().message); });
    return tl::unexpected(names.error());
  }
  names_ = std::move(*names);
  current_ = next_partition_++;
  return {};
}

Status Backfill::NoteSafe() {
  BackfillRecord record = record_;
  ports_.WithReplicator([&](Replicator& replicator) {
    if (!replicator.live() && replicator.state() != MirrorState::kCopying) return;
    CountKept(replicator);
    record.kept = record_.kept;
    for (uint32_t partition = 0; partition < limits::kPartitions; ++partition) {
      if (replicator.PartitionIsSafe(partition)) record.finished.set(partition);
    }
  });
  if (record.finished == record_.finished) return {};
  if (!record.finished.all()) {
    unsaved_ = true;
    record_ = record;
    return {};
  }
  // With the last partition all that is dirty was told to the journal at once.
  if (!ports_.WriteJournal()) return {};
  record.phase = BackfillPhase::kDone;
  if (const Status saved = SaveAs(record); !saved) return saved;
  ports_.WithReplicator([](Replicator& replicator) {
    // Else some wait that are of partitions which have left live since.
    if (replicator.live()) replicator.written_names().Clear();
  });
  (void)spool_.Begin(record_.mark);  // for its room; the next backfill empties it again
  unsaved_ = false;
  return {};
}

}  // namespace crossfade::replication
