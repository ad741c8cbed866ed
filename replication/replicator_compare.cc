// Replicator: keys that are to be copied and that the follower may hold already. Each is
// read as for a sync, and compared with the follower's at the same position of the log:
// one that is equal there is clean, as behind a sync; any other is synced. What a client
// writes meanwhile makes it dirty again, since no sync of it is in the log.
#include <algorithm>
#include <utility>

#include "config/limits.h"
#include "replication/effects/derivation.h"
#include "replication/replicator.h"
#include "replication/reply_digest.h"
#include "routing/resp/encode.h"
#include "routing/slot.h"

namespace crossfade::replication {

// False: it is to be synced with what was read.
bool Replicator::CompareDump(const KeyToSync& key, std::string_view dump, std::string_view expiry) {
  std::string_view payload;
  int64_t deadline_ms = 0;
  if (key.round != sync_round_) return false;
  if (dirty_.ComparedBy(key.db, key.name) != CompareBy::kDump) return false;
  if (effects::IsNilFrame(dump) || !effects::ReadBulkFrame(dump, payload)) return false;
  if (!effects::ReadIntegerFrame(expiry, deadline_ms) || deadline_ms < -1) return false;
  const uint64_t digest = LongReplyDigest(ValueOfDump(payload));
  LogCompare(key, CompareBy::kDump, digest, payload.size(), deadline_ms);
  log_.At(log_.head_seq()).dump_alone = !CommandsTellAll(payload);
  return true;
}

// The dumps differ, which proves nothing.
void Replicator::CompareState(const KeyToSync& key, std::string_view value,
                              std::string_view expiry) {
  int64_t deadline_ms = 0;
  const std::optional<uint64_t> digest = StateDigest(key.type, value);
  // Of streams the state does not tell how many entries were read and added.
  const bool read = digest && key.type != KeyType::kNone && key.type != KeyType::kStream &&
                    effects::ReadIntegerFrame(expiry, deadline_ms) && deadline_ms >= -1;
  if (read && dirty_.ComparedBy(key.db, key.name) == CompareBy::kState) {
    const uint64_t expected = DigestOfType(key.type, *digest);
    return LogCompare(key, CompareBy::kState, expected, value.size(), deadline_ms);
  }
  --syncs_under_way_;
  dirty_.CompareAgain(key.db, key.name, CompareBy::kNothing);
}

void Replicator::LogCompare(const KeyToSync& key, CompareBy by, uint64_t digest, size_t bytes,
                            int64_t deadline_ms) {
  std::string& text = effect_.bytes;
  text.clear();
  uint32_t replies = 2;
  if (by == CompareBy::kDump) {
    routing::AppendCommand(text, {"DUMP", key.name});
  } else {
    routing::AppendCommand(text, {"TYPE", key.name});
    replies += AppendStateReads(key.type, key.name, text);
  }
  routing::AppendCommand(text, {"PEXPIRETIME", key.name});
  LogEntry& entry = log_.Append(EntryKind::kCompare, {}, text, {}, nullptr);
  entry.db = key.db;
  entry.replies = replies;
  entry.expected = digest;
  entry.authority_deadline_ms = deadline_ms;
  entry.route = static_cast<uint32_t>(std::min<size_t>(bytes, UINT32_MAX));
  entry.keys.Set({}, false);
  dirty_.CompareLogged(key.db, key.name, log_.head_seq());
  compare_bytes_ += entry.route;
  if (deadline_ms >= 0) expiries_.Add(routing::KeyHash(key.db, key.name));
}

void Replicator::TakeCompareReply(const LogEntry& entry, std::string_view frame) {
  if (replies_seen_ == entry.replies) return compared_.TakeDeadline(frame);
  if (entry.replies == 2) return compared_.TakeDump(frame);
  replies_seen_ == 1 ? compared_.TakeType(frame) : compared_.TakeValue(frame);
}

// Exactly, as a copy of it would have; one that is about to expire is not worth it.
bool Replicator::SameDeadline(const LogEntry& entry, int64_t unix_ms) const {
  const int64_t deadline_ms = entry.authority_deadline_ms;
  if (deadline_ms != compared_.deadline_ms) return false;
  return deadline_ms < 0 || deadline_ms > unix_ms + MarginMs();
}

void Replicator::FinishCompare(const LogEntry& entry, uint64_t seq, int64_t unix_ms) {
  const std::string_view name = SyncOf(entry).key;
  const bool in_time = SameDeadline(entry, unix_ms);
  const ComparedSide follower = std::exchange(compared_, {});
  compare_bytes_ -= entry.route;
  if (!dirty_.AwaitsCompare(entry.db, name, seq)) return;
  const bool equal = follower.told && follower.digest == entry.expected;
  if (!equal || !in_time) {
    const bool by_state = entry.replies == 2 && in_time && follower.others && !entry.dump_alone;
    return dirty_.CompareAgain(entry.db, name, by_state ? CompareBy::kState : CompareBy::kNothing);
  }
  const uint64_t segment = dirty_.JournalSegment(entry.db, name);
  if (!dirty_.Kept(entry.db, name, seq)) return;
  RecordClean(entry.db, name, segment);
  verification_.suspects.Remove(entry.db, name);
  quarantine_.Taken(entry.db, name);
  ++counters_.kept_equal;
}

void Replicator::LoseCompare(const LogEntry& entry, uint64_t seq) {
  const std::string_view name = SyncOf(entry).key;
  --syncs_under_way_;
  compare_bytes_ -= entry.route;
  if (!dirty_.AwaitsCompare(entry.db, name, seq)) return;
  dirty_.CompareAgain(entry.db, name, dirty_.ComparedBy(entry.db, name));
}

}  // namespace crossfade::replication
