#include "replication/snapshot/reader.h"

#include <algorithm>

#include "replication/bytes.h"

namespace crossfade::replication {
namespace {

// Read at once, so that a length alone takes no memory.
constexpr size_t kStep = size_t{1} << 20;

constexpr std::string_view kMagic = "CFSNAPSH";

}  // namespace

Status SnapshotReader::Fill(std::string& to, size_t size) {
  const size_t begin = to.size();
  size_t filled = begin;
  while (filled < begin + size) {
    const size_t room = std::min(begin + size - filled, kStep);
    to.resize(filled + room);
    const Result<size_t> n = source_.Read(to.data() + filled, room);
    if (!n) {
      unreadable_ = true;
      return tl::unexpected(n.error());
    }
    filled += *n;
    to.resize(filled);
    if (*n == 0) return {};
  }
  return {};
}

tl::unexpected<Error> SnapshotReader::Cut() const {
  return Fail("cut short at byte " + std::to_string(offset_) +
              ": what follows is not there whole, up to an end record");
}

tl::unexpected<Error> SnapshotReader::Damaged(const std::string& what) const {
  return Fail("damaged at byte " + std::to_string(offset_) + ": " + what);
}

Status SnapshotReader::ReadHeader() {
  std::string bytes;
  if (const Status filled = Fill(bytes, kSnapshotPrefixBytes); !filled) return filled;
  const std::string_view magic = std::string_view(bytes).substr(0, kMagic.size());
  if (magic != kMagic.substr(0, magic.size())) {
    return Fail("not a snapshot: it does not begin with " + std::string(kMagic));
  }
  if (bytes.size() < kSnapshotPrefixBytes) return Cut();
  size_t at = kMagic.size();
  const auto version = ReadFixed<uint32_t>(bytes, at);
  const auto size = ReadFixed<uint32_t>(bytes, at);
  if (size > kSnapshotTextsMax) return Damaged("its header is too long");
  if (const Status filled = Fill(bytes, size + kSnapshotChecksumBytes); !filled) return filled;
  if (bytes.size() < kSnapshotPrefixBytes + size + kSnapshotChecksumBytes) return Cut();
  at = kSnapshotPrefixBytes + size;
  const std::string_view checked = std::string_view(bytes).substr(0, at);
  id_ = Checksum32(checked);
  if (ReadFixed<uint32_t>(bytes, at) != id_) return Damaged("its header has another checksum");
  if (version != kSnapshotVersion) {
    return Fail("of version " + std::to_string(version) + "; this crossfade reads version " +
                std::to_string(kSnapshotVersion));
  }
  if (!ParseSnapshotTexts(checked.substr(kSnapshotPrefixBytes), header_)) {
    return Damaged("its header is not understood");
  }
  offset_ = at;
  return {};
}

Result<bool> SnapshotReader::Next(SnapshotBlock& block) {
  stored_.clear();
  if (stored_.capacity() > 4 * kSnapshotBlockBytes) stored_.shrink_to_fit();
  content_.clear();
  if (content_.capacity() > 4 * kSnapshotBlockBytes) content_.shrink_to_fit();
  if (const Status filled = Fill(stored_, kSnapshotFrameHeadBytes); !filled) {
    return tl::unexpected(filled.error());
  }
  if (stored_.size() < kSnapshotFrameHeadBytes) return Cut();
  SnapshotFields fields{};
  FrameHead head;
  if (!ReadFrameHead(stored_, fields, head)) return Damaged("a block's head has another checksum");
  const bool end = head.magic == kSnapshotEndMagic;
  if (!end && head.magic != kSnapshotBlockMagic) return Damaged("neither a block nor the end");
  stored_.clear();
  if (const Status filled = Fill(stored_, head.stored + kFrameTrailerBytes); !filled) {
    return tl::unexpected(filled.error());
  }
  if (stored_.size() < head.stored + kFrameTrailerBytes) return Cut();
  size_t at = head.stored;
  const std::string_view bytes = std::string_view(stored_).substr(0, at);
  if (!StoredWhole(head, bytes) || ReadFixed<uint32_t>(stored_, at) != FrameTrailer(head)) {
    return Damaged("a block has another checksum");
  }
  if (!FrameContent(head, bytes, content_, block.records)) {
    return Damaged("a block can't be uncompressed");
  }
  const uint64_t behind = offset_ + kSnapshotFrameHeadBytes + stored_.size();
  if (end) {
    if (const Status right = CheckEnd(fields); !right) return tl::unexpected(right.error());
    offset_ = behind;
    return false;
  }
  if (fields[0] != totals_.blocks || fields[1] > UINT32_MAX) {
    return Damaged("block " + std::to_string(fields[0]) + " where block " +
                   std::to_string(totals_.blocks) + " is expected");
  }
  block.position = {static_cast<uint32_t>(fields[1]), fields[2]};
  block.keys = fields[3];
  if (const Status right = CheckRecords(block); !right) return tl::unexpected(right.error());
  offset_ = behind;
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
    return Damaged("a block's records are not understood");
  }
  ++totals.blocks;
  totals_ = totals;
  has_functions_ = has_functions_ || functions;
  return {};
}

Status SnapshotReader::CheckEnd(const SnapshotFields& fields) {
  const SnapshotTotals told{fields[0], fields[1], fields[2], fields[3]};
  if (told != totals_) {
    return Damaged("the end record tells of " + std::to_string(told.keys) + " keys in " +
                   std::to_string(told.blocks) + " blocks, there are " +
                   std::to_string(totals_.keys) + " in " + std::to_string(totals_.blocks));
  }
  std::string more;
  if (const Status filled = Fill(more, 1); !filled) return filled;
  if (!more.empty()) return Damaged("something follows the end record");
  return {};
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
