// Commands that wait.
#include "tests/support/random_commands.h"

namespace crossfade::test {

RandomCommand RandomCommands::Blocking() {
  if (!options_.blocking) return ListRead();
  const std::string timeout = "0.0" + Num(1, 3);
  const uint8_t popped = kArrayReply | kNilReply;
  switch (Int(0, 7)) {
    case 0: {
      Args args = {Pick("BLPOP", "BRPOP")};
      AppendMany(args, kList, 1, 3);
      args.push_back(timeout);
      return {std::move(args), popped};
    }
    case 1:
      return {
          {"BLMOVE", Key(kList), Key(kList), Pick("LEFT", "RIGHT"), Pick("LEFT", "RIGHT"), timeout},
          kStringReply | kNilReply};
    case 2:
      return {{"BRPOPLPUSH", Key(kList), Key(kList), timeout}, kStringReply | kNilReply};
    case 3:
      return {{"BLMPOP", timeout, "2", Key(kList), Key(kList), Pick("LEFT", "RIGHT"), "COUNT",
               Num(1, 4)},
              popped};
    case 4: {
      Args args = {Pick("BZPOPMIN", "BZPOPMAX")};
      AppendMany(args, kZset, 1, 3);
      args.push_back(timeout);
      return {std::move(args), popped};
    }
    case 5:
      return {
          {"BZMPOP", timeout, "2", Key(kZset), Key(kZset), Pick("MIN", "MAX"), "COUNT", Num(1, 4)},
          popped};
    case 6:
      return {{"XREAD", "COUNT", "2", "BLOCK", Num(1, 30), "STREAMS", Key(kStream),
               Chance(60) ? "$" : StreamId()},
              popped};
    default:
      if (!options_.groups) return ListRead();
      return {{"XREADGROUP", "GROUP", Group(), Consumer(), "COUNT", "2", "BLOCK", Num(1, 30),
               "STREAMS", Key(kStream), ">"},
              popped};
  }
}

}  // namespace crossfade::test
