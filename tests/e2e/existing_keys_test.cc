// A new store that holds keys already: what is equal there is not copied again, be it
// that an operator says so, or that a store was restarted.
#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class ExistingKeys : public ::testing::TestWithParam<int> {
 protected:
  ExistingKeys() { migration_.config.workers = GetParam(); }

  void Set(RedisServer& store, int from, int to, const std::string& value) {
    RedisClient client(store.port());
    for (int i = from; i < to; ++i) client.Send({"SET", "k" + std::to_string(i), value});
    for (int i = from; i < to; ++i) ASSERT_TRUE(client.Read().ok());
  }
  // How many keys were written over or removed there.
  static uint64_t Calls(RedisServer& store, const std::string& command) {
    const std::string info = RedisClient(store.port()).Call({"INFO", "commandstats"}).text;
    const std::string name = "cmdstat_" + command + ":calls=";
    const size_t at = info.find(name);
    return at == std::string::npos ? 0 : std::stoull(info.substr(at + name.size()));
  }
  uint64_t Kept() { return migration_.Status()["backfill"].value("kept_equal", uint64_t{0}); }
  std::string MirrorDetail() {
    const nlohmann::json status = migration_.Status();
    return status.value("mirror_state", "") + ": " + status.value("mirror_detail", "");
  }

  Migration migration_;
};

INSTANTIATE_TEST_SUITE_P(Workers, ExistingKeys, ::testing::Values(1, 2), WorkersName);

TEST_P(ExistingKeys, OnlyWhatDiffersIsCopied) {
  Set(migration_.legacy, 0, 1'000, "value");
  RedisClient legacy(migration_.legacy.port());
  ASSERT_TRUE(legacy.Call({"PEXPIRE", "k7", "100000000"}).ok());
  ASSERT_TRUE(legacy.Call({"SADD", "numbers", "1", "2", "3"}).ok());
  migration_.CopyLegacyToNew();
  RedisClient fresh(migration_.fresh.port());
  // The same set, which was not always of numbers.
  ASSERT_TRUE(fresh.Call({"SADD", "numbers", "x"}).ok());
  ASSERT_TRUE(fresh.Call({"SREM", "numbers", "x"}).ok());
  Set(migration_.fresh, 0, 10, "another");
  ASSERT_TRUE(fresh.Call({"PEXPIRE", "k20", "100000000"}).ok());
  ASSERT_TRUE(fresh.Call({"DEL", "k30", "k31"}).ok());
  const uint64_t restored = Calls(migration_.fresh, "restore");
  migration_.config.backfill = {{"existing", "keep_equal"}};
  ASSERT_TRUE(migration_.StartLive()) << MirrorDetail();
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 1'001u);
  EXPECT_EQ(Kept(), 1'001u - 13);
  EXPECT_EQ(Calls(migration_.fresh, "restore") - restored, 13u);
}

TEST_P(ExistingKeys, AreComparedExactlyUnderLoad) {
  constexpr int kKeys = 6'000;
  Set(migration_.legacy, 0, kKeys, "value");
  Set(migration_.fresh, 0, kKeys, "value");
  Set(migration_.fresh, 0, 100, "another");
  migration_.config.backfill = {{"existing", "keep_equal"}, {"keys_per_second", "4000"}};
  ASSERT_TRUE(migration_.Start());
  LoadOptions options = migration_.LoadFor(TestSeed());
  options.commands_per_second = 4'000;
  Load load(options);
  load.Start();
  EXPECT_TRUE(Await([&] { return migration_.Status().value("mirror_state", "") == "live"; }))
      << MirrorDetail();
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration_.ExpectEqualWhenDrained();
}

TEST_P(ExistingKeys, ThatOnlyNewHoldsAreCountedAndNotRemoved) {
  Set(migration_.legacy, 0, 100, "value");
  Set(migration_.fresh, 0, 102, "value");
  RedisClient fresh(migration_.fresh.port());
  ASSERT_TRUE(fresh.Call({"SET", "brief", "value", "PX", "1500"}).ok());
  migration_.config.backfill = {{"existing", "keep_equal"}};
  ASSERT_TRUE(migration_.Start());
  ASSERT_TRUE(Await([&] { return MirrorDetail().starts_with("refused: "); })) << MirrorDetail();
  EXPECT_NE(MirrorDetail().find("holds 2 keys that the legacy store does not have"),
            std::string::npos)
      << MirrorDetail();
  EXPECT_NE(MirrorDetail().find("k101 (db 0)"), std::string::npos) << MirrorDetail();
  EXPECT_EQ(fresh.Call({"EXISTS", "k100", "k101"}).integer, 2);
}

TEST_P(ExistingKeys, OfARestartedStoreAreNotCopiedAgain) {
  constexpr uint64_t kKeys = 2'000;
  Set(migration_.legacy, 0, kKeys, "value");
  ASSERT_TRUE(migration_.StartLive());
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  RedisClient client(migration_.proxy->port());
  for (RedisServer* store : {&migration_.legacy, &migration_.fresh}) {
    ASSERT_TRUE(RedisClient(store->port()).Call({"SAVE"}).ok());
    // What it forgets with its process.
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(client.Call({"SET", "k" + std::to_string(i), "late"}).ok());
    }
    ASSERT_TRUE(migration_.proxy->AwaitDrained());
    store->Kill();
    store->Start();
    const bool legacy = store == &migration_.legacy;
    const std::string other =
        std::string("the ") + (legacy ? "authority" : "follower") + " is another process";
    ASSERT_TRUE(Await([&] { return migration_.proxy->LogTail(100).find(other) != other.npos; }));
    ASSERT_TRUE(Await([&] { return MirrorDetail() == "live: "; })) << MirrorDetail();
    EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, kKeys);
    EXPECT_EQ(Kept(), kKeys - 5);
    EXPECT_EQ(Calls(migration_.fresh, "restore"), legacy ? kKeys + 5 : 5);
  }
}

}  // namespace
}  // namespace crossfade::test
