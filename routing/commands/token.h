// Words in arguments as Redis compares and reads them.
#pragma once

#include <cstddef>
#include <string_view>

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

}  // namespace crossfade::routing
