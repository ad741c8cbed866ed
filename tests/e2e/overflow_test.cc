// More keys become dirty than the proxy keeps: partitions leave live, and the others
// stay. CROSSFADE_OVERFLOW_KEYS, above 1,000,000, takes it that far; else few keys show
// that nothing of it happens.
#include <cstdlib>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

TEST(Overflow, OfDirtyKeysTakesPartitionsOutOfLive) {
  const char* const text = std::getenv("CROSSFADE_OVERFLOW_KEYS");
  const uint64_t keys = text == nullptr ? 20'000 : std::strtoull(text, nullptr, 10);
  Migration migration;
  migration.config.journal = {{"mode", "process"}, {"dir", migration.fresh.dir() + "/journal"}};
  migration.config.mirror = {{"memory", "1MiB"}};
  migration.config.backfill = {{"keys_per_second", "0"}, {"bytes_per_second", "0B"}};
  ASSERT_TRUE(migration.StartLive());
  RedisClient client(migration.proxy->port());
  ASSERT_TRUE(client.Call({"SET", "before", "value"}).ok());
  ASSERT_TRUE(migration.proxy->AwaitDrained());
  migration.fresh.Pause();
  constexpr uint64_t kBatch = 1'000;
  for (uint64_t i = 0; i < keys; i += kBatch) {
    for (uint64_t k = i; k < i + kBatch; ++k) client.Send({"SET", std::to_string(k), "value"});
    for (uint64_t k = i; k < i + kBatch; ++k) ASSERT_TRUE(client.Read().ok());
  }
  ASSERT_TRUE(Await([&] { return migration.Status().value("dirty_keys", 0) > 0; }));
  const bool over = keys > 1'000'000;
  const nlohmann::json status = migration.Status();
  const uint64_t live = status.value("live_partitions", uint64_t{0});
  EXPECT_EQ(live < 1'024, over) << live;
  EXPECT_GT(live, 0u);
  EXPECT_LE(status.value("dirty_keys", uint64_t{0}), 1'000'000u);
  EXPECT_EQ(migration.proxy->LogTail(1'000).find("partitions leave live") != std::string::npos,
            over);
  migration.fresh.Resume();
  ASSERT_TRUE(Await([&] { return migration.Status().value("mirror_state", "") == "live"; },
                    std::chrono::minutes(2)))
      << migration.Status();
  EXPECT_EQ(migration.ExpectEqualWhenDrained().keys_compared, keys + 1);
}

}  // namespace
}  // namespace crossfade::test
