// Which commands set an expiry, and the time that they name.
// Pure functions; views show the arguments.
#pragma once

#include <optional>
#include <string_view>

#include "routing/commands/command_table.h"

namespace crossfade::replication::effects {

struct SetOptions {
  bool understood = true;
  bool nx = false;
  bool xx = false;
  bool get = false;
  bool keep_ttl = false;
  std::string_view time_word;  // EX, PX, EXAT or PXAT as given; empty without
  std::string_view time;
};
// SET's arguments from the fourth on.
SetOptions ReadSetOptions(routing::Args args);

struct NamedTime {
  std::string_view text;
  bool relative = true;
  bool seconds = true;
};
// The time that a command names for args[1]'s expiry; none when it sets none.
// Safe on arguments that no store would take.
std::optional<NamedTime> TimeNamedBy(const routing::CommandSpec& spec, routing::Args args);

}  // namespace crossfade::replication::effects
