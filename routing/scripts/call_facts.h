// CallFacts: what one redis.call of a script can do, from what is known of its
// arguments before it runs. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "routing/commands/command_table.h"

namespace crossfade::routing {

// An argument as it stands in a script's text.
struct ScriptArgument {
  enum class Kind : uint8_t {
    kLiteral,  // `text`
    kKey,      // one of the declared keys
    kUnknown,
  };
  Kind kind = Kind::kUnknown;
  std::string text;
};

// What a script passes to redis.call; arguments[0] is the command's name.
struct ScriptCall {
  enum class Rest : uint8_t { kNone, kKeys, kUnknown };
  std::vector<ScriptArgument> arguments;
  Rest rest = Rest::kNone;  // behind them, any number: unpack(KEYS), or whatever else
};

struct CallFacts {
  bool known = false;  // which command it is
  bool writes = true;
  bool sets_expiry = false;    // a key that it writes may get a deadline
  bool all_keys = false;       // it changes all keys of a db
  std::string not_replayable;  // why not; empty: given the same keys it does the same anywhere
  std::string undeclared;      // which of its keys may be undeclared; empty: none
};

CallFacts FactsOf(const ScriptCall& call, const CommandTable& table);

}  // namespace crossfade::routing
