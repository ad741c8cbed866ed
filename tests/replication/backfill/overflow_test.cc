// More keys are dirty than can be kept: partitions leave live, and are copied again.
#include "tests/replication/backfill/backfill_fixture.h"

namespace crossfade::replication {
namespace {

using test::Mirror;

constexpr std::string_view kOk = "+OK\r\n";

// Names in partitions of their own.
std::vector<std::string> NamesApart(size_t count) {
  std::vector<std::string> names;
  PartitionSet taken;
  for (int i = 0; names.size() < count; ++i) {
    const std::string name = "n" + std::to_string(i);
    if (taken[PartitionOf(name)]) continue;
    taken.set(PartitionOf(name));
    names.push_back(name);
  }
  return names;
}

// Others in the partition of this one.
std::vector<std::string> NamesBeside(const std::string& beside, size_t count) {
  std::vector<std::string> names;
  for (int i = 0; names.size() < count; ++i) {
    const std::string name = "beside" + std::to_string(i);
    if (PartitionOf(name) == PartitionOf(beside)) names.push_back(name);
  }
  return names;
}

class OverflowTest : public BackfillTest {
 protected:
  void SetUp() override {
    BackfillTest::SetUp();
    r_.BeginJournal(1, {});
    Enumerate({});
    Pump();
    ASSERT_EQ(ports_.saved.phase, BackfillPhase::kDone);
    r_.set_dirty_keys_max(4);
    ASSERT_EQ(Claim(), FollowerClaim::kLive);
  }
  // What the journal says once a block is written.
  FollowerClaim Claim() {
    JournalBlock block;
    r_.TakeJournalBlock(1, block);
    return r_.journal()->state().claim;
  }
  void MakeDirty(const std::string& name) { m_.Lose(*m_.Send("SET " + name + " 1")); }
  PartitionMode ModeOf(const std::string& name) { return r_.partitions().At(PartitionOf(name)); }

  const std::vector<std::string> names_ = NamesApart(6);
};

TEST_F(OverflowTest, PartitionsLeaveLiveAndTheOthersStay) {
  for (int i = 0; i < 5; ++i) MakeDirty(names_[i]);
  EXPECT_TRUE(m_.events.copies.empty()) << m_.events.copies[0];
  EXPECT_EQ(r_.state(), MirrorState::kCopying);
  EXPECT_EQ(r_.dirty().size(), 3u);
  EXPECT_EQ(r_.partitions().live(), limits::kPartitions - 2);
  EXPECT_EQ(m_.Read(names_[5]), ReadVerdict::kEligible);
  EXPECT_NE(m_.Do("SET " + names_[5] + " 1", kOk), 0u) << "it is mirrored by effects";
  EXPECT_EQ(Claim(), FollowerClaim::kOurs) << "nothing says which keys are dirty";

  ASSERT_TRUE(backfill_.Reopen());
  Pump(0);
  EXPECT_EQ(Claim(), FollowerClaim::kPart);
  size_t pending = 0;
  for (int i = 0; i < 5; ++i) {
    const bool left = ModeOf(names_[i]) != PartitionMode::kLive;
    EXPECT_EQ(IsSpooled(names_[i]), left);
    EXPECT_EQ(r_.dirty().Contains(0, names_[i]), !left);
    EXPECT_FALSE(left && ports_.saved.finished[PartitionOf(names_[i])]);
    pending += left;
  }
  EXPECT_EQ(pending, 2u);
  EXPECT_EQ(Pump(), 2u) << "no other key is copied";
  EXPECT_TRUE(r_.live());
  EXPECT_EQ(ports_.saved.phase, BackfillPhase::kDone);
  EXPECT_EQ(Claim(), FollowerClaim::kLive);
  m_.Apply({kOk});
  SyncNext();
  m_.ExpectDrained();
}

TEST_F(OverflowTest, ACrashGoesOnWithTheNames) {
  for (int i = 0; i < 5; ++i) MakeDirty(names_[i]);
  ASSERT_TRUE(backfill_.Reopen());
  Pump(0);
  Mirror again;
  Ports ports(again.replicator);
  Backfill resumed(ports, file_, "a -> b");
  again.replicator.SetUnfinished();
  again.replicator.FollowerReady();
  std::vector<RecoveredKey> open;
  r_.dirty().ForEach([&](uint32_t db, std::string_view name) {
    open.push_back({db, std::string(name)});
  });
  ASSERT_TRUE(resumed.Resume(ports_.saved, open));
  again.replicator.Resume({FollowerClaim::kPart, false, 0, "x", "y"}, open, ports_.saved.finished);
  uint64_t begun = 0;
  ASSERT_TRUE(resumed.Pump(1, UINT64_MAX, begun));
  EXPECT_TRUE(again.replicator.live());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(again.replicator.dirty().Contains(0, names_[i]));
}

TEST_F(OverflowTest, WhatWaitsInTheLogIsJudgedBefore) {
  // The source becomes dirty behind it, and is forgotten.
  ASSERT_NE(m_.Do("SUNIONSTORE " + names_[5] + " " + names_[0], ":1\r\n"), 0u);
  for (int i = 0; i < 5; ++i) MakeDirty(names_[i]);
  ASSERT_FALSE(r_.dirty().Contains(0, names_[0])) << "its partition has left live";
  EXPECT_TRUE(m_.Feed().empty());
  EXPECT_TRUE(r_.dirty().Contains(0, names_[5]) || ModeOf(names_[5]) == PartitionMode::kPending);
}

// What becomes doubtful there later is not told by dirtiness any more.
TEST_F(OverflowTest, WhatNamesACleanKeyOfALeavingPartitionIsJudgedToo) {
  const auto beside = NamesBeside(names_[0], 2);
  ASSERT_NE(m_.Do("SUNIONSTORE " + names_[5] + " " + beside[1], ":1\r\n"), 0u);
  MakeDirty(beside[0]);
  for (int i = 0; i < 4; ++i) MakeDirty(names_[i]);
  ASSERT_EQ(ModeOf(names_[0]), PartitionMode::kPending) << "the fullest";
  EXPECT_TRUE(m_.Feed().empty());
  EXPECT_TRUE(r_.dirty().Contains(0, names_[5]) || ModeOf(names_[5]) == PartitionMode::kPending);
}

// A read of before must not stand beside that which is asked for again.
TEST_F(OverflowTest, AReadOfBeforeIsOfNoUse) {
  MakeDirty(names_[0]);
  ASSERT_EQ(m_.SyncsWanted(), test::Lines{"0 " + names_[0]});
  KeyToSync read = m_.reading.front();
  r_.LeaveLive("a test");
  r_.BeginCopy();
  MakeDirty(names_[0]);
  EXPECT_EQ(r_.TakeSyncReply(read, "*2\r\n$1\r\n1\r\n:-1\r\n", "x", 1, 1), SyncStep::kDone);
  m_.reading.clear();
  EXPECT_EQ(m_.SyncsWanted(), test::Lines{"0 " + names_[0]}) << "once";
  m_.FinishSync("1");
  EXPECT_EQ(r_.syncs_under_way(), 1u);
}

TEST_F(OverflowTest, WhileTheOthersAreStillCopied) {
  r_.LeaveLive("a test");
  r_.BeginCopy();
  ASSERT_TRUE(backfill_.Begin());
  Enumerate(names_);
  uint32_t last = 0;
  for (const std::string& name : names_) last = std::max(last, PartitionOf(name));
  Pump(5);
  SyncNext();
  Pump(0);
  ASSERT_FALSE(r_.live());
  for (const std::string& name : names_) {
    if (PartitionOf(name) != last) MakeDirty(name);
  }
  EXPECT_EQ(r_.state(), MirrorState::kCopying);
  EXPECT_EQ(r_.dirty().size(), 3u);
  Pump(0);
  for (const std::string& name : names_) {
    const bool live = ModeOf(name) == PartitionMode::kLive;
    EXPECT_TRUE(live || !ports_.saved.finished[PartitionOf(name)]) << name;
  }
  EXPECT_EQ(Pump(), 3u) << "those behind where it was, too";
  EXPECT_TRUE(r_.live());
  SyncNext();
  Pump(0);
  m_.ExpectDrained();
}

TEST_F(OverflowTest, TheCatalogIsToldBeforeTheJournalTells) {
  r_.LeaveLive("a test");
  r_.BeginCopy();
  ASSERT_TRUE(backfill_.Begin());
  Enumerate(names_);
  Pump(5);
  SyncNext();
  Pump(0);
  for (const std::string& name : names_) {
    if (ModeOf(name) == PartitionMode::kLive) MakeDirty(name);
  }
  ASSERT_LT(r_.partitions().live(), backfill_.record().finished.count());
  ports_.fails = true;
  uint64_t begun = 0;
  EXPECT_FALSE(backfill_.Pump(now_us_ += 1'000'000, 0, begun));
  EXPECT_LT(r_.written_names().spooled(), r_.written_names().noted());
  EXPECT_EQ(Claim(), FollowerClaim::kOurs);
  ports_.fails = false;
  Pump(0);
  EXPECT_EQ(r_.written_names().spooled(), r_.written_names().noted());
  EXPECT_EQ(Claim(), FollowerClaim::kPart);
}

TEST_F(OverflowTest, NoneIsTakenThatAnEntryOnAllKeysConcerns) {
  ASSERT_NE(m_.Do("SWAPDB 0 1", kOk), 0u);
  for (int i = 0; i < 5; ++i) MakeDirty(names_[i]);
  EXPECT_EQ(r_.state(), MirrorState::kUnfinished);
  EXPECT_EQ(m_.events.copies.size(), 1u);
}

}  // namespace
}  // namespace crossfade::replication
