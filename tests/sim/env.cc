#include "tests/sim/env.h"

#include <cinttypes>
#include <cstdio>

namespace crossfade::sim {

void Env::Violation(std::string text) {
  if (tracing) Trace("VIOLATION " + text);
  violations.push_back("at " + std::to_string(scheduler.now_us()) + "us: " + std::move(text));
}

void Env::Trace(const std::string& text) {
  const int64_t us = scheduler.now_us();
  std::printf("%5" PRId64 ".%06" PRId64 " %s\n", us / 1'000'000, us % 1'000'000, text.c_str());
}

std::string Printable(std::string_view bytes) {
  constexpr size_t kShown = 200;
  std::string text;
  for (const char c : bytes.substr(0, kShown)) {
    if (c == '\r') continue;
    text += c == '\n' ? ' ' : (c < ' ' || c > '~' ? '?' : c);
  }
  if (bytes.size() > kShown) text += "...";
  return text;
}

}  // namespace crossfade::sim
