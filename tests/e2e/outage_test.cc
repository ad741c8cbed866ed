// Stores that go away and come back, and a proxy that is told to stop.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <cctype>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class Outage : public ::testing::TestWithParam<int> {};

bool NamesLegacy(const std::string& error) {
  return error.starts_with("ERR ") && error.find("legacy") != std::string::npos;
}

TEST_P(Outage, NewStoreGoneAndBackEmptyUnderReadsIsNotNoticed) {
  Migration migration;
  migration.config.workers = GetParam();
  migration.config.stage = "ramp";
  migration.config.reads = {{"follower", "100%"}, {"staleness", "50ms"}};
  ASSERT_TRUE(migration.StartLive());
  Load load(migration.LoadFor(TestSeed() + 40));
  load.Start();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
  migration.fresh.Kill();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
  migration.fresh.Start();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
  // On hot keys few reads are eligible, but some are.
  EXPECT_TRUE(
      Await([&] { return SumWhere(migration.Status()["read_decisions"], "store", "new") > 0; }));
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration.ExpectEqualWhenDrained();
}

TEST(OutageAtStart, LegacyDownIsSaidAndRecoveredFrom) {
  Migration migration;
  migration.legacy.Kill();
  migration.proxy.emplace(migration.config);
  ASSERT_TRUE(migration.proxy->Launch());
  const HttpAnswer ready = migration.proxy->Http("GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("legacy"), std::string::npos) << ready.body;
  RedisClient client(migration.proxy->port());
  const Value refused = client.Call({"GET", "k"});
  EXPECT_EQ(refused.kind, Value::Kind::kError) << Render(refused);
  EXPECT_TRUE(NamesLegacy(refused.text)) << Render(refused);
  migration.legacy.Start();
  ASSERT_TRUE(migration.proxy->AwaitReady());
  EXPECT_EQ(client.Call({"SET", "k", "v"}).text, "OK");
  migration.ExpectEqualWhenDrained();
}

TEST(OutageAtStart, NewStoreDownIsNotNoticedByClients) {
  Migration migration;
  migration.fresh.Kill();
  ASSERT_TRUE(migration.Start());
  const LoadReport report = Load(migration.LoadFor(TestSeed() + 41)).Run(LoadSize(0.2));
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration.fresh.Start();
  migration.ExpectEqualWhenDrained();
}

TEST_P(Outage, LegacyKilledAndRestartedWithItsData) {
  Migration migration(
      {.legacy_args = {"--appendonly", "yes", "--appendfsync", "always"}, .relay = false});
  migration.config.workers = GetParam();
  ASSERT_TRUE(migration.StartLive());
  LoadOptions options = migration.LoadFor(TestSeed() + 42);
  options.tolerated = [](const std::string& error) {
    // EXEC of a transaction whose commands were refused says so in its own way.
    return NamesLegacy(error) || error.starts_with("EXECABORT") || error.starts_with("LOADING") ||
           error.starts_with("ERR EXEC without MULTI") ||
           error.starts_with("ERR DISCARD without MULTI");
  };
  Load load(options);
  load.Start();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
  migration.legacy.Kill();
  ASSERT_TRUE(load.AwaitAnswered(100)) << "no answers while legacy is down";
  EXPECT_TRUE(Await([&] { return migration.proxy->Http("GET", "/readyz").status == 503; }));
  migration.legacy.Start();
  ASSERT_TRUE(migration.proxy->AwaitReady());
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.2)));
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  EXPECT_GT(report.tolerated_errors, 0u);
  migration.ExpectEqualWhenDrained();
}

TEST(Termination, DrainsAndExitsWithZero) {
  Migration migration({.legacy_args = {}, .relay = true});
  ASSERT_TRUE(migration.StartLive());
  migration.relay->SetDelay(std::chrono::milliseconds(300));
  RedisClient client(migration.proxy->port());
  for (int i = 0; i < 1000; ++i) client.Send({"INCR", "counter:" + std::to_string(i % 100)});
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(client.Read().ok());
  EXPECT_EQ(migration.proxy->Terminate(), 0);
  const StoreComparison comparison = CompareStores(migration.legacy.port(), migration.fresh.port());
  EXPECT_TRUE(comparison.differences.empty()) << Describe(comparison);
  EXPECT_EQ(comparison.keys_compared, 100u);
}

TEST(Termination, SaysWhatWasLeftWhenTheNewStoreHangs) {
  Migration migration;
  migration.config.limits["stop_timeout"] = "500ms";
  ASSERT_TRUE(migration.StartLive());
  migration.fresh.Pause();
  RedisClient client(migration.proxy->port());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.Call({"INCR", "counter"}).ok());
  // Its own exit code, and what was left.
  EXPECT_EQ(migration.proxy->Terminate(std::chrono::seconds(10)), 3);
  const std::string log = migration.proxy->LogTail();
  EXPECT_NE(log.find("log_entries=100"), std::string::npos) << log;
  migration.fresh.Resume();
}

INSTANTIATE_TEST_SUITE_P(Workers, Outage, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
