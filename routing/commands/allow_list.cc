#include "routing/commands/allow_list.h"

#include <algorithm>

#include "config/allow.h"
#include "routing/commands/token.h"

namespace crossfade::routing {
namespace {

constexpr std::string_view kEndings[] = {"segfault",          "panic",     "restart",
                                         "crash-and-recover", "oom",       "assert",
                                         "sigalrm",           "replicaof", "replicate"};

constexpr std::string_view kHarmless[] = {"sleep",
                                          "jmap",
                                          "object",
                                          "sdslen",
                                          "listpack",
                                          "ziplist",
                                          "quicklist",
                                          "quicklist-packed-threshold",
                                          "set-active-expire",
                                          "set-disable-deny-scripts",
                                          "htstats",
                                          "htstats-key",
                                          "digest",
                                          "digest-value",
                                          "change-repl-id",
                                          "stringmatch-len",
                                          "protocol",
                                          "structsize",
                                          "log",
                                          "leak",
                                          "error",
                                          "pause-cron",
                                          "replybuffer",
                                          "dict-resizing",
                                          "config-rewrite-force-all",
                                          "mallctl",
                                          "mallctl-str",
                                          "client-eviction",
                                          "client-enforce-reply-list",
                                          "aof-flush-sleep",
                                          "help"};

template <size_t N>
bool IsOneOf(const std::string_view (&tokens)[N], std::string_view arg) {
  return std::any_of(std::begin(tokens), std::end(tokens),
                     [arg](std::string_view token) { return IsToken(arg, token); });
}

}  // namespace

DebugKind KindOfDebug(Args args) {
  if (args.size() < 2) return DebugKind::kHarmless;
  if (IsOneOf(kEndings, args[1])) return DebugKind::kEndsTheStore;
  if (IsOneOf(kHarmless, args[1])) return DebugKind::kHarmless;
  // It writes and reads what is in memory: the same keys, unless told not to write.
  if (IsToken(args[1], "RELOAD") && args.size() == 2) return DebugKind::kHarmless;
  return DebugKind::kChangesKeys;
}

AllowedServing AllowList::Of(const CommandSpec& spec, Args args) const {
  const std::string_view container = std::string_view(spec.name).substr(0, spec.name.find('|'));
  const auto found = std::find_if(allowed_.begin(), allowed_.end(), [&](const auto& allowed) {
    return allowed.command == spec.name || allowed.command == container;
  });
  if (found == allowed_.end() || !config::WhyNeverAllowed(spec.name).empty()) return {};
  const bool both = found->on == config::AllowOn::kBoth;
  if (spec.id == CommandId::kDebug) {
    switch (KindOfDebug(args)) {
      case DebugKind::kHarmless:
        return {Serving::kAuthority, false};
      case DebugKind::kChangesKeys:
        return {Serving::kWrite, false};
      case DebugKind::kEndsTheStore:
        return {};
    }
  }
  // What writes keys (PFDEBUG) is mirrored by what it left.
  return {(spec.flags & kWrite) != 0 ? Serving::kWrite : Serving::kAuthority, both};
}

std::string WhyRefused(const CommandSpec& spec, Args args) {
  const std::string start = "ERR crossfade: '" + spec.name + "' is refused";
  const std::string_view reason = config::WhyNeverAllowed(spec.name);
  if (!reason.empty()) return start + ": " + std::string(reason);
  if (spec.id == CommandId::kDebug && KindOfDebug(args) == DebugKind::kEndsTheStore) {
    return start + ": this subcommand ends or changes the store that serves all clients";
  }
  return start +
         ", since it acts on one store as a whole; run it there, or allow it in the "
         "configuration (allow: [" +
         spec.name + "])";
}

}  // namespace crossfade::routing
