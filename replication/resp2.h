// The RESP2 form of RESP3 replies: what the same command would have got on a
// RESP2 connection of Redis 7.0, byte for byte. Effects and digests know no
// other form. Pure functions; frames are complete, one that is malformed ends in
// some RESP2 text, never in a crash.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "replication/effects.h"
#include "routing/commands/command_table.h"

namespace crossfade::replication {

// Whether a frame of this type byte is the same in both protocols, whatever the
// command: nearly every reply to a write is.
inline bool IsSameInResp2(char type) {
  return type == '+' || type == ':' || type == '$' || type == '-';
}

// Sets `out` to the RESP2 form of `resp3`, the reply to `args`, and returns true;
// false, with `out` as it was, when the frame is that form already. `spec` may
// be null (an unknown command): then only what does not depend on it is changed.
// EXEC: see below.
bool ToResp2(const routing::CommandSpec* spec, routing::Args args, std::string_view resp3,
             std::string& out);

// The same for EXEC's reply, element by element.
bool TransactionToResp2(std::span<const QueuedCommand> commands, std::string_view resp3,
                        std::string& out);

}  // namespace crossfade::replication
