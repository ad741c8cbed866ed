// DeriveEffect: the table of shared/effects.md as a switch.
#include <algorithm>

#include "replication/effects.h"
#include "replication/effects/derivation.h"
#include "replication/effects/expiry.h"
#include "routing/commands/command_id.h"
#include "routing/commands/token.h"

namespace crossfade::replication {

using routing::CommandId;

namespace effects {
namespace {

bool IsErrorFrame(std::string_view reply) { return reply.front() == '-' || reply.front() == '!'; }

// What may have run, and written, although its reply is an error.
bool ErrorTellsNothing(CommandId id) {
  return id == CommandId::kEval || id == CommandId::kEvalsha || id == CommandId::kFcall ||
         id == CommandId::kMigrate;
}

void DeriveRare(Derivation& d) {
  switch (d.spec.id) {
    case CommandId::kBlpop:
    case CommandId::kBrpop:
    case CommandId::kBlmpop:
    case CommandId::kBlmove:
    case CommandId::kBrpoplpush:
    case CommandId::kBzpopmin:
    case CommandId::kBzpopmax:
    case CommandId::kBzmpop:
      return DeriveBlocking(d);

    case CommandId::kEval:
    case CommandId::kEvalsha:
    case CommandId::kFcall:
    case CommandId::kPfdebug:
    case CommandId::kDebug:
      return d.Sync();

    case CommandId::kFunctionLoad:
      return DeriveFunctionLoad(d);
    case CommandId::kScriptLoad:
      return d.ReplayOnBulk(false);
    case CommandId::kScriptFlush:
    case CommandId::kFunctionDelete:
    case CommandId::kFunctionFlush:
    case CommandId::kFunctionRestore:
      return d.ReplayOnOk(false);
    case CommandId::kMigrate:
      return DeriveMigrate(d);

    case CommandId::kFlushall:
    case CommandId::kFlushdb:
      if (d.reply != kOkFrame) return d.Sync();
      d.effect.kind = Effect::Kind::kFlush;
      return;
    case CommandId::kSwapdb:
      if (d.reply != kOkFrame) return d.Sync();
      d.effect.kind = Effect::Kind::kSwap;
      d.effect.passes_expiry_on = true;
      return;

    case CommandId::kOther:
      return DeriveOther(d);
    default:
      // Of the known ones what is left reads, or is about the server, the
      // connection or channels.
      return (d.spec.flags & routing::kWrite) != 0 && !d.spec.ReadOnly() ? d.Sync() : d.Nothing();
  }
}

void DeriveStream(Derivation& d) {
  switch (d.spec.id) {
    case CommandId::kXadd:
      return DeriveXadd(d);
    case CommandId::kXtrim:
      return DeriveXtrim(d);
    case CommandId::kXdel:
    case CommandId::kXack:
    case CommandId::kXgroupDestroy:
    case CommandId::kXgroupCreateconsumer:
      return d.ReplayOnPositive(false);
    case CommandId::kXgroupDelconsumer:  // 0: it was there, with nothing pending, or it was not
      return d.ReplayOnInteger(false);
    case CommandId::kXgroupCreate:
    case CommandId::kXgroupSetid:
      return DeriveXgroupSet(d);
    case CommandId::kXsetid:
      return d.ReplayOnOk(false);
    case CommandId::kXreadgroup:
      return DeriveXreadgroup(d);
    case CommandId::kXclaim:
      return DeriveXclaim(d);
    case CommandId::kXautoclaim:
      return DeriveXautoclaim(d);
    default:
      return DeriveRare(d);
  }
}

bool HasToken(routing::Args args, std::string_view token) {
  return std::any_of(args.begin(), args.end(),
                     [token](std::string_view arg) { return routing::IsToken(arg, token); });
}

// Where scores differ, which members are within a range of texts is up to how
// the store has linked them: equal replies prove nothing.
void DeriveByLex(Derivation& d) {
  const routing::CommandId id = d.spec.id;
  const bool removed_none = id == CommandId::kZremrangebylex && d.reply == ":0\r\n";
  if (removed_none) return d.Nothing();
  d.Sync();
}

void DeriveKeyed(Derivation& d) {
  switch (d.spec.id) {
    case CommandId::kExpire:
    case CommandId::kPexpire:
    case CommandId::kExpireat:
    case CommandId::kPexpireat:
      return DeriveExpire(d);
    case CommandId::kPersist:
      return d.ReplayOnPositive(false);
    case CommandId::kRename:
      d.effect.passes_expiry_on = true;
      return d.ReplayOnOk(false);
    case CommandId::kRenamenx:
    case CommandId::kCopy:
    case CommandId::kMove:
      d.effect.passes_expiry_on = true;
      return d.ReplayOnPositive(false);
    case CommandId::kRestore:
    case CommandId::kRestoreAsking:
      return DeriveRestore(d);
    case CommandId::kSort:
      return DeriveSort(d);

    case CommandId::kBitop:
    case CommandId::kSinterstore:
    case CommandId::kSunionstore:
    case CommandId::kSdiffstore:
    case CommandId::kZinterstore:
    case CommandId::kZunionstore:
    case CommandId::kZdiffstore:
    case CommandId::kGeosearchstore:
      return d.ReplayOnInteger(true);  // 0 deletes the destination
    case CommandId::kZrangestore:
      return HasToken(d.args, "BYLEX") ? DeriveByLex(d) : d.ReplayOnInteger(true);
    case CommandId::kGeoradius:
    case CommandId::kGeoradiusbymember:
      return DeriveGeoradius(d);
    case CommandId::kPfmerge:
      return d.ReplayOnOk(true);
    default:
      return DeriveStream(d);
  }
}

void DeriveCollection(Derivation& d) {
  switch (d.spec.id) {
    case CommandId::kHset:
    case CommandId::kHincrby:
      return d.ReplayOnInteger(true);
    case CommandId::kHmset:
    case CommandId::kLtrim:
      return d.ReplayOnOk(true);
    case CommandId::kHsetnx:
    case CommandId::kSadd:
    case CommandId::kSmove:
    case CommandId::kPfadd:
      return d.ReplayOnPositive(true);
    case CommandId::kHincrbyfloat:
      return DeriveHincrbyfloat(d);
    case CommandId::kSpop:
      return DeriveSpop(d);

    // The replies of these tell whether the key was there.
    case CommandId::kHdel:
    case CommandId::kSrem:
    case CommandId::kZrem:
    case CommandId::kZremrangebyrank:
    case CommandId::kZremrangebyscore:
    case CommandId::kLpushx:
    case CommandId::kRpushx:
    case CommandId::kLinsert:
    case CommandId::kLrem:
      return d.ReplayOnPositive(false);
    case CommandId::kLpush:
    case CommandId::kRpush:
      return d.ReplayOnInteger(false);
    case CommandId::kLset:
      return d.ReplayOnOk(false);

    case CommandId::kLpop:
    case CommandId::kRpop:
      return DerivePop(d);
    case CommandId::kLmove:
    case CommandId::kRpoplpush:
      return d.ReplayOnBulk(true);
    case CommandId::kLmpop:
      return DeriveLmpop(d, 1);
    case CommandId::kZadd:
      return DeriveZadd(d);
    case CommandId::kZincrby:
      return d.ReplayOnBulk(true);
    case CommandId::kGeoadd:
      return DeriveGeoadd(d);
    case CommandId::kZpopmin:
    case CommandId::kZpopmax:
      return DeriveZpop(d);
    case CommandId::kZremrangebylex:
      return DeriveByLex(d);
    case CommandId::kZmpop:
      return DeriveZmpop(d);
    default:
      return DeriveKeyed(d);
  }
}

void DeriveString(Derivation& d) {
  switch (d.spec.id) {
    case CommandId::kSet:
      return DeriveSet(d);
    case CommandId::kIncr:
    case CommandId::kDecr:
    case CommandId::kIncrby:
    case CommandId::kDecrby:
    case CommandId::kAppend:
    case CommandId::kSetbit:
      return d.ReplayOnInteger(true);
    case CommandId::kDel:
    case CommandId::kUnlink:
      return d.ReplayOnPositive(false);
    case CommandId::kMset:
      return d.ReplayOnOk(false);
    case CommandId::kMsetnx:
      return DeriveMsetnx(d);
    case CommandId::kSetnx:
    case CommandId::kGetset:
      return DeriveReplacing(d);
    case CommandId::kSetex:
    case CommandId::kPsetex:
      return DeriveSetWithTime(d);
    case CommandId::kGetdel:
      return DeriveGetdel(d);
    case CommandId::kGetex:
      return DeriveGetex(d);
    case CommandId::kIncrbyfloat:
      return DeriveIncrbyfloat(d);
    case CommandId::kSetrange:
      return DeriveSetrange(d);
    case CommandId::kBitfield:
      return DeriveBitfield(d);
    default:
      return DeriveCollection(d);
  }
}

void Derive(Derivation& d) {
  Effect& effect = d.effect;
  effect.Clear();
  if (d.reply.empty()) return d.spec.ReadOnly() ? d.Nothing() : d.Sync();
  if (IsErrorFrame(d.reply) && !ErrorTellsNothing(d.spec.id)) return;
  // A command that its arity refuses gets an error: this reply is not its own.
  if (d.args.empty() || (d.spec.arity != 0 && !d.spec.ArityFits(d.args.size()))) {
    return d.spec.ReadOnly() ? d.Nothing() : d.Sync();
  }
  DeriveString(d);
  if (effect.kind == Effect::Kind::kRewritten) return;
  // A family may have begun to write before it found the reply malformed.
  effect.bytes.clear();
  effect.expected.clear();
  effect.commands = 0;
}

}  // namespace

void DeriveElement(const routing::CommandSpec& spec, routing::Args args, std::string_view reply,
                   std::optional<Deadline> deadline, std::optional<StreamLength> length,
                   Effect& effect) {
  Derivation derivation{spec, args, reply, deadline, effect, length, true};
  Derive(derivation);
}

}  // namespace effects

void Effect::Clear() {
  kind = Kind::kNothing;
  commands = 0;
  bytes.clear();
  expected.clear();
  corrections = 0;
  guard = false;
  may_set_expiry = false;
  passes_expiry_on = false;
}

AskBehind WhatToAskBehind(const routing::CommandSpec& spec, routing::Args args) {
  // The common commands that set none are not to pay for the question.
  if (spec.id == CommandId::kSet && args.size() <= 4) return {};
  if (effects::TimeNamedBy(spec, args)) return {true, false, 1};
  return {false, effects::TrimsApproximately(spec, args), 1};
}

void DeriveEffect(const routing::CommandSpec& spec, routing::Args args, std::string_view reply,
                  std::optional<Deadline> deadline, Effect& effect,
                  std::optional<StreamLength> length) {
  effects::Derivation derivation{spec, args, reply, deadline, effect, length, false};
  effects::Derive(derivation);
}

}  // namespace crossfade::replication
