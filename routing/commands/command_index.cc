#include "routing/commands/command_index.h"

#include <bit>
#include <map>

#include "config/check.h"

namespace crossfade::routing {
namespace {

// All bits but that of the case, where a byte is a letter.
uint64_t BitsThatCount(uint64_t word) {
  uint64_t bits = ~uint64_t{0};
  for (int shift = 0; shift < 64; shift += 8) {
    const auto byte = static_cast<char>(word >> shift);
    if (byte >= 'a' && byte <= 'z') bits &= ~(uint64_t{0x20} << shift);
  }
  return bits;
}

std::string_view OwnName(const CommandSpec& spec) {
  const std::string_view name = spec.name;
  const size_t bar = name.find('|');
  return bar == std::string_view::npos ? name : name.substr(bar + 1);
}

}  // namespace

CommandIndex::CommandIndex(std::deque<CommandSpec> specs) : specs_(std::move(specs)) {
  const size_t size = std::bit_ceil(specs_.size() * 2 + 16);
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

const CommandIndex::Slot* CommandIndex::LookupLong(std::string_view text, uint16_t parent) const {
  const Name name = Pack(text, parent);
  for (uint32_t i = Home(name); slots_[i].spec != nullptr; i = (i + 1) & mask_) {
    const Slot& slot = slots_[i];
    if (Differences(slot, name) == 0 && EqualsIgnoringCase(text, OwnName(*slot.spec))) return &slot;
  }
  return nullptr;
}

void CommandIndex::Insert(const CommandSpec& spec, std::string_view name, uint16_t parent,
                          uint16_t container) {
  const Name packed = Pack(name, parent);
  uint32_t i = Home(packed);
  while (slots_[i].spec != nullptr) i = (i + 1) & mask_;
  slots_[i] = {packed, BitsThatCount(packed.head), BitsThatCount(packed.tail), &spec, container};
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
