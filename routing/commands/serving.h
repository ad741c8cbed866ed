// Serving: where a command runs (design §4), from its name and its flags alone.
#pragma once

#include <array>
#include <cstdint>

#include "routing/commands/command_table.h"

namespace crossfade::routing {

enum class Serving : uint8_t {
  kSession,      // answered by the session itself
  kTransaction,  // MULTI, EXEC, DISCARD
  kRead,         // reads keys: the authority's lane, or the follower
  kAuthority,    // no effect and no keys that route it: the authority's lane
  kWrite,        // the authority's lane, under the gate, mirrored
  kPinned,       // needs a connection to the authority of the session's own
  kBlocking,     // may wait for a key: the proxy blocks, not the store
  kScript,       // scripts and functions: by what is known of them
  kRefused,      // could hurt a store or the migration
  kNotServed,    // needs what this version does not have
};

// By CommandId, filled before main; kNotServed where more than the id decides.
extern const std::array<Serving, kCommandIds> kServingById;
Serving ServingByDetail(const CommandSpec& spec, Args args);

inline Serving ServingOf(const CommandSpec& spec, Args args) {
  const Serving serving = kServingById[static_cast<size_t>(spec.id)];
  return serving == Serving::kNotServed ? ServingByDetail(spec, args) : serving;
}

// Whether a read may go to the follower: not where the reply belongs to the
// store that gave it (cursors, statistics), or where keys are named by pattern.
bool MayReadFollower(const CommandSpec& spec, Args args);

// Whether CLIENT PAUSE WRITE holds it: a write, or what Redis replicates without
// calling it one. A script that says that it does not write is held all the same.
bool MayReplicate(const CommandSpec& spec);

}  // namespace crossfade::routing
