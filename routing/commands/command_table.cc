#include "routing/commands/command_table.h"

#include <deque>
#include <map>

#include "routing/commands/builtin_table.h"
#include "routing/commands/command_index.h"
#include "routing/commands/command_reply.h"

namespace crossfade::routing {

struct CommandTable::Index : CommandIndex {
  using CommandIndex::CommandIndex;
};

namespace {

using Specs = std::map<std::string, CommandSpec>;

// Flags that servers before 7.0 do not know of: the built-in ones stay.
constexpr uint32_t kFlagsSince70 =
    kBlocking | kNoMulti | kNoAuth | kMayReplicate | kAllowBusy | kContainer | kMovableKeys;

bool SingleKeyAt1(const CommandSpec& spec) {
  if (spec.id == CommandId::kMove) return false;  // one name, but two keys
  if (spec.key_specs.empty()) {
    return spec.first_key == 1 && spec.last_key == 1 && (spec.flags & kMovableKeys) == 0;
  }
  if (spec.id == CommandId::kOther && (spec.flags & kMovableKeys) != 0) return false;
  const KeySpec& only = spec.key_specs.front();
  return spec.key_specs.size() == 1 && only.begin == KeySpec::Begin::kIndex &&
         only.begin_index == 1 && only.find == KeySpec::Find::kRange && only.last_key == 0 &&
         only.step >= 1 && (only.flags & (kSpecNotKey | kSpecIncomplete)) == 0;
}

Specs BuiltinSpecs() {
  Specs specs;
  for (const BuiltinCommand& command : BuiltinCommands()) {
    CommandSpec spec;
    spec.name = command.name;
    spec.id = command.id;
    spec.arity = command.arity;
    spec.flags = command.flags;
    spec.categories = command.categories;
    spec.first_key = command.first_key;
    spec.last_key = command.last_key;
    spec.key_step = command.key_step;
    for (uint8_t i = 0; i < command.spec_count; ++i) {
      spec.key_specs.push_back(MakeKeySpec(command.specs[i]));
    }
    specs.emplace(command.name, std::move(spec));
  }
  return specs;
}

std::deque<CommandSpec> Finished(Specs specs) {
  std::deque<CommandSpec> finished;
  for (auto& [name, spec] : specs) {
    spec.single_key_at_1 = SingleKeyAt1(spec);
    finished.push_back(std::move(spec));
  }
  return finished;
}

void Lay(Specs& over, StoreCommand command) {
  CommandSpec& spec = command.spec;
  const auto builtin = over.find(spec.name);
  if (builtin != over.end()) {
    spec.id = builtin->second.id;
    spec.flags |= builtin->second.flags & kContainer;
    if (spec.categories == 0) spec.categories = builtin->second.categories;
    if (!command.has_key_specs) {
      spec.flags |= builtin->second.flags & kFlagsSince70;
      spec.key_specs = std::move(builtin->second.key_specs);
    }
  }
  over.insert_or_assign(spec.name, std::move(spec));
}

}  // namespace

CommandTable::CommandTable() : index_(std::make_unique<Index>(Finished(BuiltinSpecs()))) {}
CommandTable::~CommandTable() = default;
CommandTable::CommandTable(CommandTable&&) noexcept = default;
CommandTable& CommandTable::operator=(CommandTable&&) noexcept = default;

const CommandTable& CommandTable::Redis70() {
  static const CommandTable table;
  return table;
}

const CommandSpec* CommandTable::Find(Args args) const { return index_->Find(args); }

const CommandSpec* CommandTable::FindName(std::string_view name) const {
  return index_->FindName(name);
}

std::vector<const CommandSpec*> CommandTable::All() const {
  std::vector<const CommandSpec*> all;
  for (const CommandSpec& spec : index_->specs()) all.push_back(&spec);
  return all;
}

Result<CommandTable> CommandTable::FromCommandReply(std::string_view resp) {
  auto commands = ParseCommandReply(resp);
  if (!commands) return tl::unexpected(std::move(commands.error()));
  Specs specs = BuiltinSpecs();
  for (StoreCommand& command : *commands) Lay(specs, std::move(command));
  CommandTable table;
  table.index_ = std::make_unique<Index>(Finished(std::move(specs)));
  return table;
}

}  // namespace crossfade::routing
