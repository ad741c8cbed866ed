// The keys of a command, movable ones included.
#pragma once

#include <cstdint>
#include <vector>

#include "routing/commands/command_table.h"

namespace crossfade::routing {

inline constexpr int32_t kSameDb = -1;

// What a user must be allowed to do with a key, for the command to run.
enum KeyRight : uint8_t { kReadsKey = 1, kWritesKey = 2 };

struct KeyPosition {
  uint32_t arg;  // index into the arguments
  Access access;
  int32_t db = kSameDb;  // of MOVE's and COPY … DB's destination: the db it lies in
  uint8_t rights = 0;    // of KeyRight: APPEND writes without reading, EXISTS needs neither
};

enum class Keys : uint8_t {
  kKnown,      // `out` has them all (it may be empty: the command has no keys)
  kAll,        // the command is about the whole keyspace (FLUSHALL, FLUSHDB, SWAPDB)
  kUnknown,    // they can't be known from the arguments
  kMalformed,  // the arguments are not what the command takes (numkeys out of range, say):
               // the store will refuse it; `out` is empty
};

// `out` is cleared first. Needs args to fit the spec's arity. Allocates only
// when `out` grows.
Keys ExtractKeys(const CommandSpec& spec, Args args, std::vector<KeyPosition>& out);

}  // namespace crossfade::routing
