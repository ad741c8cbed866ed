#include "replication/journal/format.h"

#include <snappy.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace crossfade::replication {
namespace {

constexpr std::string_view kSegmentMagic = "CFINTENT";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kBlockMagic = 0x4B4C4243;  // "CBLK"
constexpr size_t kSegmentFixedBytes = 8 + 4 + 4 + 8 + 8 + 16 + 8 + 4;
constexpr size_t kBlockHeaderBytes = 4 + 4 + 4 + 8 + 8 + 8 + 8 + 8 + 8 + 4;
constexpr size_t kTrailerBytes = 4;
// Shorter records are stored as they are: snappy takes working memory for each call.
constexpr size_t kCompressFrom = 4096;
// No block and no key is longer: a longer one is damage.
constexpr size_t kBlockBytesMax = size_t{1} << 31;

template <class T>
void PutFixed(T value, char* bytes) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff);
  }
}

template <class T>
void AppendFixed(T value, std::string& out) {
  char bytes[sizeof(T)];
  PutFixed(value, bytes);
  out.append(bytes, sizeof(T));
}

template <class T>
T ReadFixed(std::string_view bytes, size_t& at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= uint64_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  }
  at += sizeof(T);
  return static_cast<T>(value);
}

void AppendNumber(uint64_t number, std::string& out) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}

void AppendText(std::string_view text, std::string& out) {
  AppendNumber(text.size(), out);
  out.append(text);
}

uint32_t Checksum32(std::string_view bytes) {
  return static_cast<uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

// Never 0, so that a tail that the disk has not got reads as none.
uint32_t Trailer(uint64_t checksum) { return static_cast<uint32_t>(checksum >> 32) | 1; }

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
  const size_t begin = out.size();
  out.append(kBlockHeaderBytes, '\0');
  size_t stored = records.size();
  if (records.size() >= kCompressFrom) {
    out.resize(begin + kBlockHeaderBytes + snappy::MaxCompressedLength(records.size()));
    snappy::RawCompress(records.data(), records.size(), out.data() + begin + kBlockHeaderBytes,
                        &stored);
  }
  if (stored >= records.size()) {
    stored = records.size();
    out.resize(begin + kBlockHeaderBytes);
    out.append(records);
  } else {
    out.resize(begin + kBlockHeaderBytes + stored);
  }
  const uint64_t checksum = XXH3_64bits(out.data() + begin + kBlockHeaderBytes, stored);
  char* at = out.data() + begin;
  const auto put = [&at](auto value) {
    PutFixed(value, at);
    at += sizeof(value);
  };
  put(kBlockMagic);
  put(static_cast<uint32_t>(stored));
  put(static_cast<uint32_t>(records.size()));
  put(header.number);
  put(header.first_intent);
  put(header.low_water);
  put(header.unix_ms);
  put(header.oldest_segment);
  put(checksum);
  put(Checksum32({out.data() + begin, static_cast<size_t>(at - out.data()) - begin}));
  AppendFixed(Trailer(checksum), out);
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

bool RecordReader::ReadNumber(uint64_t& number) {
  number = 0;
  for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    number |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool RecordReader::ReadText(std::string_view& text) {
  uint64_t size = 0;
  if (!ReadNumber(size) || size > bytes_.size()) return false;
  text = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return true;
}

bool RecordReader::ReadKey(JournalKey& key) {
  uint64_t db = 0;
  if (!ReadNumber(db) || db > UINT32_MAX) return false;
  key.db = static_cast<uint32_t>(db);
  return ReadText(key.name);
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
      if (!ReadNumber(count) || count > bytes_.size()) return false;
      record.keys.resize(count);
      return std::all_of(record.keys.begin(), record.keys.end(),
                         [this](JournalKey& key) { return ReadKey(key); });
    }
    case RecordTag::kSkip:
      return ReadNumber(record.count);
    case RecordTag::kState: {
      constexpr size_t kFixed = 1 + 1 + 8;
      if (bytes_.size() < kFixed || static_cast<uint8_t>(bytes_[0]) > 2) return false;
      size_t at = 0;
      record.state.claim = static_cast<FollowerClaim>(ReadFixed<uint8_t>(bytes_, at));
      record.state.undeclared_ran = ReadFixed<uint8_t>(bytes_, at) != 0;
      record.state.clock_offset_ms = ReadFixed<int64_t>(bytes_, at);
      bytes_.remove_prefix(kFixed);
      std::string_view authority, follower;
      if (!ReadText(authority) || !ReadText(follower)) return false;
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
  if (!known || pair_size > kBlockBytesMax) return std::nullopt;
  if (bytes_.size() < at + pair_size + kTrailerBytes) {
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
  size_t at = 0;
  const auto magic = ReadFixed<uint32_t>(left, at);
  const auto stored = ReadFixed<uint32_t>(left, at);
  const auto raw = ReadFixed<uint32_t>(left, at);
  block.header.number = ReadFixed<uint64_t>(left, at);
  block.header.first_intent = ReadFixed<uint64_t>(left, at);
  block.header.low_water = ReadFixed<uint64_t>(left, at);
  block.header.unix_ms = ReadFixed<int64_t>(left, at);
  block.header.oldest_segment = ReadFixed<uint64_t>(left, at);
  const auto checksum = ReadFixed<uint64_t>(left, at);
  const std::string_view head = left.substr(0, at);
  if (ReadFixed<uint32_t>(left, at) != Checksum32(head)) return StopAt(SegmentEnd::kDamaged);
  if (magic != kBlockMagic || stored > raw) return StopAt(SegmentEnd::kDamaged);
  const size_t size = kBlockHeaderBytes + stored + kTrailerBytes;
  if (left.size() < size) return StopAt(SegmentEnd::kTorn);
  const std::string_view payload = left.substr(kBlockHeaderBytes, stored);
  at = kBlockHeaderBytes + stored;
  const auto trailer = ReadFixed<uint32_t>(left, at);
  if (XXH3_64bits(payload.data(), payload.size()) != checksum) {
    return StopAt(trailer == 0 && AllZero(left.substr(at)) ? SegmentEnd::kTorn
                                                           : SegmentEnd::kDamaged);
  }
  if (trailer != Trailer(checksum)) return StopAt(SegmentEnd::kDamaged);
  block.records = payload;
  if (stored < raw) {
    records_.resize(raw);
    size_t length = 0;
    if (!snappy::GetUncompressedLength(payload.data(), payload.size(), &length) || length != raw ||
        !snappy::RawUncompress(payload.data(), payload.size(), records_.data())) {
      return StopAt(SegmentEnd::kDamaged);
    }
    block.records = records_;
  }
  block.offset = at_;
  block.stored_bytes = size;
  at_ += size;
  return true;
}

}  // namespace crossfade::replication
