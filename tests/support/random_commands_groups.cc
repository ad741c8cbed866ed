#include "tests/support/random_commands.h"

namespace crossfade::test {

std::string RandomCommands::Group() { return "g" + Num(0, 1); }

std::string RandomCommands::Consumer() { return "c" + Num(0, 3); }

RandomCommand RandomCommands::GroupRead() {
  if (!options_.groups) return StreamRead();
  Args args = {"XREADGROUP", "GROUP", Group(), Consumer()};
  if (Chance(85)) args.insert(args.end(), {"COUNT", Num(1, 8)});
  if (Chance(15)) args.push_back("NOACK");
  args.insert(args.end(), {"STREAMS", Key(kStream)});
  const bool two = Chance(15);
  if (two) args.push_back(Key(kStream));
  const bool history = Chance(15);
  args.push_back(history ? StreamId() : ">");
  if (two) args.push_back(Chance(80) ? ">" : "0");
  return {std::move(args), kArrayReply | kNilReply};
}

RandomCommand RandomCommands::GroupWrite() {
  if (!options_.groups) return StreamWrite();
  const std::string key = Key(kStream);
  switch (Int(0, 9)) {
    case 0:
    case 1:
    case 2: {
      Args args = {"XGROUP", "CREATE", key, Group(),
                   Chance(50)   ? "$"
                   : Chance(50) ? "0"
                                : StreamId()};
      if (Chance(70)) args.push_back("MKSTREAM");
      if (Chance(10)) args.insert(args.end(), {"ENTRIESREAD", Num(0, 50)});
      return {std::move(args), kStatusReply};
    }
    case 3:
      return {{"XGROUP", "SETID", key, Group(), Chance(40) ? "$" : StreamId()}, kStatusReply};
    case 4:
      return {{"XGROUP", Pick("CREATECONSUMER", "DELCONSUMER"), key, Group(), Consumer()},
              kIntegerReply};
    case 5:
      if (Chance(70)) return {{"XPENDING", key, Group()}, kArrayReply};
      return {{"XGROUP", "DESTROY", key, Group()}, kIntegerReply};
    default:
      return {{"XACK", key, Group(), StreamId(), StreamId(), StreamId()}, kIntegerReply};
  }
}

// By idle times that chance decides.
RandomCommand RandomCommands::Claim() {
  if (!options_.groups) return StreamRead();
  const std::string idle = Chance(50) ? "0" : Num(1, 60);
  if (Chance(50)) {
    Args args = {"XAUTOCLAIM", Key(kStream), Group(),
                 Consumer(),   idle,         Chance(60) ? "0" : StreamId()};
    if (Chance(60)) args.insert(args.end(), {"COUNT", Num(1, 9)});
    if (Chance(40)) args.push_back("JUSTID");
    return {std::move(args), kArrayReply};
  }
  Args args = {"XCLAIM", Key(kStream), Group(), Consumer(), idle};
  for (int64_t i = Int(1, 4); i > 0; --i) args.push_back(StreamId());
  if (Chance(30)) args.push_back("FORCE");
  if (Chance(30)) args.push_back("JUSTID");
  if (Chance(20)) args.insert(args.end(), {"RETRYCOUNT", Num(0, 5)});
  if (Chance(20)) args.insert(args.end(), {"IDLE", Num(0, 500)});
  if (Chance(10)) args.insert(args.end(), {"LASTID", StreamId()});
  return {std::move(args), kArrayReply};
}

}  // namespace crossfade::test
