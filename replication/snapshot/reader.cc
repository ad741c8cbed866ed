#include "replication/snapshot/reader.h"

namespace crossfade::replication {

Status SnapshotReader::ReadHeader() {
  const Result<std::string_view> texts = frames_.ReadHeader(kSnapshotFile);
  if (!texts) return tl::unexpected(texts.error());
  if (!ParseSnapshotTexts(*texts, header_)) {
    return frames_.Damaged("its header is not understood");
  }
  frames_.Taken();
  return {};
}

Result<bool> SnapshotReader::Next(SnapshotBlock& block) {
  SnapshotFields fields{};
  const Result<FramedReader::Frame> frame = frames_.Next(fields);
  if (!frame) return tl::unexpected(frame.error());
  if (frame->magic == kSnapshotEndMagic) {
    if (const Status right = CheckEnd(fields); !right) return tl::unexpected(right.error());
    frames_.Taken();
    return false;
  }
  if (frame->magic != kSnapshotBlockMagic) return frames_.Damaged("neither a block nor the end");
  if (fields[0] != totals_.blocks || fields[1] > UINT32_MAX) {
    return frames_.Damaged("block " + std::to_string(fields[0]) + " where block " +
                           std::to_string(totals_.blocks) + " is expected");
  }
  block.records = frame->content;
  block.position = {static_cast<uint32_t>(fields[1]), fields[2]};
  block.keys = fields[3];
  if (const Status right = CheckRecords(block); !right) return tl::unexpected(right.error());
  frames_.Taken();
  return true;
}

Status SnapshotReader::CheckRecords(const SnapshotBlock& block) {
  SnapshotTotals totals = totals_;
  bool functions = false;
  SnapshotRecords records(block.records);
  SnapshotRecord record;
  while (records.Next(record)) {
    if (record.tag == SnapshotTag::kKey) {
      ++totals.keys;
      totals.payload_bytes += record.payload.size();
    }
    if (record.tag == SnapshotTag::kRefused) ++totals.refused;
    if (record.tag == SnapshotTag::kFunctions) functions = true;
  }
  if (records.malformed() || totals.keys - totals_.keys != block.keys) {
    return frames_.Damaged("a block's records are not understood");
  }
  ++totals.blocks;
  totals_ = totals;
  has_functions_ = has_functions_ || functions;
  return {};
}

Status SnapshotReader::CheckEnd(const SnapshotFields& fields) {
  const SnapshotTotals told{fields[0], fields[1], fields[2], fields[3]};
  if (told != totals_) {
    return frames_.Damaged("the end record tells of " + std::to_string(told.keys) + " keys in " +
                           std::to_string(told.blocks) + " blocks, there are " +
                           std::to_string(totals_.keys) + " in " + std::to_string(totals_.blocks));
  }
  return frames_.ExpectEnd();
}

Result<SnapshotPart> ReadPart(ByteSource& source) {
  SnapshotReader reader(source);
  if (const Status read = reader.ReadHeader(); !read) return tl::unexpected(read.error());
  SnapshotPart part;
  part.header = reader.header();
  SnapshotBlock block;
  while (true) {
    const Result<bool> next = reader.Next(block);
    if (!next && reader.unreadable()) return tl::unexpected(next.error());
    if (!next) part.rest = next.error().message;
    if (next && !*next) part.whole = true;
    if (!next || !*next) break;
    part.position = block.position;
  }
  part.totals = reader.totals();
  part.has_functions = reader.has_functions();
  part.good_bytes = reader.offset();
  return part;
}

}  // namespace crossfade::replication
