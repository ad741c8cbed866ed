#include "routing/commands/serving.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace crossfade::routing {
namespace {

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

const char* Name(Serving serving) {
  switch (serving) {
    case Serving::kSession:
      return "session";
    case Serving::kTransaction:
      return "transaction";
    case Serving::kRead:
      return "read";
    case Serving::kAuthority:
      return "authority";
    case Serving::kWrite:
      return "write";
    case Serving::kBlocking:
      return "blocking";
    case Serving::kScript:
      return "script";
    case Serving::kRefused:
      return "refused";
    case Serving::kPinned:
      return "pinned";
    case Serving::kNotServed:
      return "not served";
  }
  return "?";
}

std::string Served(std::string_view line) {
  const std::vector<std::string_view> args = Words(line);
  const CommandSpec* spec = CommandTable::Redis70().Find(args);
  return spec == nullptr ? "unknown" : Name(ServingOf(*spec, args));
}

struct Place {
  std::string_view where;
  std::vector<std::string_view> lines;
};
const std::vector<Place> kPlaces = {
    {"read",
     {"GET k",
      "get k",
      "MGET a b",
      "EXISTS k",
      "TTL k",
      "TYPE k",
      "HGETALL k",
      "SMEMBERS k",
      "ZRANGE k 0 -1",
      "LRANGE k 0 -1",
      "XRANGE k - +",
      "XREAD STREAMS s 0",
      "XREAD COUNT 2 STREAMS s 0",
      "HSCAN k 0",
      "OBJECT ENCODING k",
      "MEMORY USAGE k",
      "SORT_RO k",
      "PFCOUNT k",
      "TOUCH k",
      "DUMP k",
      "BITFIELD_RO k GET u8 0"}},
    {"write",
     {"SET k v", "DEL k", "GETEX k EX 5", "GETDEL k", "XADD s * f v", "EXPIRE k 1", "SORT k",
      "GEORADIUS k 1 1 1 km", "BITFIELD k GET u8 0", "FLUSHALL", "FLUSHDB", "SWAPDB 0 1",
      "XREADGROUP GROUP g c STREAMS s >", "XGROUP CREATE s g 0", "RESTORE k 0 x", "COPY a b",
      "SPOP k", "PFADD k v", "XCLAIM s g c 0 1-1"}},
    {"transaction", {"MULTI", "EXEC", "DISCARD"}},
    {"session",
     {"PING",
      "ECHO x",
      "QUIT",
      "RESET",
      "SELECT 1",
      "HELLO 3",
      "AUTH x",
      "CLIENT SETNAME x",
      "CLIENT GETNAME",
      "CLIENT ID",
      "CLIENT INFO",
      "CLIENT LIST",
      "CLIENT KILL ID 1",
      "CLIENT PAUSE 1",
      "CLIENT UNPAUSE",
      "CLIENT REPLY OFF",
      "CLIENT NO-EVICT on",
      "CLIENT UNBLOCK 1",
      "CLIENT GETREDIR",
      "CLIENT TRACKINGINFO"}},
    {"authority",
     {"INFO",
      "DBSIZE",
      "KEYS *",
      "RANDOMKEY",
      "SCAN 0",
      "TIME",
      "CONFIG GET maxmemory",
      "SLOWLOG GET",
      "LATENCY LATEST",
      "PUBLISH c m",
      "SPUBLISH c m",
      "PUBSUB CHANNELS",
      "COMMAND",
      "COMMAND COUNT",
      "CLIENT HELP",
      "CLUSTER NODES",
      "CLUSTER KEYSLOT k",
      "MEMORY STATS",
      "ACL WHOAMI",
      "LOLWUT",
      "LASTSAVE",
      "ROLE",
      "OBJECT HELP"}},
    {"refused", {"CONFIG SET a b",
                 "CONFIG RESETSTAT",
                 "SHUTDOWN",
                 "DEBUG SLEEP 0",
                 "REPLICAOF a 1",
                 "SLAVEOF a 1",
                 "CLUSTER MEET h 1",
                 "ACL SETUSER x",
                 "MIGRATE h 1 k 0 1",
                 "SAVE",
                 "BGSAVE",
                 "BGREWRITEAOF",
                 "FAILOVER",
                 "MODULE LOAD x",
                 "SLOWLOG RESET",
                 "LATENCY RESET",
                 "RESTORE-ASKING k 0 x",
                 "MEMORY PURGE",
                 "PFDEBUG TODENSE k",
                 "PFSELFTEST"}},
    {"pinned",
     {"WATCH k", "UNWATCH", "MONITOR", "WAIT 1 0", "SUBSCRIBE c", "PSUBSCRIBE c", "SSUBSCRIBE c",
      "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "CLIENT TRACKING ON", "CLIENT CACHING YES"}},
    {"blocking",
     {"BLPOP k 0", "BRPOP k 0", "BLMOVE a b LEFT LEFT 0", "BLMPOP 0 1 k LEFT", "BZPOPMIN k 0",
      "BZMPOP 0 1 k MIN", "BRPOPLPUSH a b 0", "XREAD BLOCK 0 STREAMS s $"}},
    {"script",
     {"EVAL x 0", "EVALSHA x 0", "EVAL_RO x 0", "EVALSHA_RO x 0", "FCALL x 0", "FCALL_RO x 0",
      "SCRIPT LOAD x", "SCRIPT FLUSH", "SCRIPT KILL", "FUNCTION LOAD x", "FUNCTION DELETE x",
      "FUNCTION FLUSH", "FUNCTION RESTORE x", "FUNCTION KILL", "FUNCTION STATS"}},
    {"authority",
     {"SCRIPT EXISTS x", "SCRIPT HELP", "FUNCTION LIST", "FUNCTION DUMP", "FUNCTION HELP"}},
    {"refused", {"SCRIPT DEBUG YES"}},
    {"not served", {"SYNC", "PSYNC a 1", "REPLCONF x", "ASKING", "READONLY"}},
};

TEST(ServingTest, EachCommandRunsWhereTheDesignSays) {
  for (const Place& c : kPlaces) {
    for (const std::string_view line : c.lines) EXPECT_EQ(Served(line), c.where) << line;
  }
}

TEST(ServingTest, BlockIsAnOptionOnlyBeforeTheStreams) {
  for (const std::string_view line :
       {"XREAD BLOCK 0 STREAMS s 0", "XREAD COUNT 1 block 5 STREAMS s 0",
        "XREADGROUP GROUP g c BLOCK 1 STREAMS s >", "XREADGROUP GROUP block c BLOCK 1 STREAMS s >",
        "XREADGROUP BLOCK 0 GROUP g c STREAMS s >",
        "XREADGROUP GROUP g c NOACK BLOCK 1 STREAMS s >",
        "XREADGROUP GROUP g streams BLOCK 1 STREAMS s >", "XREAD BLOCK"}) {
    EXPECT_EQ(Served(line), "blocking") << line;
  }
  EXPECT_EQ(Served("XREAD STREAMS block 0"), "read");
  EXPECT_EQ(Served("XREAD COUNT 1 STREAMS s block 0 0"), "read");
  EXPECT_EQ(Served("XREADGROUP GROUP block BLOCK STREAMS s >"), "write");
  EXPECT_EQ(Served("XREADGROUP GROUP g c STREAMS block >"), "write");
}

// Whatever the table holds, none of these mistakes may be made.
TEST(ServingTest, NoCommandOfTheTableSlipsThrough) {
  for (const CommandSpec* spec : CommandTable::Redis70().All()) {
    const std::vector<std::string_view> args{spec->name, "k"};
    const Serving serving = ServingOf(*spec, args);
    if (serving == Serving::kRead) {
      EXPECT_TRUE((spec->flags & kWrite) == 0) << spec->name << " writes";
    }
    if (serving == Serving::kAuthority) {
      EXPECT_TRUE((spec->flags & kWrite) == 0) << spec->name << " is to be mirrored";
    }
    if (serving == Serving::kRead || serving == Serving::kWrite) {
      const bool streams = spec->id == CommandId::kXread || spec->id == CommandId::kXreadgroup;
      EXPECT_TRUE(!spec->Blocking() || streams) << spec->name << " would block the lane";
      EXPECT_TRUE((spec->flags & kAdmin) == 0) << spec->name << " acts on one store alone";
      EXPECT_FALSE(spec->name.starts_with("client")) << spec->name << " acts on the lane";
    }
  }
}

CommandSpec Module(std::string name, uint32_t flags, int first_key) {
  CommandSpec spec;
  spec.name = std::move(name);
  spec.arity = -2;
  spec.flags = flags;
  spec.first_key = spec.last_key = first_key;
  spec.key_step = 1;
  return spec;
}

TEST(ServingTest, OfAnUnknownCommandTheFlagsDecide) {
  const struct {
    CommandSpec spec;
    Serving serving;
  } cases[] = {
      {Module("json.get", kReadonly, 1), Serving::kRead},
      {Module("json.set", kWrite | kDenyOom, 1), Serving::kWrite},
      {Module("odd", 0, 1), Serving::kWrite},  // not flagged readonly means write
      {Module("odd.keyless", 0, 0), Serving::kRefused},
      {Module("odd.movable", kMovableKeys, 0), Serving::kWrite},
      {Module("server.info", kReadonly, 0), Serving::kAuthority},
      {Module("server.set", kAdmin | kWrite, 0), Serving::kRefused},
      {Module("queue.wait", kBlocking | kWrite, 1), Serving::kNotServed},
      {Module("client|new", 0, 0), Serving::kNotServed},
      {Module("eval_new", 0, 0), Serving::kNotServed},
  };
  const std::vector<std::string_view> args{"x", "k"};
  for (const auto& c : cases) {
    EXPECT_STREQ(Name(ServingOf(c.spec, args)), Name(c.serving)) << c.spec.name;
  }
}

TEST(ServingTest, WhatRedisReplicatesIsHeldByAPauseOfWrites) {
  const auto may = [](std::string_view line) {
    return MayReplicate(*CommandTable::Redis70().Find(Words(line)));
  };
  for (const std::string_view line :
       {"SET k v", "DEL k", "PFCOUNT k", "PUBLISH c m", "SPUBLISH c m", "EVAL x 0", "EVALSHA x 0",
        "FCALL f 0", "FLUSHALL", "BLPOP k 0", "FUNCTION LOAD x"}) {
    EXPECT_TRUE(may(line)) << line;
  }
  for (const std::string_view line : {"GET k", "EVAL_RO x 0", "FCALL_RO f 0", "PING", "INFO",
                                      "CLIENT UNPAUSE", "MULTI", "SUBSCRIBE c"}) {
    EXPECT_FALSE(may(line)) << line;
  }
}

TEST(ServingTest, RepliesThatBelongToTheirStoreAreNotReadFromTheFollower) {
  const auto may = [](std::string_view line) {
    const std::vector<std::string_view> args = Words(line);
    return MayReadFollower(*CommandTable::Redis70().Find(args), args);
  };
  for (const std::string_view line :
       {"GET k", "MGET a b", "HGETALL k", "ZRANGE k 0 -1", "SORT_RO k", "SORT_RO k ALPHA LIMIT 0 5",
        "XREAD STREAMS s 0", "XPENDING s g", "XLEN s", "STRLEN k", "TTL k", "OBJECT HELP"}) {
    EXPECT_TRUE(may(line)) << line;
  }
  for (const std::string_view line :
       {"HSCAN k 0", "SSCAN k 0", "ZSCAN k 0", "DUMP k", "TOUCH k", "SORT_RO k BY w_*",
        "SORT_RO k GET w_*", "sort_ro k by nosort", "OBJECT ENCODING k", "OBJECT FREQ k",
        "OBJECT IDLETIME k", "OBJECT REFCOUNT k", "MEMORY USAGE k", "XINFO STREAM s",
        "XINFO GROUPS s", "XINFO CONSUMERS s g", "XPENDING s g - + 10",
        "XPENDING s g IDLE 5 - + 10"}) {
    EXPECT_FALSE(may(line)) << line;
  }
}

}  // namespace
}  // namespace crossfade::routing
