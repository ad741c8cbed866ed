#include "routing/scripts/replayable.h"

#include <algorithm>

#include "routing/commands/token.h"

namespace crossfade::routing {
namespace {

using Kind = ScriptArgument::Kind;
using Rest = ScriptCall::Rest;

constexpr std::string_view kOtherTime = "depends on the moment at which it runs";
constexpr std::string_view kRandom = "chooses at random";
constexpr std::string_view kUnordered = "replies in no defined order";
constexpr std::string_view kAbsolute =
    "names a point in time, which may have passed on one store alone";
constexpr std::string_view kOptions = "has options that are not literals";
constexpr std::string_view kOfTheServer = "is about the server or its clients";
constexpr std::string_view kNotListed = "is not known to do the same on both stores";

bool IsWord(const ScriptArgument& argument, std::string_view word) {
  return argument.kind == Kind::kLiteral && IsToken(argument.text, word);
}

// SET and GETEX from their options on.
Replayability OfTimedOptions(const ScriptCall& call, size_t first) {
  Replayability result;
  if (call.rest != Rest::kNone) return {kOptions};
  for (size_t i = first; i < call.arguments.size(); ++i) {
    const ScriptArgument& option = call.arguments[i];
    if (option.kind != Kind::kLiteral) return {kOptions};
    if (IsWord(option, "EXAT") || IsWord(option, "PXAT")) return {kAbsolute};
    if (IsWord(option, "EX") || IsWord(option, "PX")) {
      result.sets_expiry = true;
      ++i;
    }
  }
  return result;
}

// EXPIRE, PEXPIRE: GT and LT compare with a deadline that is not moved along.
Replayability OfExpire(const ScriptCall& call) {
  if (call.rest != Rest::kNone) return {kOptions};
  for (size_t i = 3; i < call.arguments.size(); ++i) {
    const bool fine = IsWord(call.arguments[i], "NX") || IsWord(call.arguments[i], "XX");
    if (!fine) return {call.arguments[i].kind == Kind::kLiteral ? kOtherTime : kOptions};
  }
  return {{}, true};
}

// XADD: the id must be given; trimming must be exact.
Replayability OfXadd(const ScriptCall& call) {
  if (call.rest == Rest::kUnknown && call.arguments.size() < 4) return {kOptions};
  for (size_t i = 2; i < call.arguments.size(); ++i) {
    const ScriptArgument& argument = call.arguments[i];
    if (argument.kind != Kind::kLiteral) return {kOptions};
    if (IsWord(argument, "NOMKSTREAM")) continue;
    if (IsWord(argument, "MAXLEN") || IsWord(argument, "MINID") || IsWord(argument, "LIMIT")) {
      if (i + 1 < call.arguments.size() && IsWord(call.arguments[i + 1], "=")) ++i;
      if (i + 1 < call.arguments.size() && IsWord(call.arguments[i + 1], "~")) {
        return {"trims as it suits the store"};
      }
      ++i;
      continue;
    }
    return argument.text.find('*') == std::string::npos
               ? Replayability{}
               : Replayability{"lets the store choose the id"};
  }
  return {kOptions};
}

Replayability OfXtrim(const ScriptCall& call) {
  if (call.rest != Rest::kNone) return {kOptions};
  for (size_t i = 2; i < call.arguments.size(); ++i) {
    if (IsWord(call.arguments[i], "~")) return {"trims as it suits the store"};
    if (i == 3 && call.arguments[i].kind != Kind::kLiteral && call.arguments.size() > 4) {
      return {kOptions};
    }
  }
  return {};
}

// Where scores differ, ranges by member are up to how the store has linked them.
Replayability OfRange(const ScriptCall& call, size_t first_option) {
  if (call.rest != Rest::kNone) return {kOptions};
  for (size_t i = first_option; i < call.arguments.size(); ++i) {
    if (call.arguments[i].kind == Kind::kLiteral) {
      if (IsWord(call.arguments[i], "BYLEX")) return {kUnordered};
      if (IsWord(call.arguments[i], "LIMIT")) i += 2;
    } else {
      return {kOptions};
    }
  }
  return {};
}

using enum CommandId;

// Those that may be replayed whatever their arguments.
constexpr CommandId kPlain[] = {kGet,
                                kSetnx,
                                kMset,
                                kMsetnx,
                                kMget,
                                kGetset,
                                kGetdel,
                                kGetrange,
                                kSubstr,
                                kSetrange,
                                kStrlen,
                                kAppend,
                                kIncr,
                                kDecr,
                                kIncrby,
                                kDecrby,
                                kIncrbyfloat,
                                kLcs,
                                kGetbit,
                                kSetbit,
                                kBitcount,
                                kBitpos,
                                kBitop,
                                kBitfield,
                                kBitfieldRo,
                                kDel,
                                kUnlink,
                                kExists,
                                kType,
                                kTouch,
                                kPersist,
                                kHset,
                                kHmset,
                                kHsetnx,
                                kHget,
                                kHmget,
                                kHdel,
                                kHexists,
                                kHlen,
                                kHstrlen,
                                kHincrby,
                                kHincrbyfloat,
                                kLpush,
                                kRpush,
                                kLpushx,
                                kRpushx,
                                kLpop,
                                kRpop,
                                kLlen,
                                kLrange,
                                kLindex,
                                kLset,
                                kLrem,
                                kLtrim,
                                kLinsert,
                                kLpos,
                                kLmove,
                                kRpoplpush,
                                kLmpop,
                                kSadd,
                                kSrem,
                                kSismember,
                                kSmismember,
                                kScard,
                                kSmove,
                                kSintercard,
                                kSinterstore,
                                kSunionstore,
                                kSdiffstore,
                                kZadd,
                                kZincrby,
                                kZrem,
                                kZcard,
                                kZscore,
                                kZmscore,
                                kZrank,
                                kZrevrank,
                                kZcount,
                                kZrangebyscore,
                                kZrevrangebyscore,
                                kZrevrange,
                                kZremrangebyrank,
                                kZremrangebyscore,
                                kZpopmin,
                                kZpopmax,
                                kZmpop,
                                kZunion,
                                kZinter,
                                kZdiff,
                                kZunionstore,
                                kZinterstore,
                                kZdiffstore,
                                kZintercard,
                                kGeoadd,
                                kGeodist,
                                kGeohash,
                                kGeopos,
                                kPfadd,
                                kPfmerge,
                                kPfcount,
                                kXdel,
                                kXlen,
                                kXrange,
                                kXrevrange,
                                kXread,
                                kXack,
                                kXsetid,
                                kEcho,
                                kPing};
constexpr CommandId kOfTheMoment[] = {kTime,        kTtl,         kPttl,           kExpiretime,
                                      kPexpiretime, kLastsave,    kRestore,        kXclaim,
                                      kXautoclaim,  kXreadgroup,  kXpending,       kXinfoConsumers,
                                      kXinfoGroups, kXinfoStream, kObjectIdletime, kObjectFreq};
constexpr CommandId kChoosing[] = {kSpop, kSrandmember, kHrandfield, kZrandmember, kRandomkey};
constexpr CommandId kNamingATime[] = {kExpireat, kPexpireat};
constexpr CommandId kWithoutOrder[] = {kSmembers,
                                       kSinter,
                                       kSunion,
                                       kSdiff,
                                       kHgetall,
                                       kHkeys,
                                       kHvals,
                                       kKeys,
                                       kScan,
                                       kHscan,
                                       kSscan,
                                       kZscan,
                                       kSort,
                                       kSortRo,
                                       kZrangebylex,
                                       kZrevrangebylex,
                                       kZremrangebylex,
                                       kZlexcount,
                                       kGeosearch,
                                       kGeosearchstore,
                                       kGeoradius,
                                       kGeoradiusRo,
                                       kGeoradiusbymember,
                                       kGeoradiusbymemberRo};
constexpr CommandId kAboutTheServer[] = {
    kPublish,        kSpublish,       kInfo,        kDbsize,         kLolwut,
    kObjectEncoding, kObjectRefcount, kMemoryUsage, kPubsubChannels, kPubsubNumsub};

template <size_t N>
bool Among(const CommandId (&ids)[N], CommandId id) {
  return std::find(std::begin(ids), std::end(ids), id) != std::end(ids);
}

std::string_view WhyNot(CommandId id) {
  if (Among(kOfTheMoment, id)) return kOtherTime;
  if (Among(kChoosing, id)) return kRandom;
  if (Among(kNamingATime, id)) return kAbsolute;
  if (Among(kWithoutOrder, id)) return kUnordered;
  if (Among(kAboutTheServer, id)) return kOfTheServer;
  return kNotListed;
}

}  // namespace

Replayability ReplayabilityOf(const CommandSpec& spec, const ScriptCall& call) {
  if (Among(kPlain, spec.id)) return {};
  switch (spec.id) {
    case CommandId::kSet:
      return OfTimedOptions(call, 3);
    case CommandId::kGetex:
      return OfTimedOptions(call, 2);
    case CommandId::kSetex:
    case CommandId::kPsetex:
    case CommandId::kRename:  // hands the deadline on
    case CommandId::kRenamenx:
    case CommandId::kCopy:
      return {{}, true};
    case CommandId::kExpire:
    case CommandId::kPexpire:
      return OfExpire(call);
    case CommandId::kXadd:
      return OfXadd(call);
    case CommandId::kXtrim:
      return OfXtrim(call);
    case CommandId::kZrange:
      return OfRange(call, 4);
    case CommandId::kZrangestore:
      return OfRange(call, 5);
    default:
      return {WhyNot(spec.id)};
  }
}

bool WritesKeys(const CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kTime:
    case CommandId::kEcho:
    case CommandId::kPing:
    case CommandId::kLastsave:
    case CommandId::kInfo:
    case CommandId::kLolwut:
    case CommandId::kPublish:
    case CommandId::kSpublish:
    case CommandId::kPubsubChannels:
    case CommandId::kPubsubNumsub:
      return false;
    default:
      return !spec.ReadOnly();
  }
}

bool RepliesScalar(const CommandSpec& spec) {
  static constexpr CommandId kIds[] = {
      kGet,    kGetset,    kGetdel,      kGetrange, kStrlen,  kAppend,  kIncr,         kDecr,
      kIncrby, kDecrby,    kIncrbyfloat, kSetnx,    kGetbit,  kSetbit,  kBitcount,     kBitpos,
      kDel,    kUnlink,    kExists,      kExpire,   kPexpire, kPersist, kHset,         kHsetnx,
      kHget,   kHdel,      kHexists,     kHlen,     kHstrlen, kHincrby, kHincrbyfloat, kLpush,
      kRpush,  kLpushx,    kRpushx,      kLlen,     kLindex,  kLrem,    kLinsert,      kSadd,
      kSrem,   kSismember, kScard,       kZcard,    kZscore,  kZrank,   kZrevrank,     kZcount,
      kZrem,   kZincrby,   kPfadd,       kPfcount,  kXlen,    kXdel,    kXadd,         kTtl,
      kPttl};
  return Among(kIds, spec.id);
}

}  // namespace crossfade::routing
