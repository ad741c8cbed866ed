// A store's COMMAND reply, read into CommandSpecs: of Redis 6.2 (positions
// only) and of 7.0 and later (key specifications, subcommands).
#pragma once

#include <string_view>
#include <vector>

#include "routing/commands/command_table.h"

namespace crossfade::routing {

struct StoreCommand {
  CommandSpec spec;            // id and single_key_at_1 are not set
  bool has_key_specs = false;  // the store tells key specifications at all
};

// `resp` is one whole reply and nothing else. Containers come before their
// subcommands, names are in lower case. Flags, tips and elements that are not
// known here are passed over; anything of the wrong shape is an error.
Result<std::vector<StoreCommand>> ParseCommandReply(std::string_view resp);

}  // namespace crossfade::routing
