#include "replication/replicator.h"

#include <algorithm>

#include "config/limits.h"
#include "routing/slot.h"

namespace crossfade::replication {

const char* Name(MirrorState state) {
  switch (state) {
    case MirrorState::kOff:
      return "off";
    case MirrorState::kUnfinished:
      return "unfinished";
    case MirrorState::kCopying:
      return "copying";
    case MirrorState::kLive:
      return "live";
  }
  return "?";
}

const char* Name(Drift reason) {
  switch (reason) {
    case Drift::kReply:
      return "reply";
    case Drift::kExpiry:
      return "expiry";
    case Drift::kSpread:
      return "spread";
    case Drift::kLost:
      return "lost";
    case Drift::kCollapse:
      return "collapse";
    case Drift::kUnknownEffect:
      return "unknown_effect";
    case Drift::kUnsupported:
      return "unsupported";
    case Drift::kUnknownFate:
      return "unknown_fate";
    case Drift::kShadow:
      return "shadow";
    case Drift::kAsked:
      return "asked";
    case Drift::kVerify:
      return "verify";
    case Drift::kCount:
      break;
  }
  return "?";
}

Replicator::Replicator(const routing::CommandTable& table, ReplicatorEvents& events,
                       uint64_t memory_bytes)
    : table_(&table), events_(events), memory_bytes_(memory_bytes) {}

void Replicator::SetOff() {
  LeaveLive("mirroring is switched off");
  state_ = MirrorState::kOff;
}

void Replicator::SetUnfinished() {
  if (state_ == MirrorState::kOff) state_ = MirrorState::kUnfinished;
}

void Replicator::BeginCopy() {
  if (state_ != MirrorState::kUnfinished) return;
  if (!Quiet()) return;
  state_ = MirrorState::kCopying;
  partitions_.SetAll(PartitionMode::kCopying);
  scripts_.claim = {};
  compare_first_ = false;
  // No effect is applied before its keys are synced, and syncs tell their expiries.
  expiries_.Clear();
  known_from_ = intents_.last();
  RecordState();
}

void Replicator::AddScanned(uint32_t db, std::string_view key) {
  if (state_ == MirrorState::kCopying) dirty_.Mark(db, key, log_.head_seq(), compare_first_);
}

void Replicator::FinishCopy() {
  if (state_ != MirrorState::kCopying) return;
  state_ = MirrorState::kLive;
  by_partition_ = false;
  compare_first_ = false;
  partitions_.SetAll(PartitionMode::kLive);
  RecordState();
}

void Replicator::Trust() {
  if (state_ != MirrorState::kCopying) return;
  ForgetExpiries(log_.head_seq());
  FinishCopy();
}

void Replicator::ForgetExpiries(uint64_t seq) {
  expiries_.AddEvery();
  expiries_told_ = false;
  expiries_unknown_seq_ = seq;
}

void Replicator::ExpiriesTold(int64_t now_us) {
  expiries_told_ = true;
  expiries_settle_us_ = now_us + MarginMs() * 1'000;
  expiries_settle_intent_ = 0;
}

void Replicator::SettleExpiries(int64_t now_us) {
  if (!expiries_told_ || now_us < expiries_settle_us_) return;
  // What is under way now may have run before.
  if (expiries_settle_intent_ == 0) expiries_settle_intent_ = intents_.last() + 1;
  if (intents_.low_water() + 1 < expiries_settle_intent_) return;
  expiries_told_ = false;
  expiries_.KnownAgain();
}

void Replicator::LeaveLive(std::string_view reason) {
  if (!recorded()) return;
  state_ = MirrorState::kUnfinished;
  expiries_told_ = false;
  ++era_;
  ++sync_round_;  // what is being read may be older than writes that go unrecorded now
  for (uint64_t seq = next_; seq <= log_.head_seq(); ++seq) Drop(log_.At(seq), seq);
  dirty_.Clear();
  next_chunks_.clear();
  verification_.suspects.Clear();  // every key will be synced
  by_partition_ = false;
  partitions_.SetAll(PartitionMode::kPending);
  written_names_.Clear();
  quarantine_.Clear();
  RecordState();
  scripts_.FollowerForgot();
  if (in_flight_ == 0) PopDone();
  events_.OnCopyWanted(reason);
}

// ---- Dirtiness

void Replicator::MarkKey(uint32_t db, std::string_view key, Drift reason, uint64_t seq,
                         bool count) {
  if (!recorded()) return;
  if (state_ == MirrorState::kCopying && partitions_.Of(key) == PartitionMode::kPending) {
    // One that was dirty before its partition was pending: its sync may have been lost.
    if (!dirty_.empty() && dirty_.Contains(db, key)) dirty_.Mark(db, key, seq);
    return NoteWritten(db, key);
  }
  const bool was_clean = dirty_.Mark(db, key, seq);
  if (was_clean && TellsOfKeys(claim_)) RecordDirty(db, key);
  if (was_clean && count) {
    ++counters_.drift[static_cast<size_t>(reason)];
    events_.OnDrift(reason, db, key);
  }
}

void Replicator::MarkWritten(uint32_t db, Drift reason, uint64_t seq, bool count) {
  last_write_dirtied_ = true;
  ForEachKey(db, [&](std::string_view name, routing::Access access, uint32_t key_db) {
    if (access != routing::Access::kRead) MarkKey(key_db, name, reason, seq, count);
  });
  KeepDirtyBounded();
  if (written_names_.OverBound()) LeaveLive("the backfill's spool does not keep up");
}

// What the entry reads as well: the fault may be there.
void Replicator::MarkNamed(uint32_t db, Drift reason, uint64_t seq) {
  ForEachKey(db, [&](std::string_view name, routing::Access, uint32_t key_db) {
    MarkKey(key_db, name, reason, seq, true);
  });
  KeepDirtyBounded();
}

bool Replicator::AnyKeyAwaitsSync(uint32_t db) {
  bool any = false;
  ForEachKey(db, [&](std::string_view name, routing::Access, uint32_t key_db) {
    any = any || dirty_.AwaitsSync(key_db, name);
  });
  return any;
}

bool Replicator::AnyKeySuspended(uint32_t db, uint64_t seq, bool by_value) {
  bool any = false;
  ForEachKey(db, [&](std::string_view name, routing::Access, uint32_t key_db) {
    any = any || dirty_.Suspends(key_db, name, seq, by_value);
  });
  return any;
}

void Replicator::Parse(std::string_view bytes) {
  parsed_.clear();
  parsed_args_.clear();
  const char* p = bytes.data();
  const char* end = p + bytes.size();
  while (p < end) {
    const auto outcome = decoder_.Decode(p, end, INT64_MAX / 2);
    CROSSFADE_CHECK(outcome == routing::RequestDecoder::Outcome::kRequest);
    const routing::Args args(decoder_.args());
    // Nothing is logged that was not known; tables only grow.
    parsed_.push_back({table_->Find(args), parsed_args_.size(), args.size()});
    parsed_args_.insert(parsed_args_.end(), args.begin(), args.end());
    p += decoder_.length();
  }
}

// ---- Reads

ReadVerdict Replicator::CheckRead(uint32_t db, std::span<const ReadKey> keys, int64_t budget_us,
                                  uint64_t seen_seq, uint64_t seen_intent, int64_t now_us) const {
  if (!recorded() || !follower_ready_) return ReadVerdict::kNotLive;
  if (state_ != MirrorState::kLive && !AllLive(keys)) [[unlikely]]
    return ReadVerdict::kNotCopied;
  if (stripes_.all().pending > 0) return ReadVerdict::kPending;
  if (log_.applied_seq() < seen_seq || intents_.low_water() < seen_intent) {
    return ReadVerdict::kSeenNewer;
  }
  for (const ReadKey& key : keys) {
    if (!dirty_.empty() && dirty_.Contains(db, key.name)) return ReadVerdict::kDirty;
    if (Differs(db, key.name)) return ReadVerdict::kDiffers;
    const KeyStripe& stripe = stripes_.Of(key.hash);
    if (stripe.unanswered > 0) return ReadVerdict::kUnanswered;
    if (budget_us == 0 && stripe.pending > 0) return ReadVerdict::kPending;
  }
  if (budget_us > 0 && intents_.LagUs(now_us) > budget_us) return ReadVerdict::kLag;
  return ReadVerdict::kEligible;
}

bool Replicator::AnyPending(std::span<const ReadKey> keys) const {
  if (stripes_.all().pending > 0) return true;
  return std::any_of(keys.begin(), keys.end(),
                     [this](const ReadKey& key) { return stripes_.Of(key.hash).pending > 0; });
}

bool Replicator::ReadStillCounts(uint32_t db, std::span<const ReadKey> keys, uint64_t sent,
                                 uint64_t era) const {
  if (!recorded() || era != era_ || stripes_.all().last_sent > sent) return false;
  if (state_ != MirrorState::kLive && !AllLive(keys)) return false;
  return std::all_of(keys.begin(), keys.end(), [&](const ReadKey& key) {
    return stripes_.Of(key.hash).last_sent <= sent &&
           (dirty_.empty() || !dirty_.Contains(db, key.name)) && !Differs(db, key.name);
  });
}

uint64_t Replicator::SeenSeq(uint64_t key_hash) const {
  return std::max(stripes_.Of(key_hash).last_logged, stripes_.all().last_logged);
}

uint64_t Replicator::SeenIntent(uint64_t key_hash) const {
  const KeyStripe& stripe = stripes_.Of(key_hash);
  const uint64_t of_key = stripe.pending > 0 ? stripe.last_intent : 0;
  const uint64_t of_all = stripes_.all().pending > 0 ? stripes_.all().last_intent : 0;
  return std::max(of_key, of_all);
}

}  // namespace crossfade::replication
