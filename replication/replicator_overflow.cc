// Replicator: more keys are dirty than can be kept. Whole partitions leave live then
// (design §6): the names of their dirty keys, and of those that are written from here
// on, go to the backfill's spool. Their other keys are in step, and need no copy.
#include <utility>

#include "replication/replicator.h"

namespace crossfade::replication {
namespace {

constexpr const char* kTooMany = "more keys are dirty than can be kept";

}  // namespace

void Replicator::KeepDirtyBounded() {
  if (dirty_.size() <= dirty_keys_max_ || !recorded()) return;
  const PartitionSet leaving = dirty_.Fullest(dirty_keys_max_ - dirty_keys_max_ / 4, partitions_);
  if (leaving.none() || !SpreadInLog(leaving)) return LeaveLive(kTooMany);
  LeavePartitions(leaving);
  if (dirty_.size() > dirty_keys_max_) LeaveLive(kTooMany);
}

// What is dirty now is not known to be any more, nor will it be what becomes doubtful in
// the partitions that leave: so the entries of the log are judged as if it was their turn,
// and those that name a key there as if it was dirty. False when one concerns all keys.
bool Replicator::SpreadInLog(const PartitionSet& leaving) {
  // Whoever marks keys may go on with what was parsed.
  auto parsed = std::exchange(parsed_, {});
  auto parsed_args = std::exchange(parsed_args_, {});
  bool judged = true;
  for (uint64_t seq = log_.applied_seq() + 1; judged && seq <= log_.head_seq(); ++seq) {
    LogEntry& entry = log_.At(seq);
    judged = entry.kind != EntryKind::kSwap && entry.kind != EntryKind::kUndeclared;
    const bool shadow = entry.kind == EntryKind::kShadow;
    if (!shadow && entry.kind != EntryKind::kEffect) continue;
    Parse(entry.Effect());
    bool leaves = false;
    ForEachKey(entry.db, [&](std::string_view name, routing::Access, uint32_t) {
      leaves = leaves || leaving[PartitionOf(name)];
    });
    if (!leaves && !AnyKeySuspended(entry.db, seq, entry.by_value)) continue;
    if (!shadow) {
      ForEachKey(entry.db, [&](std::string_view name, routing::Access access, uint32_t db) {
        if (access != routing::Access::kRead) MarkKey(db, name, Drift::kSpread, seq, true);
      });
    } else if (!entry.sent) {
      events_.OnShadow({entry.route, ShadowResult::kIgnoredDirty, entry.db, {}, {}, 0, 0});
    }
    if (!entry.sent) Drop(entry, seq);
  }
  parsed_ = std::move(parsed);
  parsed_args_ = std::move(parsed_args);
  return judged;
}

// Until their names are spooled the journal can't tell where they are.
void Replicator::LeavePartitions(const PartitionSet& leaving) {
  state_ = MirrorState::kCopying;
  by_partition_ = true;
  for (uint32_t partition = 0; partition < limits::kPartitions; ++partition) {
    if (leaving[partition]) partitions_.Set(partition, PartitionMode::kPending);
  }
  const size_t before = dirty_.size();
  written_names_.ForgetRecent();
  std::erase_if(next_chunks_, [&](const KeyToSync& key) { return leaving[PartitionOf(key.name)]; });
  dirty_.Remove(leaving, [this](uint32_t db, std::string_view name) { NoteWritten(db, name); });
  dirty_.ForEachSegment([](uint32_t, std::string_view, uint64_t) { return DirtyKeys::kNoSegment; });
  names_from_ = written_names_.noted();
  RecordState();
  ++counters_.overflows;
  events_.OnPartitionsLeft(leaving.count(), before - dirty_.size());
}

}  // namespace crossfade::replication
