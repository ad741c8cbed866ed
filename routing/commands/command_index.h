// CommandIndex: names to CommandSpecs, for the data path: up to 16 bytes in two
// words, one multiply-shift hash and, nearly always, one slot. A slot knows at
// which of its bytes the case does not matter: those that are letters.
// Owns the specs. Immutable after it is built; shared by all threads.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string_view>
#include <vector>

#include "routing/commands/command_table.h"
#include "routing/commands/token.h"

namespace crossfade::routing {

class CommandIndex {
 public:
  // `specs` by full name, in lower case; a subcommand's container must be among
  // them.
  explicit CommandIndex(std::deque<CommandSpec> specs);

  const CommandSpec* Find(Args args) const {
    if (args.empty()) return nullptr;
    const Slot* slot = Lookup(args[0], 0);
    if (slot == nullptr) return nullptr;
    if (slot->container == 0 || args.size() < 2) [[likely]]
      return slot->spec;
    const Slot* subcommand = Lookup(args[1], slot->container);
    return subcommand == nullptr ? slot->spec : subcommand->spec;
  }
  const CommandSpec* FindName(std::string_view name) const;
  const std::deque<CommandSpec>& specs() const { return specs_; }

 private:
  // A name as it is compared: of more than 16 bytes the first and last eight,
  // and then the whole name again.
  struct Name {
    uint64_t head = 0;
    uint64_t tail = 0;
    uint64_t shape = 0;  // length, and whose subcommand: 0, or the container's number
  };
  struct Slot {
    Name name{0, 0, ~uint64_t{0}};  // a shape that no name has
    uint64_t head_bits = 0;         // the bits that count
    uint64_t tail_bits = 0;
    const CommandSpec* spec = nullptr;
    uint16_t container = 0;  // its own number when it has subcommands
  };

  template <class Word>
  static uint64_t Load(const char* p) {
    Word word;
    std::memcpy(&word, p, sizeof word);
    return word;
  }
  static Name Pack(std::string_view name, uint16_t parent) {
    const char* p = name.data();
    const size_t n = name.size();
    const uint64_t shape = static_cast<uint64_t>(n) << 16 | parent;
    if (n >= 8) return {Load<uint64_t>(p), Load<uint64_t>(p + n - 8), shape};
    if (n >= 4) return {Load<uint32_t>(p) | Load<uint32_t>(p + n - 4) << 32, 0, shape};
    if (n == 0) return {0, 0, shape};
    return {Load<uint8_t>(p) | Load<uint8_t>(p + n / 2) << 8 | Load<uint8_t>(p + n - 1) << 16, 0,
            shape};
  }
  static uint64_t Differences(const Slot& slot, const Name& name) {
    return ((slot.name.head ^ name.head) & slot.head_bits) |
           ((slot.name.tail ^ name.tail) & slot.tail_bits) | (slot.name.shape ^ name.shape);
  }
  uint32_t Home(const Name& name) const {
    constexpr uint64_t kWithoutCase = 0xdfdfdfdfdfdfdfdf;
    const uint64_t mixed = ((name.head & kWithoutCase) + name.shape) * 0x9e3779b97f4a7c15 ^
                           (name.tail & kWithoutCase) * 0xc2b2ae3d27d4eb4f;
    return static_cast<uint32_t>(mixed >> shift_);
  }
  const Slot* Lookup(std::string_view text, uint16_t parent) const {
    if (text.size() > 16) [[unlikely]]
      return LookupLong(text, parent);
    const Name name = Pack(text, parent);
    for (uint32_t i = Home(name);; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (Differences(slot, name) == 0) return &slot;
      if (slot.spec == nullptr) return nullptr;
    }
  }
  const Slot* LookupLong(std::string_view text, uint16_t parent) const;
  void Insert(const CommandSpec& spec, std::string_view name, uint16_t parent, uint16_t container);

  std::deque<CommandSpec> specs_;  // addresses must not change
  std::vector<Slot> slots_;        // open addressing; at most half is in use
  uint32_t mask_ = 0;
  int shift_ = 0;
};

}  // namespace crossfade::routing
