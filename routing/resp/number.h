// Decimal integers as the protocol writes them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace crossfade::routing {

// Strict: an optional minus, digits, nothing else, within int64. No value on failure.
inline bool ParseInteger(std::string_view text, int64_t& value) {
  if (text.empty() || text.size() > 20) return false;
  const bool negative = text.front() == '-';
  size_t i = negative ? 1 : 0;
  if (i == text.size()) return false;
  uint64_t magnitude = 0;
  for (; i < text.size(); ++i) {
    const auto digit = static_cast<unsigned char>(text[i] - '0');
    if (digit > 9) return false;
    if (__builtin_mul_overflow(magnitude, uint64_t{10}, &magnitude) ||
        __builtin_add_overflow(magnitude, uint64_t{digit}, &magnitude)) {
      return false;
    }
  }
  const uint64_t bound = negative ? uint64_t{1} << 63 : (uint64_t{1} << 63) - 1;
  if (magnitude > bound) return false;
  value = negative ? static_cast<int64_t>(0 - magnitude) : static_cast<int64_t>(magnitude);
  return true;
}

// As Redis reads an integer: no leading zeros either.
inline bool ParseRedisInteger(std::string_view text, int64_t& value) {
  const std::string_view digits = text.substr(!text.empty() && text.front() == '-' ? 1 : 0);
  if (!digits.empty() && digits.front() == '0' && text.size() > 1) return false;
  return ParseInteger(text, value);
}

inline bool IsCrlf(const char* p) {
  uint16_t bytes, crlf;
  std::memcpy(&bytes, p, 2);
  std::memcpy(&crlf, "\r\n", 2);
  return bytes == crlf;
}

// Reads a length that begins with neither zero nor sign, has at most nine digits
// and a CRLF, and moves `p` past it all. At least five bytes must be there. False
// for all else, right or wrong.
inline bool ReadCommonLength(const char*& p, const char* end, uint64_t& length) {
  const auto digit = [](char c) {
    return static_cast<uint32_t>(static_cast<unsigned char>(c)) - '0';
  };
  uint32_t value = digit(p[0]);
  if (value - 1 > 8) return false;
  if (IsCrlf(p + 1)) {
    length = value;
    p += 3;
    return true;
  }
  const uint32_t second = digit(p[1]);
  if (second > 9) return false;
  value = value * 10 + second;
  const char* q = p + 2;
  if (!IsCrlf(q)) {
    const char* last = end - p > 10 ? p + 10 : end - 1;  // of which the next is there too
    uint32_t next = 0;
    while (q < last && (next = digit(*q)) <= 9) {
      value = value * 10 + next;
      ++q;
    }
    if (q >= last || !IsCrlf(q)) return false;
  }
  length = value;
  p = q + 2;
  return true;
}

}  // namespace crossfade::routing
