// Replicator: keys that are read on a lane, under the gate, and compared with the
// follower's at the same position of the log (design §2, consequence 2).
#include <algorithm>

#include "config/limits.h"
#include "replication/replicator.h"

namespace crossfade::replication {

bool Replicator::NextVerify(Verification::Slot& slot) {
  if (!live() || !follower_ready_ || !verification_.MayBegin()) return false;
  if (log_.bytes() > std::min<uint64_t>(limits::kVerifyLogBytes, memory_bytes_ / 4)) return false;
  slot = verification_.Next();
  if (slot == Verification::kNoSlot) return false;
  verification_.At(slot).era = era_;
  return true;
}

uint32_t Replicator::AskVerify(Verification::Slot slot, std::string& out) {
  Verification::Item& item = verification_.At(slot);
  const uint32_t asked = item.replies == 0 ? Verification::AppendFirst(item, out)
                                           : Verification::AppendRest(item, out);
  item.wanted += asked;
  return asked;
}

VerifyStep Replicator::TakeVerifyReply(Verification::Slot slot, std::string_view frame) {
  Verification::Item& item = verification_.At(slot);
  const bool type = item.phase == Verification::Phase::kState && item.wanted == 1;
  const bool last = !type && item.replies + 1 == item.wanted;
  verification_.TakeReply(item, item.authority, frame, last);
  if (type && !item.authority.refused) return VerifyStep::kAskMore;
  if (!last && !type) return VerifyStep::kMore;
  LogVerify(slot);
  return VerifyStep::kDone;
}

// Only while the log has room: no effect is given up for it.
void Replicator::LogVerify(Verification::Slot slot) {
  Verification::Item& item = verification_.At(slot);
  const auto finish = [&](VerifyResult result) { verification_.Finish(slot, result); };
  if (!live() || item.era != era_) return finish(VerifyResult::kNotLive);
  if (item.authority.moved) return verification_.Lose(slot);
  if (item.authority.refused) return finish(VerifyResult::kRefused);
  if (item.authority.too_big) return finish(VerifyResult::kTooBig);
  if (!dirty_.empty() && dirty_.AwaitsSync(item.db, item.name)) {
    return finish(VerifyResult::kDirty);
  }
  if (!follower_ready_ || log_.bytes() > memory_bytes_ / 2) return verification_.Lose(slot);
  verify_text_.clear();
  uint32_t replies = Verification::AppendFirst(item, verify_text_);
  replies += Verification::AppendRest(item, verify_text_);
  LogEntry& entry = log_.Append(EntryKind::kVerify, {}, verify_text_, {}, nullptr);
  entry.db = item.db;
  entry.route = slot;
  entry.replies = replies;
  entry.keys.Set({}, false);
  item.replies = 0;
}

void Replicator::FinishVerifyEntry(const LogEntry& entry, uint64_t seq, int64_t unix_ms) {
  const Verification::Slot slot = entry.route;
  if (!live()) return verification_.Finish(slot, VerifyResult::kNotLive);
  if (VerifyIsSuspended(entry, seq)) return verification_.Finish(slot, VerifyResult::kDirty);
  const std::optional<VerifyResult> result = verification_.Judge(slot, unix_ms, MarginMs());
  if (result) verification_.Finish(slot, *result);
}

bool Replicator::VerifyIsSuspended(const LogEntry& entry, uint64_t seq) const {
  if (dirty_.empty()) return false;
  const Verification::Item& item = verification_.At(entry.route);
  return dirty_.Suspends(item.db, item.name, seq);
}

void Replicator::Repair(uint32_t db, std::string_view key, Drift reason) {
  MarkKey(db, key, reason, log_.head_seq(), true);
}

void Replicator::ConfirmExact(uint64_t doubts) {
  if (scripts_.claim.doubts == doubts) scripts_.claim = {};
}

}  // namespace crossfade::replication
