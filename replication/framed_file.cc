#include "replication/framed_file.h"

#include <algorithm>

#include "replication/bytes.h"

namespace crossfade::replication {
namespace {

// Read at once, so that a length alone takes no memory.
constexpr size_t kStep = size_t{1} << 20;
// What a buffer keeps of its memory behind a large frame.
constexpr size_t kKeptBytes = size_t{4} << 20;

void Empty(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kKeptBytes) buffer.shrink_to_fit();
}

}  // namespace

std::string EncodeFileHeader(const FileKind& kind, std::string_view texts) {
  std::string out(kind.magic);
  AppendFixed(kind.version, out);
  AppendFixed(static_cast<uint32_t>(texts.size()), out);
  out += texts;
  AppendFixed(Checksum32(out), out);
  return out;
}

Status FramedReader::Fill(std::string& to, size_t size) {
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

tl::unexpected<Error> FramedReader::Cut() const {
  return Fail("cut short at byte " + std::to_string(offset_) +
              ": what follows is not there whole, up to an end record");
}

tl::unexpected<Error> FramedReader::Damaged(const std::string& what) const {
  return Fail("damaged at byte " + std::to_string(offset_) + ": " + what);
}

Result<std::string_view> FramedReader::ReadHeader(const FileKind& kind) {
  Empty(stored_);
  if (const Status filled = Fill(stored_, kFilePrefixBytes); !filled) {
    return tl::unexpected(filled.error());
  }
  const std::string_view magic = std::string_view(stored_).substr(0, kind.magic.size());
  if (magic != kind.magic.substr(0, magic.size())) {
    return Fail("not " + std::string(kind.name) + ": it does not begin with " +
                std::string(kind.magic));
  }
  if (stored_.size() < kFilePrefixBytes) return Cut();
  size_t at = kind.magic.size();
  const auto version = ReadFixed<uint32_t>(stored_, at);
  const auto size = ReadFixed<uint32_t>(stored_, at);
  if (size > kFileTextsMax) return Damaged("its header is too long");
  if (const Status filled = Fill(stored_, size + kFileChecksumBytes); !filled) {
    return tl::unexpected(filled.error());
  }
  if (stored_.size() < kFilePrefixBytes + size + kFileChecksumBytes) return Cut();
  at = kFilePrefixBytes + size;
  const std::string_view checked = std::string_view(stored_).substr(0, at);
  id_ = Checksum32(checked);
  if (ReadFixed<uint32_t>(stored_, at) != id_) return Damaged("its header has another checksum");
  if (version != kind.version) {
    return Fail("of version " + std::to_string(version) + "; this crossfade reads version " +
                std::to_string(kind.version));
  }
  behind_ = at;
  return checked.substr(kFilePrefixBytes);
}

Result<FramedReader::Frame> FramedReader::Next(std::span<uint64_t> fields) {
  Empty(stored_);
  Empty(content_);
  const size_t head_bytes = FrameHeadBytes(fields.size());
  if (const Status filled = Fill(stored_, head_bytes); !filled) {
    return tl::unexpected(filled.error());
  }
  if (stored_.size() < head_bytes) return Cut();
  FrameHead head;
  if (!ReadFrameHead(stored_, fields, head)) return Damaged("a block's head has another checksum");
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
  Frame frame;
  frame.magic = head.magic;
  if (!FrameContent(head, bytes, content_, frame.content)) {
    return Damaged("a block can't be uncompressed");
  }
  behind_ = offset_ + head_bytes + stored_.size();
  return frame;
}

Status FramedReader::ExpectEnd() {
  std::string more;
  if (const Status filled = Fill(more, 1); !filled) return filled;
  if (!more.empty()) return Damaged("something follows the end record");
  return {};
}

}  // namespace crossfade::replication
