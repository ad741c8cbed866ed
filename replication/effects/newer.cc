// Effects of the commands that only a store's COMMAND reply knows: those of
// Redis 7.2 and later by name, all others by the general rule.
#include <vector>

#include "replication/effects/derivation.h"
#include "routing/commands/keys.h"
#include "routing/commands/token.h"

namespace crossfade::replication::effects {

using routing::IsToken;

namespace {

// Where FIELDS stands; the number of arguments without.
size_t FieldsWord(routing::Args args) {
  size_t i = 2;
  while (i < args.size() && !IsToken(args[i], "FIELDS")) ++i;
  return i;
}

// A time relative to the authority's clock is among the options.
bool NamesRelativeTime(routing::Args options) {
  for (const std::string_view option : options) {
    if (IsToken(option, "EX") || IsToken(option, "PX")) return true;
  }
  return false;
}

// HEXPIREAT, HPEXPIREAT: the fields that were given the expiry, in absolute form.
void DeriveFieldsExpireAt(Derivation& d, bool seconds) {
  int64_t at_ms = 0;
  const size_t first = FieldsWord(d.args) + 2;
  ArrayReader results(d.reply);
  if (first > d.args.size() || !routing::ParseInteger(d.args[2], at_ms) || !results.IsArray() ||
      results.size() != static_cast<int64_t>(d.args.size() - first) ||
      (seconds && __builtin_mul_overflow(at_ms, int64_t{1000}, &at_ms))) {
    return d.Sync();
  }
  std::vector<std::string_view> set;
  for (size_t i = first; i < d.args.size(); ++i) {
    int64_t result = 0;
    if (!results.NextInteger(result) || result == 2) return d.Sync();  // 2: it was in the past
    if (result == 1) set.push_back(d.args[i]);
  }
  if (set.empty()) return d.Nothing();
  routing::AppendHead(d.effect.bytes, '*', 5 + static_cast<int64_t>(set.size()));
  routing::AppendBulk(d.effect.bytes, "HPEXPIREAT");
  routing::AppendBulk(d.effect.bytes, d.args[1]);
  routing::AppendBulk(d.effect.bytes, at_ms);
  routing::AppendBulk(d.effect.bytes, "FIELDS");
  routing::AppendBulk(d.effect.bytes, static_cast<int64_t>(set.size()));
  for (const std::string_view field : set) routing::AppendBulk(d.effect.bytes, field);
  d.Rewritten({}, false);
  routing::AppendHead(d.effect.expected, '*', static_cast<int64_t>(set.size()));
  for (size_t i = 0; i < set.size(); ++i) d.effect.expected.append(kOneFrame);
}

// HEXPIRE, HPEXPIRE, HPERSIST: per field 1 or 2 where something changed.
void DeriveFieldResults(Derivation& d, bool replay) {
  ArrayReader results(d.reply);
  if (!results.IsArray()) return d.Sync();
  bool changed = false;
  for (int64_t i = 0; i < results.size(); ++i) {
    int64_t result = 0;
    if (!results.NextInteger(result)) return d.Sync();
    changed |= result > 0;
  }
  if (!changed) return d.Nothing();
  if (replay) return d.Replay(false);
  d.Sync();
}

void DeriveHashFieldCommand(Derivation& d) {
  const std::string_view name = d.spec.name;
  const routing::Args options = d.args.subspan(2, FieldsWord(d.args) - 2);
  d.effect.may_set_expiry = true;  // with its last field the key goes too
  if (name == "hexpireat" || name == "hpexpireat") {
    DeriveFieldsExpireAt(d, name == "hexpireat");
  } else if (name == "hexpire" || name == "hpexpire") {
    DeriveFieldResults(d, false);
  } else if (name == "hpersist") {
    DeriveFieldResults(d, true);
  } else if (name == "hgetex" && options.empty()) {
    d.Nothing();
  } else if (NamesRelativeTime(options)) {
    d.reply == ":0\r\n" ? d.Nothing() : d.Sync();
  } else if (name == "hsetex") {
    d.ReplayOnPositive(true);
  } else {
    d.Replay(false);  // HGETDEL, HGETEX: the values replied tell
  }
}

bool IsHashFieldCommand(std::string_view name) {
  for (const std::string_view known : {"hexpire", "hpexpire", "hexpireat", "hpexpireat", "hpersist",
                                       "hgetdel", "hgetex", "hsetex"}) {
    if (name == known) return true;
  }
  return false;
}

// A subcommand that a newer store has added to the administration of itself.
bool IsAdministration(const routing::CommandSpec& spec) {
  if ((spec.flags & routing::kWrite) != 0) return false;
  const std::string_view name(spec.name);
  for (const std::string_view parent :
       {"acl|", "client|", "cluster|", "command|", "config|", "latency|", "memory|", "module|",
        "object|", "pubsub|", "slowlog|"}) {
    if (name.starts_with(parent)) return true;
  }
  return false;
}

}  // namespace

void DeriveOther(Derivation& d) {
  if (d.spec.ReadOnly() || IsAdministration(d.spec)) return d.Nothing();
  if (IsHashFieldCommand(d.spec.name)) {
    if (d.args.size() < 4) return d.Sync();
    return DeriveHashFieldCommand(d);
  }
  if (d.spec.name == "msetex" && NamesRelativeTime(d.args.subspan(1))) {
    return d.reply == ":0\r\n" ? d.Nothing() : d.Sync();
  }
  std::vector<routing::KeyPosition> keys;
  if (routing::ExtractKeys(d.spec, d.args, keys) != routing::Keys::kKnown) return d.Sync();
  d.Replay(true);
  d.effect.may_set_expiry = true;
  d.effect.passes_expiry_on = true;
}

}  // namespace crossfade::replication::effects
