// The built-in commands as the generated table has them: constant data, from
// which command_table.cc makes CommandSpecs.
#pragma once

#include <cstdint>
#include <span>

#include "routing/commands/command_table.h"

namespace crossfade::routing {

struct BuiltinKeySpec {
  KeySpec::Begin begin = KeySpec::Begin::kUnknown;
  int8_t begin_index = 0;
  const char* keyword = "";
  KeySpec::Find find = KeySpec::Find::kUnknown;
  int8_t last_or_key_num = 0;  // kRange: last_key; kKeyNum: key_num_index
  int8_t step = 1;
  int8_t limit_or_first = 0;  // kRange: limit; kKeyNum: first_key
  uint16_t flags = 0;
};

struct BuiltinCommand {
  const char* name;
  CommandId id;
  int8_t arity;
  uint32_t flags;
  uint32_t categories;
  int8_t first_key, last_key, key_step;
  uint8_t spec_count;
  BuiltinKeySpec specs[3];
};

// By name, containers before their subcommands.
std::span<const BuiltinCommand> BuiltinCommands();

KeySpec MakeKeySpec(const BuiltinKeySpec& from);

}  // namespace crossfade::routing
