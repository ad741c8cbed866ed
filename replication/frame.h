// A frame of a file: content, compressed where that is shorter, behind a head with
// checksums, so that no changed byte goes unnoticed:
//   magic 4, bytes stored 4, bytes of content 4, fields 8 each, checksum of the bytes
//   stored 8, 32 bits of the checksum of all before 4; the bytes stored; trailer 4
// The trailer is the upper half of the checksum, lowest bit set: never 0. Checksums
// are XXH3. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace crossfade::replication {

inline constexpr size_t kFrameTrailerBytes = 4;
// No content is longer: a longer one is damage.
inline constexpr size_t kFrameContentMax = size_t{1} << 31;
constexpr size_t FrameHeadBytes(size_t fields) { return 4 + 4 + 4 + 8 * fields + 8 + 4; }

uint32_t Checksum32(std::string_view bytes);

void AppendFrame(uint32_t magic, std::span<const uint64_t> fields, std::string_view content,
                 std::string& out);

struct FrameHead {
  uint32_t magic = 0;
  uint32_t stored = 0;   // bytes behind the head, before the trailer
  uint32_t content = 0;  // bytes, uncompressed
  uint64_t checksum = 0;
};
// Of FrameHeadBytes(fields.size()) bytes; false when they were changed, or are no head.
bool ReadFrameHead(std::string_view bytes, std::span<uint64_t> fields, FrameHead& head);
bool StoredWhole(const FrameHead& head, std::string_view stored);
uint32_t FrameTrailer(const FrameHead& head);
// The content, in the bytes stored or in `buffer`; false when it is none.
bool FrameContent(const FrameHead& head, std::string_view stored, std::string& buffer,
                  std::string_view& content);

}  // namespace crossfade::replication
