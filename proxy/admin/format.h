// Numbers for people: "1,234", "3.1 KiB", "2h 14m", "[####----]". Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crossfade::proxy {

std::string FormatCount(uint64_t value);
std::string FormatBytes(uint64_t bytes);
std::string FormatSeconds(double seconds);  // short times: "0.4 ms", "2.5 s"
std::string FormatUptime(uint64_t milliseconds);
std::string FormatTime(int64_t unix_ms);  // "2026-01-31T12:00:00.000Z"
std::string FormatRate(double per_second);
std::string FormatShare(double share);  // 0.25 -> "25%"
std::string FormatBar(double share, size_t width);
// The upper end of the bucket that holds the quantile: "<128 us"; "-" when empty.
std::string FormatQuantile(const std::vector<uint64_t>& counts, double quantile);
// Without bytes that a terminal would obey.
std::string Printable(const std::string& text);

}  // namespace crossfade::proxy
