// Ten thousand idle clients and two thousand in blocking commands at once: what
// each costs, and that all of them are served.
#include <sys/resource.h>

#include <algorithm>
#include <fstream>

#include "tests/e2e/blocking.h"

namespace crossfade::test {
namespace {

constexpr size_t kBase = 1000;  // what exists once is there after them
constexpr size_t kIdle = 9000;
constexpr size_t kQueues = 200;
constexpr size_t kWaves = 10;  // of clients, one for each queue
constexpr size_t kBlocked = kQueues * kWaves;
constexpr size_t kClients = kBase + kIdle + kBlocked;
constexpr rlim_t kDescriptors = kClients + 500;
constexpr int64_t kIdleBytesMax = 1024;  // the goal that bench/ measures as well
constexpr int64_t kBlockedBytesMax = 2048;

class ManyClients : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ASSERT_GE(limit.rlim_max, kDescriptors)
        << kClients << " clients need " << kDescriptors
        << " open files, and the hard limit is lower: raise it (ulimit -Hn " << kDescriptors << ")";
    limit.rlim_cur = std::max(limit.rlim_cur, kDescriptors);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    migration_.config.workers = GetParam();
    migration_.config.limits["clients"] = std::to_string(kClients + 100);
    ASSERT_TRUE(migration_.StartLive());
  }

  // Clients that have written and read, and do nothing now.
  void Connect(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      idle_.push_back(std::make_unique<RedisClient>(port()));
      const std::string key = "key:" + std::to_string(i % 1000);
      ASSERT_TRUE(idle_.back()->Call({"SET", key, std::string(100, 'x')}).ok());
      ASSERT_EQ(idle_.back()->Call({"GET", key}).text.size(), 100u);
    }
  }
  // The wave's clients wait at the end of each queue.
  void Block(size_t wave) {
    for (size_t queue = 0; queue < kQueues; ++queue) {
      blocked_.push_back(std::make_unique<RedisClient>(port()));
      SendNow(*blocked_.back(), "BLPOP queue:" + std::to_string(queue) + " 0");
    }
    ASSERT_TRUE(AwaitBlocked(migration_, kQueues * (wave + 1)));
  }
  uint16_t port() const { return migration_.proxy->port(); }
  // One of the background's comes and goes.
  void ExpectNoMoreConnections(int64_t than) { EXPECT_LE(StoreConnections(), than + 1); }
  int64_t StoreConnections() {
    const std::string list = RedisClient(migration_.legacy.port()).Call({"CLIENT", "LIST"}).text;
    return std::count(list.begin(), list.end(), '\n');
  }
  int64_t ResidentBytes() {
    std::ifstream rollup("/proc/" + std::to_string(migration_.proxy->pid()) + "/smaps_rollup");
    for (std::string line; std::getline(rollup, line);) {
      if (line.starts_with("Rss:")) return std::stoll(line.substr(4)) * 1024;
    }
    ADD_FAILURE() << "the proxy's memory can't be read";
    return 0;
  }

  Migration migration_;
  std::vector<std::unique_ptr<RedisClient>> idle_, blocked_;
};

TEST_P(ManyClients, CostNoConnectionAndLittleMemoryAndAreServedInOrder) {
  ASSERT_NO_FATAL_FAILURE(Connect(kBase));
  const int64_t connections = StoreConnections();
  const int64_t at_base = ResidentBytes();
  ASSERT_NO_FATAL_FAILURE(Connect(kIdle));
  const int64_t with_idle = ResidentBytes();
  for (size_t wave = 0; wave < kWaves; ++wave) ASSERT_NO_FATAL_FAILURE(Block(wave));
  const int64_t with_blocked = ResidentBytes();
  ExpectNoMoreConnections(connections);
  const int64_t each_idle = (with_idle - at_base) / static_cast<int64_t>(kIdle);
  const int64_t each_blocked = (with_blocked - with_idle) / static_cast<int64_t>(kBlocked);
  std::printf("%lld bytes per idle client, %lld per blocked client\n",
              static_cast<long long>(each_idle), static_cast<long long>(each_blocked));
  EXPECT_LE(each_idle, kIdleBytesMax);
  EXPECT_LE(each_blocked, kBlockedBytesMax);

  // Every client is served with what was pushed when it was the first in its queue.
  std::vector<Args> pushes;
  for (size_t wave = 0; wave < kWaves; ++wave) {
    for (size_t queue = 0; queue < kQueues; ++queue) {
      pushes.push_back({"RPUSH", "queue:" + std::to_string(queue), std::to_string(wave)});
    }
  }
  for (const Value& reply : idle_.back()->Pipeline(pushes)) ASSERT_TRUE(reply.ok());
  for (size_t i = 0; i < kBlocked; ++i) {
    const Value reply = blocked_[i]->Read();
    ASSERT_EQ(Render(reply), "[\"queue:" + std::to_string(i % kQueues) + "\" \"" +
                                 std::to_string(i / kQueues) + "\"]");
  }
  for (auto& client : idle_) ASSERT_EQ(client->Call({"PING"}).text, "PONG");
  ASSERT_TRUE(AwaitBlocked(migration_, 0));
  ExpectNoMoreConnections(connections);
  migration_.ExpectEqualWhenDrained();
}

// As many that vanish at once leave nothing behind, and what they waited for is
// not theirs any more.
TEST_P(ManyClients, ThatVanishAtOnceAreGoneWithinASecond) {
  ASSERT_NO_FATAL_FAILURE(Connect(kBase));
  for (size_t wave = 0; wave < kWaves; ++wave) ASSERT_NO_FATAL_FAILURE(Block(wave));
  const int64_t connections = StoreConnections();
  RedisClient stays(port());
  blocked_.clear();
  idle_.clear();
  EXPECT_TRUE(Await(
      [&] {
        const nlohmann::json status = migration_.Status();
        return status.value("clients", 0) == 1 && status.value("clients_blocked", 1) == 0;
      },
      std::chrono::seconds(1)));
  ExpectNoMoreConnections(connections);
  for (size_t queue = 0; queue < kQueues; ++queue) {
    ASSERT_TRUE(stays.Call({"RPUSH", "queue:" + std::to_string(queue), "x"}).ok());
  }
  for (size_t queue = 0; queue < kQueues; ++queue) {
    ASSERT_EQ(stays.Call({"LLEN", "queue:" + std::to_string(queue)}).integer, 1);
  }
  migration_.ExpectEqualWhenDrained();
}

INSTANTIATE_TEST_SUITE_P(Each, ManyClients, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
