// Replicator: what is sent to the follower, and what its replies tell.
#include <algorithm>
#include <cstring>

#include "config/limits.h"
#include "replication/compare/reads.h"
#include "replication/replicator.h"
#include "replication/reply_digest.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"
#include "routing/store_health.h"

namespace crossfade::replication {
namespace {

// R5's margin above the clocks' offset.
constexpr int64_t kExpiryMarginMs = 1'000;

bool AnyError(std::string_view frame) {
  const char* p = frame.data();
  const char* end = p + frame.size();
  while (p < end) {
    if (routing::ReadHead(p, end).IsError()) return true;
  }
  return false;
}

}  // namespace

int64_t Replicator::MarginMs() const { return kExpiryMarginMs + std::abs(clock_offset_ms_); }

void Replicator::FollowerReady() {
  CROSSFADE_CHECK(in_flight_ == 0);
  follower_ready_ = true;
  follower_doubtful_ = false;
  applier_db_ = 0;
  select_sent_ = false;
  replies_seen_ = 0;
  guard_failed_ = false;
  reply_differs_ = false;
  follower_expiring_ = false;
  compared_ = {};
  sync_error_.clear();
}

// What was sent and not answered may or may not have been applied.
void Replicator::FollowerLost() {
  follower_ready_ = false;
  follower_doubtful_ = true;
  select_sent_ = false;
  replies_seen_ = 0;
  scripts_.FollowerForgot();
  for (uint64_t seq = log_.applied_seq() + 1; seq < next_; ++seq) {
    LogEntry& entry = log_.At(seq);
    if (entry.SurvivesLosses()) {  // sent again, before all else
      entry.sent = false;
      for (const uint64_t hash : entry.keys.hashes()) --stripes_.Of(hash).unanswered;
      if (entry.keys.all()) --stripes_.all().unanswered;
      continue;
    }
    GiveUpEntry(entry, seq, Drift::kLost, seq);
  }
  next_ = log_.applied_seq() + 1;
  in_flight_ = 0;
  in_flight_bytes_ = 0;
  if (!recorded()) {  // a flush of a former era is of no use any more
    for (uint64_t seq = next_; seq <= log_.head_seq(); ++seq) Drop(log_.At(seq), seq);
  }
  PopDone();
}

void Replicator::Drop(LogEntry& entry, uint64_t seq) {
  if (entry.kind == EntryKind::kDropped) return;
  if (entry.CopiesKey()) --syncs_under_way_;
  if (entry.kind == EntryKind::kCompare) LoseCompare(entry, seq);
  if (entry.kind == EntryKind::kVerify) verification_.Lose(entry.route);
  if (entry.kind != EntryKind::kShadow) Done(entry.keys, entry.intent, entry.sent);
  entry.kind = EntryKind::kDropped;
  entry.shared_block.Reset();
  last_dropped_ = std::max(last_dropped_, seq);
}

// The entry will not be applied, or it is not known whether it was: its keys
// become dirty because of `dirty_seq`.
void Replicator::GiveUpEntry(LogEntry& entry, uint64_t seq, Drift reason, uint64_t dirty_seq) {
  if (entry.kind == EntryKind::kEffect) {
    Parse(entry.Effect());
    MarkWritten(entry.db, reason, dirty_seq, true);
  } else if (entry.CopiesKey()) {
    MarkKey(entry.db, SyncOf(entry).key, reason, dirty_seq, false);
  } else if (entry.kind == EntryKind::kSwap) {
    LeaveLive("a change of all keys was lost on its way to the follower");
  } else if (entry.kind == EntryKind::kUndeclared) {
    LeaveLive(
        "a script that may write keys it does not declare was lost on its way to the follower");
  }
  Drop(entry, seq);
}

void Replicator::PopDone() {
  while (!log_.empty() && log_.At(log_.applied_seq() + 1).kind == EntryKind::kDropped) log_.Pop();
  next_ = std::max(next_, log_.applied_seq() + 1);
}

void Replicator::Feed(std::vector<Piece>& out) {
  if (!follower_ready_ || select_sent_) return;
  while (next_ <= log_.head_seq()) {
    if (in_flight_ >= limits::kApplierWindowEntries ||
        in_flight_bytes_ >= limits::kApplierWindowBytes) {
      return;
    }
    const uint64_t seq = next_;
    LogEntry& entry = log_.At(seq);
    if (!MayBeSent(entry, seq)) {
      if (next_ == seq) ++next_;  // PopDone may have moved it already
      if (in_flight_ == 0) PopDone();
      continue;
    }
    if (entry.db != applier_db_) {
      SendSelect(entry.db, out);
      return;
    }
    SendEntry(entry, seq, out);
    ++next_;
  }
}

// An entry with a dirty key is judged now, when all before it are sent: it is
// dropped whole, and what it writes is dirty too (design R6).
bool Replicator::MayBeSent(LogEntry& entry, uint64_t seq) {
  if (entry.kind == EntryKind::kDropped) return false;
  if (dirty_.empty() || entry.kind == EntryKind::kSync || entry.SurvivesLosses()) return true;
  if (entry.kind == EntryKind::kSwap) {
    LeaveLive("keys became dirty before a change of all keys");
    return false;
  }
  // Judged when they are answered.
  if (entry.kind == EntryKind::kVerify || entry.kind == EntryKind::kCompare) return true;
  if (entry.kind == EntryKind::kChunk) return ChunkMayBeSent(entry, seq);
  Parse(entry.Effect());
  if (!AnyKeySuspended(entry.db, seq, entry.by_value)) return true;
  if (entry.kind == EntryKind::kUndeclared) {
    MarkWritten(entry.db, Drift::kSpread, seq, true);
    return entry.kind == EntryKind::kUndeclared;  // still: live may have been left
  }
  if (entry.kind == EntryKind::kShadow) {
    events_.OnShadow({entry.route, ShadowResult::kIgnoredDirty, entry.db, {}, {}, 0, 0});
  } else {
    ++counters_.suspended;
    MarkWritten(entry.db, Drift::kSpread, seq, true);
  }
  Drop(entry, seq);
  return false;
}

void Replicator::SendSelect(uint32_t db, std::vector<Piece>& out) {
  std::string text;
  const std::string number = std::to_string(db);
  routing::AppendCommand(text, {"SELECT", number});
  select_text_ = BlockRef(Block::Make(text.size()));
  std::memcpy(select_text_->data(), text.data(), text.size());
  out.push_back({select_text_->data(), text.size(), select_text_.get()});
  select_sent_ = true;
  wanted_db_ = db;
}

void Replicator::SendEntry(LogEntry& entry, uint64_t seq, std::vector<Piece>& out) {
  if (entry.kind == EntryKind::kSync) dirty_.SyncSent(entry.db, SyncOf(entry).key, seq);
  if (entry.head_size > 0) out.push_back({entry.head, entry.head_size, entry.head_block});
  if (entry.shared_size > 0) {
    out.push_back({entry.shared, entry.shared_size, entry.shared_block.get()});
  }
  const auto count = [seq](KeyStripe& stripe) {
    ++stripe.unanswered;
    stripe.last_sent = seq;
  };
  for (const uint64_t hash : entry.keys.hashes()) count(stripes_.Of(hash));
  if (entry.keys.all()) count(stripes_.all());
  entry.sent = true;
  ++in_flight_;
  in_flight_bytes_ += entry.size();
}

void Replicator::OnSelectReply(std::string_view frame) {
  select_sent_ = false;
  if (frame.front() == '+') {
    applier_db_ = wanted_db_;
    return;
  }
  events_.OnSyncRefused(wanted_db_, "(every key of this db)", frame);
  LeaveLive("the follower has not as many databases as the authority");
}

void Replicator::OnFollowerReply(std::string_view frame, int64_t now_us, int64_t unix_ms) {
  if (!follower_ready_) return;
  unix_ms_ = unix_ms;
  if (in_flight_ == 0) {
    if (select_sent_) return OnSelectReply(frame);
    follower_ready_ = false;
    follower_doubtful_ = true;
    return events_.OnApplierMustReconnect("a reply came that nothing asked for");
  }
  while (!log_.At(log_.applied_seq() + 1).sent) PopDone();
  const uint64_t seq = log_.applied_seq() + 1;
  LogEntry& entry = log_.At(seq);
  ++replies_seen_;
  if (replies_seen_ <= entry.guards) return NoteGuard(frame);
  if (entry.corrections > 0) NoteChecked(entry, frame);
  if (entry.kind == EntryKind::kVerify) {
    Verification::Item& item = verification_.At(entry.route);
    verification_.TakeReply(item, item.follower, frame, replies_seen_ == entry.replies);
  }
  if (entry.kind == EntryKind::kCompare) TakeCompareReply(entry, frame);
  if (entry.CopiesKey()) NoteSyncReply(frame);
  if (replies_seen_ < entry.replies) return;  // MULTI, QUEUED: an error shows in EXEC's reply
  FinishEntry(entry, seq, frame, now_us, unix_ms);
  if (entry.CopiesKey() || entry.kind == EntryKind::kCompare) --syncs_under_way_;
  if (entry.kind != EntryKind::kShadow) Done(entry.keys, entry.intent, true);
  entry.kind = EntryKind::kDropped;
  --in_flight_;
  in_flight_bytes_ -= entry.size();
  replies_seen_ = 0;
  guard_failed_ = false;
  reply_differs_ = false;
  follower_expiring_ = false;
  PopDone();
}

// Behind the reply that is checked come those to corrections.
void Replicator::NoteChecked(const LogEntry& entry, std::string_view frame) {
  const uint32_t checked = entry.replies - entry.corrections;
  if (replies_seen_ == checked) {
    reply_differs_ = ReplyDigest(frame) != entry.expected;
    if (frame.starts_with("-NOSCRIPT")) scripts_.FollowerForgot();
  } else if (replies_seen_ > checked) {
    reply_differs_ = reply_differs_ || AnyError(frame);
  }
}

// No key, or one about to expire, where the entry counts on the key.
void Replicator::NoteGuard(std::string_view frame) {
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  if (head.type != routing::ReplyType::kInteger || head.number == -2) guard_failed_ = true;
  if (head.number >= 0 && head.number <= MarginMs()) {
    guard_failed_ = true;
    follower_expiring_ = true;
  }
}

void Replicator::FinishEntry(LogEntry& entry, uint64_t seq, std::string_view frame, int64_t now_us,
                             int64_t unix_ms) {
  switch (entry.kind) {
    case EntryKind::kEffect:
    case EntryKind::kUndeclared:
      return FinishEffect(entry, seq, frame);
    case EntryKind::kSync:
      return FinishSyncEntry(entry, seq, now_us);
    case EntryKind::kChunk:
      return FinishChunkEntry(entry, seq, now_us);
    case EntryKind::kFlush:
      if (frame.front() == '-') LeaveLive("the follower refused to be flushed");
      return;
    case EntryKind::kLibrary:
      if (frame.front() == '-') events_.OnLibraryRefused(frame);
      return;
    case EntryKind::kSwap:
      // A key that became dirty after this was sent lies elsewhere now.
      if (!dirty_.empty() ||
          (entry.expected != 0 ? ReplyDigest(frame) != entry.expected : AnyError(frame))) {
        LeaveLive("the follower was not in step when all keys changed");
      } else if (guard_failed_) {  // of a transaction that flushes
        Parse(entry.Effect());
        MarkNamed(entry.db, Drift::kExpiry, seq);
      }
      return;
    case EntryKind::kShadow:
      return FinishShadow(entry, seq, frame, unix_ms);
    case EntryKind::kVerify:
      return FinishVerifyEntry(entry, seq, unix_ms);
    case EntryKind::kCompare:
      return FinishCompare(entry, seq, unix_ms);
    case EntryKind::kDropped:
      return;
  }
}

void Replicator::FinishEffect(LogEntry& entry, uint64_t seq, std::string_view frame) {
  const bool differs = entry.corrections > 0 ? reply_differs_
                       : entry.expected != 0 ? ReplyDigest(frame) != entry.expected
                                             : AnyError(frame);
  if (!differs && !guard_failed_ && dirty_.empty()) return;
  if (differs && frame.starts_with("-NOSCRIPT")) scripts_.FollowerForgot();
  Parse(entry.Effect());
  if (differs || guard_failed_) {
    MarkNamed(entry.db, differs ? Drift::kReply : Drift::kExpiry, seq);
  } else if (AnyKeySuspended(entry.db, seq, entry.by_value)) {
    // It was sent before one of its keys was found dirty.
    MarkWritten(entry.db, Drift::kSpread, seq, true);
  }
}

void Replicator::FinishShadow(LogEntry& entry, uint64_t seq, std::string_view frame,
                              int64_t unix_ms) {
  if (!recorded()) return;  // what was dirty before it is not known any more
  Parse(entry.Effect());
  const ParsedCommand& command = parsed_.front();
  if (command.spec == nullptr) return;
  const routing::Args args(parsed_args_.data(), command.count);
  const uint64_t follower = CanonicalDigest(*command.spec, args, frame);
  const bool authority_expiring =
      entry.authority_deadline_ms >= 0 && entry.authority_deadline_ms <= unix_ms + MarginMs();
  std::string_view key;
  ForEachKey(entry.db, [&](std::string_view name, routing::Access, uint32_t) {
    if (key.empty()) key = name;
  });
  ShadowObservation observation{entry.route, ShadowResult::kMatched, entry.db, key,
                                args[0],     entry.expected,         follower};
  if (follower != entry.expected) {
    if (AnyKeySuspended(entry.db, seq) || (!live() && AnyKeyNotLive(entry.db))) {
      observation.result = ShadowResult::kIgnoredDirty;
    } else if (authority_expiring || follower_expiring_) {
      observation.result = ShadowResult::kIgnoredExpiring;
    } else {
      observation.result = ShadowResult::kMismatched;
    }
  }
  events_.OnShadow(observation);
  if (observation.result != ShadowResult::kMismatched) return;
  MarkNamed(entry.db, Drift::kShadow, seq);
}

}  // namespace crossfade::replication
