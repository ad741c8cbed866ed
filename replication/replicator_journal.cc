// Replicator: what the intent journal is told (design §6).
#include <utility>

#include "config/limits.h"
#include "replication/replicator.h"

namespace crossfade::replication {

void Replicator::RecordIntent(const WriteRecord& write, const WriteText& text) {
  if (write.keys.all() || write.script.undeclared) return journal_->WriteAll(write.intent);
  if (text.only_key.data() != nullptr) {
    return journal_->Write(write.intent, {write.db, text.only_key});
  }
  Parse(text.request);
  journal_keys_.clear();
  ForEachKey(write.db, [this](std::string_view name, routing::Access access, uint32_t db) {
    if (access != routing::Access::kRead) journal_keys_.push_back({db, name});
  });
  journal_->Write(write.intent, journal_keys_);
}

void Replicator::RecordDirty(uint32_t db, std::string_view key) {
  if (journal_) dirty_.SetJournalSegment(db, key, journal_->Dirty({db, key}));
}

void Replicator::RecordClean(uint32_t db, std::string_view key, uint64_t segment) {
  if (journal_ && segment != DirtyKeys::kNoSegment) journal_->Clean({db, key}, segment);
}

// What may be said of the follower once the journal knows of every write that is not done.
FollowerClaim Replicator::ClaimWhenKnown() const {
  if (state_ == MirrorState::kLive) return FollowerClaim::kLive;
  return state_ == MirrorState::kCopying && by_partition_ ? FollowerClaim::kPart
                                                          : FollowerClaim::kOurs;
}

void Replicator::RecordState() {
  const bool told = TellsOfKeys(claim_);
  const bool known = intents_.low_water() >= known_from_ && written_names_.spooled() >= names_from_;
  if (known && TellsOfKeys(ClaimWhenKnown())) {
    claim_ = ClaimWhenKnown();
  } else if (recorded() || told) {
    claim_ = FollowerClaim::kOurs;
  }
  if (!journal_) return;
  // What a copy has marked is in its spool, until its partition is safe.
  if (TellsOfKeys(claim_) && (!told || state_ == MirrorState::kLive)) {
    dirty_.ForEachSegment([&](uint32_t db, std::string_view name, uint64_t segment) {
      const bool recorded = told && segment != DirtyKeys::kNoSegment;
      return recorded ? segment : journal_->Dirty({db, name});
    });
  }
  const JournalState state{claim_, !scripts_.claim.holds(), clock_offset_ms_, authority_run_id_,
                           follower_run_id_};
  if (journal_->state() != state) journal_->SetState(state);
}

void Replicator::BeginJournal(uint64_t generation, IntentJournal::Sizes sizes) {
  journal_ = std::make_unique<IntentJournal>(generation, intents_.last() + 1, sizes);
  known_from_ = intents_.last();
  names_from_ = written_names_.noted();
  if (TellsOfKeys(claim_)) claim_ = FollowerClaim::kOurs;
  if (claim_ == FollowerClaim::kNothing && !recorded()) return;
  RecordState();
}

void Replicator::EndJournal() {
  journal_.reset();
  dirty_.ForEachSegment([](uint32_t, std::string_view, uint64_t) { return DirtyKeys::kNoSegment; });
}

void Replicator::NoteFollowerIsOurs() {
  if (claim_ != FollowerClaim::kNothing) return;
  claim_ = FollowerClaim::kOurs;
  RecordState();
}

void Replicator::CloseJournal() {
  if (journal_) journal_->RecordClosed();
}

void Replicator::SetStores(std::string authority_run_id, std::string follower_run_id) {
  authority_run_id_ = std::move(authority_run_id);
  follower_run_id_ = std::move(follower_run_id);
}

void Replicator::set_clock_offset_ms(int64_t offset) {
  clock_offset_ms_ = offset;
  if (claim_ != FollowerClaim::kNothing) RecordState();
}

void Replicator::Resume(const JournalState& state, const std::vector<RecoveredKey>& dirty,
                        const PartitionSet& finished) {
  if (state_ != MirrorState::kUnfinished || !Quiet()) return;
  SetStores(state.authority_run_id, state.follower_run_id);
  clock_offset_ms_ = state.clock_offset_ms;
  BeginCopy();
  if (state.undeclared_ran) {
    scripts_.claim = {1, {}, "a script that does not declare its keys ran before the restart"};
  }
  if (state.claim == FollowerClaim::kPart) {
    ForgetExpiries(log_.head_seq());
    BeginBackfill(finished);
  }
  for (const RecoveredKey& key : dirty) {
    MarkKey(key.db, key.name, Drift::kLost, log_.head_seq(), false);
  }
  if (state.claim == FollowerClaim::kLive) Trust();
}

// What is open for long is said again, a part with each block, so that old segments may go.
void Replicator::RecordLongOpen() {
  const uint64_t below = journal_->RecordAgainBelow();
  if (below > 0 && TellsOfKeys(claim_)) {
    again_bucket_ = dirty_.ForSomeSegments(
        again_bucket_, limits::kRecordedAgainAtOnce,
        [&](uint32_t db, std::string_view name, uint64_t segment) {
          return segment < below ? journal_->DirtyStill({db, name}, segment) : segment;
        });
    if (again_bucket_ == 0) journal_->RecordedAgain();
  }
  if (journal_->KeptByWrites(JournalLowWater())) GiveUpOldIntents();
}

// Writes wait in the log for a follower that does not come back. What survives a
// collapse concerns every key, and lets no follower read pass, whatever the lag.
void Replicator::GiveUpOldIntents() {
  if (log_.empty() || intents_.last() < next_give_up_) return;
  next_give_up_ = intents_.last() + limits::kIntentsOpenMax / 4;
  Collapse();
  for (uint64_t seq = log_.applied_seq() + 1; seq <= log_.head_seq(); ++seq) {
    LogEntry& entry = log_.At(seq);
    if (entry.intent == 0 || entry.kind == EntryKind::kDropped) continue;
    const uint64_t again = intents_.Open(intents_.oldest_us());
    if (journal_) journal_->WriteAll(again);
    intents_.Close(std::exchange(entry.intent, again));
  }
}

bool Replicator::TakeJournalBlock(int64_t unix_ms, JournalBlock& block) {
  if (!journal_) return false;
  const bool may_tell = TellsOfKeys(ClaimWhenKnown()) && claim_ != ClaimWhenKnown();
  if (may_tell || journal_->state().undeclared_ran == scripts_.claim.holds()) RecordState();
  RecordLongOpen();
  return journal_->Take(JournalLowWater(), unix_ms, block);
}

}  // namespace crossfade::replication
