// The proxy's own keys. They lie in db 0 of both stores, and their names are
// reserved in every db: no client's command may name one, replies that list keys
// leave them out, and they are neither mirrored, copied nor compared. Other names
// that begin alike are the clients'.
#pragma once

#include <string_view>

namespace crossfade::routing {

inline constexpr std::string_view kReservedPrefix = "crossfade:";
inline constexpr std::string_view kOwnerKey = "crossfade:owner";    // who mirrors, for a while
inline constexpr std::string_view kTenureKey = "crossfade:tenure";  // who did last, for ever
inline constexpr std::string_view kWaitKey = "crossfade:wait";      // written by WAIT, and deleted

// Part of every request's path: one comparison for nearly all names.
[[gnu::always_inline]] inline bool IsReserved(std::string_view name) {
  if (name.size() - kWaitKey.size() > kTenureKey.size() - kWaitKey.size()) [[likely]] {
    return false;
  }
  return name.starts_with(kReservedPrefix) &&
         (name == kOwnerKey || name == kTenureKey || name == kWaitKey);
}

}  // namespace crossfade::routing
