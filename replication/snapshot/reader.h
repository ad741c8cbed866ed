// SnapshotReader: reads a snapshot block by block and checks all of it. Holds one
// block. A message says what is wrong and at which byte; the caller knows of which
// file. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/result.h"
#include "replication/byte_stream.h"
#include "replication/framed_file.h"
#include "replication/snapshot/format.h"

namespace crossfade::replication {

struct SnapshotBlock {
  SnapshotPosition position;  // where the enumeration goes on behind it
  uint64_t keys = 0;
  std::string_view records;  // until the next block is read
};

class SnapshotReader {
 public:
  explicit SnapshotReader(ByteSource& source) : frames_(source) {}

  Status ReadHeader();
  const SnapshotHeader& header() const { return header_; }
  // Tells snapshots apart.
  uint64_t id() const { return frames_.id(); }

  // False behind the end record: then all of it was whole.
  Result<bool> Next(SnapshotBlock& block);
  // What failed is the source, not what it holds.
  bool unreadable() const { return frames_.unreadable(); }

  // Behind what was read whole.
  uint64_t offset() const { return frames_.offset(); }
  // Of what was read.
  const SnapshotTotals& totals() const { return totals_; }
  bool has_functions() const { return has_functions_; }

 private:
  Status CheckRecords(const SnapshotBlock& block);
  Status CheckEnd(const SnapshotFields& fields);

  FramedReader frames_;
  SnapshotHeader header_;
  SnapshotTotals totals_;
  bool has_functions_ = false;
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
