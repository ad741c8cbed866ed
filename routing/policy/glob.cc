#include "routing/policy/glob.h"

#include <cstddef>

namespace crossfade::routing {
namespace {

// Whether `byte` is in the class whose [ is at pattern[i]; moves i past it.
// Ranges are of signed bytes, as Redis has them on x86.
bool MatchClass(std::string_view pattern, size_t& i, signed char byte) {
  const auto at = [&](size_t k) { return static_cast<signed char>(pattern[k]); };
  ++i;
  const bool inverted = i < pattern.size() && pattern[i] == '^';
  if (inverted) ++i;
  bool found = false;
  while (i < pattern.size() && pattern[i] != ']') {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      found |= at(i + 1) == byte;
      i += 2;
    } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
      const signed char a = at(i), b = at(i + 2);
      found |= a <= b ? byte >= a && byte <= b : byte >= b && byte <= a;
      i += 3;
    } else {
      found |= at(i) == byte;
      ++i;
    }
  }
  if (i < pattern.size()) ++i;
  return found != inverted;
}

// Matches one byte of text against the element at pattern[i], not a star, and
// moves i past that element.
bool MatchOne(std::string_view pattern, size_t& i, char byte) {
  switch (pattern[i]) {
    case '?':
      ++i;
      return true;
    case '[':
      return MatchClass(pattern, i, static_cast<signed char>(byte));
    case '\\':
      if (i + 1 < pattern.size()) ++i;
      [[fallthrough]];
    default:
      return pattern[i++] == byte;
  }
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text) {
  constexpr size_t kNone = std::string_view::npos;
  size_t i = 0, t = 0;
  size_t after_star = kNone;  // the element behind the last star
  size_t star_from = 0;       // the text from which it was last tried
  while (t < text.size()) {
    if (i < pattern.size() && pattern[i] == '*') {
      after_star = ++i;
      star_from = t;
      continue;
    }
    if (i < pattern.size() && MatchOne(pattern, i, text[t])) {
      ++t;
      continue;
    }
    if (after_star == kNone) return false;
    i = after_star;
    t = ++star_from;
  }
  while (i < pattern.size() && pattern[i] == '*') ++i;
  return i == pattern.size();
}

}  // namespace crossfade::routing
