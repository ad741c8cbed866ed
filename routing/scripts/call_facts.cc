#include "routing/scripts/call_facts.h"

#include "routing/commands/token.h"
#include "routing/resp/number.h"
#include "routing/scripts/replayable.h"

namespace crossfade::routing {
namespace {

using Kind = ScriptArgument::Kind;
using Rest = ScriptCall::Rest;

bool IsLiteral(const ScriptCall& call, size_t i) {
  return i < call.arguments.size() && call.arguments[i].kind == Kind::kLiteral;
}

// Whether the argument at `i`, which lies behind the last when there is a rest,
// is a declared key.
bool IsKey(const ScriptCall& call, int64_t i) {
  const auto at = static_cast<size_t>(i);
  if (at < call.arguments.size()) return call.arguments[at].kind == Kind::kKey;
  return call.rest != Rest::kUnknown;  // without a rest there is none, and the store refuses
}

// From `first` to the end, rest included.
bool AllKeysFrom(const ScriptCall& call, int64_t first, int64_t step) {
  const auto count = static_cast<int64_t>(call.arguments.size());
  for (int64_t i = first; i < count; i += step) {
    if (!IsKey(call, i)) return false;
  }
  return call.rest != Rest::kUnknown;
}

bool KeysOfSpecDeclared(const ScriptCall& call, const KeySpec& spec) {
  if ((spec.flags & kSpecNotKey) != 0) return true;
  const bool usable = spec.begin == KeySpec::Begin::kIndex &&
                      spec.find != KeySpec::Find::kUnknown && spec.begin_index > 0 &&
                      spec.step > 0 && spec.limit <= 1 && (spec.flags & kSpecIncomplete) == 0;
  if (!usable) return false;
  int64_t first = spec.begin_index;
  int64_t last = 0;
  if (spec.find == KeySpec::Find::kKeyNum) {
    const int64_t number_at = first + spec.key_num_index;
    first += spec.first_key;
    int64_t count = 0;
    const auto at = static_cast<size_t>(number_at);
    if (!IsLiteral(call, at) || !ParseRedisInteger(call.arguments[at].text, count)) {
      // However many they are.
      return number_at < static_cast<int64_t>(call.arguments.size()) &&
             AllKeysFrom(call, first, spec.step);
    }
    if (count > static_cast<int64_t>(call.arguments.size())) {
      return AllKeysFrom(call, first, spec.step);
    }
    last = first + (count - 1) * spec.step;
  } else if (spec.last_key >= 0) {
    last = first + spec.last_key;
  } else if (call.rest != Rest::kNone) {
    return AllKeysFrom(call, first, spec.step);
  } else {
    last = static_cast<int64_t>(call.arguments.size()) + spec.last_key;
  }
  for (int64_t i = first; i <= last; i += spec.step) {
    if (!IsKey(call, i)) return false;
  }
  return true;
}

// XREAD: only options that are literal are known not to be STREAMS.
bool StreamKeysDeclared(const ScriptCall& call) {
  size_t i = 1;
  while (i < call.arguments.size()) {
    if (!IsLiteral(call, i)) return false;
    const std::string& word = call.arguments[i].text;
    if (IsToken(word, "STREAMS")) break;
    i += IsToken(word, "COUNT") || IsToken(word, "BLOCK") ? 2 : 1;
  }
  const size_t first = i + 1;
  if (call.rest != Rest::kNone || first >= call.arguments.size()) return false;
  const size_t streams = (call.arguments.size() - first) / 2;
  for (size_t k = first; k < first + streams; ++k) {
    if (call.arguments[k].kind != Kind::kKey) return false;
  }
  return true;
}

// Options from `first` on name no other key.
bool OptionsNameNoKey(const ScriptCall& call, size_t first,
                      std::initializer_list<std::string_view> naming) {
  if (call.rest != Rest::kNone) return false;
  for (size_t i = first; i < call.arguments.size(); ++i) {
    if (!IsLiteral(call, i)) return false;
    for (const std::string_view option : naming) {
      if (IsToken(call.arguments[i].text, option)) return false;
    }
  }
  return true;
}

bool KeysDeclared(const ScriptCall& call, const CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kFlushall:
    case CommandId::kFlushdb:
    case CommandId::kSwapdb:
    case CommandId::kSelect:
    case CommandId::kMove:
    case CommandId::kMigrate:
    case CommandId::kKeys:
    case CommandId::kScan:
    case CommandId::kRandomkey:
    case CommandId::kDbsize:
    case CommandId::kXreadgroup:
      return false;
    case CommandId::kXread:
      return StreamKeysDeclared(call);
    case CommandId::kCopy:
      return IsKey(call, 1) && IsKey(call, 2) && OptionsNameNoKey(call, 3, {"DB"});
    case CommandId::kSort:
    case CommandId::kSortRo:
      return IsKey(call, 1) && OptionsNameNoKey(call, 2, {"BY", "GET", "STORE"});
    case CommandId::kGeoradius:
      return IsKey(call, 1) && OptionsNameNoKey(call, 6, {"STORE", "STOREDIST"});
    case CommandId::kGeoradiusbymember:
      return IsKey(call, 1) && OptionsNameNoKey(call, 5, {"STORE", "STOREDIST"});
    case CommandId::kSet:
    case CommandId::kBitfield:
      return IsKey(call, 1);
    default:
      break;
  }
  if (spec.key_specs.empty()) {
    return spec.first_key == 0 && (spec.flags & kMovableKeys) == 0 && spec.id != CommandId::kOther;
  }
  for (const KeySpec& key_spec : spec.key_specs) {
    if (!KeysOfSpecDeclared(call, key_spec)) return false;
  }
  return spec.id != CommandId::kOther || (spec.flags & kMovableKeys) == 0;
}

std::string UpperCase(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    if (c == '|') c = ' ';
  }
  return upper;
}

CallFacts Unknown(std::string why) {
  CallFacts facts;
  facts.undeclared = why;
  facts.not_replayable = std::move(why);
  return facts;
}

}  // namespace

CallFacts FactsOf(const ScriptCall& call, const CommandTable& table) {
  if (!IsLiteral(call, 0)) return Unknown("the name of a command is not a literal");
  std::vector<std::string_view> words;
  for (const ScriptArgument& argument : call.arguments) {
    words.push_back(argument.kind == Kind::kLiteral ? std::string_view(argument.text) : "\x01");
  }
  const CommandSpec* spec = table.Find(words);
  const std::string name = UpperCase(spec != nullptr ? spec->name : words[0].substr(0, 64));
  if (spec == nullptr) return Unknown(name + " is not a known command");
  if ((spec->flags & kContainer) != 0)
    return Unknown("the subcommand of " + name + " is not known");
  CallFacts facts;
  facts.known = true;
  facts.writes = WritesKeys(*spec);
  facts.all_keys = spec->id == CommandId::kFlushall || spec->id == CommandId::kFlushdb ||
                   spec->id == CommandId::kSwapdb;
  if ((spec->flags & kNoscript) != 0) {
    facts.not_replayable = name + " is not allowed in a script";
    return facts;
  }
  const Replayability replay = ReplayabilityOf(*spec, call);
  facts.sets_expiry = replay.sets_expiry;
  if (!replay.why_not.empty()) facts.not_replayable = name + " " + std::string(replay.why_not);
  if (!KeysDeclared(call, *spec)) facts.undeclared = "a key of " + name + " may not be declared";
  return facts;
}

}  // namespace crossfade::routing
