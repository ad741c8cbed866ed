// The notations of the configuration file: shares (25%), sizes (64MiB), times
// (50ms) and text for messages. Pure functions, thread-safe. A parser's error
// says only what was expected; the caller knows what was found, and where.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/result.h"

namespace crossfade::config {

// In 1/10,000; "0%" to "100%" in steps of 0.01%.
Result<uint32_t> ParseShare(std::string_view text);
// Bytes; the unit (B, KiB, MiB, GiB, TiB) is required.
Result<uint64_t> ParseSize(std::string_view text);
// Whole milliseconds; the unit (ms, s, m, h) is required, "1.5s" is fine.
Result<std::chrono::milliseconds> ParseTime(std::string_view text);
Result<uint64_t> ParseCount(std::string_view text);

// The shortest exact notation, which the parsers read back as the same value.
std::string ShareText(uint32_t share);
std::string SizeText(uint64_t bytes);
std::string TimeText(std::chrono::milliseconds time);

// One line whatever the text: bytes outside printable ASCII and backslashes as
// \xNN. Distinct texts stay distinct.
std::string Escape(std::string_view text);
// The text that Escape makes this of; an error where it makes none of it.
Result<std::string> Unescape(std::string_view text);
// For messages: escaped, in single quotes, cut when long.
std::string Quote(std::string_view text);

}  // namespace crossfade::config
