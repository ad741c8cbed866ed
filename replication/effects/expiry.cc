#include "replication/effects/expiry.h"

#include "routing/commands/command_id.h"
#include "routing/commands/token.h"

namespace crossfade::replication::effects {

using routing::Args;
using routing::CommandId;
using routing::IsToken;

namespace {

bool IsTimeWord(std::string_view arg) {
  return IsToken(arg, "EX") || IsToken(arg, "PX") || IsToken(arg, "EXAT") || IsToken(arg, "PXAT");
}

NamedTime ByWord(std::string_view word, std::string_view text) {
  return {text, !IsToken(word, "EXAT") && !IsToken(word, "PXAT"),
          routing::LowerCase(word.front()) == 'e'};
}

}  // namespace

SetOptions ReadSetOptions(Args args) {
  SetOptions options;
  for (size_t i = 3; i < args.size(); ++i) {
    if (IsToken(args[i], "NX")) {
      options.nx = true;
    } else if (IsToken(args[i], "XX")) {
      options.xx = true;
    } else if (IsToken(args[i], "GET")) {
      options.get = true;
    } else if (IsToken(args[i], "KEEPTTL")) {
      options.keep_ttl = true;
    } else if (IsTimeWord(args[i]) && i + 1 < args.size()) {
      options.time_word = args[i];
      options.time = args[++i];
    } else {
      options.understood = false;
    }
  }
  return options;
}

std::optional<NamedTime> TimeNamedBy(const routing::CommandSpec& spec, Args args) {
  switch (spec.id) {
    case CommandId::kSet: {
      if (args.size() <= 4) return std::nullopt;
      const SetOptions options = ReadSetOptions(args);
      if (options.time_word.empty()) return std::nullopt;
      return ByWord(options.time_word, options.time);
    }
    case CommandId::kGetex:
      if (args.size() < 4 || !IsTimeWord(args[2])) return std::nullopt;
      return ByWord(args[2], args[3]);
    case CommandId::kSetex:
    case CommandId::kExpire:
      if (args.size() < 3) return std::nullopt;
      return NamedTime{args[2], true, true};
    case CommandId::kPsetex:
    case CommandId::kPexpire:
      if (args.size() < 3) return std::nullopt;
      return NamedTime{args[2], true, false};
    case CommandId::kExpireat:
      if (args.size() < 3) return std::nullopt;
      return NamedTime{args[2], false, true};
    case CommandId::kPexpireat:
      if (args.size() < 3) return std::nullopt;
      return NamedTime{args[2], false, false};
    case CommandId::kRestore:
    case CommandId::kRestoreAsking: {
      if (args.size() < 4 || args[2] == "0") return std::nullopt;
      NamedTime named{args[2], true, false};
      for (size_t i = 4; i < args.size(); ++i) {
        if (IsToken(args[i], "ABSTTL")) named.relative = false;
      }
      return named;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace crossfade::replication::effects
