// Blocking commands as the proxy serves them: what a client waits for, the
// attempt that is made for it when a key may have what it wants, and which keys
// a write may make ready for somebody who waits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "routing/commands/command_table.h"
#include "routing/commands/keys.h"

namespace crossfade::routing {

enum WaitKind : uint8_t {
  kWaitsForList = 1,
  kWaitsForSortedSet = 2,
  kWaitsForStream = 4,
  kWaitsForAny = 7,
};

// A blocking command taken apart: what a waiting client must keep.
struct BlockingRequest {
  WaitKind kind = kWaitsForList;
  bool changes = true;       // all but XREAD
  bool group = false;        // XREADGROUP
  bool counts_keys = false;  // their number stands before them
  bool has_count = true;     // XREAD …: it named one that is not 0
  uint8_t head_args = 0;     // before the keys
  uint8_t tail_args = 0;     // behind the keys and the ids
  int64_t timeout_ms = 0;    // 0: for ever
  std::string head, tail;    // encoded; where there is a timeout, it is as short as can be
  std::vector<std::string> keys;
  std::vector<std::string> ids;  // of streams, as many as keys
  std::string destination;       // of BLMOVE and BRPOPLPUSH
  bool has_destination = false;
};

// Whether the command may block when it stands outside a transaction.
bool MayBlock(const CommandSpec& spec, Args args);

// False: not understood, so the store will most likely refuse it.
bool ParseBlocking(const CommandSpec& spec, Args args, BlockingRequest& out);

// The command for the keys with these indexes alone (none: for all of them). In
// a transaction it does not block; and were the transaction refused, it would
// block for a moment only.
void AppendAttempt(std::string& out, const BlockingRequest& request,
                   std::span<const uint32_t> keys);

// How surely a write puts elements where somebody may wait for them.
enum class Certainty : uint8_t {
  kExact,    // as many as said, if it succeeds at all
  kBounded,  // at most as many
  kOpen,     // unknown how many
};

struct Readied {
  uint32_t arg = 0;  // the key
  int32_t db = kSameDb;
  uint8_t kinds = 0;  // of WaitKind: whom it may serve, or end the waiting of
  Certainty certainty = Certainty::kOpen;
  uint32_t elements = 0;  // but for kOpen
};

// `out` is cleared first. `positions` are ExtractKeys's of the command.
void KeysReadied(const CommandSpec& spec, Args args, std::span<const KeyPosition> positions,
                 std::vector<Readied>& out);

}  // namespace crossfade::routing
