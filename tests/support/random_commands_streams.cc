#include <chrono>

#include "tests/support/random_commands.h"

namespace crossfade::test {
namespace {

int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

std::string RandomCommands::StreamId() {
  if (!recent_ids_.empty() && Chance(70)) {
    return recent_ids_[static_cast<size_t>(Int(0, static_cast<int64_t>(recent_ids_.size()) - 1))];
  }
  return std::to_string(NowMs() - Int(0, 500)) + "-" + Num(0, 3);
}

RandomCommand RandomCommands::StreamAdd() {
  Args args = {"XADD", Key(kStream)};
  if (Chance(8)) args.push_back("NOMKSTREAM");
  const int64_t trim = Int(1, 100);
  if (trim <= 15) {
    args.insert(args.end(), {"MAXLEN", "=", Num(0, 60)});
  } else if (trim <= 30) {
    args.insert(args.end(), {"MAXLEN", "~", Num(50, 250)});
    if (Chance(40)) args.insert(args.end(), {"LIMIT", Num(0, 120)});
  } else if (trim <= 40) {
    args.insert(args.end(), {"MINID", Pick("=", "~"), std::to_string(NowMs() - Int(0, 2000))});
  }
  const int64_t id = Int(1, 100);
  if (id <= 50) {
    args.push_back("*");
  } else if (id <= 75) {
    args.push_back(std::to_string(NowMs()) + "-*");
  } else {
    args.push_back(std::to_string(NowMs() + Int(-1, 1)) + "-" + Num(0, 99));
    recent_ids_.push_back(args.back());
    if (recent_ids_.size() > 50) recent_ids_.pop_front();
  }
  for (int64_t i = Int(1, 3); i > 0; --i) {
    args.push_back(Name());
    args.push_back(Bytes());
  }
  return {std::move(args), kStringReply | kNilReply};
}

RandomCommand RandomCommands::StreamWrite() {
  const std::string key = Key(kStream);
  switch (Int(0, 5)) {
    case 0:
      return {{"XTRIM", key, "MAXLEN", Num(5, 100)}, kIntegerReply};
    case 1:
      return {{"XTRIM", key, "MAXLEN", "~", Num(20, 200), "LIMIT", Num(0, 150)}, kIntegerReply};
    case 2:
      return {{"XTRIM", key, "MINID", StreamId()}, kIntegerReply};
    case 3: {
      Args args = {"XSETID", key, std::to_string(NowMs() + 2) + "-" + Num(0, 9)};
      if (Chance(40))
        args.insert(args.end(), {"ENTRIESADDED", Num(500, 5000), "MAXDELETEDID", StreamId()});
      return {std::move(args), kStatusReply};
    }
    default:
      return {{"XDEL", key, StreamId(), StreamId()}, kIntegerReply};
  }
}

RandomCommand RandomCommands::StreamRead() {
  const std::string key = Key(kStream);
  switch (Int(0, 4)) {
    case 0:
      return {{"XLEN", key}, kIntegerReply};
    case 1:
      return {{"XREVRANGE", key, "+", "-", "COUNT", "3"}, kArrayReply};
    case 2:
      return {{"XREAD", "COUNT", "2", "STREAMS", key, StreamId()}, kArrayReply | kNilReply};
    case 3:
      return {{"XINFO", "STREAM", key}, kArrayReply};
    default:
      return {{"XRANGE", key, "-", "+", "COUNT", Num(1, 9)}, kArrayReply};
  }
}

}  // namespace crossfade::test
