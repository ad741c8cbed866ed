#include "routing/commands/keys.h"

#include <limits>

#include "routing/commands/allow_list.h"
#include "routing/commands/token.h"
#include "routing/resp/number.h"

namespace crossfade::routing {
namespace {

using Begin = KeySpec::Begin;
using Find = KeySpec::Find;
using Positions = std::vector<KeyPosition>;

Access AccessOf(const CommandSpec& command, uint16_t flags) {
  if ((flags & kSpecReadOnly) != 0) return Access::kRead;
  if ((flags & kSpecReadWrite) != 0) return Access::kReadWrite;
  if ((flags & (kSpecOverwrite | kSpecRemove)) != 0) return Access::kWrite;
  return command.ReadOnly() ? Access::kRead : Access::kReadWrite;
}

uint8_t RightsOf(Access access) {
  switch (access) {
    case Access::kRead:
      return kReadsKey;
    case Access::kWrite:
      return kWritesKey;
    case Access::kReadWrite:
      break;
  }
  return kReadsKey | kWritesKey;
}

uint8_t RightsOf(uint16_t spec_flags) {
  return static_cast<uint8_t>(((spec_flags & kSpecAccess) != 0 ? kReadsKey : 0) |
                              ((spec_flags & kSpecModify) != 0 ? kWritesKey : 0));
}

void Add(Positions& out, int64_t arg, Access access, uint8_t rights, int32_t db = kSameDb) {
  out.push_back({static_cast<uint32_t>(arg), access, db, rights});
}

void Add(Positions& out, int64_t arg, Access access, int32_t db = kSameDb) {
  Add(out, arg, access, RightsOf(access), db);
}

// Where the keys of `spec` begin; 0 when its keyword is not among the arguments.
int64_t BeginOf(const KeySpec& spec, Args args) {
  if (spec.begin == Begin::kIndex) return spec.begin_index;
  const auto argc = static_cast<int64_t>(args.size());
  const bool forward = spec.begin_index > 0;
  const int64_t start = forward ? spec.begin_index : argc + spec.begin_index;
  const int64_t end = forward ? argc - 1 : 1;  // not searched itself
  const int64_t step = start <= end ? 1 : -1;
  for (int64_t i = start; i != end && i >= 0 && i < argc; i += step) {
    if (IsToken(args[static_cast<size_t>(i)], spec.keyword)) return i + 1;
  }
  return 0;
}

// Only scripts and functions take no keys at all where keys are counted; what
// unknown commands take is theirs to say.
bool TakesNoKeys(CommandId id) {
  switch (id) {
    case CommandId::kEval:
    case CommandId::kEvalRo:
    case CommandId::kEvalsha:
    case CommandId::kEvalshaRo:
    case CommandId::kFcall:
    case CommandId::kFcallRo:
    case CommandId::kOther:
      return true;
    default:
      return false;
  }
}

enum class Outcome { kFine, kMalformed, kUnusable };

Outcome AddKeysOf(const CommandSpec& command, const KeySpec& spec, Args args, Positions& out) {
  if ((spec.flags & kSpecNotKey) != 0) return Outcome::kFine;
  if (spec.begin == Begin::kUnknown || spec.find == Find::kUnknown || spec.step < 1 ||
      (spec.flags & kSpecIncomplete) != 0) {
    return Outcome::kUnusable;
  }
  const auto argc = static_cast<int64_t>(args.size());
  int64_t first = BeginOf(spec, args);
  if (first <= 0) return spec.begin == Begin::kKeyword ? Outcome::kFine : Outcome::kUnusable;
  int64_t last = 0;
  if (spec.find == Find::kKeyNum) {
    const int64_t at = first + spec.key_num_index;
    int64_t count = 0;
    if (at < 0 || at >= argc || !ParseRedisInteger(args[static_cast<size_t>(at)], count) ||
        count < 0 || count > argc || (count == 0 && !TakesNoKeys(command.id))) {
      return Outcome::kMalformed;
    }
    first += spec.first_key;
    last = first + (count - 1) * spec.step;
  } else if (spec.last_key >= 0) {
    last = first + spec.last_key;
  } else if (spec.limit <= 1) {
    last = argc + spec.last_key;
  } else {
    last = first + (argc - first) / spec.limit + spec.last_key;
  }
  const Access access = AccessOf(command, spec.flags);
  for (int64_t i = first; i <= last; i += spec.step) {
    if (i < 1 || i >= argc) return Outcome::kMalformed;
    Add(out, i, access, RightsOf(spec.flags));
  }
  return Outcome::kFine;
}

Keys Refuse(Positions& out, Keys why) {
  out.clear();
  return why;
}

// Stores before 7.0 describe the keys of what only they know by one range.
Keys LegacyKeys(const CommandSpec& command, Args args, Positions& out) {
  if ((command.flags & kMovableKeys) != 0) return Keys::kUnknown;
  if (command.first_key == 0) return Keys::kKnown;
  if (command.first_key < 0 || command.key_step < 1) return Keys::kUnknown;
  const auto argc = static_cast<int64_t>(args.size());
  const int64_t last = command.last_key < 0 ? argc + command.last_key : command.last_key;
  const Access access = command.ReadOnly() ? Access::kRead : Access::kReadWrite;
  for (int64_t i = command.first_key; i <= last; i += command.key_step) {
    if (i >= argc) return Refuse(out, Keys::kMalformed);
    Add(out, i, access);
  }
  return Keys::kKnown;
}

Keys SpecifiedKeys(const CommandSpec& command, Args args, Positions& out) {
  if (command.key_specs.empty()) return LegacyKeys(command, args, out);
  for (const KeySpec& spec : command.key_specs) {
    switch (AddKeysOf(command, spec, args, out)) {
      case Outcome::kFine:
        break;
      case Outcome::kMalformed:
        return Refuse(out, Keys::kMalformed);
      case Outcome::kUnusable:
        return Refuse(out, Keys::kUnknown);
    }
  }
  // A module that computes its keys itself has a specification as well, which
  // says that it is not the whole truth only by its variable flags.
  const bool computed = command.id == CommandId::kOther && (command.flags & kMovableKeys) != 0 &&
                        (command.key_specs.front().flags & kSpecVariable) != 0;
  return computed ? Refuse(out, Keys::kUnknown) : Keys::kKnown;
}

// SORT and SORT_RO: STORE may be anywhere, and the last one counts.
Keys SortKeys(const CommandSpec& command, Args args, Positions& out) {
  Add(out, 1, Access::kRead);
  size_t store = 0;
  for (size_t i = 2; i < args.size(); ++i) {
    if (IsToken(args[i], "LIMIT")) {
      i += 2;
    } else if (IsToken(args[i], "GET") || IsToken(args[i], "BY")) {
      ++i;
    } else if (command.id == CommandId::kSort && IsToken(args[i], "STORE") && i + 1 < args.size()) {
      store = ++i;
    }
  }
  if (store != 0) Add(out, static_cast<int64_t>(store), Access::kWrite);
  return Keys::kKnown;
}

// GEORADIUS and GEORADIUSBYMEMBER: of STORE and STOREDIST the last one counts.
Keys GeoRadiusKeys(const CommandSpec& command, Args args, Positions& out) {
  Add(out, 1, Access::kRead);
  size_t store = 0;
  for (size_t i = command.id == CommandId::kGeoradius ? 6 : 5; i + 1 < args.size(); ++i) {
    if (IsToken(args[i], "STORE") || IsToken(args[i], "STOREDIST")) {
      store = ++i;
    } else if (IsToken(args[i], "COUNT")) {
      ++i;
    }
  }
  if (store != 0) Add(out, static_cast<int64_t>(store), Access::kWrite);
  return Keys::kKnown;
}

// XREAD and XREADGROUP: options are skipped with their values, which may read
// STREAMS themselves (a consumer of that name).
Keys StreamReadKeys(const CommandSpec& command, Args args, Positions& out) {
  size_t i = 1;
  while (i < args.size() && !IsToken(args[i], "STREAMS")) {
    if (IsToken(args[i], "COUNT") || IsToken(args[i], "BLOCK")) {
      i += 2;
    } else {
      i += IsToken(args[i], "GROUP") ? 3 : 1;
    }
  }
  const size_t first = i + 1;
  if (first >= args.size() || (args.size() - first) % 2 != 0) return Keys::kMalformed;
  // The specification says RO of XREADGROUP, which changes the group all the same.
  const Access access = command.id == CommandId::kXread ? Access::kRead : Access::kReadWrite;
  const size_t count = (args.size() - first) / 2;
  for (size_t k = 0; k < count; ++k) {
    Add(out, static_cast<int64_t>(first + k), access, kReadsKey);
  }
  return Keys::kKnown;
}

Keys MigrateKeys(Args args, Positions& out) {
  for (size_t i = 6; i < args.size(); ++i) {
    if (IsToken(args[i], "KEYS")) {
      if (!args[3].empty()) return Keys::kMalformed;
      if (i + 1 == args.size()) break;
      for (size_t k = i + 1; k < args.size(); ++k) {
        Add(out, static_cast<int64_t>(k), Access::kReadWrite);
      }
      return Keys::kKnown;
    }
    if (IsToken(args[i], "AUTH")) {
      i += 1;
    } else if (IsToken(args[i], "AUTH2")) {
      i += 2;
    }
  }
  Add(out, 3, Access::kReadWrite);
  return Keys::kKnown;
}

bool ParseDb(std::string_view text, int32_t& db) {
  int64_t value = 0;
  if (!ParseRedisInteger(text, value) || value < 0 || value > std::numeric_limits<int32_t>::max()) {
    return false;
  }
  db = static_cast<int32_t>(value);
  return true;
}

Keys MoveKeys(Args args, Positions& out) {
  int32_t db = 0;
  if (!ParseDb(args[2], db)) return Keys::kMalformed;
  Add(out, 1, Access::kReadWrite);
  Add(out, 1, Access::kWrite, db);
  return Keys::kKnown;
}

Keys CopyKeys(Args args, Positions& out) {
  int32_t db = kSameDb;
  for (size_t i = 3; i + 1 < args.size(); ++i) {
    if (IsToken(args[i], "DB") && !ParseDb(args[++i], db)) return Keys::kMalformed;
  }
  Add(out, 1, Access::kRead);
  Add(out, 2, Access::kWrite, db);
  return Keys::kKnown;
}

Access SetAccess(Args args) {
  for (size_t i = 3; i < args.size(); ++i) {
    if (IsToken(args[i], "GET")) return Access::kReadWrite;
  }
  return Access::kWrite;
}

// A BITFIELD of nothing but GETs only reads.
Access BitfieldAccess(Args args) {
  size_t i = 2;
  while (i < args.size()) {
    const size_t left = args.size() - i - 1;
    if (IsToken(args[i], "GET") && left >= 2) {
      i += 3;
    } else if (IsToken(args[i], "OVERFLOW") && left >= 1) {
      i += 2;
    } else {
      return Access::kReadWrite;
    }
  }
  return Access::kRead;
}

// What the functions above take for granted, whatever arity a store claims.
size_t ArgumentsAtLeast(CommandId id) {
  switch (id) {
    case CommandId::kMigrate:
      return 6;
    case CommandId::kMove:
    case CommandId::kCopy:
      return 3;
    default:
      return 2;
  }
}

Keys SpecialKeys(const CommandSpec& spec, Args args, std::vector<KeyPosition>& out) {
  if (args.size() < ArgumentsAtLeast(spec.id)) return Keys::kMalformed;
  switch (spec.id) {
    case CommandId::kSet:
      Add(out, 1, SetAccess(args));
      return Keys::kKnown;
    case CommandId::kBitfield:
      Add(out, 1, BitfieldAccess(args));
      return Keys::kKnown;
    case CommandId::kSort:
    case CommandId::kSortRo:
      return SortKeys(spec, args, out);
    case CommandId::kGeoradius:
    case CommandId::kGeoradiusbymember:
      return GeoRadiusKeys(spec, args, out);
    case CommandId::kXread:
    case CommandId::kXreadgroup:
      return StreamReadKeys(spec, args, out);
    case CommandId::kMigrate:
      return MigrateKeys(args, out);
    case CommandId::kMove:
      return MoveKeys(args, out);
    default:
      return CopyKeys(args, out);
  }
}

}  // namespace

Keys ExtractKeys(const CommandSpec& spec, Args args, std::vector<KeyPosition>& out) {
  out.clear();
  if (spec.arity != 0 && !spec.ArityFits(args.size())) return Keys::kMalformed;
  switch (spec.id) {
    case CommandId::kFlushall:
    case CommandId::kFlushdb:
    case CommandId::kSwapdb:
      return Keys::kAll;
    case CommandId::kDebug:
      return KindOfDebug(args) == DebugKind::kChangesKeys ? Keys::kAll : Keys::kKnown;
    case CommandId::kSet:
    case CommandId::kBitfield:
    case CommandId::kSort:
    case CommandId::kSortRo:
    case CommandId::kGeoradius:
    case CommandId::kGeoradiusbymember:
    case CommandId::kXread:
    case CommandId::kXreadgroup:
    case CommandId::kMigrate:
    case CommandId::kMove:
    case CommandId::kCopy:
      return SpecialKeys(spec, args, out);
    default:
      break;
  }
  if (spec.single_key_at_1 && !spec.key_specs.empty() && args.size() > 1) {
    const uint16_t flags = spec.key_specs.front().flags;
    Add(out, 1, AccessOf(spec, flags), RightsOf(flags));
    return Keys::kKnown;
  }
  return SpecifiedKeys(spec, args, out);
}

}  // namespace crossfade::routing
