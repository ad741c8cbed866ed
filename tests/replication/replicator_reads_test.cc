// Which reads the follower may answer, and reads that are compared.
#include <gtest/gtest.h>

#include <span>

#include "replication/replicator.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;
using test::Mirror;

constexpr std::string_view kOk = "+OK\r\n", kOne = ":1\r\n";

uint64_t Hash(std::string_view key) { return routing::KeyHash(0, key); }

class ReplicatorReadsTest : public testing::Test {
 protected:
  void SetUp() override { m_.GoLive(); }
  void MakeDirty(std::string_view key) {
    m_.Do("SET " + std::string(key) + " x", kOk);
    m_.Apply({"-ERR refused\r\n"});
    ASSERT_TRUE(r_.dirty().Contains(0, key));
  }
  void SyncAll() {
    while (!m_.SyncsWanted().empty()) {
      while (!m_.reading.empty()) m_.FinishSync("value");
      for (size_t n = m_.Feed().size(); n > 0; --n) m_.Follower({kOk});
    }
  }

  Mirror m_;
  Replicator& r_ = m_.replicator;
};

TEST_F(ReplicatorReadsTest, OnlyALiveFollowerIsReadFrom) {
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kEligible);
  r_.FollowerLost();
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kNotLive);
  r_.FollowerReady();
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kEligible);
  r_.LeaveLive("a test");
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kNotLive);
  r_.BeginCopy();
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kNotCopied);
}

TEST_F(ReplicatorReadsTest, ADirtyKeyIsNeverReadWhateverTheBudget) {
  MakeDirty("a");
  const auto expect_dirty = [this] {
    for (const int64_t budget : {int64_t{0}, int64_t{1}, INT64_MAX}) {
      EXPECT_EQ(m_.Read("a", budget), ReadVerdict::kDirty);
      EXPECT_EQ(m_.Read("b", budget), ReadVerdict::kEligible);
    }
    const Replicator::ReadKey keys[] = {{"b", Hash("b")}, {"a", Hash("a")}};
    EXPECT_EQ(r_.CheckRead(0, keys, INT64_MAX, 0, 0, m_.now_us), ReadVerdict::kDirty);
    const Replicator::ReadKey other_db{"a", routing::KeyHash(1, "a")};
    EXPECT_EQ(r_.CheckRead(1, std::span(&other_db, 1), 0, 0, 0, m_.now_us), ReadVerdict::kEligible);
    EXPECT_FALSE(m_.StillCounts("a", UINT64_MAX, r_.era()));
    EXPECT_TRUE(m_.StillCounts("b", UINT64_MAX, r_.era()));
  };
  expect_dirty();
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  expect_dirty();
  m_.FinishSync("1");
  expect_dirty();
  ASSERT_EQ(m_.Feed().size(), 1u);
  expect_dirty();
  m_.Follower({kOk});
  EXPECT_EQ(m_.Read("a", 0), ReadVerdict::kEligible);
  m_.ExpectDrained();
}

TEST_F(ReplicatorReadsTest, TheLagCountsFromTheSendingOfTheOldestWrite) {
  const auto write = m_.Send("SET a 1");
  m_.now_us += 500;
  const auto expect_lag = [this](int64_t lag) {
    EXPECT_EQ(m_.Read("b", lag - 1), ReadVerdict::kLag);
    EXPECT_EQ(m_.Read("b", lag), ReadVerdict::kEligible);
  };
  expect_lag(500);
  EXPECT_EQ(m_.Read("a", 500), ReadVerdict::kEligible) << "so old it may be";
  m_.Do("SET c 1", kOk);
  m_.now_us += 100;
  m_.Reply(*write, kOk);
  expect_lag(600);
  ASSERT_EQ(m_.Feed().size(), 2u);
  expect_lag(600);
  m_.Follower({kOk});
  expect_lag(600);
  m_.Follower({kOk});
  EXPECT_EQ(m_.Read("b", 1), ReadVerdict::kEligible);
  m_.ExpectDrained();
}

TEST_F(ReplicatorReadsTest, WithoutABudgetNothingMayBeUnderWayOnTheKey) {
  const auto expect = [this](ReadVerdict on_key) {
    EXPECT_EQ(m_.Read("a", 0), on_key);
    EXPECT_EQ(m_.Read("b", 0), ReadVerdict::kEligible) << "another key is of no concern";
    const Replicator::ReadKey key{"a", Hash("a")};
    EXPECT_EQ(r_.AnyPending(std::span(&key, 1)), on_key != ReadVerdict::kEligible);
  };
  expect(ReadVerdict::kEligible);
  const auto write = m_.Send("SET a 1", 7);
  expect(ReadVerdict::kPending);
  const auto second = m_.Send("GETDEL a", 7);
  m_.Reply(*write, kOk);
  m_.Reply(*second, "$-1\r\n");
  expect(ReadVerdict::kPending);
  ASSERT_EQ(m_.Feed().size(), 1u);
  expect(ReadVerdict::kUnanswered);
  m_.Follower({kOk});
  expect(ReadVerdict::kEligible);
  m_.ExpectDrained();
}

TEST_F(ReplicatorReadsTest, AnEntryOnItsWayForbidsTheReadWhateverTheBudget) {
  m_.Do("MSET a 1 b 1", kOk);
  EXPECT_EQ(m_.Read("a", INT64_MAX), ReadVerdict::kEligible);
  ASSERT_EQ(m_.Feed().size(), 1u);
  EXPECT_EQ(m_.Read("a", INT64_MAX), ReadVerdict::kUnanswered);
  EXPECT_EQ(m_.Read("b", INT64_MAX), ReadVerdict::kUnanswered);
  EXPECT_EQ(m_.Read("c", INT64_MAX), ReadVerdict::kEligible);
  m_.Follower({kOk});
  EXPECT_EQ(m_.Read("a", INT64_MAX), ReadVerdict::kEligible);
}

TEST_F(ReplicatorReadsTest, AFlushUnderWayConcernsEveryKey) {
  const auto flush = m_.Send("FLUSHALL");
  EXPECT_EQ(m_.Read("a", INT64_MAX), ReadVerdict::kPending);
  EXPECT_TRUE(r_.AnyPending({}));
  EXPECT_EQ(r_.SeenIntent(Hash("any")), 1u);
  m_.Reply(*flush, kOk);
  EXPECT_EQ(m_.Read("a", INT64_MAX), ReadVerdict::kPending);
  const uint64_t sent = r_.sent_seq();
  ASSERT_EQ(m_.Feed().size(), 1u);
  EXPECT_FALSE(m_.StillCounts("a", sent, r_.era()));
  m_.Follower({kOk});
  EXPECT_EQ(m_.Read("a", 0), ReadVerdict::kEligible);
  EXPECT_EQ(r_.SeenSeq(Hash("any")), 1u);
  EXPECT_EQ(r_.SeenIntent(Hash("any")), 0u);
  m_.ExpectDrained();
}

TEST_F(ReplicatorReadsTest, WhatTheSessionHasSeenMustBeApplied) {
  const uint64_t seq = m_.Do("SET a 1", kOk);
  EXPECT_EQ(r_.SeenSeq(Hash("a")), seq);
  EXPECT_EQ(r_.SeenSeq(Hash("b")), 0u);
  EXPECT_EQ(m_.Read("b", INT64_MAX, seq), ReadVerdict::kSeenNewer);
  ASSERT_EQ(m_.Feed().size(), 1u);
  EXPECT_EQ(m_.Read("b", INT64_MAX, seq), ReadVerdict::kSeenNewer);
  m_.Follower({kOk});
  EXPECT_EQ(m_.Read("b", INT64_MAX, seq), ReadVerdict::kEligible);
  m_.ExpectDrained();
}

// Another lane's write may have been executed, and seen, before its reply came.
TEST_F(ReplicatorReadsTest, WritesInFlightOnTheKeyCountAsSeen) {
  const auto other = m_.Send("SET b 1", 1);
  const auto write = m_.Send("SET a 1", 1);
  EXPECT_EQ(r_.SeenIntent(Hash("a")), 2u);
  EXPECT_EQ(r_.SeenIntent(Hash("c")), 0u);
  EXPECT_EQ(m_.Read("a", INT64_MAX, 0, 2), ReadVerdict::kSeenNewer);
  m_.Reply(*write, kOk);
  EXPECT_EQ(r_.SeenIntent(Hash("a")), 2u) << "it is not applied";
  m_.Apply({kOk});
  EXPECT_EQ(r_.SeenIntent(Hash("a")), 0u);
  EXPECT_EQ(m_.Read("a", INT64_MAX, 0, 2), ReadVerdict::kSeenNewer) << "the first is not done";
  m_.Reply(*other, "-OOM no memory\r\n");
  EXPECT_EQ(m_.Read("a", INT64_MAX, 0, 2), ReadVerdict::kEligible);
  m_.ExpectDrained();
}

TEST_F(ReplicatorReadsTest, AReplyCountsOnlyIfNothingWasSentOnTheKeyMeanwhile) {
  m_.Do("SET a 1", kOk);
  const uint64_t sent = r_.sent_seq(), era = r_.era();
  EXPECT_TRUE(m_.StillCounts("a", sent, era)) << "logged is not sent";
  ASSERT_EQ(m_.Feed().size(), 1u);
  EXPECT_FALSE(m_.StillCounts("a", sent, era));
  EXPECT_TRUE(m_.StillCounts("b", sent, era));
  m_.Follower({kOk});
  EXPECT_FALSE(m_.StillCounts("a", sent, era)) << "the reply is that of before, or of after";
  EXPECT_TRUE(m_.StillCounts("a", r_.sent_seq(), era));
  const Replicator::ReadKey keys[] = {{"b", Hash("b")}, {"a", Hash("a")}};
  EXPECT_FALSE(r_.ReadStillCounts(0, keys, sent, era));
  EXPECT_TRUE(r_.ReadStillCounts(0, keys, r_.sent_seq(), era));
}

TEST_F(ReplicatorReadsTest, AReplyOfAFormerEraDoesNotCount) {
  const uint64_t era = r_.era();
  r_.LeaveLive("a test");
  EXPECT_FALSE(m_.StillCounts("a", 100, era));
  m_.GoLive();
  EXPECT_FALSE(m_.StillCounts("a", 100, era));
  EXPECT_TRUE(m_.StillCounts("a", 100, r_.era()));
}

// ---- Shadows

class ReplicatorShadowsTest : public ReplicatorReadsTest {
 protected:
  // A read that the authority has answered; the number of its entry.
  uint64_t Shadow(std::string_view line, std::string_view reply,
                  std::vector<int64_t> deadlines = {}) {
    const auto sent = m_.SendShadow(line);
    EXPECT_EQ(sent->record.intent, 0u) << "a read is no intent";
    return m_.Reply(*sent, reply, std::move(deadlines));
  }
};

TEST_F(ReplicatorShadowsTest, IsComparedAtItsOwnPlaceInTheLog) {
  m_.Do("SET a 1", kOk);
  EXPECT_EQ(Shadow("GET a", "$1\r\n1\r\n"), 2u);
  m_.Do("SET a 2", kOk);
  EXPECT_EQ(m_.Feed(), (Lines{"SET a 1", "GET a", "SET a 2"}));
  m_.Follower({kOk, "$1\r\n1\r\n", kOk});
  EXPECT_EQ(m_.events.shadows, std::vector{ShadowResult::kMatched});
  EXPECT_EQ(m_.events.shadow_key, "a");
  EXPECT_EQ(m_.events.shadow_route, 3u);
  EXPECT_EQ(r_.counters().shadowed, 1u);
  m_.ExpectDrained();
}

TEST_F(ReplicatorShadowsTest, TheOrderOfASetDoesNotCount) {
  Shadow("SMEMBERS s", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  m_.Apply({"*2\r\n$1\r\nb\r\n$1\r\na\r\n"});
  EXPECT_EQ(m_.events.shadows, std::vector{ShadowResult::kMatched});
  EXPECT_TRUE(r_.dirty().empty());
}

TEST_F(ReplicatorShadowsTest, AMismatchMakesItsKeysDirty) {
  Shadow("MGET a b", "*2\r\n$1\r\n1\r\n$-1\r\n");
  m_.Apply({"*2\r\n$1\r\n2\r\n$-1\r\n"});
  EXPECT_EQ(m_.events.shadows, std::vector{ShadowResult::kMismatched});
  EXPECT_EQ(m_.Drift(Drift::kShadow), 2u);
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorShadowsTest, OfADirtyKeyIsNotCompared) {
  m_.Do("SET a 1", kOk);
  Shadow("GET a", "$1\r\n1\r\n");
  ASSERT_EQ(m_.Feed().size(), 2u);
  Shadow("GET a", "$1\r\n1\r\n");
  m_.Follower({"-ERR refused\r\n", "$-1\r\n"});
  EXPECT_EQ(m_.Feed(), Lines{}) << "not sent to no purpose";
  EXPECT_EQ(Shadow("GET a", "$1\r\n1\r\n"), 0u);
  EXPECT_EQ(m_.events.shadows,
            (std::vector{ShadowResult::kIgnoredDirty, ShadowResult::kIgnoredDirty}));
  EXPECT_EQ(m_.Drift(Drift::kShadow), 0u);
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorShadowsTest, NearADeadlineADifferenceProvesNothing) {
  struct Case {
    std::string_view what;
    int64_t authority_left_ms;  // from now; -1: no expiry there
    std::string_view follower_pttl;
    ShadowResult result;
  };
  const Case cases[] = {
      {"far", 100'000, ":100000\r\n", ShadowResult::kMismatched},
      {"near on the authority", 1'000, ":100000\r\n", ShadowResult::kIgnoredExpiring},
      {"past on the authority", -5'000, ":100000\r\n", ShadowResult::kIgnoredExpiring},
      {"near on the follower", 100'000, ":1000\r\n", ShadowResult::kIgnoredExpiring},
      {"just outside", 1'001, ":1001\r\n", ShadowResult::kMismatched},
      {"gone from the follower", 100'000, ":-2\r\n", ShadowResult::kMismatched},
      {"no expiry", -1, ":-1\r\n", ShadowResult::kMismatched}};
  m_.Do("EXPIRE a 1000", kOne, {m_.unix_ms + 1'000'000});
  m_.Apply({kOne});
  for (const Case& c : cases) {
    m_.events.shadows.clear();
    const int64_t at = c.authority_left_ms == -1 ? -1 : m_.unix_ms + c.authority_left_ms;
    Shadow("GET a", "$1\r\n1\r\n", {at});
    EXPECT_EQ(m_.Feed(), (Lines{"PTTL a", "GET a"}));
    m_.Follower({c.follower_pttl, "$-1\r\n"});
    EXPECT_EQ(m_.events.shadows, std::vector{c.result}) << c.what;
    EXPECT_EQ(r_.dirty().empty(), c.result == ShadowResult::kIgnoredExpiring) << c.what;
    SyncAll();
    m_.ExpectDrained();
  }
}

TEST_F(ReplicatorShadowsTest, OfSeveralKeysTheEarliestDeadlineCounts) {
  for (const char* key : {"a", "b"}) {
    m_.Do("EXPIRE " + std::string(key) + " 1000", kOne, {m_.unix_ms + 1'000'000});
    m_.Apply({kOne});
  }
  Shadow("MGET a b", "*2\r\n$1\r\n1\r\n$-1\r\n", {m_.unix_ms + 100'000, m_.unix_ms + 10});
  ASSERT_EQ(m_.Feed().size(), 3u);
  m_.Follower({":100000\r\n", ":100000\r\n", "*2\r\n$-1\r\n$-1\r\n"});
  EXPECT_EQ(m_.events.shadows, std::vector{ShadowResult::kIgnoredExpiring});
  m_.ExpectDrained();
}

TEST_F(ReplicatorShadowsTest, AKeyThatIsGoneBehindTheReadMayHaveExpired) {
  m_.Do("EXPIRE a 1000", kOne, {m_.unix_ms + 1'000'000});
  m_.Apply({kOne});
  Shadow("GET a", "$1\r\n1\r\n", {-2});
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Follower({":-2\r\n", "$-1\r\n"});
  EXPECT_EQ(m_.events.shadows, std::vector{ShadowResult::kIgnoredExpiring});
  m_.events.shadows.clear();
  Shadow("GET a", "$-1\r\n", {-2});
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Follower({":100000\r\n", "$1\r\n1\r\n"});
  EXPECT_EQ(m_.events.shadows, std::vector{ShadowResult::kMismatched}) << "it was gone before";
}

// It was sent when nobody knew that the key would have a deadline to be asked for.
TEST_F(ReplicatorShadowsTest, IsNotComparedWithoutTheDeadlineOfAKeyThatHasOne) {
  const auto expire = m_.Send("PEXPIREAT a 1");
  const auto sent = m_.SendShadow("GET a");
  m_.Reply(*expire, kOne, {m_.unix_ms + 10});
  EXPECT_EQ(m_.Reply(*sent, "$1\r\n1\r\n"), 0u);
  EXPECT_EQ(Shadow("GET a", "$1\r\n1\r\n", {m_.unix_ms + 10}), 2u);
  m_.Apply({kOne, ":10\r\n", "$-1\r\n"});
  EXPECT_EQ(m_.events.shadows, std::vector{ShadowResult::kIgnoredExpiring});
  m_.ExpectDrained();
}

// The follower's nearness to the deadline is that of the lost connection's guard.
TEST_F(ReplicatorShadowsTest, ALostShadowLeavesNothingBehind) {
  m_.Do("EXPIRE a 1000", kOne, {m_.unix_ms + 1'000'000});
  m_.Apply({kOne});
  Shadow("GET a", "$1\r\n1\r\n", {-1});
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Follower({":10\r\n"});
  r_.FollowerLost();
  m_.ExpectDrained();
  r_.FollowerReady();
  Shadow("GET b", "$1\r\n1\r\n");
  m_.Apply({"$-1\r\n"});
  EXPECT_EQ(m_.events.shadows, std::vector{ShadowResult::kMismatched});
}

TEST_F(ReplicatorShadowsTest, HoldsTheGateUntilItIsAnswered) {
  const auto shadow = m_.SendShadow("GET a");
  const auto write = m_.Prepare({"SET a 2"}, 1);
  EXPECT_FALSE(r_.gate().TryEnter(1, write->record.keys.gate()));
  m_.Lose(*shadow);
  EXPECT_TRUE(r_.gate().TryEnter(1, write->record.keys.gate()));
  r_.gate().Leave(1, write->record.keys.gate());
  EXPECT_TRUE(r_.dirty().empty()) << "a read that is lost does no harm";
  m_.ExpectDrained();
}

TEST_F(ReplicatorShadowsTest, IsNotJudgedWhenLiveWasLeftMeanwhile) {
  m_.Do("SADD s a", kOne);
  Shadow("SCARD s", kOne);
  ASSERT_EQ(m_.Feed(), (Lines{"SADD s a", "SCARD s"}));
  m_.Follower({"-OOM no memory\r\n"});
  r_.LeaveLive("a test");
  m_.Follower({":0\r\n"});
  EXPECT_TRUE(m_.events.shadows.empty());
  m_.ExpectDrained();
}

TEST_F(ReplicatorShadowsTest, IsNotLoggedUnlessLive) {
  const auto sent = m_.SendShadow("GET a");
  r_.LeaveLive("a test");
  EXPECT_EQ(m_.Reply(*sent, "$-1\r\n"), 0u);
  m_.ExpectDrained();
}

}  // namespace
}  // namespace crossfade::replication
