// CommandSet: a set of commands, by what a table knows them as. Immutable once
// it is filled; reading it allocates nothing.
#pragma once

#include <bitset>
#include <set>
#include <string>
#include <string_view>

#include "routing/commands/command_table.h"

namespace crossfade::routing {

class CommandSet {
 public:
  void Add(const CommandSpec& spec);
  bool Has(const CommandSpec& spec) const {
    return spec.id == CommandId::kOther ? others_.contains(spec.name)
                                        : known_[static_cast<size_t>(spec.id)];
  }
  const std::set<std::string, std::less<>>& names() const { return names_; }

 private:
  std::bitset<kCommandIds> known_;
  std::set<std::string, std::less<>> others_;  // those without an id of their own
  std::set<std::string, std::less<>> names_;
};

// What the one store's COMMAND reply has and the other's lacks. Where one of them
// names no subcommands (before 7.0) these are not told apart.
Result<CommandSet> MissingCommands(const CommandTable& table, std::string_view has,
                                   std::string_view lacks);

}  // namespace crossfade::routing
