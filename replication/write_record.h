// WriteRecord: what is kept of a write between its sending and its reply.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "replication/block.h"
#include "replication/scripts.h"
#include "replication/write_keys.h"
#include "routing/commands/command_table.h"

namespace crossfade::replication {

// A write (or a read to be shadowed) from its sending to its reply. Owned by
// the lane; reused, so that no write allocates.
struct WriteRecord {
  const routing::CommandSpec* spec = nullptr;  // nullptr: a transaction, MULTI … EXEC
  size_t argc = 0;                             // of the command; 0 of a transaction
  std::string_view request;                    // in the lane's block, until the reply
  Block* block = nullptr;                      // where it lies, if it may be shared
  uint32_t db = 0;
  bool resp3 = false;  // the reply is in RESP3
  uint64_t intent = 0;
  WriteKeys keys;
  bool shadow = false;
  uint32_t route = 0;
  uint32_t deadlines_wanted = 0;   // replies that come behind: deadlines, or streams' lengths
  std::vector<int64_t> deadlines;  // those that have come
  bool deadlines_unknown = false;  // one of them was refused
  ScriptRun script;                // of a script; of a transaction only `undeclared`
};

// What the intent journal keeps of a write: the name of its only key, or else what
// is parsed for its keys' names.
struct WriteText {
  std::string_view only_key;
  std::string_view request;
};

}  // namespace crossfade::replication
