#include "proxy/admin/format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace crossfade::proxy {
namespace {

std::string Format(const char* format, double value, const char* unit) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return std::string(buffer) + unit;
}

std::string Scaled(double value, const char* unit) {
  return Format(value < 10 ? "%.1f " : "%.0f ", value, unit);
}

}  // namespace

std::string FormatCount(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024; ++unit) value /= 1024;
  return Scaled(value, kUnits[unit]);
}

std::string FormatSeconds(double seconds) {
  if (seconds <= 0) return "0";
  if (seconds < 1e-3) return Format("%.0f ", seconds * 1e6, "us");
  if (seconds < 1) return Scaled(seconds * 1e3, "ms");
  if (seconds < 120) return Scaled(seconds, "s");
  return FormatUptime(static_cast<uint64_t>(seconds * 1e3));
}

std::string FormatUptime(uint64_t milliseconds) {
  const uint64_t seconds = milliseconds / 1000;
  const auto pair = [](uint64_t big, const char* big_unit, uint64_t small, const char* small_unit) {
    return std::to_string(big) + big_unit + " " + std::to_string(small) + small_unit;
  };
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return pair(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86'400) return pair(seconds / 3600, "h", seconds / 60 % 60, "m");
  return pair(seconds / 86'400, "d", seconds / 3600 % 24, "h");
}

std::string FormatTime(int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
  char milliseconds[8];
  std::snprintf(milliseconds, sizeof(milliseconds), ".%03dZ", static_cast<int>(unix_ms % 1000));
  return std::string(text) + milliseconds;
}

std::string FormatRate(double per_second) {
  if (per_second > 0 && per_second < 10) return Format("%.1f", per_second, "/s");
  return FormatCount(static_cast<uint64_t>(std::llround(std::max(per_second, 0.0)))) + "/s";
}

std::string FormatShare(double share) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g%%", share * 100);
  return buffer;
}

std::string FormatBar(double share, size_t width) {
  // Full only when it is, so that 99.9% never looks finished.
  const double part = std::clamp(share, 0.0, 1.0) * static_cast<double>(width);
  const size_t filled = static_cast<size_t>(part);
  return "[" + std::string(filled, '#') + std::string(width - filled, '-') + "]";
}

std::string FormatQuantile(const std::vector<uint64_t>& counts, double quantile) {
  uint64_t total = 0;
  for (uint64_t count : counts) total += count;
  if (total == 0) return "-";
  const double rank = quantile * static_cast<double>(total);
  uint64_t below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    if (static_cast<double>(below) < rank) continue;
    if (i + 1 == counts.size()) {
      return ">" + FormatSeconds(std::ldexp(1e-6, static_cast<int>(i) - 1));
    }
    return "<" + FormatSeconds(std::ldexp(1e-6, static_cast<int>(i)));
  }
  return "-";
}

std::string Printable(const std::string& text) {
  std::string clean = text;
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return clean;
}

}  // namespace crossfade::proxy
