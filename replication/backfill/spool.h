// Spool: the names of the keys that a backfill is to copy, by partition, in one
// file. The file is a segment in the intent journal's format whose blocks hold
// the `write` records of one partition each: its number stands where the journal
// has that of the first intent, and the backfill's mark where it has the generation. Names gather
// in memory, and are safe once Flush has returned. What a crash cut off at the end had not been
// flushed.
//
// Owned by the backfill, on its thread. A file that can't be written or read is an
// error of the call; a failed Flush may be repeated.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/limits.h"
#include "config/result.h"
#include "replication/backfill/partitions.h"
#include "replication/journal/recovery.h"

namespace crossfade::replication {

// Where the bytes lie. Write may leave part of them behind when it fails.
class SpoolFile {
 public:
  virtual ~SpoolFile() = default;
  virtual Status Write(uint64_t offset, std::string_view bytes) = 0;
  // Of what was written, as far as the journal's mode asks for.
  virtual Status Sync() = 0;
  virtual Result<std::string> Read(uint64_t offset, size_t size) = 0;
  virtual uint64_t Size() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  // Another content is written beside it, from its beginning on, and takes its place at
  // once: after a crash there is the one or the other, as a whole.
  virtual Status BeginOther() = 0;
  virtual Status AppendOther(std::string_view bytes) = 0;
  virtual Status TakeOther() = 0;
};

class Spool {
 public:
  // `pair`: which two stores, as text.
  Spool(SpoolFile& file, std::string pair) : file_(file), pair_(std::move(pair)) {}

  // Empties it, for the backfill of this mark.
  Status Begin(uint64_t mark = 0);
  // Takes up what a former process has left; an error means that it is of no use: another
  // backfill's, for one.
  Status Resume(uint64_t mark = 0);

  void Add(uint32_t partition, uint32_t db, std::string_view name);
  Status Flush();
  bool NeedsFlush() const { return buffered_bytes_ > limits::kSpoolBufferBytes; }
  bool flushed() const { return buffered_bytes_ == 0; }
  // Much is not written yet: the disk does not take it.
  bool Full() const { return buffered_bytes_ > limits::kWrittenNameBytes; }
  // All names of a partition, each once, in order.
  Result<std::vector<RecoveredKey>> Read(uint32_t partition);
  bool Empty(uint32_t partition) const {
    return parts_[partition].blocks.empty() && parts_[partition].records.empty();
  }
  uint64_t bytes() const { return end_; }
  // Keys that are written again and again while nothing is copied are named again and
  // again: it is much longer than it was when each name was in it once.
  bool WantsCompaction() const {
    return end_ > std::max<uint64_t>(compact_from_, 2 * compacted_bytes_);
  }
  // Each name once, without those of partitions that are `done`. When it fails nothing
  // has changed. Only when flushed.
  Status Compact(const PartitionSet& done);
  void set_compact_from(uint64_t bytes) { compact_from_ = bytes; }

 private:
  struct Extent {
    uint64_t offset;
    uint32_t size;
  };
  struct Part {
    std::vector<Extent> blocks;
    std::string records;  // not yet written
  };
  Status WriteOther(const PartitionSet& done, std::array<Part, limits::kPartitions>& parts,
                    uint64_t& end, uint64_t& blocks);
  static bool Collect(std::string_view records, std::vector<RecoveredKey>& keys);

  SpoolFile& file_;
  const std::string pair_;
  std::array<Part, limits::kPartitions> parts_;
  size_t buffered_bytes_ = 0;
  uint64_t end_ = 0;
  uint64_t blocks_ = 0;
  uint64_t mark_ = 0;
  uint64_t compacted_bytes_ = 0;
  uint64_t compact_from_ = limits::kSpoolCompactFrom;
};

}  // namespace crossfade::replication
