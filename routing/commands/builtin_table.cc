#include "routing/commands/builtin_table.h"

namespace crossfade::routing {
namespace {

using Begin = KeySpec::Begin;
using Find = KeySpec::Find;

constexpr BuiltinCommand kCommands[] = {
#include "routing/commands/builtin_table.inc"
};

static_assert(std::size(kCommands) + 1 == kCommandIds);

}  // namespace

std::span<const BuiltinCommand> BuiltinCommands() { return kCommands; }

KeySpec MakeKeySpec(const BuiltinKeySpec& from) {
  KeySpec spec;
  spec.begin = from.begin;
  spec.begin_index = from.begin_index;
  spec.keyword = from.keyword;
  spec.find = from.find;
  spec.step = from.step;
  spec.flags = from.flags;
  if (from.find == Find::kKeyNum) {
    spec.key_num_index = from.last_or_key_num;
    spec.first_key = from.limit_or_first;
  } else {
    spec.last_key = from.last_or_key_num;
    spec.limit = from.limit_or_first;
  }
  return spec;
}

}  // namespace crossfade::routing
