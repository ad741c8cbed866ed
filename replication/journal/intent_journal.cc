#include "replication/journal/intent_journal.h"

#include <algorithm>
#include <utility>

#include "config/check.h"

namespace crossfade::replication {
namespace {

// Of a block's head and trailer, and of a segment's header, about.
constexpr uint64_t kBlockOverhead = 64;
// What is kept long is recorded again when this part of the room is taken.
constexpr uint64_t kRoomyParts = 4;

}  // namespace

IntentJournal::IntentJournal(uint64_t generation, uint64_t first_intent, Sizes sizes)
    : generation_(generation),
      sizes_(sizes),
      next_intent_(first_intent),
      block_first_(first_intent),
      told_low_water_(first_intent - 1),
      again_from_bytes_(sizes.total_bytes / kRoomyParts) {
  segments_.emplace_back();
}

void IntentJournal::Number(uint64_t number) {
  CROSSFADE_CHECK(number >= next_intent_);
  if (number > next_intent_) AppendSkip(number - next_intent_, records_);
  next_intent_ = number + 1;
}

void IntentJournal::Write(uint64_t number, JournalKey key) {
  Number(number);
  AppendWrite(key, records_);
}

void IntentJournal::Write(uint64_t number, const std::vector<JournalKey>& keys) {
  Number(number);
  AppendWriteMany(keys, records_);
}

void IntentJournal::WriteAll(uint64_t number) {
  Number(number);
  AppendTag(RecordTag::kWriteAll, records_);
}

uint64_t IntentJournal::Dirty(JournalKey key) {
  AppendKey(RecordTag::kDirty, key, records_);
  ++segments_.back().open_dirty;
  return segments_.back().index;
}

// A key that this segment calls dirty is not counted there any more. False when the
// segment is gone.
bool IntentJournal::TakeOpen(uint64_t segment) {
  if (segment < segments_.front().index || segment > segments_.back().index) return false;
  Segment& of = segments_[segment - segments_.front().index];
  CROSSFADE_CHECK(of.open_dirty > 0);
  --of.open_dirty;
  return true;
}

void IntentJournal::Clean(JournalKey key, uint64_t segment) {
  AppendKey(RecordTag::kClean, key, records_);
  TakeOpen(segment);
}

uint64_t IntentJournal::DirtyStill(JournalKey key, uint64_t segment) {
  CROSSFADE_CHECK(TakeOpen(segment));
  return Dirty(key);
}

void IntentJournal::SetState(const JournalState& state) {
  state_ = state;
  AppendState(state, records_);
  replace_former_ = true;
  if (TellsOfKeys(state.claim)) return;
  // Dirtiness says nothing of a follower that is not live.
  for (Segment& segment : segments_) segment.open_dirty = 0;
}

void IntentJournal::RecordClosed() { AppendTag(RecordTag::kClosed, records_); }

void IntentJournal::DropDone(uint64_t low_water) {
  while (segments_.size() > 1) {
    const Segment& oldest = segments_.front();
    if (oldest.open_dirty > 0 || oldest.last_intent > low_water) return;
    bytes_ -= oldest.bytes;
    segments_.pop_front();
    again_from_bytes_ =
        std::max(sizes_.total_bytes / kRoomyParts,
                 std::min(again_from_bytes_, bytes_ + sizes_.total_bytes / kRoomyParts));
  }
}

bool IntentJournal::Take(uint64_t low_water, int64_t unix_ms, JournalBlock& block) {
  const bool first = blocks_ == 0;
  if (!first && records_.empty() && low_water <= told_low_water_ && !replace_former_) return false;
  Segment& current = segments_.back();
  const uint64_t first_intent = block_first_;
  block.generation = generation_;
  block.segment = current.index;
  block.begins_segment = std::exchange(new_segment_, false);
  block.records.clear();
  block.records.swap(records_);
  block.replaces_generations = std::exchange(replace_former_, false);
  block_first_ = next_intent_;
  told_low_water_ = low_water;

  current.last_intent = next_intent_ - 1;
  current.bytes += block.records.size() + kBlockOverhead;
  bytes_ += block.records.size() + kBlockOverhead;
  DropDone(low_water);
  block.remove_below = segments_.front().index;
  block.header = {blocks_++, first_intent, low_water, unix_ms, block.remove_below};
  if (segments_.back().bytes >= sizes_.segment_bytes) {
    segments_.push_back({segments_.back().index + 1, next_intent_ - 1, 0, 0});
    new_segment_ = true;
    AppendState(state_, records_);
  }
  return true;
}

uint64_t IntentJournal::RecordAgainBelow() {
  if (again_below_ != 0) return again_below_;
  if (bytes_ < again_from_bytes_ || segments_.size() == 1) return 0;
  if (segments_.front().open_dirty > 0) again_below_ = segments_.back().index;
  return again_below_;
}

void IntentJournal::RecordedAgain() {
  again_below_ = 0;
  again_from_bytes_ = bytes_ + sizes_.total_bytes / kRoomyParts;
}

bool IntentJournal::KeptByWrites(uint64_t low_water) const {
  if (bytes_ < sizes_.total_bytes / kRoomyParts * (kRoomyParts - 1)) return false;
  return segments_.size() > 1 && segments_.front().open_dirty == 0 &&
         segments_.front().last_intent > low_water;
}

}  // namespace crossfade::replication
