// BackfillTest: a backfill that has begun, between a replicator whose lanes and follower
// are played by hand, a spool in memory, and a catalog that may be told to fail.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "replication/backfill/backfill.h"
#include "tests/replication/mirror.h"
#include "tests/support/memory_spool.h"

namespace crossfade::replication {

class Ports final : public BackfillPorts {
 public:
  explicit Ports(Replicator& replicator) : replicator_(replicator) {}
  void WithReplicator(const std::function<void(Replicator&)>& f) override { f(replicator_); }
  Status Save(const BackfillRecord& record) override {
    if (fails) return Fail("the disk is full");
    saved = record;
    return {};
  }
  bool WriteJournal() override {
    ++journal_writes;
    return !journal_stands;
  }
  BackfillRecord saved;
  bool fails = false;
  bool journal_stands = false;
  int journal_writes = 0;

 private:
  Replicator& replicator_;
};

class BackfillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    r_.SetUnfinished();
    r_.FollowerReady();
    r_.BeginCopy();
    ASSERT_TRUE(backfill_.Begin());
  }
  void Enumerate(std::vector<std::string> names) {
    const std::vector<std::string_view> views(names.begin(), names.end());
    backfill_.AddPage(0, views, {false, 1, "0"});
    ASSERT_TRUE(backfill_.EndEnumeration());
  }
  uint64_t Pump(uint64_t keys = UINT64_MAX) {
    uint64_t begun = 0;
    now_us_ += 1'000'000;
    EXPECT_TRUE(backfill_.Pump(now_us_, keys, begun));
    return begun;
  }
  // All that is dirty.
  void SyncNext() {
    for (size_t left = m_.SyncsWanted().size(); left > 0; --left) {
      m_.FinishSync("1");
      EXPECT_EQ(m_.Feed().size(), 1u);
      m_.Follower({"+OK\r\n"});
    }
  }
  // In the spool, and not in its memory alone.
  bool IsSpooled(const std::string& name) {
    Spool spool(file_, "a -> b");
    EXPECT_TRUE(spool.Resume());
    const auto names = spool.Read(PartitionOf(name));
    return names && std::find(names->begin(), names->end(), RecoveredKey{0, name}) != names->end();
  }

  test::Mirror m_;
  Replicator& r_ = m_.replicator;
  test::MemorySpool file_;
  Ports ports_{r_};
  Backfill backfill_{ports_, file_, "a -> b"};
  int64_t now_us_ = 0;
};

}  // namespace crossfade::replication
