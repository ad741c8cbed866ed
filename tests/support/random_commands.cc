#include "tests/support/random_commands.h"

#include <array>

namespace crossfade::test {
namespace {

struct KindNames {
  const char* prefix;
  int count;
};

// 50 keys in all.
constexpr std::array<KindNames, 9> kNames = {{{"text", 7},
                                              {"number", 6},
                                              {"hash", 7},
                                              {"list", 7},
                                              {"set", 7},
                                              {"zset", 7},
                                              {"stream", 4},
                                              {"hll", 2},
                                              {"geo", 3}}};

// What Redis 7.0 answers to the mistakes that the generator makes.
constexpr std::array<std::string_view, 64> kServerErrors = {
    "NOGROUP ",
    "BUSYGROUP ",
    "ERR The XGROUP subcommand requires the key to exist",
    "ERR Invalid min-idle-time argument for",
    "ERR Unrecognized XCLAIM option",
    "ERR timeout is ",
    "UNBLOCKED the stream key no longer exists",
    "ERR Lua redis lib command arguments must be strings or integers",
    "ERR user_script:",
    "ERR user_function:",
    "ERR Function not found",
    "ERR Library not found",
    "NOSCRIPT No matching script",
    "ERR mine",
    "ERR COUNT must be > 0",
    "WRONGTYPE ",
    "EXECABORT ",
    "BUSYKEY ",
    "ERR unknown command",
    "ERR wrong number of arguments for",
    "ERR syntax error",
    "ERR value is not an integer or out of range",
    "ERR value is out of range",
    "ERR value is not a valid float",
    "ERR increment or decrement would overflow",
    "ERR increment would produce NaN or Infinity",
    "ERR hash value is not",
    "ERR no such key",
    "ERR index out of range",
    "ERR invalid expire time in",
    "ERR min or max is not a float",
    "ERR min or max not valid string range item",
    "ERR weight value is not a float",
    "ERR bit ",
    "ERR BITOP NOT must be called with a single source key.",
    "ERR The ID specified in XADD is equal or smaller",
    "ERR The ID specified in XSETID is smaller",
    "ERR The entries_added specified in XSETID is smaller",
    "ERR Invalid stream ID specified",
    "ERR invalid longitude,latitude pair",
    "ERR could not decode requested zset member",
    "ERR need numeric radius",
    "ERR One or more scores can't be converted into double",
    "ERR source and destination objects are the same",
    "ERR resulting score is not a number (NaN)",
    "ERR XX and NX options at the same time are not compatible",
    "ERR GT, LT, and/or NX options at the same time are not compatible",
    "ERR NX and XX, GT or LT options at the same time are not compatible",
    "ERR GT and LT options at the same time are not compatible",
    "ERR INCR option supports a single increment-element pair",
    "ERR An LFU maxmemory policy is not selected",
    "ERR Invalid TTL value, must be >= 0",
    "ERR DUMP payload version or checksum are wrong",
    "ERR EXEC without MULTI",
    "ERR DISCARD without MULTI",
    "ERR MULTI calls can not be nested",
    "ERR DB index is out of range",
    "ERR string is too long",
    "ERR Number of keys can't be",
    "ERR Unsupported option surplus",
    "ERR The specified keys must contain string values",
    "ERR Unbalanced XREAD list of streams",
    "ERR Insufficient memory, transient memory for LCS",
    "ERR unknown subcommand or wrong number of arguments for"};

}  // namespace

bool IsServersOwnError(std::string_view error) {
  for (const std::string_view known : kServerErrors) {
    if (error.starts_with(known)) return true;
  }
  return false;
}

bool IsPlausible(const RandomCommand& command, const Value& reply) {
  switch (reply.kind) {
    case Value::Kind::kError:
      return IsServersOwnError(reply.text);
    case Value::Kind::kStatus:
      return (command.replies & kStatusReply) != 0;
    case Value::Kind::kInteger:
      return (command.replies & kIntegerReply) != 0;
    case Value::Kind::kString:
      return (command.replies & kStringReply) != 0;
    case Value::Kind::kNil:
      return (command.replies & kNilReply) != 0;
    case Value::Kind::kArray:
      break;
    case Value::Kind::kLost:
      return false;
  }
  if ((command.replies & kArrayReply) == 0) return false;
  if (command.args.front() != "EXEC") return true;
  for (const Value& element : reply.elements) {
    if (element.kind == Value::Kind::kError && !IsServersOwnError(element.text)) return false;
  }
  return true;
}

std::map<std::string, std::vector<std::string>> MakePayloads(RedisClient& server) {
  const std::vector<std::pair<std::string, std::vector<Args>>> recipes = {
      {"text", {{"SET", "k", "restored"}, {"SET", "k", std::string(5000, 'x')}}},
      {"number", {{"SET", "k", "17"}}},
      {"hash", {{"HSET", "k", "f1", "1", "f2", "two"}}},
      {"list", {{"RPUSH", "k", "1", "b", "3"}, {"RPUSH", "k", std::string(9000, 'y')}}},
      {"set", {{"SADD", "k", "1", "2", "3"}, {"SADD", "k", "e1", "e2", "7"}}},
      {"zset", {{"ZADD", "k", "1", "e1", "2.5", "e2"}}},
      {"stream", {{"XADD", "k", "5-1", "f", "v"}}},
      {"hll", {{"PFADD", "k", "a", "b", "c"}}},
      {"geo", {{"GEOADD", "k", "13.36", "38.11", "e1", "15.08", "37.5", "e2"}}}};
  std::map<std::string, std::vector<std::string>> payloads;
  for (const auto& [kind, commands] : recipes) {
    for (const Args& command : commands) {
      server.Call({"FLUSHALL"});
      server.Call(command);
      payloads[kind].push_back(server.Call({"DUMP", "k"}).text);
    }
  }
  server.Call({"FLUSHALL"});
  return payloads;
}

RandomCommands::RandomCommands(uint64_t seed, RandomOptions options)
    : random_(seed), options_(std::move(options)) {}

RandomCommand RandomCommands::Next() {
  if (queued_.empty()) {
    const int64_t dice = Int(1, 1000);
    if (options_.transactions && dice <= 30) {
      if (options_.watches && Chance(40)) {
        queued_.push_back({{"WATCH", AnyKey(), AnyKey()}, kStatusReply});
        if (Chance(50)) queued_.push_back(One());
        if (Chance(10)) queued_.push_back({{"UNWATCH"}, kStatusReply});
      }
      BeginTransaction();
    } else if (options_.databases > 1 && dice <= 40) {
      queued_.push_back({{"SELECT", Num(0, options_.databases - 1)}, kStatusReply});
    } else if (options_.mistakes && dice <= 60) {
      queued_.push_back(Mistake());
    } else if (options_.flushes && dice == 1000 && Chance(20)) {
      queued_.push_back({{"FLUSHDB"}, kStatusReply});
    } else if (options_.scripts && dice <= 62) {
      queued_.push_back(LibraryChange());
    } else if (options_.undeclared && dice <= 72) {
      queued_.push_back(Undeclared());
    } else {
      return One();
    }
  }
  RandomCommand command = std::move(queued_.front());
  queued_.pop_front();
  return command;
}

RandomCommand RandomCommands::One() {
  if (options_.scripts && Chance(8)) return Script();
  using Family = RandomCommand (RandomCommands::*)();
  static constexpr std::array<std::pair<int, Family>, 30> kFamilies = {{
      {6, &RandomCommands::Set},        {7, &RandomCommands::StringWrite},
      {6, &RandomCommands::Counter},    {5, &RandomCommands::Bits},
      {6, &RandomCommands::StringRead}, {2, &RandomCommands::HyperLogLog},
      {7, &RandomCommands::HashWrite},  {3, &RandomCommands::HashRead},
      {8, &RandomCommands::ListWrite},  {3, &RandomCommands::ListRead},
      {8, &RandomCommands::SetWrite},   {3, &RandomCommands::SetRead},
      {5, &RandomCommands::ZsetAdd},    {4, &RandomCommands::ZsetWrite},
      {3, &RandomCommands::ZsetStore},  {3, &RandomCommands::ZsetRead},
      {2, &RandomCommands::GeoWrite},   {1, &RandomCommands::GeoRead},
      {4, &RandomCommands::StreamAdd},  {2, &RandomCommands::StreamWrite},
      {2, &RandomCommands::StreamRead}, {5, &RandomCommands::Expiry},
      {6, &RandomCommands::Generic},    {1, &RandomCommands::Restore},
      {1, &RandomCommands::Sort},       {3, &RandomCommands::GenericRead},
      {4, &RandomCommands::GroupRead},  {2, &RandomCommands::GroupWrite},
      {1, &RandomCommands::Claim},      {3, &RandomCommands::Blocking},
  }};
  static const int kTotal = [] {
    int total = 0;
    for (const auto& [weight, family] : kFamilies) total += weight;
    return total;
  }();
  int64_t dice = Int(1, kTotal);
  for (const auto& [weight, family] : kFamilies) {
    dice -= weight;
    if (dice <= 0) return (this->*family)();
  }
  return {{"PING"}, kStatusReply};
}

void RandomCommands::BeginTransaction() {
  queued_.push_back({{"MULTI"}, kStatusReply});
  for (int64_t i = Int(0, 6); i > 0; --i) {
    RandomCommand command = options_.mistakes && Chance(2) ? Mistake() : One();
    command.replies = kStatusReply;  // QUEUED, or an error
    queued_.push_back(std::move(command));
  }
  if (Chance(85)) {
    queued_.push_back({{"EXEC"}, kArrayReply | kNilReply});
  } else {
    queued_.push_back({{"DISCARD"}, kStatusReply});
  }
}

RandomCommand RandomCommands::Mistake() {
  switch (Int(0, 4)) {
    case 0:
      return {{"NOSUCHCOMMAND", AnyKey(), "x"}, 0};
    case 1:
      return {{"GET"}, 0};
    case 2:
      return {{Pick("HSET", "XADD", "ZADD", "SETEX", "RENAME"), AnyKey()}, 0};
    case 3: {
      // Too few or too many words: sometimes another command that is valid.
      RandomCommand command = One();
      if (command.args.size() > 2 && Chance(50)) {
        command.args.pop_back();
      } else {
        command.args.push_back("surplus");
      }
      command.replies = kAnyReply;
      return command;
    }
    default:
      switch (Int(0, 5)) {
        case 0:
          return {{"LPUSH", Key(kHash), "x"}, kIntegerReply};
        case 1:
          return {{"SADD", Key(kText), "x"}, kIntegerReply};
        case 2:
          return {{"INCR", Key(kZset)}, kIntegerReply};
        case 3:
          return {{"HSET", Key(kStream), "f", "v"}, kIntegerReply};
        case 4:
          return {{"ZADD", Key(kHll), "1", "m"}, kIntegerReply};
        default:
          return {{"APPEND", Key(kList), "x"}, kIntegerReply};
      }
  }
}

int64_t RandomCommands::Int(int64_t low, int64_t high) {
  const auto span = static_cast<uint64_t>(high - low) + 1;
  return low + static_cast<int64_t>(random_() % span);
}

std::string RandomCommands::Key(Kind kind) {
  // Now and then a key of another type; what moves between names stays rare.
  if (options_.mistakes && kind != kHll && Chance(1)) kind = AnyKind();
  const KindNames& names = kNames[kind];
  return std::string(names.prefix) + ":" + Num(0, names.count - 1);
}

RandomCommands::Kind RandomCommands::AnyKind() {
  const auto kind = static_cast<Kind>(Int(0, kKinds - 2));
  return kind >= kHll ? kGeo : kind;
}

std::string RandomCommands::AnyKey() { return Key(AnyKind()); }

void RandomCommands::AppendMany(Args& args, Kind kind, int low, int high) {
  for (int64_t i = Int(low, high); i > 0; --i) args.push_back(Key(kind));
}

std::string RandomCommands::Bytes() {
  const int64_t dice = Int(1, 100);
  if (dice <= 5) return "";
  if (dice <= 15) return std::string("bin\0\r\n\xff", 7) + Num(0, 99);
  if (dice == 100) return std::string(static_cast<size_t>(Int(4000, 20000)), 'L');
  return std::string(static_cast<size_t>(Int(1, 40)), static_cast<char>('a' + Int(0, 25)));
}

std::string RandomCommands::Element() { return Chance(60) ? Num(0, 30) : "e" + Num(0, 12); }

std::string RandomCommands::Name() { return "f" + Num(0, 15); }

}  // namespace crossfade::test
