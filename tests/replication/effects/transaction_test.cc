#include <gtest/gtest.h>

#include <memory>

#include "replication/effects.h"
#include "tests/replication/effects/store.h"

namespace crossfade::replication {
namespace {

using Kind = Effect::Kind;
using test::Words;

constexpr int64_t kNow = 1'700'000'000'000;

struct Derived {
  Effect effect;
  bool whole_keyspace = false;
};

Derived Derive(const std::vector<std::pair<const char*, const char*>>& elements,
               const std::vector<Deadline>& deadlines = {}) {
  std::vector<std::unique_ptr<Words>> words;
  std::vector<QueuedCommand> commands;
  std::string reply;
  routing::AppendHead(reply, '*', static_cast<int64_t>(elements.size()));
  for (const auto& [line, element] : elements) {
    words.push_back(std::make_unique<Words>(line));
    commands.push_back(
        {routing::CommandTable::Redis70().Find(words.back()->args()), words.back()->args()});
    reply += element;
  }
  Derived derived;
  DeriveTransaction(commands, reply, deadlines, kNow, derived.effect, derived.whole_keyspace);
  return derived;
}

std::string Bytes(const std::vector<const char*>& lines) {
  std::string bytes;
  for (const char* line : lines) routing::AppendCommand(bytes, Words(line).args());
  return bytes;
}

TEST(TransactionEffects, AreThoseOfItsWritesBetweenMultiAndExec) {
  const Derived d = Derive({{"INCR n", ":5\r\n"},
                            {"GET k", "$-1\r\n"},
                            {"SPOP a", "$1\r\nx\r\n"},
                            {"LPUSH s v", "-WRONGTYPE no\r\n"}});
  EXPECT_EQ(d.effect.kind, Kind::kRewritten);
  EXPECT_EQ(d.effect.bytes, Bytes({"MULTI", "INCR n", "SREM a x", "EXEC"}));
  EXPECT_EQ(d.effect.commands, 4u);
  EXPECT_EQ(d.effect.expected, "*2\r\n:5\r\n:1\r\n");
  EXPECT_TRUE(d.effect.guard);
  EXPECT_FALSE(d.whole_keyspace);
}

TEST(TransactionEffects, ASingleEffectStandsAlone) {
  const Derived d = Derive({{"GET k", "$-1\r\n"}, {"HINCRBYFLOAT h f 1", "$1\r\n1\r\n"}});
  EXPECT_EQ(d.effect.bytes, Bytes({"HMSET h f 1"}));
  EXPECT_EQ(d.effect.commands, 1u);
  EXPECT_EQ(d.effect.expected, "+OK\r\n");
}

TEST(TransactionEffects, AreUnknownWhereMultiMayHaveBeenRefused) {
  const Words words("SET k v");
  const std::vector<QueuedCommand> one = {
      {routing::CommandTable::Redis70().Find(words.args()), words.args()}};
  for (const char* reply : {"-NOPERM x\r\n", "-ERR EXEC without MULTI\r\n"}) {
    Effect effect;
    bool whole = true;
    DeriveTransaction(one, reply, {}, kNow, effect, whole);
    EXPECT_EQ(effect.kind, Kind::kSync);
    EXPECT_FALSE(whole);
  }
}

TEST(TransactionEffects, OfReadsOrOfWhatWasNotRunThereAreNone) {
  EXPECT_EQ(Derive({{"GET k", "$-1\r\n"}, {"SADD k a", ":0\r\n"}}).effect.kind, Kind::kNothing);
  EXPECT_EQ(Derive({}).effect.kind, Kind::kNothing);
  const Words words("SET k v");
  const std::vector<QueuedCommand> one = {
      {routing::CommandTable::Redis70().Find(words.args()), words.args()}};
  for (const char* reply : {"*-1\r\n", "-EXECABORT x\r\n"}) {
    Effect effect;
    bool whole = true;
    DeriveTransaction(one, reply, {}, kNow, effect, whole);
    EXPECT_EQ(effect.kind, Kind::kNothing);
    EXPECT_FALSE(whole);
  }
}

TEST(TransactionEffects, TheTrueDeadlinesAreSetLast) {
  const std::vector<Deadline> deadlines = {{"a", kNow + 5000}, {"b", -1}, {"c", -2}, {"d", 7}};
  const Derived d = Derive({{"SET a v EX 5", "+OK\r\n"},
                            {"SET b v EX 5", "+OK\r\n"},
                            {"PERSIST b", ":1\r\n"},
                            {"PEXPIRE c 1", ":1\r\n"},
                            {"EXPIRE d 5 NX", ":0\r\n"}},
                           deadlines);
  EXPECT_EQ(d.effect.bytes,
            Bytes({"MULTI", "SET a v PXAT 32503680000000", "SET b v PXAT 32503680000000",
                   "PERSIST b", "PEXPIREAT c 32503680000000", "PEXPIREAT a 1700000005000",
                   "PERSIST b", "SET c ''", "DEL c", "EXEC"}));
  EXPECT_EQ(d.effect.expected, "*8\r\n+OK\r\n+OK\r\n:1\r\n:1\r\n:1\r\n:0\r\n+OK\r\n:1\r\n");
  EXPECT_EQ(d.effect.commands, 10u);
  EXPECT_TRUE(d.effect.may_set_expiry);
}

TEST(TransactionEffects, ADeadlineInThePastEmptiesTheKeyForWhatComesAfter) {
  const Derived d =
      Derive({{"EXPIRE h -1", ":1\r\n"}, {"HSET h f v", ":1\r\n"}, {"EXPIRE h 9", ":1\r\n"}},
             std::vector<Deadline>{{"h", kNow + 9000}});
  EXPECT_EQ(d.effect.bytes,
            Bytes({"MULTI", "PEXPIREAT h 32503680000000", "DEL h", "HSET h f v",
                   "PEXPIREAT h 32503680000000", "PEXPIREAT h 1700000009000", "EXEC"}));
  EXPECT_EQ(d.effect.expected, "*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n");
}

TEST(TransactionEffects, WhereTimeCannotBeToldTheKeysAreSynced) {
  // Within the doubt about the clock, and not what the key has in the end.
  EXPECT_EQ(Derive({{"PEXPIREAT k 1700000000001", ":1\r\n"}}, std::vector<Deadline>{{"k", -2}})
                .effect.kind,
            Kind::kSync);
  // The same, but it is what the key has in the end.
  EXPECT_EQ(
      Derive({{"PEXPIREAT k 1700000000001", ":1\r\n"}}, std::vector<Deadline>{{"k", kNow + 1}})
          .effect.kind,
      Kind::kRewritten);
  // No deadline was read.
  EXPECT_EQ(Derive({{"EXPIRE k 5", ":1\r\n"}}).effect.kind, Kind::kSync);
  // A deadline that is not the true one would be handed on.
  EXPECT_EQ(Derive({{"EXPIRE k 5", ":1\r\n"}, {"RENAME k l", "+OK\r\n"}},
                   std::vector<Deadline>{{"k", -2}})
                .effect.kind,
            Kind::kSync);
  // Not so from another key, or before.
  EXPECT_EQ(Derive({{"RENAME k l", "+OK\r\n"}, {"SET k v EX 5", "+OK\r\n"}},
                   std::vector<Deadline>{{"k", kNow + 5000}})
                .effect.kind,
            Kind::kRewritten);
}

TEST(TransactionEffects, OneUnknownElementMakesAllUnknown) {
  EXPECT_EQ(Derive({{"SET k v", "+OK\r\n"}, {"EVAL s 1 k", "-ERR x\r\n"}}).effect.kind,
            Kind::kSync);
  EXPECT_EQ(Derive({{"SELECT 1", "+OK\r\n"}, {"SET k v", "+OK\r\n"}}).effect.kind, Kind::kSync);
  const Words words("SET k v");
  const std::vector<QueuedCommand> one = {
      {routing::CommandTable::Redis70().Find(words.args()), words.args()}};
  for (const char* reply : {"*2\r\n+OK\r\n+OK\r\n", "*1\r\n", "+OK\r\n", "*1\r\n$5\r\nx\r\n", ""}) {
    Effect effect;
    bool whole = false;
    DeriveTransaction(one, reply, {}, kNow, effect, whole);
    EXPECT_EQ(effect.kind, Kind::kSync) << reply;
  }
}

TEST(TransactionEffects, TheWholeKeyspaceIsTold) {
  const Derived d = Derive({{"FLUSHALL", "+OK\r\n"}, {"SET k v", "+OK\r\n"}});
  EXPECT_EQ(d.effect.bytes, Bytes({"MULTI", "FLUSHALL", "SET k v", "EXEC"}));
  EXPECT_TRUE(d.whole_keyspace);
  const Derived unknown = Derive({{"FLUSHDB", "+OK\r\n"}, {"EVAL s 1 k", ":1\r\n"}});
  EXPECT_EQ(unknown.effect.kind, Kind::kSync);
  EXPECT_TRUE(unknown.whole_keyspace);
}

}  // namespace
}  // namespace crossfade::replication
