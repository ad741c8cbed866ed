#include "replication/effects/typewise.h"

#include <gtest/gtest.h>

#include "replication/effects/derivation.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;
using Texts = std::vector<std::string>;

constexpr std::string_view kNoExpiry = ":-1\r\n", kGone = ":-2\r\n";

std::string Bulks(const Texts& texts) {
  std::string reply;
  routing::AppendHead(reply, '*', static_cast<int64_t>(texts.size()));
  for (const std::string& text : texts) routing::AppendBulk(reply, text);
  return reply;
}

struct Derived {
  Effect effect;
  const char* why = nullptr;
  Lines lines;
};

Derived Derive(KeyType type, std::string_view replies, std::string_view expiry = kNoExpiry,
               const TypewiseTarget& target = {}) {
  Derived derived;
  derived.effect.bytes = "of before";
  derived.why = DeriveTypewiseSync(type, "k", replies, expiry, target, derived.effect);
  derived.lines = test::Decoded(derived.effect.bytes);
  EXPECT_EQ(derived.lines.size(), derived.effect.commands);
  return derived;
}

Lines Rebuilt(KeyType type, std::string_view replies, std::string_view expiry = kNoExpiry,
              const TypewiseTarget& target = {}) {
  const Derived derived = Derive(type, replies, expiry, target);
  EXPECT_EQ(derived.why, nullptr) << derived.why;
  EXPECT_EQ(derived.effect.kind, Effect::Kind::kRewritten);
  EXPECT_TRUE(derived.effect.expected.empty());
  return derived.lines;
}

TEST(DeriveTypewiseSync, BuildsEachTypeByItsOwnCommand) {
  const std::tuple<KeyType, std::string, std::string> rows[] = {
      {KeyType::kString, test::Bulk("v"), "SET k v"},
      {KeyType::kString, test::Bulk(""), "SET k "},
      {KeyType::kList, Bulks({"b", "a", "b"}), "RPUSH k b a b"},
      {KeyType::kSet, Bulks({"b", "a"}), "SADD k b a"},
      {KeyType::kHash, Bulks({"f", "1", "g", ""}), "HSET k f 1 g "},
      {KeyType::kZset, Bulks({"a", "-inf", "b", "0.10000000000000001"}),
       "ZADD k -inf a 0.10000000000000001 b"}};
  for (const auto& [type, replies, command] : rows) {
    EXPECT_EQ(Rebuilt(type, replies), (Lines{"MULTI", "DEL k", command, "EXEC"}));
  }
}

TEST(DeriveTypewiseSync, TheExpiryIsAbsolute) {
  const Derived derived = Derive(KeyType::kString, test::Bulk("v"), ":33000000000000\r\n");
  EXPECT_EQ(derived.lines,
            (Lines{"MULTI", "DEL k", "SET k v", "PEXPIREAT k 33000000000000", "EXEC"}));
  EXPECT_TRUE(derived.effect.may_set_expiry);
  EXPECT_FALSE(Derive(KeyType::kString, test::Bulk("v")).effect.may_set_expiry);
}

TEST(DeriveTypewiseSync, AKeyThatIsGoneIsDeleted) {
  EXPECT_EQ(Rebuilt(KeyType::kNone, "", kGone), Lines{"DEL k"});
  EXPECT_EQ(Rebuilt(KeyType::kString, "$-1\r\n", kGone), Lines{"DEL k"});
  EXPECT_EQ(Rebuilt(KeyType::kHash, "*0\r\n", kGone), Lines{"DEL k"});
  EXPECT_EQ(Rebuilt(KeyType::kStream, "-ERR no such key\r\n", kGone), Lines{"DEL k"});
}

TEST(DeriveTypewiseSync, NoCommandHasMoreElementsOrBytesThanAllowed) {
  Texts texts;
  for (int i = 0; i < 2500; ++i) texts.push_back(std::to_string(i));
  const Lines many = Rebuilt(KeyType::kList, Bulks(texts));
  ASSERT_EQ(many.size(), 6u);
  EXPECT_EQ(test::Words(many[2]).size(), 1002u);
  EXPECT_EQ(test::Words(many[4]).size(), 502u);
  EXPECT_EQ(test::Words(many[3])[2], "1000");

  texts.assign(10, std::string(20'000, 'x'));
  texts[4] = std::string(200'000, 'y');  // larger than a piece: one of its own
  const Lines large = Rebuilt(KeyType::kList, Bulks(texts));
  Texts found;
  for (size_t i = 2; i + 1 < large.size(); ++i) {
    const Lines words = test::Words(large[i]);
    EXPECT_LT(large[i].size(), words.size() == 3 ? 200'100 : kTypewiseBytesMax + 100);
    found.insert(found.end(), words.begin() + 2, words.end());
  }
  EXPECT_EQ(found, texts);
  EXPECT_EQ(large.size(), 8u);  // 3, 1, the large one, 3, 2

  texts.assign(4002, "1");  // a field or a member is never without what belongs to it
  for (const KeyType type : {KeyType::kHash, KeyType::kZset}) {
    const Lines pairs = Rebuilt(type, Bulks(texts));
    ASSERT_EQ(pairs.size(), 6u);
    EXPECT_EQ(test::Words(pairs[2]).size(), 2002u);
    EXPECT_EQ(test::Words(pairs[4]).size(), 4u);
  }
}

TEST(DeriveTypewiseSync, WhatIsNotUnderstoodIsRefusedWithTheReason) {
  const std::tuple<KeyType, std::string, std::string_view> rows[] = {
      {KeyType::kOther, "", kNoExpiry},
      {KeyType::kOther, "", kGone},
      {KeyType::kNone, "", kNoExpiry},
      {KeyType::kNone, test::Bulk("v"), kGone},
      {KeyType::kString, test::Bulk("v"), kGone},
      {KeyType::kString, "$-1\r\n", kNoExpiry},
      {KeyType::kString, test::Bulk("v"), ":-3\r\n"},
      {KeyType::kString, test::Bulk("v"), "-ERR unknown command\r\n"},
      {KeyType::kString, test::Bulk("v"), ""},
      {KeyType::kString, "-WRONGTYPE no\r\n", kNoExpiry},
      {KeyType::kString, test::Bulk("v") + test::Bulk("w"), kNoExpiry},
      {KeyType::kList, "*1\r\n:1\r\n", kNoExpiry},
      {KeyType::kList, "*2\r\n$1\r\na\r\n", kNoExpiry},
      {KeyType::kSet, "+OK\r\n", kNoExpiry},
      {KeyType::kHash, Bulks({"f"}), kNoExpiry},
      {KeyType::kZset, Bulks({"m", "nan"}), kNoExpiry},
      {KeyType::kZset, Bulks({"m"}), kNoExpiry},
      {KeyType::kStream, "-ERR syntax error\r\n", kNoExpiry},
      {KeyType::kHash, "*2\r\n$1\r\nf\r\n:1\r\n", kNoExpiry},
      {KeyType::kStream, Bulks({"length", "1"}), kNoExpiry}};
  for (const auto& [type, replies, expiry] : rows) {
    const Derived derived = Derive(type, replies, expiry);
    EXPECT_NE(derived.why, nullptr) << replies << expiry;
    EXPECT_TRUE(derived.effect.bytes.empty());
    EXPECT_EQ(derived.effect.kind, Effect::Kind::kNothing);
  }
}

// ---- Streams

// Entries 2-0 and 5-1; pending also 1-0, 3-0 and 6-0, which were deleted.
std::string Stream(bool counters, std::string_view entries, std::string_view groups) {
  std::string reply = counters ? "*12\r\n" : "*8\r\n";
  const bool empty = entries == "*0\r\n";
  reply += "$6\r\nlength\r\n" + std::string(empty ? ":0\r\n" : ":2\r\n");
  reply += "$17\r\nlast-generated-id\r\n$3\r\n7-0\r\n";
  if (counters) {
    reply += "$20\r\nmax-deleted-entry-id\r\n$3\r\n4-0\r\n$13\r\nentries-added\r\n:9\r\n";
  }
  return reply + "$7\r\nentries\r\n" + std::string(entries) + "$6\r\ngroups\r\n" +
         std::string(groups);
}

constexpr std::string_view kEntries =
    "*2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"
    "*2\r\n$3\r\n5-1\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n";

std::string PendingEntry(std::string_view id, std::string_view consumer, int64_t ms,
                         int64_t deliveries) {
  return "*4\r\n" + test::Bulk(id) + test::Bulk(consumer) + ":" + std::to_string(ms) +
         "\r\n:" + std::to_string(deliveries) + "\r\n";
}

std::string Groups(const Texts& pending) {
  std::string reply = "*1\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$17\r\nlast-delivered-id\r\n";
  reply += "$3\r\n6-0\r\n$12\r\nentries-read\r\n:5\r\n$9\r\npel-count\r\n:";
  reply += std::to_string(pending.size()) + "\r\n$7\r\npending\r\n*";
  reply += std::to_string(pending.size()) + "\r\n";
  for (const std::string& entry : pending) reply += entry;
  reply += "$9\r\nconsumers\r\n*2\r\n";
  for (const char* name : {"c", "idle"}) {
    reply += "*4\r\n$4\r\nname\r\n" + test::Bulk(name) + "$9\r\nseen-time\r\n:1\r\n";
  }
  return reply;
}

TEST(DeriveTypewiseSync, AStreamComesWithItsGroupsAndWhatIsPendingThere) {
  const std::string stream =
      Stream(true, kEntries,
             Groups({PendingEntry("2-0", "c", 1700, 1), PendingEntry("5-1", "d", 1800, 3)}));
  EXPECT_EQ(
      Rebuilt(KeyType::kStream, stream),
      (Lines{"MULTI", "DEL k", "XADD k 2-0 a 1", "XADD k 5-1 a 1 b 2",
             "XSETID k 7-0 ENTRIESADDED 9 MAXDELETEDID 4-0", "XGROUP CREATE k g 6-0 ENTRIESREAD 5",
             "XGROUP CREATECONSUMER k g c", "XGROUP CREATECONSUMER k g idle",
             "XCLAIM k g c 0 2-0 TIME 1700 RETRYCOUNT 1 FORCE JUSTID",
             "XCLAIM k g d 0 5-1 TIME 1800 RETRYCOUNT 3 FORCE JUSTID", "EXEC"}));
}

TEST(DeriveTypewiseSync, WhatIsPendingAndDeletedIsThereForAMoment) {
  const std::string stream =
      Stream(false, kEntries,
             Groups({PendingEntry("1-0", "c", 1700, 1), PendingEntry("2-0", "d", 1700, 1),
                     PendingEntry("3-0", "c", 1700, 1), PendingEntry("6-0", "c", 1700, 2)}));
  EXPECT_EQ(
      Rebuilt(KeyType::kStream, stream, kNoExpiry, {false, false}),
      (Lines{"MULTI", "DEL k", "XADD k 1-0 deleted ", "XADD k 2-0 a 1", "XADD k 3-0 deleted ",
             "XADD k 5-1 a 1 b 2", "XADD k 6-0 deleted ", "XSETID k 7-0", "XGROUP CREATE k g 6-0",
             "XCLAIM k g c 0 1-0 3-0 TIME 1700 RETRYCOUNT 1 FORCE JUSTID",
             "XCLAIM k g c 0 6-0 TIME 1700 RETRYCOUNT 2 FORCE JUSTID",
             "XCLAIM k g d 0 2-0 TIME 1700 RETRYCOUNT 1 FORCE JUSTID", "XTRIM k MAXLEN 4",
             "XDEL k 3-0 6-0", "XSETID k 7-0", "EXEC"}));
}

TEST(DeriveTypewiseSync, AStreamWithoutEntriesIsAKeyAllTheSame) {
  EXPECT_EQ(Rebuilt(KeyType::kStream, Stream(true, "*0\r\n", "*0\r\n"), ":33000000000000\r\n"),
            (Lines{"MULTI", "DEL k", "XADD k MAXLEN 0 7-0 deleted ",
                   "XSETID k 7-0 ENTRIESADDED 9 MAXDELETEDID 4-0", "PEXPIREAT k 33000000000000",
                   "EXEC"}));
}

TEST(DeriveTypewiseSync, OfAnOlderAuthorityTheCountersAreNotKnown) {
  const std::string stream = Stream(false, kEntries, "*0\r\n");
  EXPECT_EQ(
      Rebuilt(KeyType::kStream, stream),
      (Lines{"MULTI", "DEL k", "XADD k 2-0 a 1", "XADD k 5-1 a 1 b 2", "XSETID k 7-0", "EXEC"}));
}

TEST(DeriveTypewiseSync, AStreamCutAnywhereIsRefused) {
  const std::string stream = Stream(
      true, kEntries, Groups({PendingEntry("2-0", "c", 1700, 1), PendingEntry("x", "c", 1, 1)}));
  EXPECT_NE(Derive(KeyType::kStream, stream).why, nullptr) << "an id that is none";
  const std::string whole = Stream(true, kEntries, Groups({PendingEntry("2-0", "c", 1700, 1)}));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(Derive(KeyType::kStream, std::string_view(whole).substr(0, size)).why, nullptr);
  }
  std::string number = whole;
  number.replace(number.find("$1\r\n2\r\n"), 7, ":2\r\n");
  EXPECT_NE(Derive(KeyType::kStream, number).why, nullptr) << "a value that is no text";
  EXPECT_FALSE(StateDigest(KeyType::kStream, number));
  const std::string disorder =
      "*2\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"
      "*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n";
  EXPECT_NE(Derive(KeyType::kStream, Stream(true, disorder, "*0\r\n")).why, nullptr);
}

}  // namespace
}  // namespace crossfade::replication
