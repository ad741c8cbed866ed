// Words in arguments as Redis compares and reads them.
#pragma once

#include <cstdint>
#include <string_view>

#include "routing/resp/number.h"

namespace crossfade::routing {

inline char LowerCase(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (LowerCase(a[i]) != LowerCase(b[i])) return false;
  }
  return true;
}

// Whether an option is the word `token`. Redis compares options as C strings,
// so that what is behind a NUL byte does not count.
inline bool IsToken(std::string_view arg, std::string_view token) {
  if (arg.size() < token.size()) return false;
  if (arg.size() > token.size() && arg[token.size()] != '\0') return false;
  return EqualsIgnoringCase(arg.substr(0, token.size()), token);
}

// As Redis reads an integer argument: no plus, no spaces, no leading zeros.
inline bool ParseRedisInteger(std::string_view text, int64_t& value) {
  const std::string_view digits = text.substr(!text.empty() && text.front() == '-' ? 1 : 0);
  if (!digits.empty() && digits.front() == '0' && text.size() > 1) return false;
  return ParseInteger(text, value);
}

}  // namespace crossfade::routing
