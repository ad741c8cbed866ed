#include "routing/commands/serving.h"

#include <algorithm>
#include <string_view>

#include "routing/commands/blocking.h"
#include "routing/commands/token.h"

namespace crossfade::routing {
namespace {

bool HasToken(Args args, std::string_view token) {
  return std::any_of(args.begin() + 1, args.end(),
                     [token](std::string_view arg) { return IsToken(arg, token); });
}

// Of the connection that they come on: none may reach a lane.
Serving ServingOfConnectionCommand(const CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kMulti:
    case CommandId::kExec:
    case CommandId::kDiscard:
      return Serving::kTransaction;
    case CommandId::kPing:
    case CommandId::kEcho:
    case CommandId::kQuit:
    case CommandId::kReset:
    case CommandId::kSelect:
    case CommandId::kHello:
    case CommandId::kAuth:
    case CommandId::kClientSetname:
    case CommandId::kClientGetname:
    case CommandId::kClientId:
    case CommandId::kClientInfo:
    case CommandId::kClientList:
    case CommandId::kClientKill:
    case CommandId::kClientPause:
    case CommandId::kClientUnpause:
    case CommandId::kClientReply:
    case CommandId::kClientNoEvict:
    case CommandId::kClientUnblock:
    case CommandId::kClientGetredir:
    case CommandId::kClientTrackinginfo:
    case CommandId::kClient:  // with a subcommand that Redis 7.0 does not know: CLIENT SETINFO
      return Serving::kSession;
    case CommandId::kClientHelp:
      return Serving::kAuthority;
    case CommandId::kWatch:
    case CommandId::kUnwatch:
    case CommandId::kWait:
    case CommandId::kMonitor:
    case CommandId::kSubscribe:
    case CommandId::kUnsubscribe:
    case CommandId::kPsubscribe:
    case CommandId::kPunsubscribe:
    case CommandId::kSsubscribe:
    case CommandId::kSunsubscribe:
    case CommandId::kClientTracking:
    case CommandId::kClientCaching:
      return Serving::kPinned;
    default:
      // Known from the COMMAND reply of a newer store.
      return spec.name == "client|setinfo" || spec.name == "client|no-touch" ? Serving::kSession
                                                                             : Serving::kNotServed;
  }
}

bool IsConnectionCommand(const CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kMulti:
    case CommandId::kExec:
    case CommandId::kDiscard:
    case CommandId::kWatch:
    case CommandId::kUnwatch:
    case CommandId::kPing:
    case CommandId::kEcho:
    case CommandId::kQuit:
    case CommandId::kReset:
    case CommandId::kSelect:
    case CommandId::kHello:
    case CommandId::kAuth:
    case CommandId::kMonitor:
    case CommandId::kWait:
    case CommandId::kReadonly:
    case CommandId::kReadwrite:
    case CommandId::kAsking:
    case CommandId::kSync:
    case CommandId::kPsync:
    case CommandId::kReplconf:
    case CommandId::kSubscribe:
    case CommandId::kUnsubscribe:
    case CommandId::kPsubscribe:
    case CommandId::kPunsubscribe:
    case CommandId::kSsubscribe:
    case CommandId::kSunsubscribe:
      return true;
    default:
      return spec.name == "client" || spec.name.starts_with("client|");
  }
}

bool IsScript(const CommandSpec& spec) {
  return spec.name.starts_with("eval") || spec.name.starts_with("fcall") || spec.name == "script" ||
         spec.name.starts_with("script|") || spec.name == "function" ||
         spec.name.starts_with("function|");
}

Serving ServingOfScript(const CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kOther:  // of a later version
      return Serving::kNotServed;
    case CommandId::kScriptDebug:  // it would debug the lane
    case CommandId::kScript:
    case CommandId::kFunction:
      return Serving::kRefused;
    case CommandId::kScriptExists:
    case CommandId::kScriptHelp:
    case CommandId::kFunctionList:
    case CommandId::kFunctionDump:
    case CommandId::kFunctionHelp:
      return Serving::kAuthority;
    default:
      return Serving::kScript;
  }
}

bool Contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Commands about the server that change nothing, whatever their flags.
constexpr std::string_view kServerQueries[] = {"info",
                                               "dbsize",
                                               "keys",
                                               "randomkey",
                                               "scan",
                                               "time",
                                               "lastsave",
                                               "role",
                                               "lolwut",
                                               "config|get",
                                               "config|help",
                                               "memory|stats",
                                               "memory|doctor",
                                               "memory|help",
                                               "memory|malloc-stats",
                                               "slowlog|get",
                                               "slowlog|len",
                                               "slowlog|help",
                                               "latency|latest",
                                               "latency|history",
                                               "latency|doctor",
                                               "latency|graph",
                                               "latency|help",
                                               "latency|histogram",
                                               "acl|whoami",
                                               "acl|cat",
                                               "acl|help",
                                               "acl|genpass",
                                               "pubsub|channels",
                                               "pubsub|numsub",
                                               "pubsub|numpat",
                                               "pubsub|help",
                                               "pubsub|shardchannels",
                                               "pubsub|shardnumsub",
                                               "publish",
                                               "spublish",
                                               "object|help",
                                               "module|list",
                                               "module|help",
                                               "xinfo|help",
                                               "xgroup|help",
                                               "cluster|info",
                                               "cluster|nodes",
                                               "cluster|slots",
                                               "cluster|shards",
                                               "cluster|myid",
                                               "cluster|links",
                                               "cluster|keyslot",
                                               "cluster|countkeysinslot",
                                               "cluster|getkeysinslot",
                                               "cluster|help",
                                               "command"};

Serving ServingOf(const CommandSpec& spec) {
  if (IsConnectionCommand(spec)) return ServingOfConnectionCommand(spec);
  if (IsScript(spec)) return ServingOfScript(spec);
  if (spec.id == CommandId::kXread) return Serving::kRead;
  if (spec.id == CommandId::kXreadgroup) return Serving::kWrite;
  if (MayBlock(spec, {})) return Serving::kBlocking;
  if (spec.Blocking()) return Serving::kNotServed;  // a module's
  if (Contains(kServerQueries, spec.name) || spec.name.starts_with("command|")) {
    return Serving::kAuthority;
  }
  if (spec.id == CommandId::kMigrate || spec.id == CommandId::kRestoreAsking ||
      (spec.flags & kAdmin) != 0) {
    return Serving::kRefused;
  }
  const bool keyless =
      spec.key_specs.empty() && spec.first_key == 0 && (spec.flags & kMovableKeys) == 0;
  if (spec.ReadOnly()) return keyless ? Serving::kAuthority : Serving::kRead;
  if ((spec.flags & routing::kWrite) != 0) return Serving::kWrite;
  // Neither flag: a container without a subcommand, CLUSTER …, or something unknown.
  if (keyless) return Serving::kRefused;
  return spec.id == CommandId::kObject || spec.name.starts_with("object|") ||
                 spec.name.starts_with("memory|")
             ? Serving::kRead
             : Serving::kWrite;
}

}  // namespace

const std::array<Serving, kCommandIds> kServingById = [] {
  std::array<Serving, kCommandIds> serving;
  serving.fill(Serving::kNotServed);
  for (const CommandSpec* built_in : CommandTable::Redis70().All()) {
    serving[static_cast<size_t>(built_in->id)] = ServingOf(*built_in);
  }
  for (const CommandId id : {CommandId::kOther, CommandId::kXread, CommandId::kXreadgroup}) {
    serving[static_cast<size_t>(id)] = Serving::kNotServed;
  }
  return serving;
}();

Serving ServingByDetail(const CommandSpec& spec, Args args) {
  const bool streams = spec.id == CommandId::kXread || spec.id == CommandId::kXreadgroup;
  return streams && MayBlock(spec, args) ? Serving::kBlocking : ServingOf(spec);
}

// COMMAND does not tell of Redis's own flag for it.
bool MayReplicate(const CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kPfcount:
    case CommandId::kPublish:
    case CommandId::kSpublish:
    case CommandId::kEval:
    case CommandId::kEvalsha:
    case CommandId::kFcall:
      return true;
    default:
      return (spec.flags & (kWrite | kMayReplicate)) != 0;
  }
}

bool MayReadFollower(const CommandSpec& spec, Args args) {
  switch (spec.id) {
    case CommandId::kHscan:
    case CommandId::kSscan:
    case CommandId::kZscan:
    case CommandId::kDump:
    case CommandId::kTouch:
    case CommandId::kEval:
    case CommandId::kEvalRo:
    case CommandId::kEvalsha:
    case CommandId::kEvalshaRo:
    case CommandId::kFcall:
    case CommandId::kFcallRo:
      return false;
    case CommandId::kSort:
    case CommandId::kSortRo:
      return !HasToken(args, "BY") && !HasToken(args, "GET");
    case CommandId::kObjectEncoding:
    case CommandId::kObjectFreq:
    case CommandId::kObjectIdletime:
    case CommandId::kObjectRefcount:
    case CommandId::kMemoryUsage:
    case CommandId::kXinfo:
    case CommandId::kXinfoConsumers:
    case CommandId::kXinfoGroups:
    case CommandId::kXinfoStream:
      return false;
    // Its long form has idle times and deliveries, which are not mirrored.
    case CommandId::kXpending:
      return args.size() <= 3;
    default:
      return true;
  }
}

}  // namespace crossfade::routing
