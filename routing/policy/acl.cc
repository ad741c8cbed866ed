#include "routing/policy/acl.h"

#include <algorithm>

#include "routing/commands/token.h"
#include "routing/policy/glob.h"

namespace crossfade::routing {
namespace {

// Whether a rule's name means this command: itself, or all its subcommands.
bool Names(std::string_view rule, std::string_view command) {
  return command.starts_with(rule) &&
         (command.size() == rule.size() || command[rule.size()] == '|');
}

bool InCategory(std::string_view category, const CommandSpec& spec) {
  return category == "all" || (spec.categories & category::ByName(category)) != 0;
}

// "select|0" where SELECT has no subcommands: the 0; else nothing.
std::string_view FirstArgOf(std::string_view rule, const CommandSpec& spec) {
  const size_t bar = rule.find('|');
  if (bar == std::string_view::npos || rule.substr(0, bar) != spec.name) return {};
  return (spec.flags & kContainer) != 0 ? std::string_view() : rule.substr(bar + 1);
}

bool AnyKey(const config::KeyRule& rule) {
  return rule.pattern == "*" && rule.reads && rule.writes;
}

}  // namespace

Acl::Acl(const config::User& user) : rules_(user.commands), channels_(user.channels) {
  for (const config::KeyRule& rule : user.keys) {
    // What two rules say of one pattern adds up.
    const auto same = std::find_if(keys_.begin(), keys_.end(), [&rule](const auto& known) {
      return known.pattern == rule.pattern;
    });
    if (same == keys_.end()) {
      keys_.push_back(rule);
    } else {
      same->reads = same->reads || rule.reads;
      same->writes = same->writes || rule.writes;
    }
  }
  all_keys_ = std::any_of(keys_.begin(), keys_.end(), AnyKey);
  reads_every_key_ = std::any_of(keys_.begin(), keys_.end(), [](const config::KeyRule& rule) {
    return rule.pattern == "*" && rule.reads;
  });
  all_channels_ = std::find(channels_.begin(), channels_.end(), "*") != channels_.end();
  // After the last "all" nothing is taken away.
  for (const std::string& rule : rules_) {
    if (rule == "+@all") all_commands_ = true;
    if (rule[0] == '-') all_commands_ = false;
  }
  by_id_.assign(kCommandIds, Right::kNever);
  for (const CommandSpec* spec : CommandTable::Redis70().All()) {
    FirstArgs first_args;
    const Right right = RightOf(*spec, first_args);
    by_id_[static_cast<size_t>(spec->id)] = right;
    if (right == Right::kFirstArg) first_args_[spec->id] = std::move(first_args);
  }
}

// The rules one after the other, as Redis takes them.
Acl::Right Acl::RightOf(const CommandSpec& spec, FirstArgs& first_args) const {
  bool allowed = false;
  for (const std::string_view rule : rules_) {
    const std::string_view what = rule.substr(1);
    const bool adds = rule[0] == '+';
    const bool meant = what[0] == '@' ? InCategory(what.substr(1), spec) : Names(what, spec.name);
    const std::string_view first_arg = FirstArgOf(what, spec);
    if (meant) {
      allowed = adds;
      first_args.clear();
    } else if (!first_arg.empty() && adds) {
      first_args.emplace_back(first_arg);
    }
  }
  if (allowed) return Right::kAlways;
  return first_args.empty() ? Right::kNever : Right::kFirstArg;
}

bool Acl::MayRun(const CommandSpec& spec, Args args) const {
  if (all_commands_ || (spec.flags & kNoAuth) != 0) return true;
  FirstArgs own;
  const bool built_in = spec.id != CommandId::kOther;
  const Right right = built_in ? by_id_[static_cast<size_t>(spec.id)] : RightOf(spec, own);
  if (right != Right::kFirstArg) return right == Right::kAlways;
  if (args.size() < 2) return false;
  const FirstArgs& allowed = built_in ? first_args_.at(spec.id) : own;
  return std::any_of(allowed.begin(), allowed.end(),
                     [&args](const std::string& word) { return IsToken(args[1], word); });
}

bool Acl::MayTouch(std::string_view key, uint8_t rights) const {
  return std::any_of(keys_.begin(), keys_.end(), [key, rights](const config::KeyRule& rule) {
    if ((rights & kReadsKey) != 0 && !rule.reads) return false;
    if ((rights & kWritesKey) != 0 && !rule.writes) return false;
    return GlobMatch(rule.pattern, key);
  });
}

// BY and GET read keys that no argument names.
Acl::Verdict Acl::CheckSort(const CommandSpec& spec, Args args) const {
  for (size_t i = 2; i < args.size(); ++i) {
    const bool has_value = i + 1 < args.size();
    if (IsToken(args[i], "LIMIT") && i + 2 < args.size()) {
      i += 2;
    } else if (IsToken(args[i], "BY") && has_value) {
      if (args[++i].find('*') != std::string_view::npos) return Verdict::kSortBy;
    } else if (IsToken(args[i], "GET") && has_value) {
      return Verdict::kSortGet;
    } else if (spec.id == CommandId::kSort && IsToken(args[i], "STORE") && has_value) {
      ++i;
    }
  }
  return Verdict::kAllowed;
}

bool Acl::MayUseChannels(const CommandSpec& spec, Args args) const {
  size_t end = args.size();
  const bool patterns = spec.id == CommandId::kPsubscribe;
  switch (spec.id) {
    case CommandId::kPublish:
    case CommandId::kSpublish:
      end = std::min<size_t>(end, 2);
      break;
    case CommandId::kSubscribe:
    case CommandId::kSsubscribe:
    case CommandId::kPsubscribe:
      break;
    default:
      return true;
  }
  return std::all_of(args.begin() + 1, args.begin() + static_cast<std::ptrdiff_t>(end),
                     [&](std::string_view channel) {
                       return std::any_of(
                           channels_.begin(), channels_.end(), [&](const std::string& allowed) {
                             return patterns ? allowed == channel : GlobMatch(allowed, channel);
                           });
                     });
}

Acl::Verdict Acl::Check(const CommandSpec& spec, Args args,
                        std::vector<KeyPosition>& scratch) const {
  if (!MayRun(spec, args)) return Verdict::kCommand;
  if (!all_keys_) {
    const Keys keys = ExtractKeys(spec, args, scratch);
    if (keys == Keys::kUnknown || keys == Keys::kMalformed) return Verdict::kKey;
    for (const KeyPosition& key : scratch) {
      if (!MayTouch(args[key.arg], key.rights)) return Verdict::kKey;
    }
    const bool sorts = spec.id == CommandId::kSort || spec.id == CommandId::kSortRo;
    if (sorts && !reads_every_key_) {
      if (const Verdict verdict = CheckSort(spec, args); verdict != Verdict::kAllowed) {
        return verdict;
      }
    }
  }
  if (!all_channels_ && !MayUseChannels(spec, args)) return Verdict::kChannel;
  return Verdict::kAllowed;
}

std::string Acl::ErrorText(Verdict verdict, const CommandSpec& spec) {
  switch (verdict) {
    case Verdict::kCommand:
      return "NOPERM this user has no permissions to run the '" + spec.name + "' command";
    case Verdict::kKey:
      return "NOPERM this user has no permissions to access one of the keys used as arguments";
    case Verdict::kChannel:
      return "NOPERM this user has no permissions to access one of the channels used as arguments";
    case Verdict::kSortBy:
      return "ERR BY option of SORT denied due to insufficient ACL permissions.";
    case Verdict::kSortGet:
      return "ERR GET option of SORT denied due to insufficient ACL permissions.";
    case Verdict::kAllowed:
      break;
  }
  return "";
}

std::vector<std::string> UnknownCommands(const config::User& user) {
  const CommandTable& table = CommandTable::Redis70();
  std::vector<std::string> unknown;
  for (const std::string_view rule : user.commands) {
    const std::string_view name = rule.substr(1);
    if (name[0] == '@' || table.FindName(name) != nullptr) continue;
    // The first argument of a command without subcommands can be any, but only be added.
    const CommandSpec* command = table.FindName(name.substr(0, name.find('|')));
    const bool first_arg = command != nullptr && name.find('|') != name.npos &&
                           (command->flags & kContainer) == 0 && rule[0] == '+';
    if (!first_arg) unknown.emplace_back(name);
  }
  return unknown;
}

}  // namespace crossfade::routing
