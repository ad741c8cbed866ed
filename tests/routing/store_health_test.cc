#include "routing/store_health.h"

#include <gtest/gtest.h>

#include <vector>

namespace crossfade::routing {
namespace {

constexpr int64_t kSecond = 1'000'000;

StoreReport Report(const std::string& run_id, uint64_t keys = 10) {
  StoreReport report;
  report.run_id = run_id;
  report.replid = run_id + "-history";
  report.former_replid = "0000";
  report.keys = keys;
  return report;
}

TEST(ParseStoreReport, TakesWhatCounts) {
  const StoreReport report = ParseStoreReport(
      "# Server\r\nrun_id:abc\r\nuptime_in_seconds:77\r\n# Memory\r\nused_memory:1000\r\n"
      "used_memory_human:1K\r\nmaxmemory:2000\r\nmaxmemory_policy:allkeys-lru\r\nloading:0\r\n"
      "evicted_keys:5\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:7000\r\n"
      "master_sync_in_progress:1\r\nmaster_replid:r1\r\nmaster_replid2:r0\r\n"
      "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\ndb7:keys=4,expires=1,avg_ttl=9\r\n");
  EXPECT_EQ(report.run_id, "abc");
  EXPECT_EQ(report.uptime_s, 77u);
  EXPECT_EQ(report.used_memory, 1000u);
  EXPECT_EQ(report.max_memory, 2000u);
  EXPECT_TRUE(report.evicts);
  EXPECT_EQ(report.evicted_keys, 5u);
  EXPECT_TRUE(report.replica);
  EXPECT_EQ(report.master, "10.0.0.1:7000");
  EXPECT_TRUE(report.loading);
  EXPECT_EQ(report.replid, "r1");
  EXPECT_EQ(report.former_replid, "r0");
  EXPECT_EQ(report.keys, 7u);
}

TEST(ParseStoreReport, TakesAnything) {
  for (const char* text : {"", "run_id", "run_id:", "\r\n", "db0:keys=", "\ndb0:keys=", ":"}) {
    EXPECT_EQ(ParseStoreReport(text).keys, 0u) << text;
  }
}

TEST(ClassifyError, SaysWhatItSaysOfTheStore) {
  const std::vector<std::pair<const char*, StoreError>> cases = {
      {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", StoreError::kOutOfMemory},
      {"-READONLY You can't write against a read only replica.\r\n", StoreError::kReadOnly},
      {"-MISCONF Redis is configured to save RDB snapshots\r\n", StoreError::kReadOnly},
      {"-NOREPLICAS Not enough good replicas to write.\r\n", StoreError::kReadOnly},
      {"-LOADING Redis is loading the dataset in memory\r\n", StoreError::kLoading},
      {"-MASTERDOWN Link with MASTER is down\r\n", StoreError::kLoading},
      {"-BUSY Redis is busy running a script\r\n", StoreError::kOther},
      {"-NOPERM this user has no permissions to run the 'restore' command\r\n", StoreError::kOther},
      {"-NOPERM this user has no permissions to access one of the keys used as arguments\r\n",
       StoreError::kNone},
      {"-NOPERM No permissions to access a key\r\n", StoreError::kNone},
      {"-ERR OOM is no word of mine\r\n", StoreError::kNone},
      {"-WRONGTYPE Operation\r\n", StoreError::kNone},
      {"-OOMPH \r\n", StoreError::kNone},
      {"-", StoreError::kNone}};
  for (const auto& [frame, error] : cases) EXPECT_EQ(ClassifyError(frame), error) << frame;
}

TEST(Worst, OfNoneIsUnknown) {
  EXPECT_STREQ(Name(Worst(0)), "unknown");
  EXPECT_EQ(Worst(Bit(StoreState::kUp)), StoreState::kUp);
  EXPECT_EQ(Worst(Bit(StoreState::kUp) | Bit(StoreState::kSlow)), StoreState::kSlow);
}

class StoreHealthTest : public ::testing::Test {
 protected:
  StoreHealth::Finding Tell(const StoreReport& report, int64_t after_us = kSecond,
                            int64_t took_us = 100) {
    now_ += after_us;
    return health_.OnReport(report, took_us, settled_, now_);
  }
  bool Is(StoreState state) const { return health_.Is(state); }

  StoreHealth health_;
  bool settled_ = true;
  int64_t now_ = 100 * kSecond;
};

TEST_F(StoreHealthTest, IsUpOnceItReportsAndDownWhenItIsNotReached) {
  EXPECT_EQ(health_.states(), 0u);
  Tell(Report("a"));
  EXPECT_EQ(health_.states(), Bit(StoreState::kUp));
  health_.OnUnreachable("Connection refused");
  EXPECT_EQ(health_.states(), Bit(StoreState::kDown));
  EXPECT_EQ(health_.detail(StoreState::kDown), "Connection refused");
  health_.OnUnreachable("Connection refused");
  Tell(Report("a"));
  EXPECT_EQ(health_.states(), Bit(StoreState::kUp));
  EXPECT_EQ(health_.entries(StoreState::kDown), 1u);
  EXPECT_EQ(health_.entries(StoreState::kUp), 2u);
}

TEST_F(StoreHealthTest, IsSlowWhileItsAnswersAreLate) {
  Tell(Report("a"), kSecond, 250'000);
  EXPECT_FALSE(Is(StoreState::kSlow));
  Tell(Report("a"), kSecond, 250'001);
  EXPECT_TRUE(Is(StoreState::kSlow));
  Tell(Report("a"));
  EXPECT_FALSE(Is(StoreState::kSlow));
  health_.OnLate(250'000);
  EXPECT_FALSE(Is(StoreState::kSlow));
  health_.OnLate(250'001);
  health_.OnLate(900'000);
  EXPECT_TRUE(Is(StoreState::kSlow));
  EXPECT_EQ(health_.entries(StoreState::kSlow), 2u);
}

TEST_F(StoreHealthTest, LoadingIsNeitherUpNorDown) {
  health_.OnUnreachable("it refused PING: LOADING Redis is loading the dataset in memory");
  EXPECT_EQ(health_.states(), Bit(StoreState::kLoading));
  StoreReport report = Report("a");
  report.loading = true;
  Tell(report);
  EXPECT_EQ(health_.states(), Bit(StoreState::kLoading));
  Tell(Report("a"));
  EXPECT_EQ(health_.states(), Bit(StoreState::kUp));
}

TEST_F(StoreHealthTest, WhatErrorsTellHoldsForAWhile) {
  Tell(Report("a"));
  health_.OnError(StoreError::kReadOnly, now_);
  health_.OnError(StoreError::kOutOfMemory, now_);
  Tell(Report("a"));
  EXPECT_TRUE(Is(StoreState::kReadOnly));
  EXPECT_TRUE(Is(StoreState::kOutOfMemory));
  EXPECT_TRUE(Is(StoreState::kUp));
  health_.Expire(true, now_ + 2 * kSecond);
  EXPECT_TRUE(Is(StoreState::kReadOnly));
  health_.Expire(true, now_ + 2 * kSecond + 1);
  EXPECT_EQ(health_.states(), Bit(StoreState::kUp));
}

TEST_F(StoreHealthTest, AReplicaIsReadOnlyAslongAsItIsOne) {
  StoreReport report = Report("a");
  report.replica = true;
  report.master = "m:1";
  Tell(report);
  EXPECT_TRUE(Is(StoreState::kReadOnly));
  health_.Expire(true, now_ + 100 * kSecond);
  EXPECT_TRUE(Is(StoreState::kReadOnly));
  EXPECT_EQ(health_.detail(StoreState::kReadOnly), "it is a replica of m:1");
  Tell(Report("a"));
  EXPECT_FALSE(Is(StoreState::kReadOnly));
}

TEST_F(StoreHealthTest, IsOutOfMemoryAtItsLimitUnlessItEvicts) {
  StoreReport report = Report("a");
  report.max_memory = 100;
  report.used_memory = 99;
  Tell(report);
  EXPECT_FALSE(Is(StoreState::kOutOfMemory));
  report.used_memory = 100;
  Tell(report);
  EXPECT_TRUE(Is(StoreState::kOutOfMemory));
  report.evicts = true;
  Tell(report);
  EXPECT_FALSE(Is(StoreState::kOutOfMemory));
}

TEST_F(StoreHealthTest, KeysEvictedAreFoundAndTheStateHoldsForAWhile) {
  StoreReport report = Report("a");
  report.evicted_keys = 5;
  EXPECT_FALSE(Tell(report).evicted) << "what was before is not known";
  EXPECT_FALSE(Tell(report).evicted);
  report.evicted_keys = 6;
  EXPECT_TRUE(Tell(report).evicted);
  EXPECT_TRUE(Is(StoreState::kEvicting));
  EXPECT_FALSE(Tell(report, 10 * kSecond).evicted);
  EXPECT_TRUE(Is(StoreState::kEvicting));
  Tell(report, 1);
  EXPECT_FALSE(Is(StoreState::kEvicting));
}

TEST_F(StoreHealthTest, AnotherProcessIsRestartedEmptyOrAnotherServer) {
  struct Case {
    uint64_t keys, uptime_s;
    bool replica;
    StoreState state;
  };
  for (const Case& c :
       {Case{10, 1, false, StoreState::kRestarted}, Case{0, 1, false, StoreState::kRestartedEmpty},
        Case{10, 4, false, StoreState::kRestarted}, Case{10, 5, false, StoreState::kFailedOver},
        Case{0, 5, false, StoreState::kFailedOver}, Case{10, 0, true, StoreState::kFailedOver}}) {
    health_ = {};
    Tell(Report("a"));
    StoreReport report = Report("b", c.keys);
    report.uptime_s = c.uptime_s;
    report.replica = c.replica;
    const auto finding = Tell(report, 3 * kSecond);
    EXPECT_TRUE(Is(c.state)) << Name(Worst(health_.states()));
    EXPECT_FALSE(finding.other_history.empty());
    EXPECT_TRUE(Tell(report).other_history.empty()) << "it was told";
  }
}

TEST_F(StoreHealthTest, AnotherHistoryOfTheSameProcess) {
  Tell(Report("a"));
  StoreReport report = Report("a");
  report.replid = "after the last replica was gone";
  EXPECT_TRUE(Tell(report).other_history.empty());
  report.replid = "of its master";
  report.replica = true;
  EXPECT_FALSE(Tell(report).other_history.empty());
  EXPECT_TRUE(Is(StoreState::kFailedOver));
  EXPECT_TRUE(Tell(report).other_history.empty());
  report.replica = false;
  report.replid = "its own";
  report.former_replid = "of its master";
  EXPECT_FALSE(Tell(report).other_history.empty());
  EXPECT_TRUE(Tell(report).other_history.empty());
}

TEST_F(StoreHealthTest, AReplacementIsShownUntilItIsMadeGood) {
  Tell(Report("a"));
  settled_ = false;
  Tell(Report("b"));
  Tell(Report("b"), 30 * kSecond);
  EXPECT_TRUE(Is(StoreState::kRestarted));
  settled_ = true;
  Tell(Report("b"));
  EXPECT_FALSE(Is(StoreState::kRestarted));
  Tell(Report("c"));
  Tell(Report("c"), 4 * kSecond);
  EXPECT_TRUE(Is(StoreState::kRestarted)) << "long enough to be seen";
  Tell(Report("c"), 2 * kSecond);
  EXPECT_FALSE(Is(StoreState::kRestarted));
  settled_ = false;
  Tell(Report("d"));
  Tell(Report("d"), 60 * kSecond + 1);
  EXPECT_FALSE(Is(StoreState::kRestarted)) << "where nothing follows from it";
}

}  // namespace
}  // namespace crossfade::routing
