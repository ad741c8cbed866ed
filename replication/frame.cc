#include "replication/frame.h"

#include <snappy.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "replication/bytes.h"

namespace crossfade::replication {
namespace {

// Shorter content is stored as it is: snappy takes working memory for each call.
constexpr size_t kCompressFrom = 4096;
// Snappy makes nothing shorter than this.
constexpr size_t kCompressionMax = 64;

}  // namespace

uint32_t Checksum32(std::string_view bytes) {
  return static_cast<uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

uint32_t FrameTrailer(const FrameHead& head) {
  return static_cast<uint32_t>(head.checksum >> 32) | 1;
}

void AppendFrame(uint32_t magic, std::span<const uint64_t> fields, std::string_view content,
                 std::string& out) {
  const size_t begin = out.size();
  const size_t head_bytes = FrameHeadBytes(fields.size());
  out.append(head_bytes, '\0');
  size_t stored = content.size();
  if (content.size() >= kCompressFrom) {
    out.resize(begin + head_bytes + snappy::MaxCompressedLength(content.size()));
    snappy::RawCompress(content.data(), content.size(), out.data() + begin + head_bytes, &stored);
  }
  if (stored >= content.size()) {
    stored = content.size();
    out.resize(begin + head_bytes);
    out.append(content);
  } else {
    out.resize(begin + head_bytes + stored);
  }
  FrameHead head{magic, static_cast<uint32_t>(stored), static_cast<uint32_t>(content.size()), 0};
  head.checksum = XXH3_64bits(out.data() + begin + head_bytes, stored);
  char* at = out.data() + begin;
  const auto put = [&at](auto value) {
    PutFixed(value, at);
    at += sizeof(value);
  };
  put(head.magic);
  put(head.stored);
  put(head.content);
  for (const uint64_t field : fields) put(field);
  put(head.checksum);
  put(Checksum32({out.data() + begin, static_cast<size_t>(at - out.data()) - begin}));
  AppendFixed(FrameTrailer(head), out);
}

bool ReadFrameHead(std::string_view bytes, std::span<uint64_t> fields, FrameHead& head) {
  size_t at = 0;
  head.magic = ReadFixed<uint32_t>(bytes, at);
  head.stored = ReadFixed<uint32_t>(bytes, at);
  head.content = ReadFixed<uint32_t>(bytes, at);
  for (uint64_t& field : fields) field = ReadFixed<uint64_t>(bytes, at);
  head.checksum = ReadFixed<uint64_t>(bytes, at);
  const std::string_view checked = bytes.substr(0, at);
  return ReadFixed<uint32_t>(bytes, at) == Checksum32(checked) && head.stored <= head.content &&
         head.content / kCompressionMax <= head.stored && head.content <= kFrameContentMax;
}

bool StoredWhole(const FrameHead& head, std::string_view stored) {
  return XXH3_64bits(stored.data(), stored.size()) == head.checksum;
}

bool FrameContent(const FrameHead& head, std::string_view stored, std::string& buffer,
                  std::string_view& content) {
  content = stored;
  if (head.stored == head.content) return true;
  size_t length = 0;
  if (!snappy::GetUncompressedLength(stored.data(), stored.size(), &length) ||
      length != head.content) {
    return false;
  }
  buffer.resize(length);
  content = buffer;
  return snappy::RawUncompress(stored.data(), stored.size(), buffer.data());
}

}  // namespace crossfade::replication
