// Replicator: big keys that are copied in chunks, and effects on them meanwhile.
#include <algorithm>
#include <utility>

#include "config/limits.h"
#include "replication/effects/chunks.h"
#include "replication/replicator.h"

namespace crossfade::replication {

// Of copies that are broken the key is to be read anew.
bool Replicator::NextChunk(KeyToSync& key) {
  while (!next_chunks_.empty()) {
    key = std::move(next_chunks_.front());
    next_chunks_.pop_front();
    if (!dirty_.Asked(key)) continue;
    const bool under_way = dirty_.InChunks(key.db, key.name) != KeyType::kNone;
    if (under_way && key.round == sync_round_) return true;
    ++counters_.chunks_restarted;
    dirty_.ChunksBroken(key.db, key.name);
    dirty_.SyncReadFailed(key.db, key.name);
  }
  return false;
}

// The fields of a hash may have expiries of their own, which no chunk tells.
bool Replicator::MayHaveChunks(KeyType type) const {
  if (type == KeyType::kHash && table_->FindName("hpexpire") != nullptr) return false;
  return HasChunks(type);
}

SyncStep Replicator::RestartChunks(const KeyToSync& key, bool first) {
  --syncs_under_way_;
  if (!first) ++counters_.chunks_restarted;
  dirty_.ChunksBroken(key.db, key.name);
  dirty_.SyncReadFailed(key.db, key.name);
  return SyncStep::kDone;
}

SyncStep Replicator::FinishChunk(KeyToSync& key, std::string_view scanned, std::string_view expiry,
                                 std::string_view run_id, int64_t unix_ms) {
  const bool first = !std::exchange(key.begun, true);
  const bool counts =
      first ? dirty_.Contains(key.db, key.name) : dirty_.InChunks(key.db, key.name) == key.type;
  if (key.round != sync_round_ || !counts || (!first && key.source != run_id)) {
    return RestartChunks(key, first);
  }
  Chunk chunk;
  if (!DeriveChunk(key.type, key.name, first, scanned, expiry, chunk, effect_)) {
    if (first) dirty_.ChunksRefused(key.db, key.name);
    return RestartChunks(key, first);
  }
  const int64_t deadline = chunk.deadline_ms;
  if (first && deadline != -1 && deadline <= unix_ms + limits::kChunkDeadlineMs + MarginMs()) {
    key.cursor.clear();  // whole: it may be gone soon
    key.begun = false;
    return SyncStep::kAskMore;
  }
  const bool passed = deadline != -1 && deadline <= unix_ms + MarginMs();
  if (!first && (deadline != key.deadline_ms || passed)) return RestartChunks(key, false);
  key.deadline_ms = deadline;
  key.source = run_id;
  counters_.synced_bytes += scanned.size();
  ++counters_.chunks;
  const uint64_t fitting = key.elements * limits::kChunkBytes / scanned.size();
  key.elements =
      std::clamp<uint64_t>(fitting, 1, std::min(2 * key.elements, limits::kChunkElementsMax));
  key.cursor = chunk.cursor;
  if (first) dirty_.ChunksBegun(key.db, key.name, key.type, log_.head_seq() + 1);
  if (!chunk.last()) {
    // Where a chunk happens to be empty nothing is to be sent.
    if (effect_.commands > 0) {
      LogSync(key, EntryKind::kChunk);
    } else {
      --syncs_under_way_;
    }
    next_chunks_.push_back(std::move(key));
    return SyncStep::kDone;
  }
  ++counters_.syncs_chunked;
  LogSync(key);
  return SyncStep::kDone;
}

// ---- Its entries

// What is left of a copy that was broken is of no use.
bool Replicator::ChunkMayBeSent(const LogEntry& entry, uint64_t seq) {
  if (dirty_.ChunkCounts(entry.db, SyncOf(entry).key, seq)) return true;
  Drop(log_.At(seq), seq);
  return false;
}

void Replicator::FinishChunkEntry(const LogEntry& entry, uint64_t seq, int64_t now_us) {
  const std::string error = std::exchange(sync_error_, {});
  const std::string_view key = SyncOf(entry).key;
  if (error.empty() || !dirty_.ChunkCounts(entry.db, key, seq)) return;
  RefuseSync({key, SyncForm::kTypewise}, entry.db, seq, error, now_us);
}

// ---- Effects

// An effect on a key that is half copied.
bool Replicator::BecomesByValue(const WriteRecord& write, std::string_view reply) {
  if (write.spec == nullptr || write.script.what != ScriptRun::What::kNone) return false;
  size_t keys = 0;
  KeyType type = KeyType::kNone;
  ForEachKey(write.db, [&](std::string_view name, routing::Access, uint32_t db) {
    const bool counts = ++keys == 1 && partitions_.Of(name) != PartitionMode::kPending;
    type = counts ? dirty_.InChunks(db, name) : KeyType::kNone;
  });
  if (type == KeyType::kNone) return false;
  const ParsedCommand& command = parsed_.front();
  const routing::Args args(parsed_args_.data() + command.first, command.count);
  return MakeByValue(*write.spec, args, reply, type, effect_);
}

uint64_t Replicator::AppendByValue(WriteRecord& write, std::string_view reply) {
  const uint64_t seq = AppendEffect(write, EntryKind::kEffect, reply);
  LogEntry& entry = log_.At(seq);
  entry.expected = 0;
  entry.by_value = true;
  return seq;
}

}  // namespace crossfade::replication
