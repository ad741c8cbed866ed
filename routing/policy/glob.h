// Redis's glob: * ? [abc] [a-z] [^a] \x, byte by byte. Pure, allocates nothing;
// its time is at most the product of the lengths.
#pragma once

#include <string_view>

namespace crossfade::routing {

// As Redis matches key patterns: an unterminated [ ends with the pattern, a
// backslash at the end is itself. Stars match the empty text as well.
bool GlobMatch(std::string_view pattern, std::string_view text);

}  // namespace crossfade::routing
