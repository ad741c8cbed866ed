// Replicator: key syncs as entries of the log, in the one form or the other, and what
// becomes of those that the follower refuses.
#include <algorithm>
#include <utility>

#include "config/limits.h"
#include "replication/replicator.h"
#include "replication/sync_read.h"
#include "routing/resp/reply.h"
#include "routing/slot.h"
#include "routing/store_health.h"

namespace crossfade::replication {

bool Replicator::NextSync(int64_t now_us, KeyToSync& key) {
  if (!follower_ready_ || dirty_.empty() || syncs_held_ > 0) return false;
  if (syncs_under_way_ >= limits::kSyncsUnderWay) return false;
  if (!sync_pacer_.MayBegin(now_us, syncs_under_way_)) return false;
  if (log_.bytes() > std::min<uint64_t>(limits::kSyncLogBytes, memory_bytes_ / 2)) return false;
  if (compare_bytes_ > limits::kSyncLogBytes) return false;
  if (!NextChunk(key)) {
    if (!dirty_.NextToSync(now_us, key, sync_forms_.first(), big_key_bytes_)) return false;
    key.round = sync_round_;
    key.asks_fields =
        key.form == SyncForm::kTypewise && table_->FindName("hpexpiretime") != nullptr;
  }
  ++syncs_under_way_;
  return true;
}

void Replicator::SyncReadRefused(const KeyToSync& key, int64_t now_us) {
  --syncs_under_way_;
  ++counters_.syncs_refused;
  if (key.big) dirty_.ChunksRefused(key.db, key.name);
  dirty_.SyncRefused(key.db, key.name, 0, now_us);
  NoteRefused(key.db, key.name, "the authority refuses to tell its value");
}

void Replicator::SyncReadFailed(const KeyToSync& key) {
  --syncs_under_way_;
  if (!dirty_.Asked(key)) return;
  if (key.begun && dirty_.InChunks(key.db, key.name) != KeyType::kNone) {
    return next_chunks_.push_back(key);
  }
  dirty_.SyncReadFailed(key.db, key.name);
}

void Replicator::FinishSync(const KeyToSync& key, std::string_view dump, std::string_view expiry) {
  if (!dirty_.Contains(key.db, key.name)) {
    --syncs_under_way_;
    return;
  }
  counters_.synced_bytes += dump.size();
  if (key.compare != CompareBy::kNothing && CompareDump(key, dump, expiry)) return;
  effect_.Clear();
  if (key.round != sync_round_ || !DeriveSync(key.name, dump, expiry, effect_)) {
    SyncReadFailed(key);
    return;
  }
  LogSync(key);
}

SyncStep Replicator::TakeSyncReply(KeyToSync& key, std::string_view frame, std::string_view run_id,
                                   int64_t now_us, int64_t unix_ms) {
  if (!dirty_.Asked(key)) {
    --syncs_under_way_;
    return SyncStep::kDone;
  }
  const char* p = frame.data();
  const char* const end = p + frame.size();
  const routing::ReplyHead head = routing::ReadHead(p, end);
  if (AsksForSize(key)) {
    key.sized = true;
    key.big = head.type == routing::ReplyType::kInteger &&
              static_cast<uint64_t>(head.number) > key.chunk_above;
    return SyncStep::kAskMore;
  }
  if (AsksForType(key) && frame.front() == '+') return TakeKeyType(key, frame, now_us);
  if (frame.starts_with("-EXECABORT") && !std::exchange(key.by_script, true)) {
    return SyncStep::kAskMore;
  }
  if (!head.IsAggregate() || head.elements != 2) {
    SyncReadRefused(key, now_us);
    return SyncStep::kDone;
  }
  const std::string_view value = routing::FirstValue({p, static_cast<size_t>(end - p)});
  const std::string_view expiry(value.end(), static_cast<size_t>(end - value.end()));
  if (!key.cursor.empty()) return FinishChunk(key, value, expiry, run_id, unix_ms);
  if (key.form == SyncForm::kDump) {
    FinishSync(key, value, expiry);
  } else {
    FinishTypewiseSync(key, value, expiry, now_us);
  }
  return SyncStep::kDone;
}

SyncStep Replicator::TakeKeyType(KeyToSync& key, std::string_view frame, int64_t now_us) {
  key.type = ParseKeyType(frame);
  if (key.big && MayHaveChunks(key.type)) {
    key.cursor = "0";
    key.elements = limits::kChunkElements;
    return SyncStep::kAskMore;
  }
  key.big = false;
  const bool gone = key.type == KeyType::kNone;
  if (key.form == SyncForm::kDump || (!gone && key.type != KeyType::kOther)) {
    return SyncStep::kAskMore;
  }
  FinishTypewiseSync(key, {}, gone ? ":-2\r\n" : ":-1\r\n", now_us);
  return SyncStep::kDone;
}

// What has been derived into effect_.
void Replicator::LogSync(const KeyToSync& key, EntryKind kind) {
  LogEntry& entry = log_.Append(kind, {}, effect_.bytes, {}, nullptr);
  const uint64_t seq = log_.head_seq();
  const uint64_t hash = routing::KeyHash(key.db, key.name);
  entry.db = key.db;
  entry.replies = effect_.commands;
  entry.keys.SetOne(hash);
  KeyStripe& stripe = stripes_.Of(hash);
  ++stripe.pending;
  stripe.last_logged = seq;
  if (effect_.may_set_expiry) expiries_.Add(hash);
  if (kind == EntryKind::kChunk) return;
  dirty_.SyncLogged(key.db, key.name, seq);
  ++counters_.synced;
}

void Replicator::FinishTypewiseSync(const KeyToSync& key, std::string_view replies,
                                    std::string_view expiry, int64_t now_us) {
  if (!dirty_.Contains(key.db, key.name)) {
    --syncs_under_way_;
    return;
  }
  counters_.synced_bytes += replies.size();
  // Another write of the same lane may have come between its type and its value.
  const bool other_type = replies.starts_with("-WRONGTYPE ");
  if (key.round != sync_round_ || other_type) return SyncReadFailed(key);
  if (key.compare == CompareBy::kState) return CompareState(key, replies, expiry);
  const char* const why =
      DeriveTypewiseSync(key.type, key.name, replies, expiry, sync_forms_.target(), effect_);
  if (why != nullptr) {
    --syncs_under_way_;
    return RefuseSync({key.name, SyncForm::kTypewise}, key.db, 0, why, now_us);
  }
  ++counters_.syncs_typewise;
  LogSync(key);
}

// Why a transaction was refused is said when its commands are queued.
void Replicator::NoteSyncReply(std::string_view frame) {
  if (sync_error_.empty()) sync_error_ = SyncErrorOf(frame);
}

void Replicator::FinishSyncEntry(const LogEntry& entry, uint64_t seq, int64_t now_us) {
  const LoggedSync sync = SyncOf(entry);
  const std::string error = std::exchange(sync_error_, {});
  if (!error.empty()) return RefuseSync(sync, entry.db, seq, error, now_us);
  if (!sync.deletes) {
    sync_pacer_.Taken();
    sync_forms_.Taken(sync.form);
  }
  const uint64_t segment = dirty_.JournalSegment(entry.db, sync.key);
  if (dirty_.SyncApplied(entry.db, sync.key, seq)) {
    RecordClean(entry.db, sync.key, segment);
    verification_.suspects.Remove(entry.db, sync.key);
  }
  quarantine_.Taken(entry.db, sync.key);
}

// A copy must not wait for what may never be taken: the journal has it instead.
void Replicator::NoteRefused(uint32_t db, std::string_view key, std::string_view error) {
  if (quarantine_.Refused(db, key, error, unix_ms_)) events_.OnQuarantined(db, key, error);
  if (!quarantine_.Contains(db, key) || !TellsOfKeys(claim_)) return;
  if (!dirty_.Contains(db, key)) return;
  if (dirty_.JournalSegment(db, key) == DirtyKeys::kNoSegment) RecordDirty(db, key);
}

size_t Replicator::RetryQuarantined(uint32_t db, std::string_view key, bool all) {
  return dirty_.Retry(
      [&](uint32_t of_db, std::string_view name) { return all || (of_db == db && name == key); });
}

// `seq` 0: before it was logged.
void Replicator::RefuseSync(const LoggedSync& sync, uint32_t db, uint64_t seq,
                            std::string_view error, int64_t now_us) {
  const bool of_form = sync_forms_.Refused(sync.form, error);
  if (of_form && dirty_.TryOtherForm(db, sync.key, seq, sync.form)) {
    return events_.OnSyncFormRefused(db, sync.key, sync.form, error);
  }
  ++counters_.syncs_refused;
  events_.OnSyncRefused(db, sync.key, error);
  if (routing::ClassifyError(error) == routing::StoreError::kNone) {
    dirty_.SyncRefused(db, sync.key, seq, now_us);
    NoteRefused(db, sync.key, error);
  } else {  // nothing is wrong with the key
    sync_pacer_.Refused(now_us);
    MarkKey(db, sync.key, Drift::kLost, seq, false);
  }
}

}  // namespace crossfade::replication
