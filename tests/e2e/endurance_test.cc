// A follower that is away for long, and a long load with everything on: errors,
// latency, memory, descriptors, threads, lag. Seconds here; minutes by
// CROSSFADE_OUTAGE_SECONDS and CROSSFADE_SOAK_SECONDS (tests/chaos/endurance).
#include <poll.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/e2e/migration.h"
#include "tests/support/ledger.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

seconds Duration(const char* name) {
  const char* text = std::getenv(name);
  return seconds(text != nullptr && *text != '\0' ? std::atoi(text) : 3);
}

// What one client sees beside the load, one command at a time.
class Probe {
 public:
  explicit Probe(uint16_t port) : client_(port), thread_([this] { Run(); }) {}
  ~Probe() {
    stop_ = true;
    thread_.join();
  }
  // Of the time since the last call, in milliseconds.
  struct Times {
    double p50 = 0, p99 = 0;
    size_t count = 0;
  };
  Times Take() {
    std::vector<double> ms;
    {
      const std::lock_guard lock(mutex_);
      ms.swap(ms_);
    }
    if (ms.empty()) return {};
    std::sort(ms.begin(), ms.end());
    return {ms[ms.size() / 2], ms[ms.size() * 99 / 100], ms.size()};
  }
  uint64_t errors() const { return errors_; }

 private:
  void Run() {
    for (uint64_t i = 0; !stop_; ++i) {
      const auto begun = Clock::now();
      const std::string key = "probe:" + std::to_string(i % 100);
      const Value reply = client_.Call(i % 2 == 0 ? Args{"SET", key, "v"} : Args{"GET", key});
      if (!reply.ok()) ++errors_;
      const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
      {
        const std::lock_guard lock(mutex_);
        ms_.push_back(ms);
      }
      ::poll(nullptr, 0, 1);
    }
  }

  RedisClient client_;
  std::mutex mutex_;
  std::vector<double> ms_;
  std::atomic<uint64_t> errors_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Figures {
  double rss_mib = 0;
  size_t descriptors = 0;
  int threads = 0;
  double lag_s = 0;
};

class Endurance : public ::testing::Test {
 protected:
  Endurance()
      : migration_({.legacy_args = {}, .relay = false, .fresh_args = {"--appendonly", "yes"}}) {
    migration_.config.workers = 2;
    migration_.config.stage = "ramp";
    migration_.config.reads = {{"follower", "50%"}, {"staleness", "100ms"}, {"shadow", "5%"}};
    migration_.config.mirror = {{"memory", "64MiB"}};
    migration_.config.journal = {{"dir", migration_.fresh.dir() + "/journal"}, {"mode", "process"}};
  }

  Figures Take() {
    Figures figures;
    const std::string process = "/proc/" + std::to_string(migration_.proxy->pid());
    std::ifstream status(process + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) figures.rss_mib = std::stod(line.substr(6)) / 1024;
      if (line.starts_with("Threads:")) figures.threads = std::stoi(line.substr(8));
    }
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(process + "/fd")) {
      ++figures.descriptors;
    }
    figures.lag_s = migration_.Status().value("lag_seconds", 0.0);
    return figures;
  }
  LoadOptions LoadOf(int connections) {
    LoadOptions options = migration_.LoadFor(TestSeed() + 900);
    options.connections = connections;
    options.max_pipeline = 20;
    return options;
  }
  static void Print(const char* when, const Probe::Times& times, const Figures& figures) {
    std::printf(
        "%-10s p50 %.2f ms  p99 %.2f ms  %zu probes  rss %.0f MiB  descriptors %zu  "
        "threads %d  lag %.3f s\n",
        when, times.p50, times.p99, times.count, figures.rss_mib, figures.descriptors,
        figures.threads, figures.lag_s);
    std::fflush(stdout);
  }

  Migration migration_;
};

TEST_F(Endurance, FollowerDownUnderLoad) {
  ASSERT_TRUE(migration_.StartLive());
  const seconds down = Duration("CROSSFADE_OUTAGE_SECONDS");
  Ledger ledger(TestSeed(), 4);
  Load load(LoadOf(16));
  load.Start();
  ledger.Start(migration_.proxy->port(), false);
  Probe probe(migration_.proxy->port());
  ::poll(nullptr, 0, 500);  // warm
  probe.Take();
  ::poll(nullptr, 0, static_cast<int>(std::min<int64_t>(milliseconds(down).count(), 30'000)));
  const Probe::Times before = probe.Take();
  const Figures at_first = Take();
  Print("before", before, at_first);
  migration_.fresh.Kill();
  double most = 0;
  for (const auto until = Clock::now() + down; Clock::now() < until;) {
    most = std::max(most, Take().rss_mib);
    ::poll(nullptr, 0, 250);
  }
  const Probe::Times during = probe.Take();
  Print("down", during, Take());
  const auto back = Clock::now();
  migration_.fresh.Start();
  ASSERT_TRUE(migration_.proxy->AwaitStatus(
      "live again",
      [](const nlohmann::json& status) {
        return status.value("mirror_state", "") == "live" && status.value("lag_seconds", 9.0) < 1 &&
               status.value("dirty_keys", 9999) < 100;
      },
      std::chrono::minutes(5)));
  const double live_s = std::chrono::duration<double>(Clock::now() - back).count();
  Print("back", probe.Take(), Take());
  const LoadReport report = load.Stop();
  ledger.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  EXPECT_TRUE(ledger.failures().empty()) << ledger.failures().front();
  EXPECT_EQ(probe.errors(), 0u);
  const auto compared = migration_.ExpectEqualWhenDrained();
  for (RedisServer* store : {&migration_.legacy, &migration_.fresh}) {
    for (const std::string& wrong : ledger.Check(store->port())) ADD_FAILURE() << wrong;
  }
  std::printf(
      "down %lld s: %llu answered, %llu acknowledged, errors of clients 0, p99 during/before "
      "%.2f, rss at most %.0f MiB, caught up %.2f s after the follower was back, %llu keys "
      "equal\n",
      static_cast<long long>(down.count()), static_cast<unsigned long long>(report.answered),
      static_cast<unsigned long long>(ledger.acknowledged()), during.p99 / before.p99, most, live_s,
      static_cast<unsigned long long>(compared.keys_compared));
  EXPECT_LT(most, at_first.rss_mib + 3 * 64);
}

TEST_F(Endurance, EverythingOnUnderLoad) {
  ASSERT_TRUE(migration_.StartLive());
  const seconds length = Duration("CROSSFADE_SOAK_SECONDS");
  LoadOptions options = LoadOf(16);
  options.commands.blocking = true;
  options.commands.scripts = true;
  options.commands.watches = true;
  options.commands_per_second = 6'000;  // which the machine keeps up with
  Load load(options);
  Ledger ledger(TestSeed(), 4);
  load.Start();
  ledger.Start(migration_.proxy->port(), false);
  Probe probe(migration_.proxy->port());
  std::vector<Figures> samples;
  const auto begun = Clock::now();
  while (Clock::now() - begun < length) {
    ::poll(nullptr, 0, static_cast<int>(milliseconds(length).count() / 20));
    samples.push_back(Take());
    Print(std::to_string(samples.size()).c_str(), probe.Take(), samples.back());
  }
  const LoadReport report = load.Stop();
  ledger.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  EXPECT_TRUE(ledger.failures().empty()) << ledger.failures().front();
  migration_.ExpectEqualWhenDrained();
  // From a third on, when all that is made as needed has been made.
  const Figures& third = samples[samples.size() / 3];
  const Figures& last = samples.back();
  EXPECT_LE(last.threads, third.threads + 2);  // for what is asked beside, once it is needed
  EXPECT_LT(last.descriptors, third.descriptors + 20);
  // In seconds nothing is steady yet, and a sanitizer's allocator keeps what was freed.
  const bool steady = length >= seconds(60);
  EXPECT_LT(last.rss_mib, steady ? third.rss_mib * 1.1 + 16 : 768);
  const auto latest =
      std::max_element(samples.begin(), samples.end(),
                       [](const auto& a, const auto& b) { return a.lag_s < b.lag_s; });
  std::printf("%llu answered, %llu acknowledged, lag at most %.3f s\n",
              static_cast<unsigned long long>(report.answered),
              static_cast<unsigned long long>(ledger.acknowledged()), latest->lag_s);
  EXPECT_LT(latest->lag_s, steady ? 5.0 : 30.0);
}

}  // namespace
}  // namespace crossfade::test
