// Replayability: whether a command inside a script does the same on a follower
// that holds the same keys, a little later. The table of design.md §3: what is
// not listed as such is taken not to. Pure functions.
#pragma once

#include <string_view>

#include "routing/commands/command_table.h"
#include "routing/scripts/call_facts.h"

namespace crossfade::routing {

struct Replayability {
  std::string_view why_not;  // empty: it does
  bool sets_expiry = false;
};

Replayability ReplayabilityOf(const CommandSpec& spec, const ScriptCall& call);

// Whether it may change a key. Not flagged readonly means so, but for those that
// are about the server.
bool WritesKeys(const CommandSpec& spec);

// Whether its reply is never a table in Lua (so that tostring of it is a value).
bool RepliesScalar(const CommandSpec& spec);

}  // namespace crossfade::routing
