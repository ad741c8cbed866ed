#include "replication/effects/stream_trims.h"

#include <vector>

#include "replication/effects/derivation.h"
#include "routing/commands/keys.h"

namespace crossfade::replication::effects {

StreamTrims::StreamTrims(std::span<const QueuedCommand> commands,
                         std::span<const StreamLength> lengths) {
  for (size_t i = 0; i < commands.size(); ++i) {
    if (!TrimsApproximately(*commands[i].spec, commands[i].args)) continue;
    const auto [trims, is_new] = by_key_.try_emplace(commands[i].args[1]);
    if (is_new) trims->second.first = i;
    trims->second.last = i;
  }
  if (by_key_.empty()) return;
  for (const StreamLength& length : lengths) {
    const auto trims = by_key_.find(length.key);
    if (trims == by_key_.end()) continue;
    trims->second.known = true;
    trims->second.length = length;
  }
  for (size_t i = 0; i < commands.size(); ++i) {
    if (!TrimsApproximately(*commands[i].spec, commands[i].args)) NoteWrite(commands[i], i);
  }
}

// Another write since the first: it changes the length, or finds another stream.
void StreamTrims::NoteWrite(const QueuedCommand& command, size_t index) {
  if (command.spec->ReadOnly()) return;
  std::vector<routing::KeyPosition> keys;
  const bool all = !command.spec->ArityFits(command.args.size()) ||
                   routing::ExtractKeys(*command.spec, command.args, keys) != routing::Keys::kKnown;
  if (all) {
    for (auto& [key, trims] : by_key_) trims.known = trims.known && index < trims.first;
  }
  for (const routing::KeyPosition& position : keys) {
    const auto trims = by_key_.find(command.args[position.arg]);
    if (trims != by_key_.end() && index > trims->second.first) trims->second.known = false;
  }
}

StreamTrims::Trim StreamTrims::Of(std::string_view key, size_t index) const {
  const Trims& trims = by_key_.at(key);
  return {trims.known, index == trims.first, index == trims.last, trims.length};
}

}  // namespace crossfade::replication::effects
