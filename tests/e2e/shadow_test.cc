// Shadow reads: no false alarm under the differential load, and a key that was
// changed behind the proxy's back is found and repaired.
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class Shadow : public ::testing::TestWithParam<int> {};

uint64_t Mismatched(const nlohmann::json& status) {
  return SumWhere(status["shadow"], "result", "mismatched");
}

TEST_P(Shadow, FindsNothingUnderLoadAndOneCorruptedKeyAfterIt) {
  Migration migration;
  migration.config.workers = GetParam();
  migration.config.reads = {{"shadow", "100%"}};
  ASSERT_TRUE(migration.StartLive());
  const LoadReport report = Load(migration.LoadFor(TestSeed() + 10)).Run(LoadSize());
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration.ExpectEqualWhenDrained();
  const nlohmann::json under_load = migration.Status();
  EXPECT_EQ(Mismatched(under_load), 0u) << under_load["shadow"];
  EXPECT_GT(SumWhere(under_load["shadow"], "result", "matched"), 100u) << under_load["shadow"];

  RedisClient client(migration.proxy->port());
  ASSERT_TRUE(client.Call({"HSET", "victim", "f", "right"}).ok());
  ASSERT_TRUE(migration.proxy->AwaitDrained());
  ASSERT_TRUE(RedisClient(migration.fresh.port()).Call({"HSET", "victim", "f", "wrong"}).ok());
  ASSERT_EQ(client.Call({"HGET", "victim", "f"}).text, "right");
  EXPECT_TRUE(Await([&] { return Mismatched(migration.Status()) >= 1; }))
      << migration.Status()["shadow"];
  migration.ExpectEqualWhenDrained();
}

INSTANTIATE_TEST_SUITE_P(Workers, Shadow, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
