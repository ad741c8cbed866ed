#include "replication/journal/format.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "replication/bytes.h"
#include "replication/frame.h"

namespace crossfade::replication {
namespace {

constexpr std::string_view kSegmentMagic = "CFINTENT";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kBlockMagic = 0x4B4C4243;  // "CBLK"
constexpr size_t kSegmentFixedBytes = 8 + 4 + 4 + 8 + 8 + 16 + 8 + 4;
// Of a block: number, first intent, low-water mark, written, oldest segment.
constexpr size_t kBlockFields = 5;
constexpr size_t kBlockHeaderBytes = FrameHeadBytes(kBlockFields);
constexpr size_t kChecksumBytes = 4;

bool AllZero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

}  // namespace

const char* Name(FollowerClaim claim) {
  switch (claim) {
    case FollowerClaim::kNothing:
      return "nothing";
    case FollowerClaim::kOurs:
      return "ours";
    case FollowerClaim::kLive:
      return "live";
    case FollowerClaim::kPart:
      return "part";
  }
  return "?";
}

const char* Name(RecordTag tag) {
  constexpr const char* kNames[] = {"?",     "write", "write", "write_all", "skip",
                                    "dirty", "clean", "state", "closed"};
  return kNames[static_cast<size_t>(tag)];
}

// ---- Writing

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string out(kSegmentMagic);
  AppendFixed(kVersion, out);
  AppendFixed(static_cast<uint32_t>(header.mode), out);
  AppendFixed(header.generation, out);
  AppendFixed(header.index, out);
  out.append(reinterpret_cast<const char*>(header.boot.data()), header.boot.size());
  AppendFixed(header.created_unix_ms, out);
  AppendFixed(static_cast<uint32_t>(header.pair.size()), out);
  out += header.pair;
  AppendFixed(Checksum32(out), out);
  return out;
}

void AppendBlock(const BlockHeader& header, std::string_view records, std::string& out) {
  const std::array<uint64_t, kBlockFields> fields = {
      header.number, header.first_intent, header.low_water, static_cast<uint64_t>(header.unix_ms),
      header.oldest_segment};
  AppendFrame(kBlockMagic, fields, records, out);
}

void AppendKey(RecordTag tag, JournalKey key, std::string& out) {
  out.push_back(static_cast<char>(tag));
  AppendNumber(key.db, out);
  AppendText(key.name, out);
}

void AppendWrite(JournalKey key, std::string& out) { AppendKey(RecordTag::kWrite, key, out); }

void AppendWriteMany(const std::vector<JournalKey>& keys, std::string& out) {
  out.push_back(static_cast<char>(RecordTag::kWriteMany));
  AppendNumber(keys.size(), out);
  for (const JournalKey& key : keys) {
    AppendNumber(key.db, out);
    AppendText(key.name, out);
  }
}

void AppendTag(RecordTag tag, std::string& out) { out.push_back(static_cast<char>(tag)); }

void AppendSkip(uint64_t count, std::string& out) {
  AppendTag(RecordTag::kSkip, out);
  AppendNumber(count, out);
}

void AppendState(const JournalState& state, std::string& out) {
  AppendTag(RecordTag::kState, out);
  out.push_back(static_cast<char>(state.claim));
  out.push_back(static_cast<char>(state.undeclared_ran ? 1 : 0));
  AppendFixed(state.clock_offset_ms, out);
  AppendText(state.authority_run_id, out);
  AppendText(state.follower_run_id, out);
}

// ---- Reading records

bool RecordReader::ReadKey(JournalKey& key) {
  uint64_t db = 0;
  if (!TakeNumber(bytes_, db) || db > UINT32_MAX) return false;
  key.db = static_cast<uint32_t>(db);
  return TakeText(bytes_, key.name);
}

bool RecordReader::ReadBody(Record& record) {
  switch (record.tag) {
    case RecordTag::kWrite:
    case RecordTag::kDirty:
    case RecordTag::kClean:
      record.keys.resize(1);
      return ReadKey(record.keys[0]);
    case RecordTag::kWriteMany: {
      uint64_t count = 0;
      if (!TakeNumber(bytes_, count) || count > bytes_.size()) return false;
      record.keys.resize(count);
      return std::all_of(record.keys.begin(), record.keys.end(),
                         [this](JournalKey& key) { return ReadKey(key); });
    }
    case RecordTag::kSkip:
      return TakeNumber(bytes_, record.count);
    case RecordTag::kState: {
      constexpr size_t kFixed = 1 + 1 + 8;
      if (bytes_.size() < kFixed ||
          static_cast<uint8_t>(bytes_[0]) > static_cast<uint8_t>(FollowerClaim::kPart)) {
        return false;
      }
      size_t at = 0;
      record.state.claim = static_cast<FollowerClaim>(ReadFixed<uint8_t>(bytes_, at));
      record.state.undeclared_ran = ReadFixed<uint8_t>(bytes_, at) != 0;
      record.state.clock_offset_ms = ReadFixed<int64_t>(bytes_, at);
      bytes_.remove_prefix(kFixed);
      std::string_view authority, follower;
      if (!TakeText(bytes_, authority) || !TakeText(bytes_, follower)) return false;
      record.state.authority_run_id = authority;
      record.state.follower_run_id = follower;
      return true;
    }
    case RecordTag::kWriteAll:
    case RecordTag::kClosed:
      return true;
  }
  return false;
}

bool RecordReader::Next(Record& record) {
  if (bytes_.empty() || malformed_) return false;
  record.keys.clear();
  record.tag = static_cast<RecordTag>(bytes_.front());
  bytes_.remove_prefix(1);
  malformed_ = !ReadBody(record);
  return !malformed_;
}

// ---- Reading segments

bool SegmentReader::StopAt(SegmentEnd end) {
  end_ = end;
  return false;
}

std::optional<SegmentHeader> SegmentReader::ReadHeader() {
  if (bytes_.size() < kSegmentFixedBytes || AllZero(bytes_)) {
    end_ = SegmentEnd::kTorn;
    return std::nullopt;
  }
  SegmentHeader header;
  size_t at = kSegmentMagic.size();
  const auto version = ReadFixed<uint32_t>(bytes_, at);
  header.mode = static_cast<JournalMode>(ReadFixed<uint32_t>(bytes_, at));
  header.generation = ReadFixed<uint64_t>(bytes_, at);
  header.index = ReadFixed<uint64_t>(bytes_, at);
  std::memcpy(header.boot.data(), bytes_.data() + at, header.boot.size());
  at += header.boot.size();
  header.created_unix_ms = ReadFixed<int64_t>(bytes_, at);
  const auto pair_size = ReadFixed<uint32_t>(bytes_, at);
  const bool known = bytes_.starts_with(kSegmentMagic) && version == kVersion;
  end_ = SegmentEnd::kDamaged;
  if (!known || pair_size > kFrameContentMax) return std::nullopt;
  if (bytes_.size() < at + pair_size + kChecksumBytes) {
    // Its length may be what is wrong: only of a file with nothing else it is taken for torn.
    if (bytes_.size() < kSegmentFixedBytes + kBlockHeaderBytes) end_ = SegmentEnd::kTorn;
    return std::nullopt;
  }
  header.pair = bytes_.substr(at, pair_size);
  at += pair_size;
  const std::string_view checked = bytes_.substr(0, at);
  if (ReadFixed<uint32_t>(bytes_, at) != Checksum32(checked)) return std::nullopt;
  at_ = at;
  end_ = SegmentEnd::kWhole;
  return header;
}

bool SegmentReader::Next(ReadBlock& block) {
  if (end_ != SegmentEnd::kWhole || at_ == bytes_.size()) return false;
  const std::string_view left = bytes_.substr(at_);
  if (left.size() < kBlockHeaderBytes || AllZero(left)) return StopAt(SegmentEnd::kTorn);
  std::array<uint64_t, kBlockFields> fields{};
  FrameHead head;
  if (!ReadFrameHead(left, fields, head) || head.magic != kBlockMagic) {
    return StopAt(SegmentEnd::kDamaged);
  }
  block.header = {fields[0], fields[1], fields[2], static_cast<int64_t>(fields[3]), fields[4]};
  const size_t size = kBlockHeaderBytes + head.stored + kFrameTrailerBytes;
  if (left.size() < size) return StopAt(SegmentEnd::kTorn);
  const std::string_view stored = left.substr(kBlockHeaderBytes, head.stored);
  size_t at = kBlockHeaderBytes + head.stored;
  const auto trailer = ReadFixed<uint32_t>(left, at);
  if (!StoredWhole(head, stored)) {
    return StopAt(trailer == 0 && AllZero(left.substr(at)) ? SegmentEnd::kTorn
                                                           : SegmentEnd::kDamaged);
  }
  if (trailer != FrameTrailer(head) || !FrameContent(head, stored, records_, block.records)) {
    return StopAt(SegmentEnd::kDamaged);
  }
  block.offset = at_;
  block.stored_bytes = size;
  at_ += size;
  return true;
}

}  // namespace crossfade::replication
