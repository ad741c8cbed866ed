// What clients are told who may not, in Redis's words.
#pragma once

#include <string>

namespace crossfade::test {

inline constexpr const char* kNoAuth = "NOAUTH Authentication required.";
inline constexpr const char* kWrongPass =
    "WRONGPASS invalid username-password pair or user is disabled.";
inline constexpr const char* kNoKey =
    "NOPERM this user has no permissions to access one of the keys used as arguments";

inline std::string NoCommand(const std::string& name) {
  return "NOPERM this user has no permissions to run the '" + name + "' command";
}

// The line of a metric without labels.
inline std::string MetricLine(const std::string& metrics, const std::string& name) {
  const size_t at = metrics.find("\n" + name + " ");
  return at == std::string::npos ? "" : metrics.substr(at + 1, metrics.find('\n', at + 1) - at - 1);
}

}  // namespace crossfade::test
