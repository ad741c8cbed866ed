// What the intent journal is told of writes and dirty keys.
#include <gtest/gtest.h>

#include "replication/replicator.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;
using test::Mirror;

constexpr std::string_view kOk = "+OK\r\n";

class ReplicatorJournal : public testing::Test {
 protected:
  void SetUp() override { m_.GoLive(); }
  void Begin(uint64_t generation) {
    r_.BeginJournal(generation, {});
    segment_ = EncodeSegmentHeader({JournalMode::kProcess, generation, 0, Boot(), 0, "pair"});
  }
  static BootId Boot() {
    BootId boot{};
    boot[0] = 1;
    return boot;
  }
  Recovered Recover() {
    JournalBlock block;
    while (r_.TakeJournalBlock(0, block)) AppendBlock(block.header, block.records, segment_);
    Recovery recovery("pair", Boot());
    recovery.Read(segment_, true);
    return recovery.Finish();
  }
  Lines Dirty() {
    Lines keys;
    for (const RecoveredKey& key : Recover().dirty) keys.push_back(key.name);
    return keys;
  }
  void MakeDirty(std::string_view key) {
    m_.Do("SET " + std::string(key) + " x", kOk);
    m_.Apply({"-ERR refused\r\n"});
  }

  Mirror m_;
  Replicator& r_ = m_.replicator;
  std::string segment_;
};

TEST_F(ReplicatorJournal, AWriteIsOpenUntilItIsApplied) {
  Begin(1);
  EXPECT_EQ(Recover().claim, FollowerClaim::kLive);
  auto sent = m_.Send("MSET a 1 b 2");
  EXPECT_EQ(Dirty(), (Lines{"a", "b"}));
  m_.Reply(*sent, kOk);
  EXPECT_EQ(Dirty(), (Lines{"a", "b"}));
  m_.Apply({kOk});
  EXPECT_EQ(Dirty(), Lines{});
}

TEST_F(ReplicatorJournal, WhatIsDirtyStaysOpenUntilItsSyncIsApplied) {
  Begin(1);
  MakeDirty("k");
  EXPECT_EQ(Dirty(), Lines{"k"});
  m_.SyncsWanted();
  m_.FinishSync("value");
  EXPECT_EQ(Dirty(), Lines{"k"});
  m_.Apply({kOk});
  EXPECT_EQ(Dirty(), Lines{});
}

TEST_F(ReplicatorJournal, OneThatBeginsLaterKnowsWhatIsOpen) {
  MakeDirty("dirty");
  auto sent = m_.Send("SET waits x");
  Begin(1);
  EXPECT_EQ(Recover().claim, FollowerClaim::kOurs);  // it does not know of `waits`
  m_.Reply(*sent, kOk);
  m_.Apply({kOk});
  EXPECT_EQ(Recover().claim, FollowerClaim::kLive);
  EXPECT_EQ(Dirty(), Lines{"dirty"});
}

// The segments that the first one knew are not the second one's.
TEST_F(ReplicatorJournal, OneBegunAnewDoesNotCountWhatTheOneBeforeDid) {
  Begin(1);
  MakeDirty("k");
  EXPECT_EQ(Dirty(), Lines{"k"});
  r_.EndJournal();
  auto waits = m_.Send("SET waits x");
  Begin(2);
  EXPECT_EQ(Recover().claim, FollowerClaim::kOurs);
  m_.SyncsWanted();
  m_.FinishSync("value");
  m_.Apply({kOk});
  m_.Reply(*waits, kOk);
  m_.Apply({kOk});
  EXPECT_EQ(Recover().claim, FollowerClaim::kLive);
  EXPECT_EQ(Dirty(), Lines{});
}

TEST_F(ReplicatorJournal, ACommandOnAllKeysMakesAllOpen) {
  Begin(1);
  auto sent = m_.Send("FLUSHALL");
  EXPECT_EQ(Recover().claim, FollowerClaim::kOurs);
  m_.Reply(*sent, kOk);
  m_.Apply({kOk});
  EXPECT_EQ(Recover().claim, FollowerClaim::kLive);
}

}  // namespace
}  // namespace crossfade::replication
