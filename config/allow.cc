#include "config/allow.h"

#include <algorithm>
#include <set>

#include "config/values.h"

namespace crossfade::config {
namespace {

const Keys kCommandKeys = {{"command", "on"}};

constexpr const char* kExpected =
    "the name of a command such as config|set, or {command: config|set, on: both}";
constexpr std::string_view kMovesKeys = "it moves keys past the mirror";
constexpr std::string_view kChangesRole = "the store would follow another, and lose its writes";
constexpr std::string_view kChangesLayout = "it changes which keys the store holds";

struct Never {
  std::string_view command;
  std::string_view reason;
};
constexpr Never kNever[] = {
    {"shutdown", "it ends the store that serves all clients"},
    {"replicaof", kChangesRole},
    {"slaveof", kChangesRole},
    {"failover", kChangesRole},
    {"sync", "it turns a connection that clients share into a replica's"},
    {"psync", "it turns a connection that clients share into a replica's"},
    {"replconf", "it turns a connection that clients share into a replica's"},
    {"script|debug", "it would debug a connection that clients share"},
    {"migrate", kMovesKeys},
    {"restore-asking", kMovesKeys},
    {"asking", kMovesKeys},
    {"cluster", kChangesLayout},
    {"module", "the commands of a module are learnt when the proxy connects, not later"},
};

// Those that a store refuses to nobody, but that act on it as a whole. A name
// without a subcommand stands for all of them.
constexpr std::string_view kAllowable[] = {
    "acl",           "acl|deluser", "acl|dryrun", "acl|getuser",    "acl|list",
    "acl|load",      "acl|log",     "acl|save",   "acl|setuser",    "acl|users",
    "bgrewriteaof",  "bgsave",      "config",     "config|rewrite", "config|resetstat",
    "config|set",    "debug",       "latency",    "latency|reset",  "memory",
    "memory|purge",  "pfdebug",     "pfselftest", "save",           "slowlog",
    "slowlog|reset",
};

// What depends on the keys that a store holds just now.
constexpr std::string_view kOnAuthorityOnly[] = {"debug", "pfdebug", "pfselftest"};

template <size_t N>
bool Contains(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Redis's own way to write a subcommand, or a client's.
std::string Normalised(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c == ' ') c = '|';
  }
  return text;
}

void Check(const Section& at, std::string_view key, const AllowedCommand& allowed) {
  const std::string& name = allowed.command;
  if (const std::string_view reason = WhyNeverAllowed(name); !reason.empty()) {
    return at.Unexpected(key, Quote(name) + ", which can't be allowed: " + std::string(reason),
                         "a command that can");
  }
  if (!Contains(kAllowable, name)) {
    const std::vector<std::string_view> names(std::begin(kAllowable), std::end(kAllowable));
    const std::string_view meant = Suggest(name, names);
    std::string all;
    for (const std::string_view each : names) all += (all.empty() ? "" : ", ") + std::string(each);
    return at.Unexpected(key, Quote(name),
                         meant.empty() ? "one of " + all : "perhaps " + std::string(meant));
  }
  if (allowed.on == AllowOn::kBoth && Contains(kOnAuthorityOnly, name)) {
    at.Unexpected("on", "both", "authority, since " + name + " is about the keys of one store");
  }
}

}  // namespace

std::string_view WhyNeverAllowed(std::string_view name) {
  const std::string_view command = name.substr(0, name.find('|'));
  for (const Never& never : kNever) {
    if (never.command == command || never.command == name) return never.reason;
  }
  return {};
}

std::vector<AllowedCommand> ReadAllow(const Section& root, Problems& problems) {
  std::vector<AllowedCommand> allow;
  std::set<std::string> seen;
  const auto items = root.List("allow", "a list of commands").value_or(std::vector<Entry>{});
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string path = "allow[" + std::to_string(i) + "]";
    AllowedCommand allowed;
    // A bare name is short for a map with nothing else.
    const bool bare = items[i].value.IsScalar();
    YAML::Node map;
    if (bare) map["command"] = items[i].value.Scalar();
    const Entry entry{items[i].key, items[i].line, bare ? map : items[i].value};
    const Section section(entry, path, kCommandKeys, problems);
    if (bare) problems.Located(section.PathOf("command"), items[i].line);
    if (!entry.value.IsMap()) continue;
    section.Choice<AllowOn>("on", {{"authority", AllowOn::kAuthority}, {"both", AllowOn::kBoth}},
                            allowed.on);
    const std::optional<std::string> text = section.Text("command", kExpected);
    if (!section.Has("command")) section.Unexpected("command", "nothing", kExpected);
    if (!text) continue;
    allowed.command = Normalised(*text);
    if (!seen.insert(allowed.command).second) {
      section.Unexpected("command", Quote(allowed.command) + " a second time", "it once");
      continue;
    }
    Check(section, "command", allowed);
    allow.push_back(std::move(allowed));
  }
  return allow;
}

}  // namespace crossfade::config
