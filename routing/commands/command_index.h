// CommandIndex: names to CommandSpecs, for the data path: up to 16 lower-cased
// bytes in two words, one multiply-shift hash and, nearly always, one slot.
// Owns the specs. Immutable after it is built; shared by all threads.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "routing/commands/command_table.h"

namespace crossfade::routing {

// Lower-cases the ASCII letters among eight bytes and nothing else.
inline uint64_t LowerBytes(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t low = word & (0x7f * kOnes);
  const uint64_t from_a = low + (0x80 - 'A') * kOnes;
  const uint64_t above_z = low + (0x7f - 'Z') * kOnes;
  const uint64_t letters = (from_a ^ above_z) & ~word & (0x80 * kOnes);
  return word | (letters >> 2);
}

class CommandIndex {
 public:
  // `specs` by full name; a subcommand's container must be among them.
  explicit CommandIndex(std::deque<CommandSpec> specs);

  const CommandSpec* Find(Args args) const;
  const CommandSpec* FindName(std::string_view name) const;
  const std::deque<CommandSpec>& specs() const { return specs_; }

 private:
  // A name as it is compared: of more than 16 bytes the first and last eight,
  // and the whole name again in Matches.
  struct Name {
    uint64_t head = 0;
    uint64_t tail = 0;
  };
  struct Slot {
    Name name;
    const CommandSpec* spec = nullptr;
    uint32_t length = 0;
    uint16_t parent = 0;     // the container this is a subcommand of; 0: none
    uint16_t container = 0;  // its own number when it has subcommands
  };

  static Name Pack(std::string_view name);
  static bool Matches(const Slot& slot, std::string_view name);
  uint32_t Home(const Name& name, uint32_t length, uint16_t parent) const {
    const uint64_t mixed =
        (name.head + length) * 0x9e3779b97f4a7c15 ^ (name.tail + parent) * 0xc2b2ae3d27d4eb4f;
    return static_cast<uint32_t>(mixed >> shift_);
  }
  const Slot* Lookup(std::string_view name, uint16_t parent) const;
  void Insert(const CommandSpec& spec, std::string_view name, uint16_t parent, uint16_t container);

  std::deque<CommandSpec> specs_;  // addresses must not change
  std::vector<Slot> slots_;        // open addressing; at most a quarter is in use
  uint32_t mask_ = 0;
  int shift_ = 0;
};

}  // namespace crossfade::routing
