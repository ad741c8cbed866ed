// The syntax of what routes match by. Pure, thread-safe; an error says what was
// expected.
#pragma once

#include <string>
#include <string_view>

#include "config/result.h"

namespace crossfade::config {

// A.B.C.D/BITS or V6/BITS, or a single address; returned in one canonical
// spelling, always with /BITS.
Result<std::string> ParseNetwork(std::string_view text);

// Redis's globs: * ? [abc] [a-z] [^a] \x. Fails on what can't be meant: a [
// without ], a \ at the end.
Status CheckGlob(std::string_view text);

}  // namespace crossfade::config
