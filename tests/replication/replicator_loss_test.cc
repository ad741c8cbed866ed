// Lost connections, a log that is full, and leaving live.
#include <gtest/gtest.h>

#include <memory>

#include "config/limits.h"
#include "replication/replicator.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;
using test::Mirror;

constexpr std::string_view kOk = "+OK\r\n", kOne = ":1\r\n";

class ReplicatorLossTest : public testing::Test {
 protected:
  void SetUp() override { m_.GoLive(); }
  bool Dirty(std::string_view key) { return r_.dirty().Contains(0, key); }
  void SyncAll() {
    while (!m_.SyncsWanted().empty()) {
      while (!m_.reading.empty()) m_.FinishSync("value");
      for (size_t n = m_.Feed().size(); n > 0; --n) m_.Follower({kOk});
    }
  }

  Mirror m_{20'000};
  Replicator& r_ = m_.replicator;
};

// ---- The authority's connection

TEST_F(ReplicatorLossTest, AWriteLostWithItsLaneMakesItsKeysDirty) {
  m_.Do("SET a 1", kOk);
  const auto lost = m_.Send("MSET a 2 b 2");
  m_.Lose(*lost);
  EXPECT_TRUE(Dirty("a") && Dirty("b"));
  EXPECT_EQ(m_.Drift(Drift::kUnknownFate), 2u);
  EXPECT_EQ(m_.Feed(), Lines{}) << "what stands before it is dropped, a sync will come";
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, AFlushLostWithItsLaneMeansCopyingAgain) {
  const auto lost = m_.Send("FLUSHALL");
  m_.Lose(*lost);
  EXPECT_FALSE(r_.live());
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, ALostTransactionMakesWhatItWritesDirty) {
  const auto lost = m_.SendPrepared(m_.Prepare({"MULTI", "SET a 1", "GET b", "INCR c", "EXEC"}));
  m_.Lose(*lost);
  EXPECT_TRUE(Dirty("a") && Dirty("c"));
  EXPECT_FALSE(Dirty("b"));
  SyncAll();
  m_.ExpectDrained();
}

// ---- The follower's connection

TEST_F(ReplicatorLossTest, WhatWasUnansweredIsDirtyAndTheRestIsApplied) {
  m_.Do("SET a 1", kOk);
  m_.Do("SET b 1", kOk);
  m_.Do("SET c 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 3u);
  m_.Follower({kOk});
  m_.Do("SET d 1", kOk);
  m_.Do("SUNIONSTORE e c x", kOne);
  r_.FollowerLost();
  EXPECT_EQ(m_.events.drifts, (Lines{"lost 0 b", "lost 0 c"}));
  EXPECT_EQ(m_.Feed(), Lines{});
  EXPECT_FALSE(r_.AwaitsReply());
  m_.Follower({kOk});  // of the dead connection
  r_.FollowerReady();
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SET d 1"});
  EXPECT_TRUE(Dirty("e")) << "made of c, which is dirty";
  EXPECT_FALSE(Dirty("a") || Dirty("d"));
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, ALostSyncIsAskedForAgain) {
  m_.Do("EVAL script 1 a", "$-1\r\n");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  m_.FinishSync("1");
  m_.Do("SET a 2", kOk);
  ASSERT_EQ(m_.Feed().size(), 2u);
  r_.FollowerLost();
  m_.ExpectQuiet();
  r_.FollowerReady();
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  m_.FinishSync("2");
  EXPECT_EQ(m_.Apply({kOk}), Lines{"RESTORE a 0 2 REPLACE ABSTTL"});
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, ASyncThatWasNotSentSurvivesALoss) {
  m_.Do("EVAL script 1 a", "$-1\r\n");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  m_.FinishSync("1");
  r_.FollowerLost();
  r_.FollowerReady();
  EXPECT_EQ(m_.SyncsWanted(), Lines{});
  EXPECT_EQ(m_.Apply({kOk}), Lines{"RESTORE a 0 1 REPLACE ABSTTL"});
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, AFlushIsSentAgainBeforeAllElse) {
  m_.Do("SET a 1", kOk);
  m_.Do("FLUSHALL", kOk);
  m_.Do("SET b 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 3u);
  m_.Do("SET c 1", kOk);
  r_.FollowerLost();
  EXPECT_EQ(m_.Read("z"), ReadVerdict::kNotLive);
  r_.FollowerReady();
  EXPECT_TRUE(Dirty("a") && Dirty("b"));
  ASSERT_EQ(m_.SyncsWanted(), (Lines{"0 a", "0 b"}));
  m_.FinishSync(Mirror::kGone);
  m_.FinishSync("1");
  EXPECT_EQ(m_.Read("z"), ReadVerdict::kPending) << "the flush concerns every key";
  EXPECT_EQ(m_.Feed(), (Lines{"FLUSHALL", "SET c 1", "DEL a", "RESTORE b 0 1 REPLACE ABSTTL"}));
  m_.Follower({kOk, kOk, ":0\r\n", kOk});
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, FlushesLostTwiceAreSentOnceEachTime) {
  m_.Do("FLUSHDB", kOk);
  m_.Do("FLUSHALL", kOk);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(m_.Feed(), (Lines{"FLUSHDB", "FLUSHALL"}));
    r_.FollowerLost();
    r_.FollowerReady();
  }
  EXPECT_EQ(m_.Apply({kOk, kOk}).size(), 2u);
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, ALostSwapMeansCopyingAgain) {
  m_.Do("SET a 1", kOk);
  m_.Do("SWAPDB 0 1", kOk);
  m_.Do("SET b 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 3u);
  m_.Do("SET c 1", kOk);
  r_.FollowerLost();
  EXPECT_FALSE(r_.live());
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, AGuardOfTheLostConnectionSaysNothingOfTheNext) {
  m_.Do("EXPIRE h 1000", kOne, {m_.unix_ms + 1'000'000});
  m_.Apply({kOne});
  m_.Do("HSET h f v", kOne);
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Follower({":10\r\n"});
  r_.FollowerLost();
  r_.FollowerReady();
  m_.Do("SET other 1", kOk);
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SET other 1"});
  EXPECT_FALSE(Dirty("other"));
  EXPECT_TRUE(Dirty("h"));
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, AReplyThatNothingAskedForEndsTheConnection) {
  m_.Follower({kOk});
  EXPECT_EQ(m_.events.reconnects.size(), 1u);
  m_.Do("SET a 1", kOk);
  EXPECT_EQ(m_.Feed(), Lines{});
  r_.FollowerLost();
  r_.FollowerReady();
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SET a 1"});
  m_.ExpectDrained();
}

// ---- The log is full

TEST_F(ReplicatorLossTest, WhileTheFollowerIsAwayTheLogIsBounded) {
  r_.FollowerLost();
  for (int i = 0; i < 2'000; ++i) {
    m_.Do("SET k" + std::to_string(i % 50) + " v", kOk);
    ASSERT_LE(r_.log().bytes(), 20'000u);
    ASSERT_LE(r_.dirty().size(), 50u);
  }
  EXPECT_GT(r_.counters().collapses, 0u);
  EXPECT_EQ(m_.Drift(Drift::kCollapse), 50u);
  EXPECT_EQ(m_.events.reconnects.size(), 0u) << "nothing was on its way";
  r_.FollowerReady();
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, ShadowedReadsAreBoundedToo) {
  r_.FollowerLost();
  for (int i = 0; i < 2'000; ++i) {
    const auto read = m_.SendShadow("GET k");
    m_.Reply(*read, "$1\r\nv\r\n");
    ASSERT_LE(r_.log().bytes(), 20'000u);
  }
  EXPECT_EQ(r_.counters().collapses, 0u) << "a read is no reason to";
  r_.FollowerReady();
  for (int i = 0; i < 2'000; ++i) {
    const auto read = m_.SendShadow("GET k");
    m_.Reply(*read, "$1\r\nv\r\n");
    ASSERT_LE(r_.log().bytes(), 20'000u);
  }
  EXPECT_EQ(r_.counters().collapses, 0u);
  for (size_t n = m_.Feed().size(); n > 0; --n) m_.Follower({"$1\r\nv\r\n"});
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, ACollapseGivesUpWhatIsOnItsWayWithTheConnection) {
  m_.Do("SET a 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 1u);
  m_.Do("EVAL script 1 s", "$-1\r\n");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 s"});
  m_.FinishSync("1");
  m_.Do("SET b " + std::string(30'000, 'x'), kOk);
  EXPECT_EQ(r_.counters().collapses, 1u);
  EXPECT_EQ(m_.events.reconnects.size(), 1u);
  EXPECT_TRUE(Dirty("a") && Dirty("b") && Dirty("s"));
  EXPECT_EQ(r_.last_dropped_seq(), r_.log().head_seq());
  m_.ExpectQuiet();
  m_.Follower({kOk, kOk});
  EXPECT_EQ(m_.Feed(), Lines{});
  EXPECT_EQ(m_.SyncsWanted(), Lines{}) << "not before the old connection is gone";
  r_.FollowerLost();
  r_.FollowerReady();
  EXPECT_EQ(m_.SyncsWanted(), (Lines{"0 a", "0 s", "0 b"}));
  while (!m_.reading.empty()) m_.FinishSync("value");
  m_.Apply({kOk, kOk, kOk});
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, AFlushSurvivesACollapseSentOrNot) {
  for (const bool sent : {false, true}) {
    m_.Do("SET a 1", kOk);
    const uint64_t flush = m_.Do("FLUSHALL", kOk);
    m_.Do("FLUSHDB", kOk, {}, 3);
    if (sent) {
      ASSERT_EQ(m_.Feed(), (Lines{"SET a 1", "FLUSHALL", "SELECT 3"}));
    }
    m_.Do("SET b " + std::string(30'000, 'x'), kOk);
    EXPECT_EQ(r_.log().size(), 2u);
    EXPECT_GT(r_.log().head_seq(), flush);
    EXPECT_EQ(r_.intents().last() - r_.intents().low_water(), 3u) << "they are not done";
    if (sent) r_.FollowerLost();
    if (sent) r_.FollowerReady();
    ASSERT_EQ(m_.SyncsWanted(), (Lines{"0 a", "0 b"}));
    m_.FinishSync(Mirror::kGone);
    m_.FinishSync("1");
    EXPECT_EQ(m_.Feed(), (Lines{"FLUSHALL", "SELECT 3"})) << "before all syncs";
    m_.Follower({kOk, kOk});
    EXPECT_EQ(m_.Apply({kOk, kOk}), (Lines{"FLUSHDB", "SELECT 0"}));
    EXPECT_EQ(m_.Apply({":0\r\n", kOk}), (Lines{"DEL a", "RESTORE b 0 1 REPLACE ABSTTL"}));
    m_.ExpectDrained();
  }
}

TEST_F(ReplicatorLossTest, WhatCollapsedIsNotTakenForApplied) {
  r_.FollowerLost();
  for (int i = 0; i < 1'000 && r_.counters().collapses == 0; ++i) {
    const uint64_t seq = m_.Do("FLUSHALL", kOk);
    EXPECT_TRUE(r_.applied_seq() < seq || r_.last_dropped_seq() >= seq);
  }
  EXPECT_EQ(r_.counters().collapses, 1u);
}

TEST_F(ReplicatorLossTest, ASwapInACollapseMeansCopyingAgain) {
  for (const bool sent : {false, true}) {
    m_.Do("FLUSHALL", kOk);
    m_.Do("SET a 1", kOk);
    m_.Do("SWAPDB 0 1", kOk);
    m_.Do("FLUSHALL", kOk);
    if (sent) {
      ASSERT_EQ(m_.Feed().size(), 4u);
    }
    m_.Do("SET b " + std::string(30'000, 'x'), kOk);
    EXPECT_FALSE(r_.live());
    m_.ExpectDrained();
    if (sent) r_.FollowerLost();
    m_.GoLive();
  }
}

// ---- Leaving live: nothing of the former era is applied any more

TEST_F(ReplicatorLossTest, LeavingLiveDropsAllThatIsNotSent) {
  const uint64_t era = r_.era();
  m_.Do("EVAL script 1 s", "$-1\r\n");
  m_.Do("EVAL script 1 t", "$-1\r\n");
  ASSERT_EQ(m_.SyncsWanted(), (Lines{"0 s", "0 t"}));
  m_.FinishSync("1");
  m_.Do("SET a 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Do("SET b 1", kOk);
  m_.Do("FLUSHALL", kOk);
  const auto unanswered = m_.Send("SET c 1");
  r_.LeaveLive("a test");
  EXPECT_EQ(m_.events.copies, Lines{"a test"});
  EXPECT_GT(r_.era(), era);
  EXPECT_TRUE(r_.dirty().empty());
  EXPECT_EQ(m_.Feed(), Lines{});
  m_.Follower({kOk, kOk});
  m_.FinishSync("1");  // of t: read, and of no use now
  EXPECT_EQ(m_.Reply(*unanswered, kOk), 0u);
  EXPECT_EQ(m_.Feed(), Lines{});
  m_.ExpectDrained();
  r_.LeaveLive("again");
  EXPECT_EQ(m_.events.copies.size(), 1u) << "it is not live";
}

TEST_F(ReplicatorLossTest, AFlushOfTheFormerEraIsNotSentAgain) {
  for (const bool off : {false, true}) {
    m_.Do("FLUSHALL", kOk);
    ASSERT_EQ(m_.Feed(), Lines{"FLUSHALL"});
    off ? r_.SetOff() : r_.LeaveLive("a test");
    r_.FollowerLost();
    m_.ExpectDrained();
    r_.FollowerReady();
    EXPECT_EQ(m_.Feed(), Lines{});
    r_.FollowerLost();
    m_.GoLive();
  }
}

TEST_F(ReplicatorLossTest, LeavingLiveWhileADbIsBeingSelected) {
  m_.Do("SET a 1", kOk, {}, 5);
  ASSERT_EQ(m_.Feed(), Lines{"SELECT 5"});
  r_.LeaveLive("a test");
  r_.BeginCopy();
  EXPECT_EQ(r_.state(), MirrorState::kUnfinished) << "it may be refused yet";
  EXPECT_EQ(m_.Apply({kOk}), Lines{});
  r_.BeginCopy();
  r_.AddScanned(0, "b");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 b"});
  m_.FinishSync("1");
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SELECT 0"});
  EXPECT_EQ(m_.Apply({kOk}), Lines{"RESTORE b 0 1 REPLACE ABSTTL"});
  m_.ExpectDrained();
}

// What the follower or the authority may yet execute could make a key that the
// copy does not come to see.
TEST_F(ReplicatorLossTest, ACopyDoesNotBeginWhileACommandOfBeforeMayBeExecuted) {
  const auto expect_begins = [this](bool begins) {
    r_.BeginCopy();
    EXPECT_EQ(r_.state() == MirrorState::kCopying, begins);
  };
  m_.Do("SET a 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 1u);
  r_.LeaveLive("a test");
  expect_begins(false);
  r_.FollowerLost();
  expect_begins(false);
  r_.FollowerReady();
  r_.HoldSyncs(true);
  expect_begins(false);
  r_.HoldSyncs(false);
  m_.Follower({kOk});  // that nothing asked for
  expect_begins(false);
  r_.FollowerLost();
  r_.FollowerReady();
  expect_begins(true);
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, MoreDirtyKeysThanCanBeKeptMeanCopyingAgain) {
  r_.LeaveLive("a test");
  r_.BeginCopy();
  for (size_t i = 0; i < limits::kDirtyKeysMax; ++i) r_.AddScanned(0, std::to_string(i));
  m_.Do("SET 1 v", kOk);
  EXPECT_EQ(r_.state(), MirrorState::kCopying) << "it is one of them";
  m_.Do("SET k v", kOk);
  EXPECT_EQ(r_.state(), MirrorState::kUnfinished);
  m_.ExpectDrained();
}

// Found in the midst of a loss or a collapse, which goes on for what is left.
TEST_F(ReplicatorLossTest, TooManyDirtyKeysByALossOrACollapseTakePartitionsOutOfLive) {
  r_.set_dirty_keys_max(2);
  for (const bool flushed : {false, true}) {
    for (const bool sent : {false, true}) {
      for (const bool collapse : {false, true}) {
        for (int i = 0; i < 5; ++i) m_.Do("SET k" + std::to_string(i) + " v", kOk);
        if (flushed) m_.Do("FLUSHALL", kOk);
        for (int i = 5; i < 9; ++i) m_.Do("SET k" + std::to_string(i) + " v", kOk);
        if (sent) {
          ASSERT_GT(m_.Feed().size(), 8u);
        }
        ASSERT_TRUE(r_.live());
        if (collapse) m_.Do("SET b " + std::string(30'000, 'x'), kOk);
        if (sent || !collapse) r_.FollowerLost();
        EXPECT_EQ(r_.live(), !sent && !collapse) << "what was not sent is not lost";
        EXPECT_TRUE(r_.mirrors());
        EXPECT_LE(r_.dirty().size(), 2u);
        r_.LeaveLive("a test");
        m_.ExpectDrained();
        m_.GoLive();
      }
    }
  }
}

// Writes that passed unrecorded in between did not wait for it at the gate.
TEST_F(ReplicatorLossTest, WhatWasReadBeforeLiveWasLeftIsNoSync) {
  m_.Do("EVAL script 1 k", "$-1\r\n");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 k"});
  r_.SetOff();
  r_.SetUnfinished();
  r_.BeginCopy();
  r_.AddScanned(0, "k");
  r_.FinishCopy();
  m_.FinishSync("old");
  EXPECT_TRUE(r_.log().empty());
  EXPECT_TRUE(Dirty("k"));
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorLossTest, SwitchedOffAndOnAgainItBeginsAnew) {
  m_.Do("SET a 1", kOk);
  r_.SetOff();
  EXPECT_EQ(r_.state(), MirrorState::kOff);
  m_.ExpectDrained();
  EXPECT_EQ(m_.Do("SET a 2", kOk), 0u);
  m_.GoLive();
  EXPECT_EQ(m_.Do("SET a 3", kOk), 2u);
  EXPECT_EQ(m_.Apply({kOk}), Lines{"SET a 3"});
  m_.ExpectDrained();
}

}  // namespace
}  // namespace crossfade::replication
