#include "replication/deltas/reader.h"

namespace crossfade::replication {

Status DeltaReader::ReadHeader() {
  const Result<std::string_view> texts = frames_.ReadHeader(kDeltaFile);
  if (!texts) return tl::unexpected(texts.error());
  if (!ParseDeltaTexts(*texts, header_)) return frames_.Damaged("its header is not understood");
  frames_.Taken();
  return {};
}

Result<bool> DeltaReader::NextBlock() {
  DeltaFields fields{};
  const Result<FramedReader::Frame> frame = frames_.Next(fields);
  if (!frame) return tl::unexpected(frame.error());
  if (frame->magic == kDeltaEndMagic) {
    if (const Status right = CheckEnd(fields); !right) return tl::unexpected(right.error());
    frames_.Taken();
    return false;
  }
  if (frame->magic != kDeltaBlockMagic) return frames_.Damaged("neither a block nor the end");
  if (fields[0] != blocks_) {
    return frames_.Damaged("block " + std::to_string(fields[0]) + " where block " +
                           std::to_string(blocks_) + " is expected");
  }
  if (fields[1] == 0) return frames_.Damaged("a block without records");
  ++blocks_;
  left_ = fields[1];
  block_ = frame->content;
  return true;
}

Status DeltaReader::CheckEnd(const DeltaFields& fields) {
  if (fields[0] != blocks_ || fields[1] != records_) {
    return frames_.Damaged("the end record tells of " + std::to_string(fields[1]) +
                           " differences in " + std::to_string(fields[0]) + " blocks, there are " +
                           std::to_string(records_) + " in " + std::to_string(blocks_));
  }
  dropped_ = fields[2];
  return frames_.ExpectEnd();
}

Result<bool> DeltaReader::Next(DeltaRecord& record) {
  if (left_ == 0) {
    const Result<bool> more = NextBlock();
    if (!more || !*more) return more;
  }
  if (!TakeDeltaRecord(block_, record) || (left_ == 1) != block_.empty()) {
    return frames_.Damaged("a block's records are not understood");
  }
  ++records_;
  if (--left_ == 0) frames_.Taken();
  return true;
}

}  // namespace crossfade::replication
