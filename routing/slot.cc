#include "routing/slot.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstring>

#include "config/limits.h"

namespace crossfade::routing {
namespace {

constexpr uint16_t kPolynomial = 0x1021;
constexpr uint64_t kBucketSeed = 0x63726f7373666164;
constexpr uint32_t kBuckets = 10'000;

// Row r: the CRC of a byte that has r zero bytes behind it, so that four bytes
// are done in one step.
constexpr std::array<std::array<uint16_t, 256>, 4> MakeCrcTable() {
  std::array<std::array<uint16_t, 256>, 4> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    auto crc = static_cast<uint16_t>(byte << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc << 1) ^ ((crc & 0x8000) != 0 ? kPolynomial : 0));
    }
    table[0][byte] = crc;
  }
  for (size_t row = 1; row < 4; ++row) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint16_t before = table[row - 1][byte];
      table[row][byte] = static_cast<uint16_t>((before << 8) ^ table[0][before >> 8]);
    }
  }
  return table;
}

constexpr auto kCrc = MakeCrcTable();

uint16_t Crc16(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  uint32_t crc = 0;
  for (; left >= 4; left -= 4, p += 4) {
    crc = kCrc[3][(crc >> 8) ^ p[0]] ^ kCrc[2][(crc & 0xff) ^ p[1]] ^ kCrc[1][p[2]] ^ kCrc[0][p[3]];
  }
  for (; left > 0; --left, ++p) crc = ((crc << 8) & 0xffff) ^ kCrc[0][(crc >> 8) ^ *p];
  return static_cast<uint16_t>(crc);
}

// What is hashed of a key: what lies between its first { and the next }, when
// that is not nothing.
std::string_view HashedPart(std::string_view key) {
  const size_t open = key.find('{');
  if (open == std::string_view::npos) [[likely]]
    return key;
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

uint16_t HashSlot(std::string_view key) {
  return static_cast<uint16_t>(Crc16(HashedPart(key)) & (limits::kHashSlots - 1));
}

uint64_t KeyHash(uint32_t db, std::string_view key) {
  return XXH3_64bits_withSeed(key.data(), key.size(), db);
}

uint32_t Bucket(std::string_view key) {
  return static_cast<uint32_t>(XXH64(key.data(), key.size(), kBucketSeed) % kBuckets);
}

}  // namespace crossfade::routing
