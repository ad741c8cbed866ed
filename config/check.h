// CROSSFADE_CHECK: for our own bugs only, on in release builds, never fed input.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace crossfade {

[[noreturn]] inline void CheckFailed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "crossfade: internal error: %s does not hold at %s:%d\n", expression, file,
               line);
  std::abort();
}

}  // namespace crossfade

#define CROSSFADE_CHECK(expression)    \
  (__builtin_expect(!!(expression), 1) \
       ? (void)0                       \
       : ::crossfade::CheckFailed(#expression, __FILE__, __LINE__))
