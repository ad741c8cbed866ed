// Effects of the commands on hashes, sets, sorted sets and lists.
#include "replication/effects/derivation.h"
#include "routing/commands/command_id.h"
#include "routing/commands/token.h"

namespace crossfade::replication::effects {

using routing::CommandId;
using routing::IsToken;

namespace {

void RewriteCounted(Derivation& d, int64_t count, bool guard) {
  d.Rewritten({}, guard);
  routing::AppendInteger(d.effect.expected, count);
}

// The flags of ZADD and GEOADD, which stand between the key and the first element.
struct AddFlags {
  bool nx = false;
  bool ch = false;
  bool incr = false;
};

AddFlags ReadAddFlags(routing::Args args) {
  AddFlags flags;
  for (size_t i = 2; i < args.size(); ++i) {
    if (IsToken(args[i], "NX")) {
      flags.nx = true;
    } else if (IsToken(args[i], "CH")) {
      flags.ch = true;
    } else if (IsToken(args[i], "INCR")) {
      flags.incr = true;
    } else if (!IsToken(args[i], "XX") && !IsToken(args[i], "GT") && !IsToken(args[i], "LT")) {
      break;
    }
  }
  return flags;
}

void DeriveAdd(Derivation& d, const AddFlags& flags) {
  int64_t count = 0;
  if (!ReadIntegerFrame(d.reply, count)) return d.Sync();
  // Without CH only new elements count, and scores may have changed, but for NX.
  if (count == 0 && (flags.ch || flags.nx)) return d.Nothing();
  d.Replay(true);
}

}  // namespace

void DeriveHincrbyfloat(Derivation& d) {
  if (!d.Has(3)) return d.Sync();
  std::string_view value;
  if (!ReadBulkFrame(d.reply, value)) return d.Sync();
  // HMSET for its reply, which does not depend on whether the field was there.
  d.Rewrite({"HMSET", d.args[1], d.args[2], value}, kOkFrame, true);
}

void DeriveSpop(Derivation& d) {
  if (!d.Has(2)) return d.Sync();
  if (IsNilFrame(d.reply)) return d.Nothing();
  std::string_view member;
  if (d.args.size() == 2) {
    if (!ReadBulkFrame(d.reply, member)) return d.Sync();
    return d.Rewrite({"SREM", d.args[1], member}, kOneFrame, false);
  }
  ArrayReader members(d.reply);
  if (!members.IsArray()) return d.Sync();
  if (members.size() == 0) return d.Nothing();
  BeginCommand(d.effect, "SREM", d.args[1], members.size());
  for (int64_t i = 0; i < members.size(); ++i) {
    if (!members.NextBulk(member)) return d.Sync();
    routing::AppendBulk(d.effect.bytes, member);
  }
  RewriteCounted(d, members.size(), false);
}

void DeriveZadd(Derivation& d) {
  const AddFlags flags = ReadAddFlags(d.args);
  if (flags.incr) return d.ReplayOnBulk(true);
  DeriveAdd(d, flags);
}

void DeriveGeoadd(Derivation& d) { DeriveAdd(d, ReadAddFlags(d.args)); }

void DeriveGeoradius(Derivation& d) {
  // After the options that the command must have, and past COUNT's number.
  for (size_t i = d.spec.id == CommandId::kGeoradius ? 6 : 5; i + 1 < d.args.size(); ++i) {
    if (IsToken(d.args[i], "STORE") || IsToken(d.args[i], "STOREDIST")) {
      return d.ReplayOnInteger(true);
    }
    if (IsToken(d.args[i], "COUNT")) ++i;
  }
  d.Nothing();
}

void DeriveZpop(Derivation& d) {
  if (!d.Has(2)) return d.Sync();
  ArrayReader popped(d.reply);
  if (!popped.IsArray() || popped.size() % 2 != 0) return d.Sync();
  if (popped.size() == 0) return d.Nothing();
  const int64_t count = popped.size() / 2;
  BeginCommand(d.effect, "ZREM", d.args[1], count);
  std::string_view member;
  std::string_view score;
  for (int64_t i = 0; i < count; ++i) {
    if (!popped.NextBulk(member) || !popped.NextBulk(score)) return d.Sync();
    routing::AppendBulk(d.effect.bytes, member);
  }
  RewriteCounted(d, count, false);
}

void DeriveZmpop(Derivation& d) {
  if (IsNilFrame(d.reply)) return d.Nothing();
  ArrayReader popped(d.reply);
  std::string_view key;
  int64_t count = 0;
  if (!popped.IsArray() || popped.size() != 2 || !popped.NextBulk(key) ||
      !popped.NextArray(count) || count < 1) {
    return d.Sync();
  }
  BeginCommand(d.effect, "ZREM", key, count);
  for (int64_t i = 0; i < count; ++i) {
    int64_t size = 0;
    std::string_view member;
    std::string_view score;
    if (!popped.NextArray(size) || size != 2 || !popped.NextBulk(member) ||
        !popped.NextBulk(score)) {
      return d.Sync();
    }
    routing::AppendBulk(d.effect.bytes, member);
  }
  RewriteCounted(d, count, false);
}

void DerivePop(Derivation& d) {
  if (IsNilFrame(d.reply)) return d.Nothing();
  if (d.args.size() == 2) return d.ReplayOnBulk(false);
  if (!IsArrayFrame(d.reply)) return d.Sync();
  if (ArrayReader(d.reply).size() == 0) return d.Nothing();
  d.Replay(false);
}

void DeriveLmpop(Derivation& d, size_t count_arg) {
  if (!d.Has(count_arg + 3)) return d.Sync();
  if (IsNilFrame(d.reply)) return d.Nothing();
  int64_t keys = 0;
  ArrayReader popped(d.reply);
  std::string_view key;
  if (!routing::ParseInteger(d.args[count_arg], keys) || keys < 1 ||
      keys > static_cast<int64_t>(d.args.size() - count_arg) - 2 || !popped.IsArray() ||
      popped.size() != 2 || !popped.NextBulk(key)) {
    return d.Sync();
  }
  const std::string_view elements = popped.Rest();  // LPOP's reply to the same
  int64_t count = 0;
  if (!popped.NextArray(count) || count < 1 || routing::FirstValue(elements) != elements) {
    return d.Sync();
  }
  const std::string_view where = d.args[count_arg + 1 + static_cast<size_t>(keys)];
  BeginCommand(d.effect, IsToken(where, "LEFT") ? "LPOP" : "RPOP", key, 1);
  routing::AppendBulk(d.effect.bytes, count);
  d.Rewritten(elements, false);
}

}  // namespace crossfade::replication::effects
