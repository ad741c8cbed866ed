#include "routing/commands/command_set.h"

#include <algorithm>

#include "routing/commands/command_reply.h"

namespace crossfade::routing {
namespace {

bool IsSubcommand(std::string_view name) { return name.find('|') != name.npos; }

}  // namespace

void CommandSet::Add(const CommandSpec& spec) {
  names_.insert(spec.name);
  if (spec.id == CommandId::kOther) {
    others_.insert(spec.name);
  } else {
    known_.set(static_cast<size_t>(spec.id));
  }
}

Result<CommandSet> MissingCommands(const CommandTable& table, std::string_view has,
                                   std::string_view lacks) {
  const Result<std::vector<StoreCommand>> wanted = ParseCommandReply(has);
  if (!wanted) return Fail(wanted.error().message);
  const Result<std::vector<StoreCommand>> present = ParseCommandReply(lacks);
  if (!present) return Fail(present.error().message);
  std::set<std::string_view> names;
  bool subcommands = false;
  for (const StoreCommand& command : *present) {
    names.insert(command.spec.name);
    subcommands = subcommands || IsSubcommand(command.spec.name);
  }
  CommandSet missing;
  for (const StoreCommand& command : *wanted) {
    const std::string& name = command.spec.name;
    const bool told = subcommands || !IsSubcommand(name) ||
                      !names.contains(std::string_view(name).substr(0, name.find('|')));
    if (!told || names.contains(name)) continue;
    if (const CommandSpec* spec = table.FindName(name)) missing.Add(*spec);
  }
  return missing;
}

}  // namespace crossfade::routing
