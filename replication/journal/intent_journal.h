// IntentJournal: what is to be written to the intent journal (design §6), in
// memory: the records since the last block, which segment they belong to, and
// which segments nobody needs any more. Guarded by the replication lock; blocks
// are taken from it under the lock, and written by whoever took them.
//
// Order is the whole point: dirtiness is recorded before the write that caused
// it counts as done, and the low-water mark of a block is that of the moment at
// which its records end.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "replication/journal/format.h"

namespace crossfade::replication {

// Records to be written as one block, behind all taken before.
struct JournalBlock {
  BlockHeader header;
  uint64_t generation = 0;
  uint64_t segment = 0;
  bool begins_segment = false;
  std::string records;
  uint64_t remove_below = 0;  // segments with a lower index are not needed once it is written
  bool replaces_generations = false;  // nor are those of former generations
};

class IntentJournal {
 public:
  struct Sizes {
    uint64_t segment_bytes = 16ull << 20;
    uint64_t total_bytes = 10ull << 30;  // journal.disk
  };
  // `first_intent`: the number of the first write that it will be told of.
  IntentJournal(uint64_t generation, uint64_t first_intent, Sizes sizes);

  // ---- Records. Numbers rise; one left out belongs to a write that is not recorded.
  void Write(uint64_t number, JournalKey key);
  void Write(uint64_t number, const std::vector<JournalKey>& keys);
  void WriteAll(uint64_t number);
  // Returns the segment that says so, to be given to Clean.
  uint64_t Dirty(JournalKey key);
  void Clean(JournalKey key, uint64_t segment);
  // The same key again, so that the segment which said so may go.
  uint64_t DirtyStill(JournalKey key, uint64_t segment);
  // What is dirty has been recorded: once this is written, what former generations
  // say is not needed any more.
  void SetState(const JournalState& state);
  const JournalState& state() const { return state_; }
  void RecordClosed();  // the last record

  // ---- Blocks.
  // False when there is nothing that the last block did not say. There is a first one.
  bool Take(uint64_t low_water, int64_t unix_ms, JournalBlock& block);

  // ---- Room. Segments go from the oldest on, once all in them is done.
  uint64_t bytes() const { return bytes_; }
  // The oldest segment is kept by keys that are dirty since: below which index they
  // are to be recorded again; 0: none.
  uint64_t RecordAgainBelow();
  // All of them have been: not again before it has grown.
  void RecordedAgain();
  // It is kept by writes that are not done, and room is short.
  bool KeptByWrites(uint64_t low_water) const;
  bool OverBound() const { return bytes_ > sizes_.total_bytes; }

 private:
  struct Segment {
    uint64_t index = 0;
    uint64_t last_intent = 0;
    uint64_t bytes = 0;
    uint64_t open_dirty = 0;
  };
  void Number(uint64_t number);
  bool TakeOpen(uint64_t segment);
  void DropDone(uint64_t low_water);

  const uint64_t generation_;
  const Sizes sizes_;
  std::string records_;
  JournalState state_;
  uint64_t next_intent_;
  uint64_t block_first_;  // number of the first write in records_
  uint64_t blocks_ = 0;
  uint64_t told_low_water_ = 0;
  bool new_segment_ = true;
  bool replace_former_ = false;
  std::deque<Segment> segments_;
  uint64_t bytes_ = 0;
  uint64_t again_below_ = 0;  // while it is being done
  uint64_t again_from_bytes_;
};

}  // namespace crossfade::replication
