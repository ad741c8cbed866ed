// Effects of trimming, of consumer groups, and of blocking commands, which the
// proxy runs inside transactions.
#include <gtest/gtest.h>

#include <memory>

#include "replication/effects.h"
#include "tests/replication/effects/store.h"

namespace crossfade::replication {
namespace {

using Kind = Effect::Kind;
using routing::CommandTable;
using test::Words;

std::string Bytes(const std::vector<const char*>& lines) {
  std::string bytes;
  for (const char* line : lines) routing::AppendCommand(bytes, Words(line).args());
  return bytes;
}

Effect Derive(std::string_view line, std::string_view reply,
              std::optional<int64_t> length = std::nullopt) {
  const Words words(line);
  const routing::CommandSpec* spec = CommandTable::Redis70().Find(words.args());
  Effect effect;
  std::optional<StreamLength> asked;
  if (length) asked = StreamLength{words.args()[1], *length};
  DeriveEffect(*spec, words.args(), reply, std::nullopt, effect, asked);
  return effect;
}

Effect DeriveExec(const std::vector<std::pair<const char*, const char*>>& elements,
                  const std::vector<StreamLength>& lengths = {}) {
  std::vector<std::unique_ptr<Words>> words;
  std::vector<QueuedCommand> commands;
  std::string reply;
  routing::AppendHead(reply, '*', static_cast<int64_t>(elements.size()));
  for (const auto& [line, element] : elements) {
    words.push_back(std::make_unique<Words>(line));
    commands.push_back({CommandTable::Redis70().Find(words.back()->args()), words.back()->args()});
    reply += element;
  }
  Effect effect;
  bool whole = false;
  DeriveTransaction(commands, reply, {}, 1'700'000'000'000, effect, whole, lengths);
  return effect;
}

struct Row {
  const char* command;
  const char* reply;
  std::vector<const char*> effect;  // none: kNothing
  const char* expected = "";
  bool guard = false;
};

void Check(const Effect& effect, const Row& row) {
  SCOPED_TRACE(std::string(row.command) + " -> " + row.reply);
  EXPECT_EQ(effect.kind, row.effect.empty() ? Kind::kNothing : Kind::kRewritten);
  EXPECT_EQ(effect.bytes, Bytes(row.effect));
  EXPECT_EQ(effect.commands, row.effect.size());
  EXPECT_EQ(effect.expected, row.expected);
  EXPECT_EQ(effect.guard, row.guard);
}

const Row kBlocking[] = {
    {"BLPOP a b 0", "*2\r\n$1\r\nb\r\n$1\r\nx\r\n", {"LPOP b"}, "$1\r\nx\r\n"},
    {"BRPOP a b 0", "*2\r\n$1\r\na\r\n$0\r\n\r\n", {"RPOP a"}, "$0\r\n\r\n"},
    {"BLMOVE a b LEFT RIGHT 0", "$1\r\nx\r\n", {"LMOVE a b LEFT RIGHT"}, "$1\r\nx\r\n", true},
    {"BRPOPLPUSH a b 0", "$1\r\nx\r\n", {"RPOPLPUSH a b"}, "$1\r\nx\r\n", true},
    {"BLMPOP 0 2 a b LEFT COUNT 9",
     "*2\r\n$1\r\nb\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n",
     {"LPOP b 2"},
     "*2\r\n$1\r\nx\r\n$1\r\ny\r\n"},
    {"BLMPOP 0 1 a right", "*2\r\n$1\r\na\r\n*1\r\n$1\r\nx\r\n", {"RPOP a 1"}, "*1\r\n$1\r\nx\r\n"},
    {"BZPOPMIN a 0", "*3\r\n$1\r\na\r\n$1\r\nm\r\n$1\r\n1\r\n", {"ZREM a m"}, ":1\r\n"},
    {"BZPOPMAX a 0", "*3\r\n$1\r\na\r\n$1\r\nm\r\n$1\r\n1\r\n", {"ZREM a m"}, ":1\r\n"},
    {"BZMPOP 0 1 a MIN COUNT 2",
     "*2\r\n$1\r\na\r\n*2\r\n*2\r\n$1\r\nm\r\n$1\r\n1\r\n*2\r\n$1\r\nn\r\n$1\r\n2\r\n",
     {"ZREM a m n"},
     ":2\r\n"},
    {"BLPOP a 0", "*-1\r\n", {}},
    {"BLMOVE a b LEFT RIGHT 0", "$-1\r\n", {}},
    {"BZMPOP 0 1 a MIN", "*-1\r\n", {}},
    {"XREADGROUP GROUP g BLOCK BLOCK 0 COUNT 1 STREAMS k >",
     "*1\r\n*2\r\n$1\r\nk\r\n*0\r\n",
     {"XREADGROUP GROUP g BLOCK COUNT 1 STREAMS k >"},
     "*1\r\n*2\r\n$1\r\nk\r\n*0\r\n"},
    {"XREADGROUP GROUP g c BLOCK 0 STREAMS k >",
     "*-1\r\n",
     {"XREADGROUP GROUP g c STREAMS k >"},
     "*-1\r\n"}};

TEST(BlockingEffects, InATransactionAreThoseOfTheFormThatDoesNotBlock) {
  for (const Row& row : kBlocking) Check(DeriveExec({{row.command, row.reply}}), row);
}

TEST(BlockingEffects, OfWhatAStoreServedByItselfAreASync) {
  for (const Row& row : kBlocking) {
    const bool read = !std::string_view(row.reply).ends_with("-1\r\n");
    if (!read) continue;
    EXPECT_EQ(Derive(row.command, row.reply).kind, Kind::kSync) << row.command;
  }
}

TEST(BlockingEffects, StandBetweenOthersOfTheirTransaction) {
  const Effect effect = DeriveExec({{"LPUSH a x", ":1\r\n"},
                                    {"BLPOP a 0", "*2\r\n$1\r\na\r\n$1\r\nx\r\n"},
                                    {"BLPOP a 0", "*-1\r\n"},
                                    {"INCR n", ":1\r\n"}});
  EXPECT_EQ(effect.bytes, Bytes({"MULTI", "LPUSH a x", "LPOP a", "INCR n", "EXEC"}));
  EXPECT_EQ(effect.expected, "*3\r\n:1\r\n$1\r\nx\r\n:1\r\n");
}

TEST(BlockingEffects, OfRepliesThatAreNotTheirOwnAreASync) {
  for (const char* line :
       {"BLPOP a 0", "BLMOVE a b LEFT LEFT 0", "BLMPOP 0 1 a LEFT", "BLMPOP 0 9 a LEFT",
        "BZPOPMIN a 0", "BZMPOP 0 1 a MIN", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >"}) {
    for (const char* reply : {"+QUEUED\r\n", ":1\r\n", "?", ""}) {
      EXPECT_EQ(DeriveExec({{line, reply}}).kind, Kind::kSync) << line << " -> " << reply;
    }
  }
}

TEST(GroupEffects, ReadingIsReplayed) {
  for (const char* line :
       {"XREADGROUP GROUP g c STREAMS k >", "XREADGROUP GROUP g c NOACK STREAMS k l > 0-0"}) {
    for (const char* reply : {"*-1\r\n", "*1\r\n*2\r\n$1\r\nk\r\n*0\r\n"}) {
      EXPECT_EQ(Derive(line, reply).kind, Kind::kReplay) << line << " -> " << reply;
    }
    EXPECT_EQ(Derive(line, "-NOGROUP no\r\n").kind, Kind::kNothing);
    EXPECT_EQ(Derive(line, "+OK\r\n").kind, Kind::kSync);
  }
  // Without a block here, whoever the consumer is.
  Check(Derive("XREADGROUP GROUP g BLOCK BLOCK 0 COUNT 1 STREAMS k >", "*-1\r\n"),
        {"", "", {"XREADGROUP GROUP g BLOCK COUNT 1 STREAMS k >"}, "*-1\r\n"});
}

TEST(GroupEffects, TheLastEntryIsTheSameOnTheFollower) {
  EXPECT_EQ(Derive("XGROUP CREATE k g $", "+OK\r\n").kind, Kind::kReplay);
  EXPECT_EQ(Derive("XGROUP SETID k g $", "+OK\r\n").kind, Kind::kReplay);
  EXPECT_FALSE(Derive("XGROUP CREATE k g $", "+OK\r\n").guard);
  EXPECT_TRUE(Derive("XGROUP CREATE k g $ MKSTREAM", "+OK\r\n").guard);
}

#define ENTRY(id) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
#define NEVER "9223372036854775807"

TEST(GroupEffects, ClaimsAreOfWhatWasReplied) {
  const Row rows[] = {
      {"XCLAIM k g c 500 1-1 2-1",
       "*2\r\n" ENTRY("1-1") ENTRY("2-1"),
       {"XCLAIM k g c 0 1-1 2-1 FORCE"},
       "*2\r\n" ENTRY("1-1") ENTRY("2-1")},
      {"XCLAIM k g c 500 1 2-1 IDLE 7 JUSTID LASTID 9-9",
       "*1\r\n$3\r\n2-1\r\n",
       {"XCLAIM k g c " NEVER " 1 LASTID 9-9", "XCLAIM k g c 0 2-1 IDLE 7 JUSTID LASTID 9-9 FORCE"},
       "*1\r\n$3\r\n2-1\r\n"},
      {"XCLAIM k g c 500 1-0", "*0\r\n", {"XCLAIM k g c " NEVER " 1-0"}, "*0\r\n"},
      {"XCLAIM k g c 0 1 1 1 FORCE",
       "*2\r\n" ENTRY("1-0") ENTRY("1-0"),
       {"XCLAIM k g c " NEVER " 1", "XCLAIM k g c 0 1-0 1-0 FORCE FORCE"},
       "*2\r\n" ENTRY("1-0") ENTRY("1-0")},
      {"XAUTOCLAIM k g c 500 0",
       "*3\r\n$3\r\n0-0\r\n*1\r\n" ENTRY("1-1") "*0\r\n",
       {"XCLAIM k g c 0 1-1 FORCE"},
       "*1\r\n" ENTRY("1-1")},
      {"XAUTOCLAIM k g c 500 0 COUNT 9 JUSTID",
       "*3\r\n$3\r\n0-0\r\n*1\r\n$3\r\n1-1\r\n*2\r\n$3\r\n2-1\r\n$3\r\n3-1\r\n",
       {"XACK k g 2-1 3-1", "XCLAIM k g c 0 1-1 JUSTID FORCE"},
       "*1\r\n$3\r\n1-1\r\n"},
      {"XAUTOCLAIM k g c 500 0",
       "*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n",
       {"XCLAIM k g c " NEVER " 0-0"},
       "*0\r\n"},
      {"XAUTOCLAIM k g c 500 0",
       "*2\r\n$3\r\n0-0\r\n*0\r\n",
       {"XCLAIM k g c " NEVER " 0-0"},
       "*0\r\n"}};
  for (const Row& row : rows) Check(Derive(row.command, row.reply), row);
  const Row& two = rows[1];
  const Effect effect = DeriveExec({{two.command, two.reply}});
  EXPECT_EQ(effect.bytes, Bytes({"MULTI", two.effect[0], two.effect[1], "EXEC"}));
  EXPECT_EQ(effect.commands, 4u);
  EXPECT_EQ(effect.expected, "") << "nobody knows the first one's reply";
}

TEST(GroupEffects, ClaimsThatAreNotUnderstoodAreASync) {
  for (const char* reply : {"*1\r\n*-1\r\n", "*1\r\n$-1\r\n", "*1\r\n" ENTRY("7-7"), ":1\r\n",
                            "*2\r\n" ENTRY("2-1") ENTRY("1-1"), "*1\r\n"}) {
    EXPECT_EQ(Derive("XCLAIM k g c 0 1-1 2-1", reply).kind, Kind::kSync) << reply;
  }
  EXPECT_EQ(Derive("XCLAIM k g c 0 007", "*1\r\n$3\r\n7-1\r\n").kind, Kind::kSync);
  for (const char* reply : {"*3\r\n$3\r\n0-0\r\n*1\r\n$-1\r\n*0\r\n", "*1\r\n$3\r\n0-0\r\n",
                            "*3\r\n$3\r\n0-0\r\n*0\r\n:1\r\n", "*2\r\n*0\r\n*0\r\n"}) {
    EXPECT_EQ(Derive("XAUTOCLAIM k g c 0 0", reply).kind, Kind::kSync) << reply;
  }
}

TEST(TrimEffects, AreToTheLengthThatWasLeft) {
  const char* id = "$3\r\n7-1\r\n";
  Check(Derive("XADD k MAXLEN ~ 5 LIMIT 9 * f v", id, 12),
        {"", "", {"XADD k MAXLEN = 12 7-1 f v"}, id, true});
  Check(Derive("XADD k NOMKSTREAM MINID ~ 5 7-1 f v", id, 3),
        {"", "", {"XADD k MAXLEN = 3 7-1 f v"}, id, true});
  Check(Derive("XTRIM k MINID ~ 5", ":4\r\n", 12), {"", "", {"XTRIM k MAXLEN = 12"}, ":4\r\n"});
  Check(Derive("XTRIM k MINID ~ 5", ":0\r\n", 12), {"", "", {}});
  EXPECT_EQ(Derive("XADD k MAXLEN ~ 5 * f v", id).kind, Kind::kSync);
  EXPECT_EQ(Derive("XTRIM k MAXLEN ~ 5", ":4\r\n").kind, Kind::kSync);
  const auto asks = [](std::string_view line) {
    const Words words(line);
    const AskBehind ask =
        WhatToAskBehind(*CommandTable::Redis70().Find(words.args()), words.args());
    EXPECT_EQ(static_cast<bool>(ask), ask.length);
    return ask.length && ask.key_arg == 1;
  };
  EXPECT_TRUE(asks("XADD k MAXLEN ~ 5 * f v"));
  EXPECT_TRUE(asks("XTRIM k MINID ~ 5 LIMIT 3"));
  EXPECT_FALSE(asks("XADD k MAXLEN = 5 * f v"));
  EXPECT_FALSE(asks("XADD k MAXLEN 5 * ~ ~"));
  EXPECT_FALSE(asks("XADD k * MAXLEN ~"));
  EXPECT_FALSE(asks("XTRIM k MAXLEN 5"));
}

TEST(TrimEffects, OfATransactionAreDoneByTheLastOfEachStream) {
  const char* id1 = "$3\r\n7-1\r\n";
  const char* id2 = "$3\r\n8-1\r\n";
  const Effect effect = DeriveExec({{"XADD k MAXLEN ~ 5 * f v", id1},
                                    {"XADD l MINID ~ 5 * f v", id1},
                                    {"XADD k NOMKSTREAM MAXLEN ~ 5 * f v", id2}},
                                   {{"k", 9}, {"l", 4}});
  EXPECT_EQ(effect.bytes, Bytes({"MULTI", "XADD k 7-1 f v", "XADD l MAXLEN = 4 7-1 f v",
                                 "XADD k MAXLEN = 9 8-1 f v", "EXEC"}));
  EXPECT_EQ(effect.expected, std::string("*3\r\n") + id1 + id1 + id2);
  EXPECT_EQ(DeriveExec({{"XTRIM k MAXLEN ~ 5", ":0\r\n"}}, {}).kind, Kind::kNothing);
  EXPECT_EQ(DeriveExec({{"XTRIM k MAXLEN ~ 5", ":3\r\n"}, {"GET x", "$-1\r\n"}}, {{"k", 6}}).bytes,
            Bytes({"XTRIM k MAXLEN = 6"}));
}

TEST(TrimEffects, OfATransactionThatDoesMoreToTheStreamAreASync) {
  const char* id = "$3\r\n7-1\r\n";
  const auto kind = [&](const std::vector<std::pair<const char*, const char*>>& elements) {
    return DeriveExec(elements, {{"k", 6}}).kind;
  };
  EXPECT_EQ(kind({{"XADD k MAXLEN ~ 5 * f v", id}, {"XDEL k 1-1", ":1\r\n"}}), Kind::kSync);
  EXPECT_EQ(kind({{"XADD k MAXLEN ~ 5 * f v", id}, {"XADD k * f v", id}}), Kind::kSync);
  EXPECT_EQ(kind({{"XADD k MAXLEN ~ 5 * f v", id}, {"FLUSHDB", "+OK\r\n"}}), Kind::kSync);
  EXPECT_EQ(kind({{"XADD k MAXLEN ~ 5 * f v", id}, {"XTRIM k MAXLEN ~ 5", ":1\r\n"}}), Kind::kSync);
  EXPECT_EQ(kind({{"XADD k MAXLEN ~ 5 * f v", id}, {"XADD k MAXLEN ~ 5 * f v", "-ERR x\r\n"}}),
            Kind::kSync);
  EXPECT_EQ(kind({{"XADD other MAXLEN ~ 5 * f v", id}}), Kind::kSync) << "no length was read";
  EXPECT_EQ(kind({{"XTRIM other MAXLEN ~ 5", ":1\r\n"}}), Kind::kSync);
  EXPECT_EQ(kind({{"XDEL k 1-1", ":1\r\n"}, {"XADD k MAXLEN ~ 5 * f v", id}}), Kind::kRewritten);
  EXPECT_EQ(kind({{"XADD k MAXLEN ~ 5 * f v", id}, {"SET l v", "+OK\r\n"}}), Kind::kRewritten);
}

}  // namespace
}  // namespace crossfade::replication
