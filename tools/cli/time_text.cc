#include "tools/cli/time_text.h"

#include <cstdio>
#include <ctime>

namespace crossfade::cli {

std::string TimeText(int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
  char milliseconds[8];
  std::snprintf(milliseconds, sizeof(milliseconds), ".%03dZ", static_cast<int>(unix_ms % 1000));
  return std::string(text) + milliseconds;
}

}  // namespace crossfade::cli
