// StreamTrims: a transaction's approximate trimmings of streams (XADD and XTRIM
// with ~). The length that a stream has in the end is what the last of them left
// of it, if nothing else happened to the stream since the first; those before the
// last need not trim the follower's. Lives on the stack during one derivation;
// views show the commands' bytes.
#pragma once

#include <span>
#include <string_view>
#include <unordered_map>

#include "replication/effects.h"

namespace crossfade::replication::effects {

class StreamTrims {
 public:
  StreamTrims(std::span<const QueuedCommand> commands, std::span<const StreamLength> lengths);

  struct Trim {
    bool known = false;  // what the stream is left with
    bool first = false;
    bool last = false;
    StreamLength length;
  };
  // Of the command at `index`, which trims `key` approximately.
  Trim Of(std::string_view key, size_t index) const;

 private:
  struct Trims {
    size_t first = 0;
    size_t last = 0;
    bool known = false;
    StreamLength length;
  };
  void NoteWrite(const QueuedCommand& command, size_t index);

  std::unordered_map<std::string_view, Trims> by_key_;
};

}  // namespace crossfade::replication::effects
