// DeltaReader: reads a delta log record by record and checks all of it. Holds one
// block. A message says what is wrong and at which byte; the caller knows of which
// file. Not thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "config/result.h"
#include "replication/byte_stream.h"
#include "replication/deltas/format.h"

namespace crossfade::replication {

class DeltaReader {
 public:
  explicit DeltaReader(ByteSource& source) : frames_(source) {}

  Status ReadHeader();
  const DeltaHeader& header() const { return header_; }

  // False behind the end record: then all of it was whole.
  Result<bool> Next(DeltaRecord& record);

  uint64_t records() const { return records_; }  // read so far
  uint64_t dropped() const { return dropped_; }  // as the end record says
  // What failed is the source, not what it holds.
  bool unreadable() const { return frames_.unreadable(); }

 private:
  Result<bool> NextBlock();
  Status CheckEnd(const DeltaFields& fields);

  FramedReader frames_;
  DeltaHeader header_;
  std::string_view block_;
  uint64_t left_ = 0;  // records of the block
  uint64_t blocks_ = 0;
  uint64_t records_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace crossfade::replication
