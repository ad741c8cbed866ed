// DirtyKeys: the keys whose follower state is not known to follow from the log
// (design R6). Dirtiness carries the sequence number that caused it, and only a
// sync with a higher one cleans. Holds the queue of keys to be synced. Guarded
// by the replication lock.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/limits.h"
#include "replication/backfill/partitions.h"
#include "replication/key_map.h"
#include "replication/sync_forms.h"

namespace crossfade::replication {

// A key that the follower may hold already is compared before it is copied.
enum class CompareBy : uint8_t { kNothing, kDump, kState };

struct KeyName {
  uint32_t db = 0;
  std::string name;
};

// A key that is being read, and how far that is.
struct KeyToSync : KeyName {
  uint64_t request = 0;  // by which it was asked for
  uint32_t round = 0;    // see Replicator::HoldSyncs
  SyncForm form = SyncForm::kDump;
  KeyType type = KeyType::kNone;  // once it is known
  bool by_script = false;         // the authority has no memory for a transaction
  // Its size is asked for first, and when it is larger it is copied in chunks
  // (effects/chunks.h). 0: whole, whatever its size.
  uint64_t chunk_above = 0;
  bool sized = false, big = false;
  bool begun = false;  // its first chunk is in the log
  // Of a key that is copied in chunks:
  std::string cursor;        // of the next one; empty: it is read whole
  std::string source;        // whose cursor that is, by run id
  uint32_t elements = 0;     // about so many are asked for at once
  int64_t deadline_ms = -1;  // as the first one told
  CompareBy compare = CompareBy::kNothing;
  bool asks_fields = false;  // the authority may tell of expiries of a hash's fields
};

class DirtyKeys {
 public:
  bool empty() const { return keys_.empty(); }
  size_t size() const { return keys_.size(); }

  // Marks (db, name) dirty because of `seq`, and queues a sync if none that is
  // newer is logged or asked for. `compare`: the follower may hold it as it is, unless
  // the key is dirty for another reason too. True when the key was clean before.
  bool Mark(uint32_t db, std::string_view name, uint64_t seq, bool compare = false);
  bool Contains(uint32_t db, std::string_view name) const;
  // Whether an effect with this number must not be applied: the key is dirty,
  // and no sync that cleans it has been sent before. `by_value`: the effect is right
  // for a key that is half copied too.
  bool Suspends(uint32_t db, std::string_view name, uint64_t seq, bool by_value = false) const;
  // Whether every sync that may clean the key is yet to be logged: then a new
  // effect on it will surely be dropped.
  bool AwaitsSync(uint32_t db, std::string_view name) const;

  // The next key to read, or false. `now_us` holds back keys that the follower
  // refused a moment ago; `first` is the form to try first. Copies in chunks that were
  // broken too often are to be whole.
  bool NextToSync(int64_t now_us, KeyToSync& key, SyncForm first = SyncForm::kDump,
                  uint64_t chunk_above = 0);
  // Whether this read is the one that the key waits for. What was asked for before the
  // key was forgotten, and marked anew, is not.
  bool Asked(const KeyToSync& key) const;
  // The read did not happen: queued again.
  void SyncReadFailed(uint32_t db, std::string_view name);
  void SyncLogged(uint32_t db, std::string_view name, uint64_t seq);
  void SyncSent(uint32_t db, std::string_view name, uint64_t seq);

  // ---- Copies in chunks: a sync whose beginning is in the log, and its end is not.
  // What makes the key dirty in between, at or behind the beginning, breaks it.
  void ChunksBegun(uint32_t db, std::string_view name, KeyType type, uint64_t seq);
  void ChunksBroken(uint32_t db, std::string_view name);
  // The authority does not tell them: the key is to be copied whole.
  void ChunksRefused(uint32_t db, std::string_view name);
  // Of which type the key is that is being copied so; kNone: it is not.
  KeyType InChunks(uint32_t db, std::string_view name) const;
  // Whether the chunk with this number still counts.
  bool ChunkCounts(uint32_t db, std::string_view name, uint64_t seq) const;
  size_t in_chunks() const { return in_chunks_; }

  // Which segment of the intent journal says that the key is dirty.
  static constexpr uint64_t kNoSegment = UINT64_MAX;
  uint64_t JournalSegment(uint32_t db, std::string_view name) const;
  void SetJournalSegment(uint32_t db, std::string_view name, uint64_t segment);
  // How many of a partition's dirty keys no segment knows of.
  size_t unrecorded(uint32_t partition) const { return unrecorded_[partition]; }
  // True when the key is clean now.
  bool SyncApplied(uint32_t db, std::string_view name, uint64_t seq);
  // The sync was refused in this form (with `seq` 0: it was not even logged). True
  // when the key is queued to be tried in the other one, false when both were.
  bool TryOtherForm(uint32_t db, std::string_view name, uint64_t seq, SyncForm refused);
  // Those that wait because they were refused are tried now. which(db, name); how many.
  template <class F>
  size_t Retry(F which) {
    size_t count = 0;
    for (auto it = delayed_.begin(); it != delayed_.end();) {
      KeyName& key = it->second;
      if (!which(key.db, std::string_view(key.name))) {
        ++it;
        continue;
      }
      const auto found = keys_.find(KeyView{key.db, key.name});
      if (found != keys_.end()) found->second.not_before_us = 0;
      queue_.push_back(std::move(key));
      it = delayed_.erase(it);
      ++count;
    }
    return count;
  }
  // A store refused the sync: tried again after a while that doubles.
  void SyncRefused(uint32_t db, std::string_view name, uint64_t seq, int64_t now_us);
  // The comparison that the key waits for stands there in the log.
  void CompareLogged(uint32_t db, std::string_view name, uint64_t seq);
  bool AwaitsCompare(uint32_t db, std::string_view name, uint64_t seq) const;
  // Of one that was read to be compared: the follower holds the same at `seq`. True
  // when the key is clean now.
  bool Kept(uint32_t db, std::string_view name, uint64_t seq);
  // It does not, or it is not known: queued again, to be compared so, or copied.
  void CompareAgain(uint32_t db, std::string_view name, CompareBy by);
  // How it is to be compared yet.
  CompareBy ComparedBy(uint32_t db, std::string_view name) const;

  // Without which live partitions `at_most` keys are left, as few as possible.
  PartitionSet Fullest(size_t at_most, const Partitions& partitions) const;
  // All of these partitions: f(db, name), and it is forgotten.
  template <class F>
  void Remove(const PartitionSet& of, F f) {
    for (auto it = keys_.begin(); it != keys_.end();) {
      Record& record = it->second;
      if (!of[record.partition]) {
        ++it;
        continue;
      }
      f(it->first.db, std::string_view(it->first.name));
      Break(record);
      if (record.segment == kNoSegment) --unrecorded_[record.partition];
      if (record.refusals > 0) --refused_;
      it = keys_.erase(it);
    }
    const auto gone = [&of](const KeyName& key) { return of[PartitionOf(key.name)]; };
    std::erase_if(queue_, gone);
    std::erase_if(delayed_, [&gone](const auto& waiting) { return gone(waiting.second); });
  }

  size_t waiting() const { return queue_.size() + delayed_.size(); }
  size_t refused() const { return refused_; }
  void Clear();
  // An arbitrary few, for the operator.
  template <class F>
  void ForEach(F f) const {
    for (const auto& [key, record] : keys_) f(key.db, std::string_view(key.name));
  }
  // segment = f(db, name, segment) for every key.
  template <class F>
  void ForEachSegment(F f) {
    for (auto& [key, record] : keys_) {
      PutSegment(record, f(key.db, std::string_view(key.name), record.segment));
    }
  }
  // The same from a place on, for about so many; returns the next place, 0 at the end.
  template <class F>
  size_t ForSomeSegments(size_t bucket, size_t count, F f) {
    for (; bucket < keys_.bucket_count(); ++bucket) {
      if (count == 0) return bucket;
      for (auto it = keys_.begin(bucket); it != keys_.end(bucket); ++it) {
        Record& record = it->second;
        PutSegment(record, f(it->first.db, std::string_view(it->first.name), record.segment));
        if (count > 0) --count;
      }
    }
    return 0;
  }

 private:
  struct Record {
    uint64_t seq = 0;          // what made it dirty
    uint64_t sync_logged = 0;  // newest sync in the log
    uint64_t sync_sent = 0;    // newest sync sent to the follower
    bool requested = false;    // queued, being read, or compared
    CompareBy compare = CompareBy::kNothing;
    uint64_t compare_logged = 0;
    uint64_t request = 0;  // the newest
    uint8_t refusals = 0;
    uint16_t partition = 0;
    uint64_t segment = kNoSegment;
    int64_t not_before_us = 0;
    std::optional<SyncForm> refused;  // in this form, and the other is to be tried
    // Of the copy in chunks that is in the log, whole or its beginning; 0: none.
    uint64_t chunks_from = 0;
    KeyType chunks_type = KeyType::kNone;
    uint8_t chunks_broken = 0;
  };
  using Map = KeyMap<KeyName, Record>;
  void Need(Map::iterator it);
  void Raise(Record& record, uint64_t seq);
  void Break(Record& record);
  void PutSegment(Record& record, uint64_t segment) {
    if (record.segment == kNoSegment) --unrecorded_[record.partition];
    record.segment = segment;
    if (record.segment == kNoSegment) ++unrecorded_[record.partition];
  }

  Map keys_;
  std::deque<KeyName> queue_;
  std::multimap<int64_t, KeyName> delayed_;  // by the time before which they are not tried
  size_t refused_ = 0;                       // keys whose last sync was refused
  uint64_t requests_ = 0;                    // so many were made
  size_t in_chunks_ = 0;                     // keys whose copy has begun and not ended
  std::array<uint32_t, limits::kPartitions> unrecorded_{};
};

}  // namespace crossfade::replication
