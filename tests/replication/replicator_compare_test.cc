// Keys that the follower may hold already: those that are equal there are not copied.
#include <gtest/gtest.h>

#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Bulk;
using test::Lines;
using test::Mirror;

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kNoExpiry = ":-1\r\n";

// As DUMP gives it: a type, the value, a version and a checksum.
std::string Dump(const std::string& value, char type = '\0', char version = 'v') {
  return std::string(1, type) + value + std::string(10, version);
}

class CompareTest : public ::testing::Test {
 protected:
  void SetUp() override {
    r_.SetUnfinished();
    r_.FollowerReady();
    r_.BeginCopy();
    r_.CompareFirst(true);
    r_.AddScanned(0, "a");
    r_.FinishCopy();
    ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  }
  // The authority's dump; true when the follower is asked for its own.
  bool Compared(const std::string& dump, int64_t deadline_ms = -1) {
    m_.FinishSync(dump, deadline_ms);
    return m_.Feed() == Lines{"DUMP a", "PEXPIRETIME a"};
  }
  // The authority's value, read by its type.
  void ReadByType(KeyType type, std::string_view value) {
    KeyToSync key = m_.reading.front();
    m_.reading.pop_front();
    key.type = type;
    r_.FinishTypewiseSync(key, value, kNoExpiry, m_.now_us);
  }
  // It is copied now, and then clean.
  void ExpectCopied() {
    ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
    EXPECT_EQ(m_.reading.front().form, SyncForm::kDump);
    m_.FinishSync("copy");
    const Lines sent = m_.Feed();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(sent[0].starts_with("RESTORE a ")) << sent[0];
    m_.Follower({kOk});
    m_.ExpectDrained();
    EXPECT_EQ(r_.counters().kept_equal, 0u);
  }

  Mirror m_;
  Replicator& r_ = m_.replicator;
};

TEST_F(CompareTest, AnEqualKeyIsCleanAndNotCopied) {
  ASSERT_TRUE(Compared(Dump("value")));
  EXPECT_EQ(m_.Read("a"), ReadVerdict::kDirty);
  m_.Follower({Bulk(Dump("value", '\0', 'w')), kNoExpiry});
  m_.ExpectDrained();
  EXPECT_EQ(r_.counters().kept_equal, 1u);
  EXPECT_EQ(r_.counters().synced, 0u);
  EXPECT_EQ(m_.Read("a"), ReadVerdict::kEligible);
  EXPECT_NE(m_.Do("APPEND a x", ":6\r\n"), 0u) << "it is mirrored by effects";
}

TEST_F(CompareTest, OneThatTheFollowerLacksIsCopiedAtOnce) {
  ASSERT_TRUE(Compared(Dump("value")));
  m_.Follower({"$-1\r\n", ":-2\r\n"});
  ExpectCopied();
}

TEST_F(CompareTest, OneThatTheAuthorityLacksIsRemoved) {
  m_.FinishSync(Mirror::kGone);
  EXPECT_EQ(m_.Feed(), Lines{"DEL a"});
  m_.Follower({":1\r\n"});
  m_.ExpectDrained();
}

TEST_F(CompareTest, UnequalDumpsProveNothing) {
  ASSERT_TRUE(Compared(Dump("packed")));
  m_.Follower({Bulk(Dump("loose", '\1')), kNoExpiry});
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  EXPECT_EQ(m_.reading.front().form, SyncForm::kTypewise);
  ReadByType(KeyType::kSet, "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
  EXPECT_EQ(m_.Feed(), (Lines{"TYPE a", "SMEMBERS a", "PEXPIRETIME a"}));
  m_.Follower({"+set\r\n", "*2\r\n$1\r\ny\r\n$1\r\nx\r\n", kNoExpiry});
  m_.ExpectDrained();
  EXPECT_EQ(r_.counters().kept_equal, 1u);
}

TEST_F(CompareTest, OneThatDiffersIsCopied) {
  for (const auto& [type, value] :
       {std::pair{"+set\r\n", "*1\r\n$1\r\nx\r\n"}, {"+string\r\n", "-WRONGTYPE\r\n"}}) {
    ASSERT_TRUE(Compared(Dump("packed")));
    m_.Follower({Bulk(Dump("loose")), kNoExpiry});
    ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
    ReadByType(KeyType::kSet, "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
    EXPECT_EQ(m_.Feed().size(), 3u);
    m_.Follower({type, value, kNoExpiry});
    ExpectCopied();
    r_.LeaveLive("once more");
    r_.BeginCopy();
    r_.CompareFirst(true);
    r_.AddScanned(0, "a");
    r_.FinishCopy();
    ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  }
}

TEST_F(CompareTest, FieldsMayHaveExpiriesThatCommandsDoNotTell) {
  ASSERT_TRUE(Compared(Dump("hash", '\x19')));
  m_.Follower({Bulk(Dump("hash", '\4')), kNoExpiry});
  ExpectCopied();
}

TEST_F(CompareTest, TheDeadlineIsPartOfIt) {
  ASSERT_TRUE(Compared(Dump("value"), m_.unix_ms + 60'000));
  m_.Follower({Bulk(Dump("value")), kNoExpiry});
  ExpectCopied();
}

// A copy would set it exactly, whatever verification tolerates.
TEST_F(CompareTest, OneOfALittleLaterIsCopied) {
  ASSERT_TRUE(Compared(Dump("value"), m_.unix_ms + 60'000));
  m_.Follower({Bulk(Dump("value")), ":" + std::to_string(m_.unix_ms + 60'001) + "\r\n"});
  ExpectCopied();
}

TEST_F(CompareTest, TheSameDeadlineIsKnownFromThereOn) {
  ASSERT_TRUE(Compared(Dump("value"), m_.unix_ms + 60'000));
  m_.Follower({Bulk(Dump("value")), ":" + std::to_string(m_.unix_ms + 60'000) + "\r\n"});
  m_.ExpectDrained();
  EXPECT_EQ(r_.counters().kept_equal, 1u);
  // Effects that keep the key are guarded from here on.
  m_.Do("APPEND a x", ":6\r\n");
  EXPECT_EQ(m_.Feed(), (Lines{"PTTL a", "APPEND a x"}));
}

TEST_F(CompareTest, OneThatIsAboutToExpireIsCopied) {
  ASSERT_TRUE(Compared(Dump("value"), m_.unix_ms + 500));
  m_.Follower({Bulk(Dump("value")), ":" + std::to_string(m_.unix_ms + 500) + "\r\n"});
  ExpectCopied();
}

TEST_F(CompareTest, WhatIsWrittenMeanwhileIsCopied) {
  ASSERT_TRUE(Compared(Dump("value")));
  EXPECT_EQ(m_.Do("SET a 2", kOk), 0u) << "there is no sync before it";
  m_.Follower({Bulk(Dump("value")), kNoExpiry});
  ExpectCopied();
}

TEST_F(CompareTest, ALostComparisonIsMadeAgain) {
  ASSERT_TRUE(Compared(Dump("value")));
  m_.Follower({Bulk(Dump("value"))});
  r_.FollowerLost();
  r_.FollowerReady();
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  ASSERT_TRUE(Compared(Dump("newer")));
  m_.Follower({Bulk(Dump("newer")), kNoExpiry});
  m_.ExpectDrained();
  EXPECT_EQ(r_.counters().kept_equal, 1u);
}

TEST_F(CompareTest, NothingOfItIsLeftWhereLiveIsLeft) {
  ASSERT_TRUE(Compared(Dump("value")));
  r_.LeaveLive("a test");
  m_.Follower({Bulk(Dump("value")), kNoExpiry});
  m_.ExpectQuiet();
  EXPECT_EQ(r_.counters().kept_equal, 0u);
}

TEST_F(CompareTest, AFollowerThatRefusesDumpsIsAskedForValues) {
  ASSERT_TRUE(Compared(Dump("value")));
  m_.Follower({"-NOPERM no permissions\r\n", kNoExpiry});
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  ReadByType(KeyType::kString, "$1\r\n1\r\n");
  EXPECT_EQ(m_.Feed(), (Lines{"TYPE a", "GET a", "PEXPIRETIME a"}));
  m_.Follower({"+string\r\n", "$1\r\n1\r\n", kNoExpiry});
  m_.ExpectDrained();
  EXPECT_EQ(r_.counters().kept_equal, 1u);
}

TEST_F(CompareTest, WhatIsReadBehindALostLaneIsReadAgain) {
  r_.HoldSyncs(true);
  r_.HoldSyncs(false);
  m_.FinishSync(Dump("value"));
  EXPECT_TRUE(m_.Feed().empty());
  EXPECT_EQ(m_.SyncsWanted(), Lines{"0 a"});
}

}  // namespace
}  // namespace crossfade::replication
