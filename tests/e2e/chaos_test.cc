// Rounds of faults at random moments under a mixed load: after each, both stores
// hold the same, nothing that was acknowledged is missing, and no read has shown
// less than was acknowledged. CROSSFADE_CHAOS_ROUNDS of each kind, by
// CROSSFADE_E2E_SEED; CROSSFADE_CHAOS_JOURNAL is the journal's mode. A round that
// fails leaves its data in a folder that it names. tests/chaos/run runs many.
#include <poll.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/e2e/migration.h"
#include "tests/support/ledger.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;

constexpr int kLoadConnections = 12;
constexpr int kLedgerConnections = 4;
const std::vector<std::string> kDurable = {"--appendonly", "yes", "--appendfsync", "always"};

enum class Fault : uint8_t {
  kKillProxy,
  kKillFollower,   // which comes back with its data
  kEmptyFollower,  // which comes back without
  kKillAuthority,
  kPauseFollower,
  kPauseAuthority,
  kCutFollower,  // delayed, reset, half-open
  kCutAuthority,
};

const char* NameOf(Fault fault) {
  static constexpr const char* kNames[] = {"KillProxy",     "KillFollower",  "EmptyFollower",
                                           "KillAuthority", "PauseFollower", "PauseAuthority",
                                           "CutFollower",   "CutAuthority"};
  return kNames[static_cast<size_t>(fault)];
}

int Rounds() {
  const char* text = std::getenv("CROSSFADE_CHAOS_ROUNDS");
  return text != nullptr && *text != '\0' ? std::atoi(text) : 2;
}

std::string JournalMode() {
  const char* text = std::getenv("CROSSFADE_CHAOS_JOURNAL");
  return text != nullptr ? text : "";
}

bool IsOfAnOutage(const std::string& error) {
  return (error.starts_with("ERR ") && error.find("legacy") != std::string::npos) ||
         error.starts_with("EXECABORT") || error.starts_with("LOADING") ||
         error.starts_with("ERR EXEC without MULTI") ||
         error.starts_with("ERR DISCARD without MULTI");
}

MigrationOptions OptionsFor(Fault fault) {
  MigrationOptions options;
  options.legacy_args = kDurable;
  if (fault != Fault::kEmptyFollower) options.fresh_args = kDurable;
  options.relay = fault == Fault::kCutFollower;
  options.legacy_relay = fault == Fault::kCutAuthority;
  return options;
}

class Chaos : public ::testing::TestWithParam<std::tuple<Fault, int>> {
 protected:
  Chaos() : seed_(TestSeed()), random_(seed_), ledger_(seed_, kLedgerConnections) {
    migration_.config.workers = std::get<1>(GetParam());
    migration_.config.stage = "ramp";
    migration_.config.reads = {{"follower", "100%"}, {"staleness", "50ms"}, {"shadow", "10%"}};
    // Elsewhere a store that is only slow is none that is lost.
    const bool hangs = fault_ >= Fault::kPauseFollower;
    if (hangs) migration_.config.limits = {{"command_timeout", "700ms"}};
    if (!JournalMode().empty()) {
      migration_.config.journal = {{"mode", JournalMode()}, {"dir", fresh().dir() + "/journal"}};
      migration_.config.mirror["follower_data"] = "trust";
    }
  }

  void TearDown() override {
    if (!HasFailure()) return;
    const std::string kept =
        (std::filesystem::temp_directory_path() / "crossfade_chaos_").string() + NameOf(fault_) +
        "_" + std::to_string(seed_) + "_" + std::to_string(round_);
    std::error_code ignored;
    std::filesystem::create_directories(kept, ignored);
    for (RedisServer* store : {&legacy(), &fresh()}) {
      store->Resume();
      RedisClient(store->port()).Call({"SAVE"});
      std::filesystem::copy(store->dir(), kept + (store == &fresh() ? "/new" : "/legacy"),
                            std::filesystem::copy_options::recursive, ignored);
    }
    if (migration_.proxy)
      std::ofstream(kept + "/crossfade.log") << migration_.proxy->LogTail(100'000);
    std::printf("%s: seed %llu, round %d failed, its data is in %s\n", NameOf(fault_),
                static_cast<unsigned long long>(seed_), round_, kept.c_str());
  }

  RedisServer& legacy() { return migration_.legacy; }
  RedisServer& fresh() { return migration_.fresh; }
  // The random moment at which something happens; nothing is awaited by it.
  void Pass(int at_least_ms, int at_most_ms) {
    std::uniform_int_distribution<int> ms(at_least_ms, at_most_ms);
    ::poll(nullptr, 0, ms(random_));
  }
  bool Chance(int percent) {
    return std::uniform_int_distribution<int>(1, 100)(random_) <= percent;
  }

  bool losable() const { return fault_ == Fault::kKillProxy; }
  bool outage() const {
    return fault_ == Fault::kKillAuthority || fault_ == Fault::kPauseAuthority ||
           fault_ == Fault::kCutAuthority;
  }

  std::unique_ptr<Load> StartLoad() {
    LoadOptions options = migration_.LoadFor(random_());
    options.connections = kLoadConnections;
    options.max_pipeline = 20;
    options.losable = losable();
    options.commands.blocking = true;
    options.commands.scripts = true;
    if (outage()) options.tolerated = &IsOfAnOutage;
    auto load = std::make_unique<Load>(options);
    load->Start();
    return load;
  }

  void RestartProxy() {
    migration_.proxy->Kill();
    // Without a journal nobody knows what the follower lacks.
    if (JournalMode().empty()) RedisClient(fresh().port()).Call({"FLUSHALL"});
    ASSERT_TRUE(migration_.proxy->Launch());
  }

  void Restart(RedisServer& store) {
    store.Kill();
    Pass(0, 150);
    store.Start();
  }

  void Pause(RedisServer& store) {
    store.Pause();
    Pass(20, Chance(30) ? 1'200 : 300);  // past limits.command_timeout, or not
    store.Resume();
  }

  void Cut(Relay& relay) {
    if (Chance(50))
      relay.SetDelay(milliseconds(std::uniform_int_distribution<int>(1, 200)(random_)));
    Pass(0, 200);
    const bool half_open = Chance(50);
    if (half_open) relay.Pause();
    if (half_open) Pass(10, Chance(30) ? 1'200 : 200);
    if (Chance(70)) relay.ResetConnections();
    relay.SetDelay(milliseconds(0));
    relay.Resume();
  }

  void Inflict() {
    switch (fault_) {
      case Fault::kKillProxy:
        return RestartProxy();
      case Fault::kKillFollower:
      case Fault::kEmptyFollower:
        return Restart(fresh());
      case Fault::kKillAuthority:
        return Restart(legacy());
      case Fault::kPauseFollower:
        return Pause(fresh());
      case Fault::kPauseAuthority:
        return Pause(legacy());
      case Fault::kCutFollower:
        return Cut(*migration_.relay);
      case Fault::kCutAuthority:
        return Cut(*migration_.legacy_relay);
    }
  }

  void Round() {
    std::unique_ptr<Load> load = StartLoad();
    ledger_.Start(migration_.proxy->port(), losable());
    const uint64_t before = ledger_.acknowledged();
    Pass(5, 300);
    Inflict();
    if (Chance(25)) {  // again, while the first is being made good
      Pass(1, 100);
      Inflict();
    }
    if (HasFatalFailure()) return;
    const LoadReport first = losable() ? load->Stop() : LoadReport();
    if (losable()) load = StartLoad();
    EXPECT_TRUE(Await([&] { return ledger_.acknowledged() > before + 200; }));
    Pass(0, 100);
    const LoadReport report = load->Stop();
    ledger_.Stop();
    for (const LoadReport* of : {&first, &report}) {
      EXPECT_TRUE(of->failures.empty()) << Describe(*of);
    }
    for (const std::string& failure : ledger_.failures()) ADD_FAILURE() << failure;
    migration_.ExpectEqualWhenDrained();
    for (RedisServer* store : {&legacy(), &fresh()}) {
      for (const std::string& wrong : ledger_.Check(store->port())) {
        ADD_FAILURE() << (store == &fresh() ? "new: " : "legacy: ") << wrong;
      }
    }
  }

  const Fault fault_ = std::get<0>(GetParam());
  const uint64_t seed_;
  int round_ = 0;
  std::mt19937_64 random_;
  Migration migration_{OptionsFor(fault_)};
  Ledger ledger_;
};

TEST_P(Chaos, NothingIsLost) {
  ASSERT_TRUE(migration_.StartLive());
  const int rounds = Rounds();
  for (round_ = 1; round_ <= rounds; ++round_) {
    SCOPED_TRACE("round " + std::to_string(round_));
    Round();
    if (HasFailure()) return;
    std::printf("round %d of %d, %llu acknowledged\n", round_, rounds,
                static_cast<unsigned long long>(ledger_.acknowledged()));
    std::fflush(stdout);
  }
  const nlohmann::json status = migration_.Status();
  std::printf("%s: drift %s\n", NameOf(fault_), status["drift"].dump().c_str());
}

INSTANTIATE_TEST_SUITE_P(
    Faults, Chaos,
    ::testing::Combine(::testing::Values(Fault::kKillProxy, Fault::kKillFollower,
                                         Fault::kEmptyFollower, Fault::kKillAuthority,
                                         Fault::kPauseFollower, Fault::kPauseAuthority,
                                         Fault::kCutFollower, Fault::kCutAuthority),
                       ::testing::Values(1, 2)),
    [](const auto& param) {
      return std::string(NameOf(std::get<0>(param.param))) +
             std::to_string(std::get<1>(param.param));
    });

}  // namespace
}  // namespace crossfade::test
