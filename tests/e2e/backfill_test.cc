// The backfill between real stores: under load, through crashes, with a frontier
// that reads pass, and under the operator's control.
#include <poll.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/e2e/migration.h"
#include "tests/support/http_client.h"

namespace crossfade::test {
namespace {

class Backfill : public ::testing::TestWithParam<int> {
 protected:
  Backfill() {
    migration_.config.workers = GetParam();
    migration_.config.journal = {{"mode", "process"}, {"dir", dir()}};
  }
  ~Backfill() override {
    migration_.proxy.reset();  // it writes there
    std::filesystem::remove_all(dir());
  }

  std::string dir() const { return migration_.fresh.dir() + "/journal"; }
  // Small ones, in two databases.
  void FillLegacy(uint64_t keys) {
    RedisClient client(migration_.legacy.port());
    for (const std::string db : {"0", "3"}) {
      ASSERT_TRUE(client.Call({"SELECT", db}).ok());
      const std::string script =
          "for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'k' .. i, i) end";
      ASSERT_NE(client.Call({"EVAL", script, "0", std::to_string(keys / 2)}).kind,
                Value::Kind::kError);
    }
  }
  nlohmann::json Figures() {
    const nlohmann::json status = migration_.Status();
    return status.is_object() ? status["backfill"] : nlohmann::json::object();
  }
  uint64_t Finished() { return Figures().value("partitions_finished", uint64_t{0}); }
  // How often legacy was asked for a key's value.
  uint64_t KeysRead() {
    const std::string info =
        RedisClient(migration_.legacy.port()).Call({"INFO", "commandstats"}).text;
    const size_t at = info.find("cmdstat_dump:calls=");
    return at == std::string::npos ? 0 : std::stoull(info.substr(at + 19));
  }

  Migration migration_;
};

INSTANTIATE_TEST_SUITE_P(Workers, Backfill, ::testing::Values(1, 2), WorkersName);

TEST_P(Backfill, GoesOnAfterCrashesWhereItWas) {
  constexpr uint64_t kKeys = 6'000;
  constexpr uint64_t kInFlight = 1'500;  // a second's worth
  FillLegacy(kKeys);
  migration_.config.backfill = {{"keys_per_second", "1500"}, {"max_authority_p99", "0ms"}};
  ASSERT_TRUE(migration_.Start());
  for (const uint64_t enough : {100, 350, 700}) {
    ASSERT_TRUE(Await([&] { return Finished() >= enough; })) << Figures();
    migration_.proxy->Kill();
    ASSERT_TRUE(migration_.Start());
    ASSERT_TRUE(Await([&] { return Finished() >= enough; }, std::chrono::milliseconds(3'000)))
        << Figures();
  }
  ASSERT_TRUE(Await([&] { return Figures()["phase"] == "done"; })) << Figures();
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  const uint64_t read = KeysRead();
  EXPECT_GE(read, kKeys);
  EXPECT_LE(read, kKeys + 3 * kInFlight) << "finished partitions were copied again";
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, kKeys);
}

TEST_P(Backfill, IsDoneAfterARestartToo) {
  FillLegacy(300);
  ASSERT_TRUE(migration_.StartLive());
  ASSERT_TRUE(Await([&] { return Figures().value("phase", "") == "done"; })) << Figures();
  migration_.proxy->Kill();
  ASSERT_TRUE(migration_.StartLive());
  const nlohmann::json figures = Figures();
  EXPECT_EQ(figures["phase"], "done") << figures;
  EXPECT_EQ(figures["keys_copied"], 300) << figures;
  EXPECT_EQ(figures["partitions_finished"], 1'024) << figures;
}

TEST_P(Backfill, ADamagedCatalogMayBeRemoved) {
  FillLegacy(2'000);
  migration_.config.backfill = {{"keys_per_second", "1000"}, {"max_authority_p99", "0ms"}};
  ASSERT_TRUE(migration_.Start());
  ASSERT_TRUE(Await([&] { return Finished() >= 100; })) << Figures();
  migration_.proxy->Kill();
  std::filesystem::remove(dir() + "/catalog.db");
  migration_.config.backfill = {};
  ASSERT_TRUE(migration_.StartLive());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 2'000u);
}

TEST_P(Backfill, CrashesUnderLoadLoseNothing) {
  FillLegacy(12'000);
  migration_.config.backfill = {{"keys_per_second", "4000"}, {"max_authority_p99", "0ms"}};
  ASSERT_TRUE(migration_.Start());
  for (int round = 0; round < 4; ++round) {
    LoadOptions options = migration_.LoadFor(TestSeed() + round);
    options.losable = true;
    options.commands_per_second = 8'000;
    Load load(options);
    load.Start();
    // The first while names are enumerated, perhaps; the others in the copy.
    ::poll(nullptr, 0, 100 + 350 * round);
    migration_.proxy->Kill();
    const LoadReport report = load.Stop();
    EXPECT_TRUE(report.failures.empty()) << Describe(report);
    ASSERT_TRUE(migration_.Start());
  }
  LoadOptions options = migration_.LoadFor(TestSeed() + 10);
  options.commands_per_second = 8'000;
  Load load(options);
  load.Start();
  EXPECT_TRUE(Await([&] { return migration_.Status().value("mirror_state", "") == "live"; }))
      << Figures();
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration_.ExpectEqualWhenDrained();
}

TEST_P(Backfill, AnOperatorStartsPausesAndSlowsIt) {
  const auto order = [this](const std::string& body) {
    return HttpRequest(migration_.proxy->admin_port(), "POST", "/api/v1/backfill", body).body;
  };
  FillLegacy(4'000);
  migration_.config.backfill = {{"auto_start", "false"}};
  ASSERT_TRUE(migration_.Start());
  const auto state = [this] { return migration_.Status().value("mirror_state", ""); };
  ASSERT_TRUE(Await([&] { return state() == "waiting"; })) << state();
  EXPECT_NE(migration_.Status().value("mirror_detail", "").find("crossfade backfill start"),
            std::string::npos);
  order(R"({"action": "throttle", "keys_per_second": 1000})");
  order(R"({"action": "start"})");
  ASSERT_TRUE(Await([&] { return Finished() > 100; })) << Figures();
  EXPECT_EQ(Figures()["limit_keys_per_second"], 1'000);
  order(R"({"action": "pause"})");
  ASSERT_TRUE(Await([&] { return Figures().value("paused", false); }));
  // Also over a crash, and what clients write meanwhile is not lost.
  ::poll(nullptr, 0, 50);
  migration_.proxy->Kill();
  ASSERT_TRUE(migration_.Start());
  RedisClient client(migration_.proxy->port());
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(client.Call({"SET", "late" + std::to_string(i), "value"}).ok());
  }
  ASSERT_TRUE(Await([&] { return Figures().value("phase", "") == "copying"; })) << Figures();
  const uint64_t copied = Figures().value("keys_copied", uint64_t{0});
  EXPECT_TRUE(Figures().value("paused", false));
  ::poll(nullptr, 0, 300);
  EXPECT_EQ(Figures().value("keys_copied", uint64_t{0}), copied);
  EXPECT_LT(copied, 4'000u);
  order(R"({"action": "throttle", "keys_per_second": 0})");
  order(R"({"action": "resume"})");
  ASSERT_TRUE(Await([&] { return state() == "live"; })) << Figures();
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 4'500u);
}

TEST_P(Backfill, AnAuthorityThatIsAlwaysSlowIsCopiedAllTheSame) {
  FillLegacy(600);
  migration_.config.backfill = {{"auto_start", "false"}, {"max_authority_p99", "1ms"}};
  ASSERT_TRUE(migration_.Start());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> answered{0};
  std::thread load([&] {
    RedisClient client(migration_.proxy->port());
    const std::string slow = "for i = 1, 1000000 do end return 1";
    for (; !stop; ++answered) client.Call({"EVAL", slow, "0"});
  });
  EXPECT_TRUE(Await([&] { return answered > 100; }));
  HttpRequest(migration_.proxy->admin_port(), "POST", "/api/v1/backfill", R"({"action": "start"})");
  EXPECT_TRUE(Await([&] { return Figures().value("phase", "") == "done"; })) << Figures();
  stop = true;
  load.join();
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 600u);
}

TEST_P(Backfill, ReadsPassTheFrontierAndAreRight) {
  FillLegacy(10'000);
  migration_.config.stage = "ramp";
  migration_.config.reads = {{"follower", "100%"}, {"staleness", "30s"}, {"shadow", "50%"}};
  migration_.config.backfill = {{"keys_per_second", "3000"}, {"max_authority_p99", "0ms"}};
  ASSERT_TRUE(migration_.Start());
  LoadOptions options = migration_.LoadFor(TestSeed());
  options.commands_per_second = 2'000;
  Load load(options);
  load.Start();
  EXPECT_TRUE(Await([&] { return migration_.Status().value("live_partitions", 0) > 400; }));
  const auto order = [this](const std::string& body) {
    EXPECT_EQ(HttpRequest(migration_.proxy->admin_port(), "POST", "/api/v1/backfill", body).status,
              200);
  };
  order(R"({"action": "pause"})");
  EXPECT_TRUE(Await([&] {
    const nlohmann::json status = migration_.Status();
    return status.value("mirror_state", "") == "copying" &&
           SumWhere(status["read_decisions"], "reason", "eligible") > 20 &&
           SumWhere(status["read_decisions"], "reason", "not_copied") > 20 &&
           SumWhere(status["shadow"], "result", "matched") > 20;
  })) << migration_.Status();
  order(R"({"action": "resume"})");
  EXPECT_TRUE(Await([&] { return migration_.Status().value("mirror_state", "") == "live"; }));
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration_.ExpectEqualWhenDrained();
  const nlohmann::json shadow = migration_.Status()["shadow"];
  EXPECT_EQ(SumWhere(shadow, "result", "mismatched"), 0u) << shadow;
}

}  // namespace
}  // namespace crossfade::test
