#include "config/values.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <limits>
#include <optional>

#include "config/settings.h"

namespace crossfade::config {
namespace {

// A decimal number as mantissa / scale; at most 12 digits, so that a mantissa
// times any unit of time or share fits 64 bits.
struct Decimal {
  uint64_t mantissa = 0;
  uint64_t scale = 1;
};

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr size_t kDigitsMax = 12;
constexpr size_t kQuotedMax = 64;
constexpr std::array<Unit, 5> kSizeUnits = {
    {{"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}}};
constexpr std::array<Unit, 4> kTimeUnits = {
    {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes the number off the front of `text`.
std::optional<Decimal> TakeDecimal(std::string_view& text) {
  Decimal number;
  size_t at = 0;
  size_t digits = 0;
  bool fraction = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !fraction && digits > 0) {
      fraction = true;
      continue;
    }
    if (!IsDigit(text[at])) break;
    if (++digits > kDigitsMax) return std::nullopt;
    number.mantissa = number.mantissa * 10 + static_cast<uint64_t>(text[at] - '0');
    if (fraction) number.scale *= 10;
  }
  if (digits == 0 || text[at - 1] == '.') return std::nullopt;
  text.remove_prefix(at);
  return number;
}

// The number times the unit's factor, when that is a whole number of 64 bits.
template <size_t N>
std::optional<uint64_t> ParseWithUnit(std::string_view text, const std::array<Unit, N>& units) {
  const std::optional<Decimal> number = TakeDecimal(text);
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (text != unit.name) continue;
    if (number->mantissa > std::numeric_limits<uint64_t>::max() / unit.factor) return std::nullopt;
    const uint64_t product = number->mantissa * unit.factor;
    if (product % number->scale != 0) return std::nullopt;
    return product / number->scale;
  }
  return std::nullopt;
}

template <size_t N>
std::string TextWithUnit(uint64_t value, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return "0" + std::string(units.back().name);
}

}  // namespace

Result<uint32_t> ParseShare(std::string_view text) {
  constexpr std::array<Unit, 1> kPercent = {{{"%", kFullShare / 100}}};
  const std::optional<uint64_t> share = ParseWithUnit(text, kPercent);
  if (!share || *share > kFullShare) {
    return Fail("a share from 0% to 100%, such as 25% or 0.01%");
  }
  return static_cast<uint32_t>(*share);
}

Result<uint64_t> ParseSize(std::string_view text) {
  const std::optional<uint64_t> size = ParseWithUnit(text, kSizeUnits);
  if (!size) return Fail("a size such as 64MiB (units: B, KiB, MiB, GiB, TiB)");
  return *size;
}

Result<std::chrono::milliseconds> ParseTime(std::string_view text) {
  const std::optional<uint64_t> time = ParseWithUnit(text, kTimeUnits);
  if (!time) return Fail("a time such as 50ms or 1.5s (units: ms, s, m, h)");
  return std::chrono::milliseconds(static_cast<int64_t>(*time));
}

Result<uint64_t> ParseCount(std::string_view text) {
  const std::optional<Decimal> number = TakeDecimal(text);
  if (!number || number->scale != 1 || !text.empty()) return Fail("a whole number");
  return number->mantissa;
}

std::string ShareText(uint32_t share) {
  std::string text = std::to_string(share / 100);
  const uint32_t rest = share % 100;
  if (rest != 0) {
    text += '.';
    text += static_cast<char>('0' + rest / 10);
    if (rest % 10 != 0) text += static_cast<char>('0' + rest % 10);
  }
  return text + '%';
}

std::string SizeText(uint64_t bytes) { return TextWithUnit(bytes, kSizeUnits); }

std::string TimeText(std::chrono::milliseconds time) {
  return TextWithUnit(static_cast<uint64_t>(time.count()), kTimeUnits);
}

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\') {
      escaped += c;
    } else {
      std::array<char, 5> hex{};
      std::snprintf(hex.data(), hex.size(), "\\x%02x", byte);
      escaped += hex.data();
    }
  }
  return escaped;
}

Result<std::string> Unescape(std::string_view text) {
  constexpr const char* kExpected = "bytes outside printable ASCII, and backslashes, as \\xNN";
  std::string plain;
  while (!text.empty()) {
    if (text.front() != '\\') {
      plain += text.front();
      text.remove_prefix(1);
      continue;
    }
    unsigned byte = 0;
    const char* const digits = text.data() + 2;
    if (text.size() < 4 || text[1] != 'x') return Fail(kExpected);
    const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
    if (error != std::errc() || end != digits + 2) return Fail(kExpected);
    plain += static_cast<char>(byte);
    text.remove_prefix(4);
  }
  return plain;
}

std::string Quote(std::string_view text) {
  if (text.size() <= kQuotedMax) return "'" + Escape(text) + "'";
  return "'" + Escape(text.substr(0, kQuotedMax)) + "...'";
}

}  // namespace crossfade::config
