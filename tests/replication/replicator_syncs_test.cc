// Key syncs, copying, and what concerns a whole db: SELECT, SWAPDB.
#include <gtest/gtest.h>

#include "config/limits.h"
#include "replication/replicator.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;
using test::Mirror;

constexpr std::string_view kOk = "+OK\r\n", kOne = ":1\r\n";

class ReplicatorSyncsTest : public testing::Test {
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

// ---- When keys are read

TEST_F(ReplicatorSyncsTest, ASyncCarriesTheExpiryAndItsKeyIsGuardedThen) {
  MakeDirty("h");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 h"});
  EXPECT_EQ(r_.syncs_under_way(), 1u);
  m_.FinishSync("value", 33'000'000'000'000);
  EXPECT_EQ(m_.Apply({kOk}), Lines{"RESTORE h 33000000000000 value REPLACE ABSTTL"});
  EXPECT_EQ(r_.counters().synced, 1u);
  m_.ExpectDrained();
  m_.Do("HSET h f v", kOne);
  EXPECT_EQ(m_.Apply({":5000\r\n", kOne}).front(), "PTTL h");
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, AReadThatFailedIsAskedForAgain) {
  MakeDirty("a");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  r_.SyncReadFailed(m_.reading.front());
  m_.reading.clear();
  EXPECT_EQ(r_.syncs_under_way(), 0u);
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  r_.FinishSync(m_.reading.front(), "-LOADING dataset\r\n", ":-1\r\n");
  m_.reading.clear();
  EXPECT_EQ(r_.syncs_under_way(), 0u);
  EXPECT_EQ(m_.Feed(), Lines{});
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, AReadThatTheAuthorityRefusesIsTriedAgainLaterAndLater) {
  MakeDirty("a");
  for (const int64_t wait : {50'000, 100'000, 200'000}) {
    ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
    r_.SyncReadRefused(m_.reading.front(), m_.now_us);
    m_.reading.clear();
    EXPECT_EQ(r_.syncs_under_way(), 0u);
    EXPECT_EQ(r_.dirty().refused(), 1u);
    m_.now_us += wait - 1;
    EXPECT_EQ(m_.SyncsWanted(), Lines{});
    m_.now_us += 1;
  }
  SyncAll();
  EXPECT_EQ(r_.dirty().refused(), 0u);
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, NoKeyIsReadWhileALaneIsUncertain) {
  MakeDirty("a");
  r_.HoldSyncs(true);
  r_.HoldSyncs(true);
  EXPECT_EQ(m_.SyncsWanted(), Lines{});
  r_.HoldSyncs(false);
  EXPECT_EQ(m_.SyncsWanted(), Lines{}) << "there are two such lanes";
  r_.HoldSyncs(false);
  EXPECT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  m_.FinishSync("1");
  m_.Apply({kOk});
  m_.ExpectDrained();
}

// It may have waited at the gate for that very lane, whose write is executed
// after it was read.
TEST_F(ReplicatorSyncsTest, AReadBegunBeforeALaneWasLostDoesNotCount) {
  MakeDirty("a");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  const auto lost = m_.Send("SET a 2", 1);
  r_.HoldSyncs(true);
  m_.Lose(*lost);
  m_.FinishSync("1");
  EXPECT_EQ(m_.Feed(), Lines{});
  EXPECT_EQ(r_.syncs_under_way(), 0u);
  EXPECT_EQ(m_.SyncsWanted(), Lines{});
  r_.HoldSyncs(false);
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  r_.HoldSyncs(true);
  r_.HoldSyncs(false);
  m_.FinishSync("1");
  EXPECT_EQ(m_.Feed(), Lines{}) << "the reply came late, after the lane was back";
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  m_.FinishSync("2");
  EXPECT_EQ(m_.Apply({kOk}), Lines{"RESTORE a 0 2 REPLACE ABSTTL"});
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, NoKeyIsReadWhileTheFollowerIsAway) {
  MakeDirty("a");
  r_.FollowerLost();
  EXPECT_EQ(m_.SyncsWanted(), Lines{});
  r_.FollowerReady();
  EXPECT_EQ(m_.SyncsWanted(), Lines{"0 a"});
}

TEST(ReplicatorPaceTest, OnlySoManyKeysAreReadAtATime) {
  Mirror m;
  m.replicator.SetUnfinished();
  m.replicator.BeginCopy();
  m.replicator.FollowerReady();
  constexpr size_t kKeys = limits::kSyncsUnderWay + 100;
  for (size_t i = 0; i < kKeys; ++i) m.replicator.AddScanned(0, "k" + std::to_string(i));
  EXPECT_EQ(m.SyncsWanted().size(), limits::kSyncsUnderWay);
  while (!m.reading.empty()) m.FinishSync("v");
  EXPECT_EQ(m.SyncsWanted().size(), 0u) << "those in the log count too";
  for (size_t n = m.Feed().size(); n > 0; --n) m.Follower({kOk});
  EXPECT_EQ(m.SyncsWanted().size(), 100u);
  while (!m.reading.empty()) m.FinishSync("v");
  for (size_t n = m.Feed().size(); n > 0; --n) m.Follower({kOk});
  m.ExpectDrained();
}

TEST(ReplicatorPaceTest, NoKeyIsReadWhileTheLogIsHalfFull) {
  Mirror m(100'000);
  m.GoLive();
  m.Do("SET a x", kOk);
  m.Apply({"-ERR refused\r\n"});
  m.Do("SET b " + std::string(60'000, 'x'), kOk);
  EXPECT_EQ(m.SyncsWanted(), Lines{});
  m.Apply({kOk});
  EXPECT_EQ(m.SyncsWanted(), Lines{"0 a"});
}

TEST(ReplicatorPaceTest, OnlySoManyEntriesAreUnanswered) {
  Mirror m;
  m.GoLive();
  constexpr size_t kEntries = limits::kApplierWindowEntries + 10;
  for (size_t i = 0; i < kEntries; ++i) m.Do("SET k v", kOk);
  EXPECT_EQ(m.Feed().size(), limits::kApplierWindowEntries);
  EXPECT_EQ(m.Feed(), Lines{});
  m.Follower({kOk, kOk, kOk});
  EXPECT_EQ(m.Feed().size(), 3u);
  for (size_t i = 0; i < limits::kApplierWindowEntries; ++i) m.Follower({kOk});
  for (size_t n = m.Feed().size(); n > 0; --n) m.Follower({kOk});
  const std::string large(limits::kApplierWindowBytes, 'x');
  m.Do("SET k " + large, kOk);
  m.Do("SET k v", kOk);
  EXPECT_EQ(m.Feed().size(), 1u);
  EXPECT_EQ(m.Apply({kOk}), Lines{});
  EXPECT_EQ(m.Apply({kOk}), Lines{"SET k v"});
  m.ExpectDrained();
}

// ---- Copying

TEST(ReplicatorCopyTest, WhileCopyingEveryWriteMakesItsKeysDirty) {
  Mirror m;
  Replicator& r = m.replicator;
  r.AddScanned(0, "early");
  r.SetUnfinished();
  r.AddScanned(0, "early");
  EXPECT_TRUE(r.dirty().empty()) << "no copy has begun";
  r.BeginCopy();
  r.FollowerReady();
  r.AddScanned(0, "a");
  EXPECT_EQ(m.Do("SET b 1", kOk), 0u);
  EXPECT_EQ(m.Do("GETDEL a", "$1\r\n1\r\n"), 0u);
  EXPECT_EQ(m.Do("SET c 1", "-OOM no memory\r\n"), 0u);
  EXPECT_EQ(r.dirty().size(), 2u);
  EXPECT_TRUE(m.events.drifts.empty()) << "it is no drift";
  EXPECT_EQ(m.SyncsWanted(), (Lines{"0 a", "0 b"}));
  EXPECT_EQ(m.Read("z"), ReadVerdict::kNotCopied);
  r.FinishCopy();
  EXPECT_TRUE(r.live());
  EXPECT_EQ(m.Read("z"), ReadVerdict::kEligible);
  EXPECT_EQ(m.Read("a"), ReadVerdict::kDirty);
  m.FinishSync(Mirror::kGone);
  m.FinishSync("1");
  EXPECT_EQ(m.Apply({":0\r\n", kOk}), (Lines{"DEL a", "RESTORE b 0 1 REPLACE ABSTTL"}));
  m.ExpectDrained();
}

TEST(ReplicatorCopyTest, AFlushWhileCopyingIsAppliedInItsPlace) {
  Mirror m;
  m.replicator.SetUnfinished();
  m.replicator.BeginCopy();
  m.replicator.FollowerReady();
  m.replicator.AddScanned(0, "a");
  ASSERT_EQ(m.SyncsWanted(), Lines{"0 a"});
  m.FinishSync("1");
  EXPECT_NE(m.Do("FLUSHALL", kOk), 0u);
  m.replicator.FinishCopy();
  EXPECT_EQ(m.Apply({kOk, kOk}), (Lines{"RESTORE a 0 1 REPLACE ABSTTL", "FLUSHALL"}));
  m.ExpectDrained();
}

TEST(ReplicatorCopyTest, OfATrustedFollowerEveryKeyMayHaveAnExpiryUntilTheyAreTold) {
  Mirror m;
  Replicator& r = m.replicator;
  r.Trust();
  EXPECT_EQ(r.state(), MirrorState::kOff);
  r.SetUnfinished();
  r.BeginCopy();
  EXPECT_EQ(m.Do("SET a 1", kOk), 0u) << "nothing that is written meanwhile is missed";
  r.Trust();
  r.FollowerReady();
  EXPECT_TRUE(r.live() && r.expiries_unknown());
  EXPECT_EQ(r.dirty().size(), 1u);
  m.Do("HSET h f v", kOne);
  EXPECT_EQ(m.Apply({":-1\r\n", kOne}), (Lines{"PTTL h", "HSET h f v"}));
  r.AddExpiry(routing::KeyHash(0, "t"));
  EXPECT_TRUE(r.ExpiriesCanBeLearnt());
  r.ExpiriesTold(m.now_us);
  EXPECT_FALSE(r.ExpiriesCanBeLearnt()) << "that has been done";
  // The follower's clock may have taken a key that the authority still has.
  m.now_us += 1'000'000;
  r.SettleExpiries(m.now_us - 1);
  const auto late = m.Send("HSET h f v");
  r.SettleExpiries(m.now_us);
  EXPECT_TRUE(r.expiries_unknown()) << "what is under way may have run before";
  m.Reply(*late, kOne);
  EXPECT_EQ(m.Apply({":-1\r\n", kOne}), (Lines{"PTTL h", "HSET h f v"}));
  r.SettleExpiries(m.now_us);
  EXPECT_FALSE(r.expiries_unknown());
  m.Do("HSET h f v", kOne);
  m.Do("HSET t f v", kOne);
  EXPECT_EQ(m.Apply({kOne, ":5000\r\n", kOne}), (Lines{"HSET h f v", "PTTL t", "HSET t f v"}));
  ASSERT_EQ(m.SyncsWanted(), Lines{"0 a"});
  m.FinishSync("1");
  m.Apply({kOk});
  m.ExpectDrained();
}

// ---- Databases

TEST_F(ReplicatorSyncsTest, TheDbIsSelectedAndTheReplyAwaited) {
  m_.Do("SET a 0", kOk);
  m_.Do("SET a 5", kOk, {}, 5);
  m_.Do("SET b 5", kOk, {}, 5);
  m_.Do("SET c 0", kOk);
  EXPECT_EQ(m_.Feed(), (Lines{"SET a 0", "SELECT 5"}));
  EXPECT_EQ(m_.Feed(), Lines{});
  m_.Follower({kOk});
  EXPECT_EQ(m_.Feed(), Lines{}) << "that was SET's reply";
  EXPECT_TRUE(r_.AwaitsReply());
  m_.Follower({kOk});
  EXPECT_EQ(m_.Feed(), (Lines{"SET a 5", "SET b 5", "SELECT 0"}));
  m_.Follower({kOk, "-ERR refused\r\n", kOk});
  EXPECT_TRUE(r_.dirty().Contains(5, "b"));
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SET c 0"});
  ASSERT_EQ(m_.SyncsWanted(), Lines{"5 b"});
  m_.FinishSync("1");
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SELECT 5"});
  EXPECT_EQ(m_.Apply({kOk}), Lines{"RESTORE b 0 1 REPLACE ABSTTL"});
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, ANewConnectionBeginsInDb0) {
  m_.Do("SET a 5", kOk, {}, 5);
  ASSERT_EQ(m_.Feed(), Lines{"SELECT 5"});
  r_.FollowerLost();
  EXPECT_EQ(m_.Feed(), Lines{});
  r_.FollowerReady();
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SELECT 5"});
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SET a 5"});
  r_.FollowerLost();
  r_.FollowerReady();
  m_.Do("SET b 5", kOk, {}, 5);
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SELECT 5"}) << "what the former was in is forgotten";
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SET b 5"});
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, ARefusedSelectAppliesNothingInTheWrongDb) {
  m_.Do("SET a 99", kOk, {}, 99);
  m_.Do("SET b 0", kOk);
  ASSERT_EQ(m_.Feed(), Lines{"SELECT 99"});
  m_.Follower({"-ERR DB index is out of range\r\n"});
  EXPECT_EQ(m_.Feed(), Lines{});
  EXPECT_EQ(r_.state(), MirrorState::kUnfinished);
  EXPECT_EQ(m_.events.refused, Lines{"99 (every key of this db)"});
  EXPECT_EQ(m_.events.copies.size(), 1u);
  m_.ExpectDrained();
}

// ---- SWAPDB: every key changes its place

TEST_F(ReplicatorSyncsTest, ASwapIsAppliedAndEveryKeyMayHaveAnExpiryThen) {
  const uint64_t since = r_.expiries_unknown_seq();
  m_.Do("SWAPDB 0 1", kOk);
  EXPECT_NE(r_.expiries_unknown_seq(), since) << "who is learning them begins anew";
  EXPECT_TRUE(r_.expiries_unknown());
  EXPECT_FALSE(r_.ExpiriesCanBeLearnt()) << "the follower has not swapped them yet";
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SWAPDB 0 1"});
  EXPECT_TRUE(r_.live() && r_.ExpiriesCanBeLearnt());
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, ASwapWithADirtyKeyMeansCopyingAgain) {
  MakeDirty("a");
  EXPECT_EQ(m_.Do("SWAPDB 0 1", kOk), 0u);
  EXPECT_FALSE(r_.live());
  EXPECT_EQ(m_.events.copies.size(), 1u);
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, AKeyThatBecomesDirtyBeforeASwapIsSentMeansCopyingAgain) {
  m_.Do("SET a 1", kOk);
  ASSERT_EQ(m_.Feed(), Lines{"SET a 1"});
  m_.Do("SWAPDB 0 1", kOk);
  m_.Do("SET b 1", kOk);
  m_.Follower({"-ERR refused\r\n"});
  EXPECT_EQ(m_.Feed(), Lines{});
  EXPECT_FALSE(r_.live());
  m_.ExpectDrained();
}

// The key is dirty by its former name, and stands under another now.
TEST_F(ReplicatorSyncsTest, AKeyFoundDirtyAheadOfASwapThatWasSentMeansCopyingAgain) {
  m_.Do("SET a 1", kOk);
  m_.Do("SWAPDB 0 1", kOk);
  m_.Do("SET b 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 3u);
  m_.Follower({"-ERR refused\r\n"});
  EXPECT_TRUE(r_.live());
  m_.Follower({kOk, kOk});
  EXPECT_FALSE(r_.live());
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, ASwapThatTheFollowerRefusesMeansCopyingAgain) {
  m_.Do("SWAPDB 0 1", kOk);
  m_.Apply({"-ERR DB index is out of range\r\n"});
  EXPECT_FALSE(r_.live());
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, ATransactionThatFlushesIsAboutAllKeys) {
  auto sent = m_.SendPrepared(m_.Prepare({"MULTI", "SET a 1", "FLUSHALL", "EXEC"}));
  m_.Reply(*sent, "*2\r\n+OK\r\n+OK\r\n");
  EXPECT_EQ(m_.Feed(), (Lines{"MULTI", "SET a 1", "FLUSHALL", "EXEC"}));
  m_.Follower({kOk, "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n+OK\r\n-ERR refused\r\n"});
  EXPECT_FALSE(r_.live());
  m_.ExpectDrained();
}

// A guard ahead of it would ask for the key that another had the name of before.
TEST_F(ReplicatorSyncsTest, ASwapAmongCommandsThatKeepExpiriesMeansCopyingAgain) {
  for (const bool first : {true, false}) {
    auto sent = m_.SendPrepared(first ? m_.Prepare({"MULTI", "SWAPDB 0 1", "SADD s m", "EXEC"})
                                      : m_.Prepare({"MULTI", "SADD s m", "SWAPDB 0 1", "EXEC"}));
    m_.Reply(*sent, first ? "*2\r\n+OK\r\n:1\r\n" : "*2\r\n:1\r\n+OK\r\n");
    EXPECT_EQ(m_.Feed(), Lines{});
    EXPECT_FALSE(r_.live());
    m_.ExpectDrained();
    m_.GoLive();
  }
  auto sent = m_.SendPrepared(m_.Prepare({"MULTI", "SWAPDB 0 1", "SET a 1", "EXEC"}));
  m_.Reply(*sent, "*2\r\n+OK\r\n+OK\r\n");
  EXPECT_EQ(m_.Feed().size(), 4u);
  m_.Follower({kOk, "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n+OK\r\n+OK\r\n"});
  EXPECT_TRUE(r_.live());
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, ATransactionThatFlushesIsGuardedToo) {
  m_.Do("EXPIRE s 1000", ":1\r\n", {m_.unix_ms + 1'000'000});
  m_.Apply({":1\r\n"});
  auto sent = m_.SendPrepared(m_.Prepare({"MULTI", "SADD s m", "FLUSHDB", "SADD s n", "EXEC"}));
  m_.Reply(*sent, "*3\r\n:1\r\n+OK\r\n:1\r\n");
  ASSERT_EQ(m_.Feed().size(), 7u);
  m_.Follower({":-2\r\n", ":-2\r\n", kOk, "+QUEUED\r\n", "+QUEUED\r\n", "+QUEUED\r\n",
               "*3\r\n:1\r\n+OK\r\n:1\r\n"});
  EXPECT_TRUE(r_.live());
  EXPECT_TRUE(r_.dirty().Contains(0, "s"));
  EXPECT_EQ(m_.Drift(Drift::kExpiry), 1u);
}

TEST_F(ReplicatorSyncsTest, AnUnknownEffectOnAllKeysMeansCopyingAgain) {
  EXPECT_EQ(m_.Do("FLUSHALL", "+BACKGROUND\r\n"), 0u);
  EXPECT_FALSE(r_.live());
  m_.ExpectDrained();
}

TEST_F(ReplicatorSyncsTest, ARefusedFlushMeansCopyingAgain) {
  m_.Do("FLUSHALL", kOk);
  m_.Do("SET a 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Follower({"-NOPERM no permission\r\n"});
  EXPECT_FALSE(r_.live());
  m_.Follower({kOk});
  m_.ExpectDrained();
}

}  // namespace
}  // namespace crossfade::replication
