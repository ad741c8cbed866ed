// DeltaWriter: makes a delta log's bytes, a block at a time. Holds one block. Keeps
// the first records up to its bounds, and counts the others. Once a call has failed
// the log is not to be finished. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "config/result.h"
#include "replication/byte_stream.h"
#include "replication/deltas/format.h"

namespace crossfade::replication {

class DeltaWriter {
 public:
  struct Bounds {
    uint64_t records = 1'000'000;
    uint64_t bytes = uint64_t{128} << 20;  // of records, before compression
  };
  explicit DeltaWriter(ByteSink& sink) : DeltaWriter(sink, Bounds()) {}
  DeltaWriter(ByteSink& sink, Bounds bounds) : sink_(sink), bounds_(bounds) {}

  Status Begin(const DeltaHeader& header);
  Status Add(const DeltaRecord& record);
  // What was added is with the sink.
  Status Flush();
  // The end record. `dropped`: of others that counted before, in whose place this stands.
  Status Finish(uint64_t dropped = 0);

  uint64_t records() const { return written_ + in_block_; }
  uint64_t dropped() const { return dropped_; }

 private:
  Status Write(std::string_view bytes) { return sink_.Append(bytes); }

  ByteSink& sink_;
  const Bounds bounds_;
  std::string block_;
  uint64_t in_block_ = 0;
  uint64_t written_ = 0;
  uint64_t blocks_ = 0;
  uint64_t bytes_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace crossfade::replication
