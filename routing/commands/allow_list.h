// AllowList: which of the commands that are refused by default the configuration
// allows, and how those run. Immutable; read by all workers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "routing/commands/serving.h"

namespace crossfade::routing {

struct AllowedServing {
  Serving serving = Serving::kRefused;  // or kAuthority, or kWrite
  bool both = false;                    // the follower runs it too, after the authority
};

class AllowList {
 public:
  AllowList() = default;
  explicit AllowList(const std::vector<config::AllowedCommand>& allowed) : allowed_(allowed) {}

  // For a command that ServingOf refuses.
  AllowedServing Of(const CommandSpec& spec, Args args) const;

 private:
  std::vector<config::AllowedCommand> allowed_;
};

// Why it is refused, for the client.
std::string WhyRefused(const CommandSpec& spec, Args args);

// DEBUG's subcommands: some change keys behind the mirror's back.
enum class DebugKind : uint8_t { kHarmless, kChangesKeys, kEndsTheStore };
DebugKind KindOfDebug(Args args);

}  // namespace crossfade::routing
