#include <chrono>

#include "tests/support/random_commands.h"

namespace crossfade::test {
namespace {

int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

std::string RandomCommands::ShortOrLongMs() {
  return Chance(40) ? Num(1, 400) : Num(60'000, 90'000'000);
}

std::string RandomCommands::DeadlineMs() {
  const int64_t dice = Int(1, 100);
  if (dice <= 5) return std::to_string(NowMs() - Int(1, 5000));
  return std::to_string(NowMs() + (dice <= 40 ? Int(1, 400) : Int(60'000, 90'000'000)));
}

void RandomCommands::AppendExpiry(Args& args, bool keep_ttl) {
  if (keep_ttl && Chance(20)) {
    args.push_back("KEEPTTL");
    return;
  }
  if (!options_.expiries) return;
  switch (Int(0, 3)) {
    case 0:
      args.insert(args.end(), {"EX", Chance(30) ? "1" : Num(100, 9999)});
      break;
    case 1:
      args.insert(args.end(), {"PX", ShortOrLongMs()});
      break;
    case 2:
      args.insert(args.end(), {"EXAT", std::to_string(NowMs() / 1000 + Int(1, 5000))});
      break;
    default:
      args.insert(args.end(), {"PXAT", DeadlineMs()});
      break;
  }
}

RandomCommand RandomCommands::Expiry() {
  const std::string key = AnyKey();
  if (!options_.expiries) return {{Pick("TTL", "PTTL", "EXPIRETIME"), key}, kIntegerReply};
  Args args;
  switch (Int(0, 7)) {
    case 0:
    case 1:
      return {{"PERSIST", key}, kIntegerReply};
    case 2:
      return {{Pick("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"), key}, kIntegerReply};
    case 3:
      args = {"EXPIRE", key, Chance(5) ? "-1" : Chance(30) ? Num(1, 2) : Num(100, 99'999)};
      break;
    case 4:
      args = {"EXPIREAT", key, std::to_string(NowMs() / 1000 + Int(-1, 5000))};
      break;
    case 5:
      args = {"PEXPIREAT", key, DeadlineMs()};
      break;
    default:
      args = {"PEXPIRE", key, ShortOrLongMs()};
      break;
  }
  if (Chance(30)) args.push_back(Pick("NX", "XX", "GT", "LT"));
  return {std::move(args), kIntegerReply};
}

RandomCommand RandomCommands::Generic() {
  const Kind kind = AnyKind();
  const std::string db = Num(0, options_.databases - 1);
  switch (Int(0, 8)) {
    case 0:
    case 1: {
      Args args = {Pick("DEL", "UNLINK")};
      AppendMany(args, kind, 1, 2);
      return {std::move(args), kIntegerReply};
    }
    case 2:
      return {{"RENAME", Key(kind), Key(kind)}, kStatusReply};
    case 3:
      return {{"RENAMENX", Key(kind), Key(kind)}, kIntegerReply};
    case 4:
      return {{"COPY", Key(kind), Key(kind), "REPLACE"}, kIntegerReply};
    case 5: {
      Args args = {"COPY", Key(kind), Key(kind), "DB", db};
      if (Chance(60)) args.push_back("REPLACE");
      return {std::move(args), kIntegerReply};
    }
    case 6:
      return {{"MOVE", Key(kind), db}, kIntegerReply};
    case 7:
      return {{"TOUCH", Key(kind), AnyKey()}, kIntegerReply};
    default:
      return {{"EXISTS", Key(kind), AnyKey()}, kIntegerReply};
  }
}

RandomCommand RandomCommands::Restore() {
  static constexpr std::pair<Kind, const char*> kRestorable[] = {
      {kText, "text"}, {kNumber, "number"}, {kHash, "hash"},     {kList, "list"}, {kSet, "set"},
      {kZset, "zset"}, {kGeo, "geo"},       {kStream, "stream"}, {kHll, "hll"}};
  const auto& [kind, name] = kRestorable[Int(0, 8)];
  const auto found = options_.payloads.find(name);
  if (found == options_.payloads.end() || found->second.empty() || Chance(20)) {
    return {{"DUMP", Key(kind)}, kStringReply | kNilReply};
  }
  const auto last = static_cast<int64_t>(found->second.size()) - 1;
  std::string payload = found->second[static_cast<size_t>(Int(0, last))];
  if (options_.mistakes && Chance(5)) payload.back() ^= 1;
  Args args = {"RESTORE", Key(kind), "0", std::move(payload)};
  if (Chance(85)) args.push_back("REPLACE");
  if (options_.expiries && Chance(40)) {
    const bool absolute = Chance(50);
    args[2] = absolute ? DeadlineMs() : ShortOrLongMs();
    if (absolute) args.push_back("ABSTTL");
  }
  if (Chance(10)) args.insert(args.end(), {"IDLETIME", "10"});
  return {std::move(args), kStatusReply};
}

RandomCommand RandomCommands::Sort() {
  Args args = {"SORT", Key(Chance(50) ? kList : Chance(50) ? kSet : kZset)};
  const int64_t dice = Int(1, 100);
  if (dice <= 15 && !options_.as_replicated)
    args.insert(args.end(), {"BY", "number:*", "GET", "#", "GET", "text:*"});
  if (dice > 85) args.insert(args.end(), {"LIMIT", "0", Num(1, 20)});
  args.push_back("ALPHA");
  if (Chance(50)) args.push_back("DESC");
  if (Chance(60)) {
    args.insert(args.end(), {"STORE", Key(kList)});
    return {std::move(args), kIntegerReply};
  }
  if (Chance(50)) args.front() = "SORT_RO";
  return {std::move(args), kArrayReply};
}

RandomCommand RandomCommands::GenericRead() {
  switch (Int(0, 9)) {
    case 0:
      return {{"TYPE", AnyKey()}, kStatusReply};
    case 1:
      return {{"OBJECT", Pick("ENCODING", "IDLETIME", "REFCOUNT", "FREQ"), AnyKey()}, kAnyReply};
    case 2:
      return {{"DBSIZE"}, kIntegerReply};
    case 3:
      return {{"RANDOMKEY"}, kStringReply | kNilReply};
    case 4:
      return {{"SCAN", "0", "COUNT", "10"}, kArrayReply};
    case 5:
      return {{"KEYS", "h*"}, kArrayReply};
    case 6:
      return {{"PING"}, kStatusReply};
    case 7:
      return {{"ECHO", Bytes()}, kStringReply};
    case 8:
      return {{"MEMORY", "USAGE", AnyKey()}, kIntegerReply | kNilReply};
    default:
      return {{"DUMP", AnyKey()}, kStringReply | kNilReply};
  }
}

}  // namespace crossfade::test
