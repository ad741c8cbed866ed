// The configuration's `allow`: which of the commands that are refused by default
// clients may send, and which of those can't be allowed at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/section.h"
#include "config/settings.h"

namespace crossfade::config {

std::vector<AllowedCommand> ReadAllow(const Section& root, Problems& problems);

// Why the command can't be allowed, in a few words; empty when it can. `name` is
// in lower case, "config|set" for a subcommand.
std::string_view WhyNeverAllowed(std::string_view name);

}  // namespace crossfade::config
