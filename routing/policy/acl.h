// Acl: what a user whom the proxy authenticates may run, and on which keys and
// channels: Redis 7.0's rules with one selector. Built once per plan, immutable,
// shared by all threads. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/users.h"
#include "routing/commands/command_table.h"
#include "routing/commands/keys.h"

namespace crossfade::routing {

class Acl {
 public:
  explicit Acl(const config::User& user);

  enum class Verdict : uint8_t { kAllowed, kCommand, kKey, kChannel, kSortBy, kSortGet };

  // Needs args to fit the spec's arity. `scratch` is used for key positions.
  // Where the keys can't be known, a user with patterns is refused.
  Verdict Check(const CommandSpec& spec, Args args, std::vector<KeyPosition>& scratch) const;

  // Nothing will ever be refused: checking can be left out.
  bool unrestricted() const { return all_commands_ && all_keys_ && all_channels_; }

  // Redis's error text, without the leading '-'.
  static std::string ErrorText(Verdict verdict, const CommandSpec& spec);

 private:
  // By command: never, always, or with one of these first arguments.
  enum class Right : uint8_t { kNever, kAlways, kFirstArg };
  using FirstArgs = std::vector<std::string>;
  Right RightOf(const CommandSpec& spec, FirstArgs& first_args) const;
  bool MayRun(const CommandSpec& spec, Args args) const;
  bool MayTouch(std::string_view key, uint8_t rights) const;
  Verdict CheckSort(const CommandSpec& spec, Args args) const;
  bool MayUseChannels(const CommandSpec& spec, Args args) const;

  std::vector<std::string> rules_;
  std::vector<config::KeyRule> keys_;
  std::vector<std::string> channels_;
  bool all_commands_ = false;
  bool all_keys_ = false;
  bool all_channels_ = false;
  bool reads_every_key_ = false;
  std::vector<Right> by_id_;
  std::map<CommandId, FirstArgs> first_args_;
};

// Commands in a user's rules that Redis 7.0 does not have: a module's or a newer
// one, or a mistake.
std::vector<std::string> UnknownCommands(const config::User& user);

}  // namespace crossfade::routing
