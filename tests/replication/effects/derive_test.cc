#include <gtest/gtest.h>

#include "replication/effects.h"
#include "routing/commands/command_id.h"
#include "tests/replication/effects/store.h"

namespace crossfade::replication {
namespace {

using Kind = Effect::Kind;
using routing::CommandSpec;
using routing::CommandTable;
using test::Words;

constexpr int64_t kAt = 33'000'000'000'000;

Effect Derive(std::string_view line, std::string_view reply,
              std::optional<int64_t> deadline = std::nullopt) {
  const Words words(line);
  const CommandSpec* spec = CommandTable::Redis70().Find(words.args());
  Effect effect;
  if (spec == nullptr) {
    ADD_FAILURE() << "unknown: " << line;
    return effect;
  }
  std::optional<Deadline> asked;
  if (deadline && words.args().size() > 1) asked = Deadline{words.args()[1], *deadline};
  DeriveEffect(*spec, words.args(), reply, asked, effect);
  return effect;
}

std::string Bytes(std::string_view line) {
  std::string bytes;
  routing::AppendCommand(bytes, Words(line).args());
  return bytes;
}

struct Row {
  const char* command;
  const char* reply;
  Kind kind;
  const char* rewritten = "";
  const char* expected = "";
  int64_t deadline = kAt;
};

void Check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.command) + " -> " + row.reply);
    const Effect effect = Derive(row.command, row.reply, row.deadline);
    EXPECT_EQ(effect.kind, row.kind);
    if (row.kind == Kind::kRewritten) {
      EXPECT_EQ(effect.bytes, Bytes(row.rewritten));
      EXPECT_EQ(effect.expected, row.expected);
      EXPECT_EQ(effect.commands, 1u);
    } else {
      EXPECT_EQ(effect.bytes, "");
      EXPECT_EQ(effect.expected, "");
    }
  }
}

TEST(Effects, WhatTheServerChoseComesFromItsReply) {
  Check({
      {"SPOP k", "$1\r\na\r\n", Kind::kRewritten, "SREM k a", ":1\r\n"},
      {"SPOP k 5", "*2\r\n$1\r\na\r\n$0\r\n\r\n", Kind::kRewritten, "SREM k a ''", ":2\r\n"},
      {"INCRBYFLOAT k 1", "$3\r\n1.5\r\n", Kind::kRewritten, "SET k 1.5 KEEPTTL", "+OK\r\n"},
      {"HINCRBYFLOAT k f 1", "$3\r\n1.5\r\n", Kind::kRewritten, "HMSET k f 1.5", "+OK\r\n"},
      {"XADD k * f v", "$3\r\n7-1\r\n", Kind::kRewritten, "XADD k 7-1 f v", "$3\r\n7-1\r\n"},
      {"XADD k MAXLEN = 5 7-* f *", "$3\r\n7-1\r\n", Kind::kRewritten, "XADD k MAXLEN = 5 7-1 f *",
       "$3\r\n7-1\r\n"},
      {"XADD k NOMKSTREAM * f v", "$3\r\n7-1\r\n", Kind::kRewritten, "XADD k NOMKSTREAM 7-1 f v",
       "$3\r\n7-1\r\n"},
      {"XADD k 7-1 f v", "$3\r\n7-1\r\n", Kind::kReplay},
      {"XADD k MAXLEN ~ 5 * f v", "$3\r\n7-1\r\n", Kind::kSync},
      {"XADD k NOMKSTREAM * f v", "$-1\r\n", Kind::kNothing},
      {"ZPOPMIN k 2", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n", Kind::kRewritten,
       "ZREM k a b", ":2\r\n"},
      {"ZMPOP 2 k l MIN", "*2\r\n$1\r\nl\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n", Kind::kRewritten,
       "ZREM l a", ":1\r\n"},
      {"LMPOP 2 k l RIGHT COUNT 9", "*2\r\n$1\r\nl\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
       Kind::kRewritten, "RPOP l 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
      {"MSETNX k v l w", ":1\r\n", Kind::kRewritten, "MSET k v l w", "+OK\r\n"},
      {"FUNCTION LOAD code", "$3\r\nlib\r\n", Kind::kRewritten, "FUNCTION LOAD REPLACE code",
       "$3\r\nlib\r\n"},
  });
}

TEST(Effects, TimesBecomeAbsolute) {
  Check({
      {"SET k v EX 10", "+OK\r\n", Kind::kRewritten, "SET k v PXAT 33000000000000", "+OK\r\n"},
      {"SET k v px 10 nx", "+OK\r\n", Kind::kRewritten, "SET k v PXAT 33000000000000", "+OK\r\n"},
      {"SET k v EX 10", "+OK\r\n", Kind::kRewritten, "DEL k", "", -2},
      {"SET k v EX 10", "+OK\r\n", Kind::kRewritten, "SET k v", "+OK\r\n", -1},
      {"SETEX k 10 v", "+OK\r\n", Kind::kRewritten, "SET k v PXAT 33000000000000", "+OK\r\n"},
      {"PSETEX k 10 v", "+OK\r\n", Kind::kRewritten, "DEL k", "", -2},
      {"GETEX k EX 10", "$1\r\nv\r\n", Kind::kRewritten, "PEXPIREAT k 33000000000000", ":1\r\n"},
      {"GETEX k PXAT 10", "$1\r\nv\r\n", Kind::kRewritten, "DEL k", "", -2},
      {"GETEX k PERSIST", "$1\r\nv\r\n", Kind::kReplay},
      {"EXPIRE k 10 NX", ":1\r\n", Kind::kRewritten, "PEXPIREAT k 33000000000000", ":1\r\n"},
      {"PEXPIREAT k 10", ":1\r\n", Kind::kRewritten, "DEL k", "", -2},
      {"EXPIREAT k 10", ":1\r\n", Kind::kRewritten, "PERSIST k", "", -1},
      {"RESTORE k 10 p", "+OK\r\n", Kind::kRewritten, "RESTORE k 33000000000000 p REPLACE ABSTTL",
       "+OK\r\n"},
      {"RESTORE k 0 p", "+OK\r\n", Kind::kRewritten, "RESTORE k 0 p REPLACE ABSTTL", "+OK\r\n"},
      {"RESTORE k 10 p ABSTTL", "+OK\r\n", Kind::kRewritten, "DEL k", "", -2},
  });
  EXPECT_EQ(Derive("EXPIRE k 10", ":1\r\n").kind, Kind::kSync) << "the deadline was not asked";
  EXPECT_EQ(Derive("SET k v EX 10", "+OK\r\n").kind, Kind::kSync);
}

TEST(Effects, OnlyWhatWasSetIsSet) {
  Check({
      {"SET k v", "+OK\r\n", Kind::kReplay},
      {"SET k v NX", "$-1\r\n", Kind::kNothing},
      {"SET k v NX", "+OK\r\n", Kind::kRewritten, "SET k v", "+OK\r\n"},
      {"SET k v GET", "$-1\r\n", Kind::kRewritten, "SET k v", "+OK\r\n"},
      {"SET k v NX GET", "$-1\r\n", Kind::kRewritten, "SET k v", "+OK\r\n"},
      {"SET k v NX GET", "$1\r\nx\r\n", Kind::kNothing},
      {"SET k v XX GET", "$-1\r\n", Kind::kNothing},
      {"SET k v XX GET", "$0\r\n\r\n", Kind::kRewritten, "SET k v", "+OK\r\n"},
      {"SET k v XX KEEPTTL", "+OK\r\n", Kind::kRewritten, "SET k v KEEPTTL", "+OK\r\n"},
      {"SET k v NX KEEPTTL", "+OK\r\n", Kind::kRewritten, "SET k v", "+OK\r\n"},
      {"SETNX k v", ":1\r\n", Kind::kRewritten, "SET k v", "+OK\r\n"},
      {"SETNX k v", ":0\r\n", Kind::kNothing},
      {"GETSET k v", "$-1\r\n", Kind::kRewritten, "SET k v", "+OK\r\n"},
      {"GETDEL k", "$1\r\nv\r\n", Kind::kRewritten, "DEL k", ":1\r\n"},
      {"GETDEL k", "$-1\r\n", Kind::kNothing},
      {"GETEX k", "$1\r\nv\r\n", Kind::kNothing},
  });
}

TEST(Effects, RepliesThatSayNothingChangedHaveNone) {
  for (const char* line : {"SADD k a",           "SREM k a",
                           "HDEL k f",           "HSETNX k f v",
                           "LREM k 0 a",         "LINSERT k BEFORE a b",
                           "LPUSHX k a",         "ZADD k CH 1 a",
                           "ZADD k NX 1 a",      "GEOADD k CH 1 1 a",
                           "ZREM k a",           "PFADD k a",
                           "XDEL k 1-1",         "XTRIM k MAXLEN 1",
                           "XTRIM k MAXLEN ~ 1", "XACK k g 1-1",
                           "XGROUP DESTROY k g", "XGROUP CREATECONSUMER k g c",
                           "EXPIRE k 1",         "PERSIST k",
                           "MOVE k 1",           "COPY k l",
                           "SMOVE k l a",        "RENAMENX k l",
                           "MSETNX k v",         "DEL k",
                           "UNLINK k",           "ZREMRANGEBYRANK k 0 1"}) {
    EXPECT_EQ(Derive(line, ":0\r\n", kAt).kind, Kind::kNothing) << line;
  }
  for (const char* line :
       {"ZADD k 1 a", "ZADD k XX 1 a", "GEOADD k 1 1 a", "HSET k f v", "SETBIT k 0 0",
        "APPEND k ''", "SUNIONSTORE k l", "BITOP AND k l", "ZRANGESTORE k l 0 1",
        "GEORADIUS l 1 1 1 m STORE k", "XGROUP DELCONSUMER k g c", "SETRANGE k 0 v"}) {
    EXPECT_EQ(Derive(line, ":0\r\n").kind, Kind::kReplay) << line;
  }
  EXPECT_EQ(Derive("LINSERT k BEFORE a b", ":-1\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("ZADD k INCR 1 a", "$-1\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("ZADD k INCR 1 a", "$1\r\n1\r\n").kind, Kind::kReplay);
  EXPECT_EQ(Derive("LTRIM k 0 -1", "+OK\r\n").kind, Kind::kReplay);
  EXPECT_EQ(Derive("BITFIELD k GET u8 0", "*1\r\n:0\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("SPOP k 3", "*0\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("LPOP k 0", "*0\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("PFCOUNT k", ":3\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("PUBLISH c m", ":3\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("GET k", "$1\r\nv\r\n").kind, Kind::kNothing);
}

TEST(Effects, AnErrorHasNoneButOfWhatMayHaveRun) {
  EXPECT_EQ(Derive("SET k v", "-OOM command not allowed\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("EVAL s 1 k", "-ERR x\r\n").kind, Kind::kSync);
  EXPECT_EQ(Derive("FCALL f 1 k", "-ERR x\r\n").kind, Kind::kSync);
  EXPECT_EQ(Derive("EVAL_RO s 1 k", "-ERR x\r\n").kind, Kind::kNothing);
}

TEST(Effects, WhatIsNotDerivableIsSynced) {
  for (const char* line :
       {"EVAL s 1 k", "EVALSHA s 1 k", "FCALL f 1 k", "XCLAIM k g c 0 1-1", "XAUTOCLAIM k g c 0 0",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "BLPOP k 0", "BZPOPMIN k 0"}) {
    EXPECT_EQ(Derive(line, "*1\r\n$1\r\nx\r\n").kind, Kind::kSync) << line;
  }
  EXPECT_EQ(Derive("SORT k BY w_* STORE l", ":3\r\n").kind, Kind::kSync);
  EXPECT_EQ(Derive("SORT k GET w_* STORE l", ":3\r\n").kind, Kind::kSync);
  EXPECT_EQ(Derive("SORT k BY w_*", "*0\r\n").kind, Kind::kNothing);
  EXPECT_EQ(Derive("MIGRATE h 1 k 0 1", "+OK\r\n").kind, Kind::kSync);
}

TEST(Effects, GuardsWhereTheReplyDoesNotTellThatTheKeyWasThere) {
  EXPECT_FALSE(Derive("SET k v", "+OK\r\n").guard);
  EXPECT_FALSE(Derive("DEL k", ":1\r\n").guard);
  EXPECT_FALSE(Derive("MSET k v", "+OK\r\n").guard);
  EXPECT_FALSE(Derive("LPUSH k v", ":1\r\n").guard);
  EXPECT_FALSE(Derive("EXPIRE k 1", ":1\r\n", kAt).guard);
  EXPECT_TRUE(Derive("SET k v KEEPTTL", "+OK\r\n").guard);
  EXPECT_TRUE(Derive("INCR k", ":1\r\n").guard);
  EXPECT_TRUE(Derive("HSET k f v", ":1\r\n").guard);
  EXPECT_TRUE(Derive("SADD k v", ":1\r\n").guard);
  EXPECT_TRUE(Derive("INCRBYFLOAT k 1", "$1\r\n1\r\n").guard);
  EXPECT_TRUE(Derive("SUNIONSTORE k l", ":1\r\n").guard);
  EXPECT_TRUE(Derive("LMOVE k l LEFT LEFT", "$1\r\nx\r\n").guard);
}

TEST(Effects, ExpiriesThatMayBeSetAreNamed) {
  EXPECT_TRUE(Derive("SET k v EX 1", "+OK\r\n", kAt).may_set_expiry);
  EXPECT_TRUE(Derive("EXPIRE k 1", ":1\r\n", kAt).may_set_expiry);
  EXPECT_FALSE(Derive("SET k v", "+OK\r\n").may_set_expiry);
  EXPECT_TRUE(Derive("RENAME k l", "+OK\r\n").passes_expiry_on);
  EXPECT_TRUE(Derive("COPY k l", ":1\r\n").passes_expiry_on);
  EXPECT_FALSE(Derive("SMOVE k l a", ":1\r\n").passes_expiry_on);
}

TEST(Effects, WhatToAskBehindNamesTheKeysWhoseDeadlineCounts) {
  const auto asks = [](std::string_view line) {
    const Words words(line);
    const AskBehind ask =
        WhatToAskBehind(*CommandTable::Redis70().Find(words.args()), words.args());
    EXPECT_TRUE(!ask.deadline || ask.key_arg == 1);
    return ask.deadline;
  };
  for (const char* line :
       {"SET k v EX 1", "SET k v NX PXAT 1", "SETEX k 1 v", "PSETEX k 1 v", "GETEX k EX 1",
        "EXPIRE k 1", "PEXPIRE k 1", "EXPIREAT k 1", "PEXPIREAT k 1", "RESTORE k 1 p"}) {
    EXPECT_TRUE(asks(line)) << line;
  }
  for (const char* line : {"SET k v", "SET k v NX", "SET k v KEEPTTL", "GETEX k", "GETEX k PERSIST",
                           "RESTORE k 0 p", "HSET k f v", "GET k", "SET EX EX"}) {
    EXPECT_FALSE(asks(line)) << line;
  }
}

TEST(Effects, FlushesAndSwapsAreTold) {
  EXPECT_EQ(Derive("FLUSHALL", "+OK\r\n").kind, Kind::kFlush);
  EXPECT_EQ(Derive("FLUSHDB ASYNC", "+OK\r\n").kind, Kind::kFlush);
  EXPECT_EQ(Derive("SWAPDB 0 1", "+OK\r\n").kind, Kind::kSwap);
}

TEST(Effects, AReplyThatIsNotTheCommandsOwnIsSynced) {
  for (const char* line :
       {"SET k v", "SET k v NX", "SETNX k v", "GETSET k v", "INCR k", "SADD k a", "HSET k f v",
        "SPOP k", "SPOP k 2", "ZPOPMIN k", "LMPOP 1 k LEFT", "ZMPOP 1 k MIN", "XADD k * f v",
        "EXPIRE k 1", "MSET k v", "RENAME k l", "LPOP k", "BITFIELD k SET u8 0 1", "FLUSHALL"}) {
    for (const char* reply : {"+QUEUED\r\n", "*1\r\n", "*3\r\n:1\r\n", "$9\r\nx\r\n", ":\r\n", "",
                              "*2\r\n$1\r\nk\r\n*9\r\n$1\r\na\r\n", "?", "*1000000000\r\n"}) {
      EXPECT_EQ(Derive(line, reply, kAt).kind, Kind::kSync) << line << " -> " << reply;
    }
  }
}

TEST(Effects, KeySyncIsARestoreOrADel) {
  Effect effect;
  EXPECT_TRUE(DeriveSync("k", "$1\r\np\r\n", ":-1\r\n", effect));
  EXPECT_EQ(effect.bytes, Bytes("RESTORE k 0 p REPLACE ABSTTL"));
  EXPECT_EQ(effect.expected, "+OK\r\n");
  EXPECT_FALSE(effect.may_set_expiry);
  EXPECT_TRUE(DeriveSync("k", "$1\r\np\r\n", ":77\r\n", effect));
  EXPECT_EQ(effect.bytes, Bytes("RESTORE k 77 p REPLACE ABSTTL"));
  EXPECT_TRUE(effect.may_set_expiry);
  EXPECT_TRUE(DeriveSync("k", "$-1\r\n", ":-2\r\n", effect));
  EXPECT_EQ(effect.bytes, Bytes("DEL k"));
  EXPECT_EQ(effect.expected, "");
  EXPECT_FALSE(DeriveSync("k", "-ERR x\r\n", ":-1\r\n", effect));
  EXPECT_FALSE(DeriveSync("k", "$1\r\np\r\n", "-ERR x\r\n", effect));
  EXPECT_FALSE(DeriveSync("k", "$1\r\np\r\n", ":-2\r\n", effect)) << "not one moment's state";
}

// Commands that the built-in table does not know.
Effect DeriveNewer(std::string_view line, std::string_view reply,
                   uint32_t flags = routing::kWrite) {
  const Words words(line);
  CommandSpec spec;
  for (const char c : words.args()[0]) spec.name += static_cast<char>(std::tolower(c));
  spec.arity = -2;
  spec.flags = flags;
  spec.first_key = spec.last_key = spec.key_step = 1;
  Effect effect;
  DeriveEffect(spec, words.args(), reply, std::nullopt, effect);
  return effect;
}

TEST(Effects, NewerCommandsAreReplayedWhenTheirKeysAreKnown) {
  const Effect effect = DeriveNewer("JSON.SET k $ 1", "+OK\r\n");
  EXPECT_EQ(effect.kind, Kind::kReplay);
  EXPECT_TRUE(effect.guard && effect.may_set_expiry && effect.passes_expiry_on);
  EXPECT_EQ(DeriveNewer("JSON.SET k $ 1", "+OK\r\n", 0).kind, Kind::kReplay)
      << "what is not flagged readonly writes";
  EXPECT_EQ(DeriveNewer("JSON.GET k", "$1\r\n1\r\n", routing::kReadonly).kind, Kind::kNothing);
  EXPECT_EQ(DeriveNewer("M.X k", "+OK\r\n", routing::kWrite | routing::kMovableKeys).kind,
            Kind::kSync);
}

TEST(Effects, FieldExpiriesBecomeAbsoluteOrASync) {
  const Effect at = DeriveNewer("HEXPIREAT k 50 GT FIELDS 3 a b c", "*3\r\n:1\r\n:0\r\n:1\r\n");
  EXPECT_EQ(at.kind, Kind::kRewritten);
  EXPECT_EQ(at.bytes, Bytes("HPEXPIREAT k 50000 FIELDS 2 a c"));
  EXPECT_EQ(at.expected, "*2\r\n:1\r\n:1\r\n");
  EXPECT_EQ(DeriveNewer("HPEXPIREAT k 50 FIELDS 1 a", "*1\r\n:2\r\n").kind, Kind::kSync);
  EXPECT_EQ(DeriveNewer("HPEXPIREAT k 50 FIELDS 1 a", "*1\r\n:-2\r\n").kind, Kind::kNothing);
  EXPECT_EQ(DeriveNewer("HEXPIRE k 50 FIELDS 1 a", "*1\r\n:1\r\n").kind, Kind::kSync);
  EXPECT_EQ(DeriveNewer("HEXPIRE k 50 FIELDS 1 a", "*1\r\n:0\r\n").kind, Kind::kNothing);
  EXPECT_EQ(DeriveNewer("HPERSIST k FIELDS 1 a", "*1\r\n:1\r\n").kind, Kind::kReplay);
  EXPECT_EQ(DeriveNewer("HPERSIST k FIELDS 1 a", "*1\r\n:-1\r\n").kind, Kind::kNothing);
  EXPECT_EQ(DeriveNewer("HSETEX k EX 5 FIELDS 1 a v", ":1\r\n").kind, Kind::kSync);
  EXPECT_EQ(DeriveNewer("HSETEX k FNX EX 5 FIELDS 1 a v", ":0\r\n").kind, Kind::kNothing);
  EXPECT_EQ(DeriveNewer("HSETEX k PXAT 5 FIELDS 1 a v", ":1\r\n").kind, Kind::kReplay);
  EXPECT_EQ(DeriveNewer("HGETEX k FIELDS 1 a", "*1\r\n$1\r\nv\r\n").kind, Kind::kNothing);
  EXPECT_EQ(DeriveNewer("HGETEX k PX 5 FIELDS 1 a", "*1\r\n$1\r\nv\r\n").kind, Kind::kSync);
  EXPECT_EQ(DeriveNewer("HGETDEL k FIELDS 1 a", "*1\r\n$1\r\nv\r\n").kind, Kind::kReplay);
}

}  // namespace
}  // namespace crossfade::replication
