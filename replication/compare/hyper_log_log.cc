#include "replication/compare/hyper_log_log.h"

namespace crossfade::replication {
namespace {

constexpr std::string_view kMagic = "HYLL";
constexpr size_t kEncodingAt = 4;  // 0 dense, 1 sparse; three bytes without a meaning follow
constexpr size_t kCacheAt = 8;     // of eight bytes
constexpr size_t kHeaderBytes = 16;
constexpr unsigned kRegisterBits = 6;
constexpr size_t kDenseBytes = kHllRegisters * kRegisterBits / 8;

bool ReadDense(std::string_view bytes, HllRegisters& registers) {
  if (bytes.size() != kDenseBytes) return false;
  // Four registers lie in three bytes, the first one lowest.
  for (size_t i = 0, at = 0; i < kHllRegisters; i += 4, at += 3) {
    const auto a = static_cast<uint8_t>(bytes[at]);
    const auto b = static_cast<uint8_t>(bytes[at + 1]);
    const auto c = static_cast<uint8_t>(bytes[at + 2]);
    registers[i] = a & 0x3f;
    registers[i + 1] = static_cast<uint8_t>((a >> 6 | b << 2) & 0x3f);
    registers[i + 2] = static_cast<uint8_t>((b >> 4 | c << 4) & 0x3f);
    registers[i + 3] = c >> 2;
  }
  return true;
}

// Runs: 00llllll zeros, 01llllll llllllll zeros, 1vvvvvll of a value; lengths and
// values less one.
bool ReadSparse(std::string_view bytes, HllRegisters& registers) {
  size_t filled = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    const auto byte = static_cast<uint8_t>(bytes[at]);
    uint8_t value = 0;
    size_t length = (byte & 0x3f) + 1u;
    if ((byte & 0x80) != 0) {
      value = static_cast<uint8_t>((byte >> 2 & 0x1f) + 1);
      length = (byte & 0x3) + 1u;
    } else if ((byte & 0x40) != 0) {
      if (++at == bytes.size()) return false;
      length = (size_t{byte & 0x3fu} << 8 | static_cast<uint8_t>(bytes[at])) + 1;
    }
    if (length > kHllRegisters - filled) return false;
    for (const size_t end = filled + length; filled < end; ++filled) registers[filled] = value;
  }
  return filled == kHllRegisters;
}

}  // namespace

bool ReadHyperLogLog(std::string_view value, HllRegisters& registers) {
  if (value.size() < kHeaderBytes || !value.starts_with(kMagic)) return false;
  const std::string_view bytes = value.substr(kHeaderBytes);
  if (value[kEncodingAt] == 0) return ReadDense(bytes, registers);
  return value[kEncodingAt] == 1 && ReadSparse(bytes, registers);
}

std::string_view HllReserved(std::string_view value) {
  return value.substr(kEncodingAt + 1, kCacheAt - kEncodingAt - 1);
}

}  // namespace crossfade::replication
