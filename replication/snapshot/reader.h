// SnapshotReader: reads a snapshot block by block and checks all of it. Holds one
// block. A message says what is wrong and at which byte; the caller knows of which
// file. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/result.h"
#include "replication/byte_stream.h"
#include "replication/snapshot/format.h"

namespace crossfade::replication {

struct SnapshotBlock {
  SnapshotPosition position;  // where the enumeration goes on behind it
  uint64_t keys = 0;
  std::string_view records;  // until the next block is read
};

class SnapshotReader {
 public:
  explicit SnapshotReader(ByteSource& source) : source_(source) {}

  Status ReadHeader();
  const SnapshotHeader& header() const { return header_; }
  // Tells snapshots apart.
  uint64_t id() const { return id_; }

  // False behind the end record: then all of it was whole.
  Result<bool> Next(SnapshotBlock& block);
  // What failed is the source, not what it holds.
  bool unreadable() const { return unreadable_; }

  // Behind what was read whole.
  uint64_t offset() const { return offset_; }
  // Of what was read.
  const SnapshotTotals& totals() const { return totals_; }
  bool has_functions() const { return has_functions_; }

 private:
  // So many bytes to the end of `to`; fewer when the source ends.
  Status Fill(std::string& to, size_t size);
  tl::unexpected<Error> Cut() const;
  tl::unexpected<Error> Damaged(const std::string& what) const;
  Status CheckRecords(const SnapshotBlock& block);
  Status CheckEnd(const SnapshotFields& fields);

  ByteSource& source_;
  SnapshotHeader header_;
  uint64_t id_ = 0;
  uint64_t offset_ = 0;
  SnapshotTotals totals_;
  bool has_functions_ = false;
  bool unreadable_ = false;
  std::string stored_, content_;
};

// What an unfinished file is good for.
struct SnapshotPart {
  SnapshotHeader header;
  SnapshotTotals totals;
  SnapshotPosition position;
  bool has_functions = false;
  uint64_t good_bytes = 0;
  bool whole = false;  // it has its end record
  std::string rest;    // what is wrong with what follows; empty: nothing does
};
// Fails when it can't be read, or has no header.
Result<SnapshotPart> ReadPart(ByteSource& source);

}  // namespace crossfade::replication
