#include "routing/commands/command_index.h"

#include <bit>
#include <cstring>
#include <map>

#include "config/check.h"
#include "routing/commands/token.h"

namespace crossfade::routing {
namespace {

template <class Word>
uint64_t Load(const char* p) {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

std::string_view OwnName(const CommandSpec& spec) {
  const std::string_view name = spec.name;
  const size_t bar = name.find('|');
  return bar == std::string_view::npos ? name : name.substr(bar + 1);
}

}  // namespace

CommandIndex::CommandIndex(std::deque<CommandSpec> specs) : specs_(std::move(specs)) {
  const size_t size = std::bit_ceil(specs_.size() * 2 + 16) * 2;
  slots_.resize(size);
  mask_ = static_cast<uint32_t>(size - 1);
  shift_ = 64 - std::countr_zero(size);
  std::map<std::string_view, uint16_t> containers;
  for (const CommandSpec& spec : specs_) {
    if ((spec.flags & kContainer) != 0) {
      containers.emplace(spec.name, static_cast<uint16_t>(containers.size() + 1));
    }
  }
  // Who comes first gets its home slot: the commands that are asked for most.
  for (const bool hot : {true, false}) {
    for (const CommandSpec& spec : specs_) {
      if (spec.single_key_at_1 != hot) continue;
      const size_t bar = spec.name.find('|');
      uint16_t parent = 0;
      if (bar != std::string::npos) {
        const auto found = containers.find(std::string_view(spec.name).substr(0, bar));
        CROSSFADE_CHECK(found != containers.end());
        parent = found->second;
      }
      const auto own = containers.find(spec.name);
      Insert(spec, OwnName(spec), parent, own == containers.end() ? uint16_t{0} : own->second);
    }
  }
}

CommandIndex::Name CommandIndex::Pack(std::string_view name) {
  const char* p = name.data();
  const size_t n = name.size();
  if (n >= 8) return {LowerBytes(Load<uint64_t>(p)), LowerBytes(Load<uint64_t>(p + n - 8))};
  if (n >= 4) return {LowerBytes(Load<uint32_t>(p) | Load<uint32_t>(p + n - 4) << 32), 0};
  if (n == 0) return {};
  return {
      LowerBytes(Load<uint8_t>(p) | Load<uint8_t>(p + n / 2) << 8 | Load<uint8_t>(p + n - 1) << 16),
      0};
}

bool CommandIndex::Matches(const Slot& slot, std::string_view name) {
  return name.size() <= 16 || EqualsIgnoringCase(name, OwnName(*slot.spec));
}

const CommandIndex::Slot* CommandIndex::Lookup(std::string_view name, uint16_t parent) const {
  const Name packed = Pack(name);
  const auto length = static_cast<uint32_t>(name.size());
  for (uint32_t i = Home(packed, length, parent);; i = (i + 1) & mask_) {
    const Slot& slot = slots_[i];
    if (slot.name.head == packed.head && slot.name.tail == packed.tail && slot.length == length &&
        slot.parent == parent && slot.spec != nullptr && Matches(slot, name)) {
      return &slot;
    }
    if (slot.spec == nullptr) return nullptr;
  }
}

void CommandIndex::Insert(const CommandSpec& spec, std::string_view name, uint16_t parent,
                          uint16_t container) {
  const Name packed = Pack(name);
  const auto length = static_cast<uint32_t>(name.size());
  uint32_t i = Home(packed, length, parent);
  while (slots_[i].spec != nullptr) i = (i + 1) & mask_;
  slots_[i] = {packed, &spec, length, parent, container};
}

const CommandSpec* CommandIndex::Find(Args args) const {
  if (args.empty()) return nullptr;
  const Slot* slot = Lookup(args[0], 0);
  if (slot == nullptr) return nullptr;
  if (slot->container == 0 || args.size() < 2) [[likely]]
    return slot->spec;
  const Slot* subcommand = Lookup(args[1], slot->container);
  return subcommand == nullptr ? slot->spec : subcommand->spec;
}

const CommandSpec* CommandIndex::FindName(std::string_view name) const {
  const size_t bar = name.find('|');
  const Slot* slot = Lookup(name.substr(0, bar), 0);
  if (slot == nullptr || bar == std::string_view::npos) return slot ? slot->spec : nullptr;
  if (slot->container == 0) return nullptr;
  const Slot* subcommand = Lookup(name.substr(bar + 1), slot->container);
  return subcommand == nullptr ? nullptr : subcommand->spec;
}

}  // namespace crossfade::routing
