// What clients send: mostly commands that fit the keys' types, some that don't,
// on few keys, so that commands meet.
#include "routing/resp/encode.h"
#include "tests/sim/session.h"

namespace crossfade::sim {
namespace {

enum Kind : uint64_t { kString, kCounter, kHash, kList, kSet, kKinds };

class Line {
 public:
  Line(World& world, uint64_t& uid) : world_(world), random_(world.env.random), uid_(uid) {}

  template <class... T>
  std::string operator()(const T&... words) {
    const std::string texts[] = {std::string(words)...};
    std::vector<std::string_view> args(std::begin(texts), std::end(texts));
    std::string bytes;
    routing::AppendCommand(bytes, args);
    return bytes;
  }
  // The first keys are used more than the others.
  std::string Key() {
    const uint64_t among =
        random_.OneIn(2) ? std::min<uint64_t>(world_.config.keys, 3) : world_.config.keys;
    return "k" + std::to_string(random_.Below(among));
  }
  std::string KeyOf(Kind kind) {
    for (int i = 0; i < 20; ++i) {
      std::string key = Key();
      if (KindOf(key) == kind) return key;
    }
    return "k" + std::to_string(static_cast<uint64_t>(kind));
  }
  Kind KindOf(const std::string& key) {
    if (random_.OneIn(12)) return static_cast<Kind>(random_.Below(kKinds));
    return static_cast<Kind>(std::stoul(key.substr(1)) % kKinds);
  }
  std::string Value() {
    std::string value = "v" + std::to_string(++uid_);
    if (random_.OneIn(30)) value.append(300, 'x');
    return value;
  }
  std::string Field() { return "f" + std::to_string(random_.Below(4)); }
  std::string Member() { return "m" + std::to_string(random_.Below(6)); }
  std::string Number() { return std::to_string(random_.Between(1, 9)); }
  // From what has passed before the reply comes to what outlives the run.
  int64_t Ms() {
    if (world_.config.brief) return random_.Between(3, 60);
    // What passes on the follower soon, and here later.
    const int64_t ahead_ms = world_.config.follower_offset_ms - world_.config.authority_offset_ms;
    if (ahead_ms > 0 && random_.OneIn(4)) return ahead_ms + random_.Between(1, 200);
    return random_.Pick<int64_t>(
        {1, 8, 15, 30, 60, 200, 900, 1'100, 1'500, 2'500, 6'000, 3'600'000});
  }
  std::string Ttl() { return std::to_string(Ms()); }
  std::string At() { return std::to_string(world_.env.UnixMs() + Ms()); }

  std::string Read();
  std::string Write();

 private:
  std::string Expiring(const std::string& key);
  std::string MultiKey();
  std::string OfString(const std::string& key);
  std::string OfCollection(const std::string& key, Kind kind);

  World& world_;
  Random& random_;
  uint64_t& uid_;
};

std::string Line::Read() {
  const std::string key = Key();
  switch (random_.Below(12)) {
    case 0:
      return (*this)("TYPE", key);
    case 1:
      return (*this)("EXISTS", key);
    case 2:
      return (*this)("MGET", KeyOf(kString), KeyOf(kCounter));
    case 3:
      return (*this)("MGET", KeyOf(kString));
    case 4:
      return world_.config.expiry ? (*this)("PEXPIRETIME", key) : (*this)("STRLEN", key);
    default:
      break;
  }
  switch (KindOf(key)) {
    case kHash:
      return random_.OneIn(3) ? (*this)("HMGET", key, Field(), Field()) : (*this)("HGETALL", key);
    case kList:
      return (*this)("LRANGE", key, "0", "-1");
    case kSet:
      return (*this)("SMEMBERS", key);
    default:
      return (*this)("GET", key);
  }
}

std::string Line::Expiring(const std::string& key) {
  switch (random_.Below(11)) {
    case 0:
      return (*this)("SET", key, Value(), "PX", Ttl());
    case 1:
      return (*this)("SET", key, Value(), "PXAT", At());
    case 2:
      return (*this)("PSETEX", key, Ttl(), Value());
    case 3:
      return (*this)("GETEX", key, "PX", Ttl());
    case 4:
      return (*this)("PERSIST", key);
    case 5:
      return (*this)("SET", key, Value(), "KEEPTTL");
    case 6:
      return (*this)("PEXPIREAT", key, At());
    case 7:
      return (*this)("EXPIRE", key, random_.OneIn(8) ? "-1" : Number());
    case 8:
      return (*this)("GETEX", key, "PERSIST");
    default:
      return (*this)("PEXPIRE", key, Ttl());
  }
}

std::string Line::MultiKey() {
  const std::string key = Key(), other = Key();
  switch (random_.Below(12)) {
    case 0:
      return (*this)("RENAMENX", key, other);
    case 1:
      return (*this)("COPY", key, other, "REPLACE");
    case 2:
      return (*this)("SMOVE", KeyOf(kSet), KeyOf(kSet), Member());
    case 3:
      return (*this)("SUNIONSTORE", key, KeyOf(kSet), KeyOf(kSet));
    case 4:
      return (*this)("LMOVE", KeyOf(kList), KeyOf(kList), "LEFT", "RIGHT");
    case 5:
      return (*this)("MSET", KeyOf(kString), Value(), KeyOf(kCounter), Number());
    case 6:
      return (*this)("MSETNX", key, Value(), other, Value());
    case 7:
      return (*this)("DEL", key, other);
    case 8:
      if (world_.config.dbs < 2) break;
      return random_.OneIn(2) ? (*this)("MOVE", key, random_.OneIn(2) ? "1" : "0")
                              : (*this)("COPY", key, other, "DB", "1", "REPLACE");
    default:
      break;
  }
  return (*this)("RENAME", key, other);
}

std::string Line::OfString(const std::string& key) {
  switch (random_.Below(14)) {
    case 0:
      return (*this)("APPEND", key, Number());
    case 1:
      return (*this)("SETNX", key, Value());
    case 2:
      return (*this)("GETDEL", key);
    case 3:
      return (*this)("SETRANGE", key, Number(), Value());
    case 4:
      return (*this)("GETSET", key, Value());
    case 5:
      return (*this)("SET", key, Value(), "NX", "GET");
    case 6:
      return (*this)("SET", key, Value(), "XX");
    case 7:
      return (*this)("DEL", key);
    default:
      return (*this)("SET", key, Value());
  }
}

std::string Line::OfCollection(const std::string& key, Kind kind) {
  const uint64_t dice = random_.Below(6);
  if (kind == kCounter) {
    if (dice == 0) return (*this)("INCRBYFLOAT", key, "1");
    if (dice == 1) return (*this)("SET", key, Number());
    return dice == 2 ? (*this)("DECR", key) : (*this)("INCRBY", key, Number());
  }
  if (kind == kHash) {
    if (dice == 0) return (*this)("HDEL", key, Field());
    if (dice == 1) return (*this)("HSETNX", key, Field(), Number());
    return dice == 2 ? (*this)("HINCRBY", key, Field(), Number())
                     : (*this)("HSET", key, Field(), std::to_string(++uid_));
  }
  if (kind == kList) {
    if (dice == 0) return (*this)("LPUSHX", key, Value());
    if (dice == 1) return (*this)("LTRIM", key, "2", "-1");
    if (dice < 4) return (*this)(dice == 2 ? "LPOP" : "RPOP", key);
    return (*this)("RPUSH", key, Value());
  }
  if (dice == 0) return (*this)("SREM", key, Member());
  return dice == 1 ? (*this)("SPOP", key) : (*this)("SADD", key, Member(), Member());
}

std::string Line::Write() {
  const Config& config = world_.config;
  if (config.whole_keyspace && random_.OneIn(config.flush_one_in)) {
    const uint64_t dice = random_.Below(5);
    if (dice == 0 && config.dbs > 1) return (*this)("SWAPDB", "0", "1");
    return (*this)(dice < 3 ? "FLUSHALL" : "FLUSHDB");
  }
  const std::string key = Key();
  if (config.scripts && random_.OneIn(25)) return (*this)("EVAL", "script", "1", key);
  if (config.expiry && random_.OneIn(5)) return Expiring(key);
  if (config.multi_key && random_.OneIn(6)) return MultiKey();
  const Kind kind = KindOf(key);
  return kind == kString ? OfString(key) : OfCollection(key, kind);
}

}  // namespace

std::vector<std::string> NextCommands(World& world, uint64_t& uid) {
  Line line(world, uid);
  Random& random = world.env.random;
  if (random.Percent(world.config.read_percent)) return {line.Read()};
  if (!random.Percent(world.config.transaction_percent)) return {line.Write()};
  std::vector<std::string> commands;
  for (uint64_t n = random.Between(2, 4); n > 0; --n) {
    commands.push_back(random.OneIn(4) ? line.Read() : line.Write());
  }
  return commands;
}

}  // namespace crossfade::sim
