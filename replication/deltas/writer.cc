#include "replication/deltas/writer.h"

namespace crossfade::replication {

Status DeltaWriter::Begin(const DeltaHeader& header) { return Write(EncodeDeltaHeader(header)); }

Status DeltaWriter::Add(const DeltaRecord& record) {
  if (dropped_ > 0 || records() >= bounds_.records) {
    ++dropped_;
    return {};
  }
  const size_t before = block_.size();
  AppendDeltaRecord(record, block_);
  const size_t size = block_.size() - before;
  if (bytes_ + size > bounds_.bytes) {
    block_.resize(before);
    ++dropped_;
    return {};
  }
  bytes_ += size;
  ++in_block_;
  return block_.size() < kDeltaBlockBytes ? Status() : Flush();
}

Status DeltaWriter::Flush() {
  if (in_block_ == 0) return {};
  std::string frame;
  AppendFrame(kDeltaBlockMagic, DeltaFields{blocks_, in_block_, 0}, block_, frame);
  if (const Status written = Write(frame); !written) return written;
  ++blocks_;
  written_ += in_block_;
  in_block_ = 0;
  block_.clear();
  // A single large key must not keep its memory for good.
  if (block_.capacity() > 4 * kDeltaBlockBytes) block_.shrink_to_fit();
  return {};
}

Status DeltaWriter::Finish(uint64_t dropped) {
  if (const Status flushed = Flush(); !flushed) return flushed;
  dropped_ += dropped;
  std::string frame;
  AppendFrame(kDeltaEndMagic, DeltaFields{blocks_, written_, dropped_}, "", frame);
  return Write(frame);
}

}  // namespace crossfade::replication
