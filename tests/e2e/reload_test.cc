// Reloads of a running proxy: in force at once, or refused as a whole.
#include <gtest/gtest.h>
#include <poll.h>

#include <sstream>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

using Clock = std::chrono::steady_clock;

// The sum of the counters of one family whose labels contain `label`.
double MetricSum(const std::string& metrics, const std::string& family, const std::string& label) {
  std::istringstream lines(metrics);
  double sum = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(family + "{") || line.find(label) == std::string::npos) continue;
    sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return sum;
}

class Reload : public ::testing::TestWithParam<int> {
 protected:
  Reload() {
    migration_.config.workers = GetParam();
    migration_.config.stage = "ramp";
    migration_.config.reads = {{"follower", "0%"}, {"staleness", "500ms"}};
  }

  double ReadsOnNew() {
    return MetricSum(migration_.proxy->Metrics(), "crossfade_read_decisions_total",
                     "store=\"new\"");
  }

  Migration migration_;
};

TEST_P(Reload, PercentageMovesReadsAtOnce) {
  ASSERT_TRUE(migration_.StartLive());
  RedisClient client(migration_.proxy->port());
  for (int i = 0; i < 100; ++i) client.Call({"SET", "k" + std::to_string(i), "v"});
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  const auto read_all = [&] {
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(client.Call({"GET", "k" + std::to_string(i)}).text, "v");
  };
  read_all();
  EXPECT_EQ(ReadsOnNew(), 0);
  ProxyConfig moved = migration_.config;
  moved.reads["follower"] = "100%";
  const auto before = Clock::now();
  const HttpAnswer answer = migration_.proxy->Reload(moved);
  ASSERT_EQ(answer.status, 200) << answer.body;
  double on_new = 0;
  while (on_new == 0 && Clock::now() - before < std::chrono::seconds(5)) {
    EXPECT_EQ(client.Call({"GET", "k1"}).text, "v");
    on_new = ReadsOnNew();
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - before);
  EXPECT_GT(on_new, 0);
  // A sanitizer's build is allowed its slowness.
  EXPECT_LT(took.count(), std::getenv("CROSSFADE_E2E_SLOW") != nullptr ? 1000 : 100);
  read_all();
  EXPECT_GE(ReadsOnNew(), 100);
  ASSERT_EQ(migration_.proxy->Reload(migration_.config).status, 200);
  const double at_return = ReadsOnNew();
  read_all();
  EXPECT_EQ(ReadsOnNew(), at_return);
}

TEST_P(Reload, FileThatChangesIsNoticedWithoutBeingAsked) {
  ASSERT_TRUE(migration_.StartLive());
  const uint64_t epoch = migration_.Status().value("plan_epoch", uint64_t{0});
  ProxyConfig moved = migration_.config;
  moved.reads["follower"] = "10%";
  migration_.proxy->WriteConfig(moved);
  EXPECT_TRUE(Await([&] { return migration_.Status().value("plan_epoch", uint64_t{0}) > epoch; }));
}

TEST_P(Reload, BrokenFileIsRefusedAndTheOldPlanStays) {
  ASSERT_TRUE(migration_.StartLive());
  const std::string digest = migration_.Status().value("plan_digest", "");
  ASSERT_FALSE(digest.empty());
  for (const char* text : {"listen: [", "no_such_key: 1\n", ""}) {
    migration_.proxy->WriteConfigText(text);
    const HttpAnswer answer = migration_.proxy->Http("POST", "/api/v1/reload");
    EXPECT_GE(answer.status, 400) << answer.body;
    EXPECT_FALSE(answer.body.empty());
    EXPECT_EQ(migration_.Status().value("plan_digest", ""), digest);
  }
  RedisClient client(migration_.proxy->port());
  EXPECT_EQ(client.Call({"SET", "k", "v"}).text, "OK");
  EXPECT_EQ(migration_.proxy->Reload(migration_.config).status, 200);
}

TEST_P(Reload, FiftyReloadsUnderLoadFailNoRequest) {
  ASSERT_TRUE(migration_.StartLive());
  Load load(migration_.LoadFor(TestSeed() + 50));
  load.Start();
  for (int i = 0; i < 50; ++i) {
    ProxyConfig changed = migration_.config;
    changed.reads["follower"] = std::to_string(i * 37 % 101) + "%";
    changed.reads["shadow"] = std::to_string(i % 7) + "%";
    if (i % 3 == 0) changed.routes = {"{name: text, match: {prefix: \"text:\"}, staleness: 0ms}"};
    const HttpAnswer answer = migration_.proxy->Reload(changed);
    ASSERT_EQ(answer.status, 200) << answer.body;
    ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.01)));
  }
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration_.ExpectEqualWhenDrained();
}

INSTANTIATE_TEST_SUITE_P(Workers, Reload, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
