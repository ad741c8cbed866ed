#include "replication/dirty_keys.h"

#include <algorithm>
#include <vector>

namespace crossfade::replication {
namespace {

constexpr int64_t kFirstRetryUs = 50'000;
constexpr int64_t kLongestRetryUs = 60'000'000;

}  // namespace

void DirtyKeys::Need(Map::iterator it) {
  Record& record = it->second;
  if (record.requested || record.sync_logged > record.seq) return;
  record.requested = true;
  record.request = ++requests_;
  if (record.not_before_us > 0) {
    delayed_.emplace(record.not_before_us, it->first);
  } else {
    queue_.push_back(it->first);
  }
}

// Some of a copy in chunks is older than what made the key dirty now.
void DirtyKeys::Raise(Record& record, uint64_t seq) {
  const uint64_t from = record.chunks_from;
  record.seq = std::max(record.seq, seq);
  if (from == 0 || seq < from) return;
  // Its end must not clean the key.
  if (record.sync_logged >= from) record.seq = std::max(record.seq, record.sync_logged);
  Break(record);
}

void DirtyKeys::Break(Record& record) {
  if (record.chunks_from == 0) return;
  if (record.sync_logged < record.chunks_from) --in_chunks_;
  record.chunks_from = 0;
  record.chunks_broken = static_cast<uint8_t>(std::min(record.chunks_broken + 1, 100));
}

void DirtyKeys::ChunksBegun(uint32_t db, std::string_view name, KeyType type, uint64_t seq) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return;
  it->second.chunks_from = seq;
  it->second.chunks_type = type;
  ++in_chunks_;
}

void DirtyKeys::ChunksBroken(uint32_t db, std::string_view name) {
  const auto it = keys_.find(KeyView{db, name});
  if (it != keys_.end()) Raise(it->second, it->second.chunks_from);
}

void DirtyKeys::ChunksRefused(uint32_t db, std::string_view name) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return;
  Raise(it->second, it->second.chunks_from);
  it->second.chunks_broken = limits::kChunkedCopiesMax;
}

KeyType DirtyKeys::InChunks(uint32_t db, std::string_view name) const {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return KeyType::kNone;
  const Record& record = it->second;
  const bool under_way = record.chunks_from != 0 && record.sync_logged < record.chunks_from;
  return under_way ? record.chunks_type : KeyType::kNone;
}

bool DirtyKeys::ChunkCounts(uint32_t db, std::string_view name, uint64_t seq) const {
  const auto it = keys_.find(KeyView{db, name});
  return it != keys_.end() && it->second.chunks_from != 0 && it->second.chunks_from <= seq;
}

bool DirtyKeys::Mark(uint32_t db, std::string_view name, uint64_t seq, bool compare) {
  auto it = keys_.find(KeyView{db, name});
  const bool clean = it == keys_.end();
  if (clean) {
    it = keys_.emplace(KeyName{db, std::string(name)}, Record{}).first;
    it->second.partition = static_cast<uint16_t>(PartitionOf(name));
    ++unrecorded_[it->second.partition];
    if (compare) it->second.compare = CompareBy::kDump;
  } else if (!compare) {
    it->second.compare = CompareBy::kNothing;  // it will have changed
  }
  Raise(it->second, seq);
  Need(it);
  return clean;
}

bool DirtyKeys::Contains(uint32_t db, std::string_view name) const {
  return keys_.find(KeyView{db, name}) != keys_.end();
}

bool DirtyKeys::Suspends(uint32_t db, std::string_view name, uint64_t seq, bool by_value) const {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return false;
  const Record& record = it->second;
  if (by_value && record.chunks_from != 0 && record.chunks_from < seq) return false;
  return !(record.sync_sent > record.seq && record.sync_sent < seq);
}

bool DirtyKeys::AwaitsSync(uint32_t db, std::string_view name) const {
  const auto it = keys_.find(KeyView{db, name});
  return it != keys_.end() && it->second.sync_logged <= it->second.seq;
}

bool DirtyKeys::NextToSync(int64_t now_us, KeyToSync& key, SyncForm first, uint64_t chunk_above) {
  while (!delayed_.empty() && delayed_.begin()->first <= now_us) {
    queue_.push_back(std::move(delayed_.begin()->second));
    delayed_.erase(delayed_.begin());
  }
  while (!queue_.empty()) {
    KeyName next = std::move(queue_.front());
    queue_.pop_front();
    const auto it = keys_.find(KeyView{next.db, next.name});
    if (it == keys_.end() || !it->second.requested) continue;
    if (it->second.not_before_us > now_us) {  // refused while it was queued again
      delayed_.emplace(it->second.not_before_us, std::move(next));
      continue;
    }
    Record& record = it->second;
    record.not_before_us = 0;
    key = KeyToSync();
    static_cast<KeyName&>(key) = std::move(next);
    key.request = record.request;
    key.form = record.refused ? Other(*record.refused) : first;
    const bool whole =
        record.refused == SyncForm::kTypewise || record.chunks_broken >= limits::kChunkedCopiesMax;
    key.chunk_above = whole ? 0 : chunk_above;
    key.compare = record.compare;
    if (key.compare == CompareBy::kDump) key.form = SyncForm::kDump;
    if (key.compare == CompareBy::kState) {
      key.form = SyncForm::kTypewise;
      key.chunk_above = 0;
    }
    return true;
  }
  return false;
}

bool DirtyKeys::Asked(const KeyToSync& key) const {
  const auto it = keys_.find(KeyView{key.db, key.name});
  return it != keys_.end() && it->second.requested && it->second.request == key.request;
}

void DirtyKeys::SyncReadFailed(uint32_t db, std::string_view name) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end() || !it->second.requested) return;
  queue_.push_back(it->first);
}

void DirtyKeys::SyncLogged(uint32_t db, std::string_view name, uint64_t seq) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return;
  Record& record = it->second;
  record.requested = false;
  if (record.chunks_from != 0 && record.sync_logged < record.chunks_from) --in_chunks_;
  record.sync_logged = std::max(record.sync_logged, seq);
}

void DirtyKeys::SyncSent(uint32_t db, std::string_view name, uint64_t seq) {
  const auto it = keys_.find(KeyView{db, name});
  if (it != keys_.end()) it->second.sync_sent = std::max(it->second.sync_sent, seq);
}

uint64_t DirtyKeys::JournalSegment(uint32_t db, std::string_view name) const {
  const auto it = keys_.find(KeyView{db, name});
  return it == keys_.end() ? kNoSegment : it->second.segment;
}

void DirtyKeys::SetJournalSegment(uint32_t db, std::string_view name, uint64_t segment) {
  const auto it = keys_.find(KeyView{db, name});
  if (it != keys_.end()) PutSegment(it->second, segment);
}

bool DirtyKeys::SyncApplied(uint32_t db, std::string_view name, uint64_t seq) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return false;
  if (it->second.refusals > 0) {
    it->second.refusals = 0;
    --refused_;
  }
  if (seq > it->second.seq) {
    Break(it->second);
    if (it->second.segment == kNoSegment) --unrecorded_[it->second.partition];
    keys_.erase(it);
    return true;
  }
  Need(it);
  return false;
}

bool DirtyKeys::TryOtherForm(uint32_t db, std::string_view name, uint64_t seq, SyncForm refused) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return true;
  Record& record = it->second;
  if (record.refused == Other(refused)) {
    record.refused.reset();
    return false;
  }
  record.refused = refused;
  Raise(record, seq);
  if (seq == 0) record.requested = false;
  Need(it);
  return true;
}

void DirtyKeys::SyncRefused(uint32_t db, std::string_view name, uint64_t seq, int64_t now_us) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return;
  Record& record = it->second;
  Raise(record, seq);
  if (seq == 0) record.requested = false;  // it was not even read
  if (record.refusals == 0) ++refused_;
  record.refusals = static_cast<uint8_t>(std::min(record.refusals + 1, 20));
  const int64_t wait = std::min(kFirstRetryUs << (record.refusals - 1), kLongestRetryUs);
  record.not_before_us = now_us + wait;
  Need(it);
}

void DirtyKeys::CompareLogged(uint32_t db, std::string_view name, uint64_t seq) {
  const auto it = keys_.find(KeyView{db, name});
  if (it != keys_.end()) it->second.compare_logged = seq;
}

bool DirtyKeys::AwaitsCompare(uint32_t db, std::string_view name, uint64_t seq) const {
  const auto it = keys_.find(KeyView{db, name});
  return it != keys_.end() && it->second.requested && it->second.compare_logged == seq;
}

bool DirtyKeys::Kept(uint32_t db, std::string_view name, uint64_t seq) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return false;
  it->second.requested = false;
  it->second.compare = CompareBy::kNothing;
  return SyncApplied(db, name, seq);
}

void DirtyKeys::CompareAgain(uint32_t db, std::string_view name, CompareBy by) {
  const auto it = keys_.find(KeyView{db, name});
  if (it == keys_.end()) return;
  Record& record = it->second;
  record.requested = false;
  if (record.compare != CompareBy::kNothing) record.compare = by;
  Need(it);
}

CompareBy DirtyKeys::ComparedBy(uint32_t db, std::string_view name) const {
  const auto it = keys_.find(KeyView{db, name});
  return it == keys_.end() ? CompareBy::kNothing : it->second.compare;
}

PartitionSet DirtyKeys::Fullest(size_t at_most, const Partitions& partitions) const {
  std::array<uint32_t, limits::kPartitions> keys{};
  for (const auto& [key, record] : keys_) ++keys[record.partition];
  std::vector<uint32_t> fullest;
  for (uint32_t i = 0; i < limits::kPartitions; ++i) {
    if (keys[i] > 0 && partitions.At(i) == PartitionMode::kLive) fullest.push_back(i);
  }
  std::stable_sort(fullest.begin(), fullest.end(),
                   [&keys](uint32_t a, uint32_t b) { return keys[a] > keys[b]; });
  PartitionSet chosen;
  size_t left = keys_.size();
  for (const uint32_t partition : fullest) {
    if (left <= at_most) break;
    left -= keys[partition];
    chosen.set(partition);
  }
  return chosen;
}

void DirtyKeys::Clear() {
  keys_.clear();
  queue_.clear();
  delayed_.clear();
  refused_ = 0;
  in_chunks_ = 0;
  unrecorded_.fill(0);
}

}  // namespace crossfade::replication
