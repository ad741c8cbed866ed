// Random commands of every family through the proxy, from many connections, with
// a new store that behaves in many ways: no client notices, and in the end both
// stores hold the same.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class Differential : public ::testing::TestWithParam<int> {
 protected:
  Differential() {
    migration_.config.workers = GetParam();
    seed_ = TestSeed();
  }

  static void ExpectNoFailure(const LoadReport& report) {
    EXPECT_TRUE(report.failures.empty()) << Describe(report);
    EXPECT_GT(report.answered, report.errors * 5) << Describe(report);
  }

  void RunPlain() {
    ExpectNoFailure(Load(migration_.LoadFor(seed_)).Run(LoadSize()));
    migration_.ExpectEqualWhenDrained();
  }

  nlohmann::json PrintCounts() {
    const nlohmann::json status = migration_.Status();
    std::printf("effects %s drift %s collapses %s\n", status["effects"].dump().c_str(),
                status["drift"].dump().c_str(), status["log_collapses"].dump().c_str());
    return status;
  }

  Migration migration_;
  uint64_t seed_ = 0;
};

TEST_P(Differential, PlainLoadLeavesTheStoresEqual) {
  ASSERT_TRUE(migration_.StartLive());
  RunPlain();
  PrintCounts();
}

TEST_P(Differential, WithoutExpiriesThereIsNoDrift) {
  ASSERT_TRUE(migration_.StartLive());
  LoadOptions options = migration_.LoadFor(seed_ + 1);
  options.commands.expiries = false;
  ExpectNoFailure(Load(options).Run(LoadSize()));
  migration_.ExpectEqualWhenDrained();
  const nlohmann::json status = PrintCounts();
  if (GetParam() == 1) {
    // What is left are effects that can't be derived, and what spreads from them.
    for (const char* reason : {"reply", "expiry", "lost", "collapse", "unknown_fate", "shadow"}) {
      EXPECT_EQ(status["drift"].value(reason, 1), 0) << reason << status["drift"];
    }
  }
}

TEST_P(Differential, NewStoreRestartedEmptyTwice) {
  ASSERT_TRUE(migration_.StartLive());
  Load load(migration_.LoadFor(seed_ + 2));
  load.Start();
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
    migration_.fresh.Kill();
    ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
    migration_.fresh.Start();
  }
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
  ExpectNoFailure(load.Stop());
  migration_.ExpectEqualWhenDrained();
  PrintCounts();
}

TEST_P(Differential, TrustedFollowerThatBeganWithACopy) {
  LoadOptions before;
  before.port = migration_.legacy.port();
  before.seed = seed_ + 3;
  before.commands.flushes = false;
  // A key that expires between the copy and the start would make it no copy.
  before.commands.expiries = false;
  ExpectNoFailure(Load(before).Run(LoadSize(0.2)));
  RedisClient legacy(migration_.legacy.port());
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(legacy.Call({"EXPIRE", "text:" + std::to_string(i), "5000"}).ok());
    ASSERT_TRUE(legacy.Call({"EXPIRE", "set:" + std::to_string(i), "5000"}).ok());
  }
  migration_.CopyLegacyToNew();
  migration_.config.mirror["follower_data"] = "trust";
  ASSERT_TRUE(migration_.StartLive());
  RunPlain();
  EXPECT_EQ(PrintCounts()["backfill"]["keys_copied"], 0);
}

TEST_P(Differential, FilledLegacyIsCopiedUnderLoad) {
  LoadOptions before;
  before.port = migration_.legacy.port();
  before.seed = seed_ + 4;
  before.commands.flushes = false;
  ExpectNoFailure(Load(before).Run(LoadSize(0.2)));
  RedisClient client(migration_.legacy.port());
  for (int i = 0; i < 5000; ++i) client.Send({"SET", "filled:" + std::to_string(i), "v"});
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(client.Read().ok());
  ASSERT_TRUE(migration_.Start());
  RunPlain();
}

TEST_P(Differential, LogCollapsesWhileTheNewStoreIsStopped) {
  migration_.config.mirror["memory"] = "256KiB";
  ASSERT_TRUE(migration_.StartLive());
  Load load(migration_.LoadFor(seed_ + 5));
  load.Start();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
  migration_.fresh.Pause();
  EXPECT_TRUE(Await([this] { return migration_.Status().value("log_collapses", 0) >= 1; }));
  migration_.fresh.Resume();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
  const auto before = migration_.Status().value("log_collapses", 0);
  migration_.fresh.Kill();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.3)));
  migration_.fresh.Start();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.3)));
  ExpectNoFailure(load.Stop());
  migration_.ExpectEqualWhenDrained();
  EXPECT_GE(PrintCounts().value("log_collapses", 0), before);
}

TEST_P(Differential, AckOfBothStores) {
  migration_.config.mirror["ack"] = "both";
  ASSERT_TRUE(migration_.StartLive());
  RunPlain();
  PrintCounts();
}

INSTANTIATE_TEST_SUITE_P(Workers, Differential, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
