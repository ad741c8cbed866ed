#include "replication/snapshot/format.h"

#include "replication/bytes.h"

namespace crossfade::replication {
namespace {

constexpr uint32_t kMarkMagic = 0x53455253;  // "SRES"
using MarkFields = std::array<uint64_t, 5>;

bool TakeString(std::string_view& bytes, std::string& text) {
  std::string_view taken;
  if (!TakeText(bytes, taken)) return false;
  text = taken;
  return true;
}

}  // namespace

std::string EncodeSnapshotHeader(const SnapshotHeader& header) {
  std::string texts;
  AppendFixed(header.created_unix_ms, texts);
  for (const std::string* text : {&header.run_id, &header.version, &header.role, &header.address}) {
    AppendText(*text, texts);
  }
  return EncodeFileHeader(kSnapshotFile, texts);
}

bool ParseSnapshotTexts(std::string_view bytes, SnapshotHeader& header) {
  if (bytes.size() < sizeof(int64_t)) return false;
  size_t at = 0;
  header.created_unix_ms = ReadFixed<int64_t>(bytes, at);
  bytes.remove_prefix(at);
  for (std::string* text : {&header.run_id, &header.version, &header.role, &header.address}) {
    if (!TakeString(bytes, *text)) return false;
  }
  return bytes.empty();
}

void AppendSnapshotRecord(const SnapshotRecord& record, std::string& out) {
  out.push_back(static_cast<char>(record.tag));
  if (record.tag != SnapshotTag::kFunctions) {
    AppendNumber(record.db, out);
    if (record.tag == SnapshotTag::kKey) {
      AppendNumber(static_cast<uint64_t>(record.deadline_ms), out);
    }
    AppendText(record.name, out);
  }
  AppendText(record.payload, out);
}

void AppendSnapshotBlock(uint64_t number, SnapshotPosition position, uint64_t keys,
                         std::string_view records, std::string& out) {
  AppendFrame(kSnapshotBlockMagic, SnapshotFields{number, position.db, position.cursor, keys},
              records, out);
}

void AppendSnapshotEnd(const SnapshotTotals& totals, std::string& out) {
  AppendFrame(kSnapshotEndMagic,
              SnapshotFields{totals.blocks, totals.keys, totals.refused, totals.payload_bytes}, "",
              out);
}

bool SnapshotRecords::ReadBody(SnapshotRecord& record) {
  record.db = 0;
  record.deadline_ms = 0;
  record.name = {};
  switch (record.tag) {
    case SnapshotTag::kKey:
    case SnapshotTag::kRefused: {
      uint64_t db = 0;
      uint64_t deadline = 0;
      if (!TakeNumber(bytes_, db) || db > UINT32_MAX) return false;
      if (record.tag == SnapshotTag::kKey && !TakeNumber(bytes_, deadline)) return false;
      if (deadline > INT64_MAX) return false;
      record.db = static_cast<uint32_t>(db);
      record.deadline_ms = static_cast<int64_t>(deadline);
      return TakeText(bytes_, record.name) && TakeText(bytes_, record.payload);
    }
    case SnapshotTag::kFunctions:
      return TakeText(bytes_, record.payload);
  }
  return false;
}

bool SnapshotRecords::Next(SnapshotRecord& record) {
  if (bytes_.empty() || malformed_) return false;
  record.tag = static_cast<SnapshotTag>(bytes_.front());
  bytes_.remove_prefix(1);
  malformed_ = !ReadBody(record);
  return !malformed_;
}

std::string EncodeRestoreMark(const RestoreMark& mark) {
  std::string out;
  AppendFrame(kMarkMagic,
              MarkFields{mark.snapshot, mark.blocks, mark.restored, mark.expired, mark.refused},
              mark.run_id, out);
  return out;
}

std::optional<RestoreMark> ParseRestoreMark(std::string_view bytes) {
  MarkFields fields{};
  FrameHead head;
  const size_t head_bytes = FrameHeadBytes(fields.size());
  if (bytes.size() < head_bytes || !ReadFrameHead(bytes, fields, head)) return std::nullopt;
  if (head.magic != kMarkMagic || bytes.size() != head_bytes + head.stored + kFrameTrailerBytes) {
    return std::nullopt;
  }
  const std::string_view stored = bytes.substr(head_bytes, head.stored);
  size_t at = head_bytes + head.stored;
  std::string buffer;
  std::string_view run_id;
  if (!StoredWhole(head, stored) || ReadFixed<uint32_t>(bytes, at) != FrameTrailer(head) ||
      !FrameContent(head, stored, buffer, run_id)) {
    return std::nullopt;
  }
  return RestoreMark{fields[0], fields[1], fields[2], fields[3], fields[4], std::string(run_id)};
}

}  // namespace crossfade::replication
