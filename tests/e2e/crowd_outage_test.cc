// Two hundred clients that wait, listen and watch while a store is killed or the
// proxy is told to stop.
#include <algorithm>

#include "tests/e2e/blocking.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using RawClients = std::vector<std::unique_ptr<RawClient>>;

constexpr int kBlocked = 100;
constexpr int kSubscribed = 50;
constexpr int kWatching = 50;

class CrowdOutage : public ::testing::TestWithParam<int> {
 protected:
  // A legacy that comes back with its data.
  CrowdOutage()
      : migration_(
            {.legacy_args = {"--appendonly", "yes", "--appendfsync", "always"}, .relay = false}) {}

  void SetUp() override {
    migration_.config.workers = GetParam();
    ASSERT_TRUE(migration_.StartLive());
    for (int i = 0; i < kBlocked; ++i) {
      Add(blocked_).Send(Words(i % 2 == 0 ? "BLPOP q 0" : "BLMOVE q moved LEFT RIGHT 0"));
      ASSERT_TRUE(AwaitBlocked(migration_, static_cast<uint64_t>(i + 1)));
    }
    for (int i = 0; i < kSubscribed; ++i) {
      ASSERT_EQ(Add(subscribed_).Call({"SUBSCRIBE", "news"}).substr(0, 2), "*3");
    }
    for (int i = 0; i < kWatching; ++i) {
      RawClient& client = Add(watching_);
      ASSERT_EQ(client.Call({"WATCH", "watched"}), "+OK\r\n");
      ASSERT_EQ(client.Call({"MULTI"}), "+OK\r\n");
      ASSERT_EQ(client.Call({"RPUSH", "executed", std::to_string(i)}), "+QUEUED\r\n");
    }
  }
  RawClient& Add(RawClients& clients) {
    clients.push_back(std::make_unique<RawClient>(port()));
    return *clients.back();
  }
  uint16_t port() const { return migration_.proxy->port(); }

  // One element after another, each to who has waited longest.
  void ServeTheBlocked(RedisClient& pusher) {
    for (int i = 0; i < kBlocked; ++i) {
      const std::string element = std::to_string(i + 100);
      ASSERT_TRUE(pusher.Call({"RPUSH", "q", element}).ok());
      const std::string bulk = "$3\r\n" + element + "\r\n";
      EXPECT_EQ(blocked_[static_cast<size_t>(i)]->Read(),
                i % 2 == 0 ? "*2\r\n$1\r\nq\r\n" + bulk : bulk);
    }
    EXPECT_EQ(pusher.Call({"LLEN", "moved"}).integer, kBlocked / 2);
    EXPECT_EQ(pusher.Call({"LLEN", "q"}).integer, 0);
    EXPECT_TRUE(AwaitBlocked(migration_, 0));
  }

  Migration migration_;
  RawClients blocked_, subscribed_, watching_;
};

INSTANTIATE_TEST_SUITE_P(Each, CrowdOutage, ::testing::Values(1, 2), WorkersName);

TEST_P(CrowdOutage, NobodyNoticesThatTheFollowerIsKilled) {
  migration_.fresh.Kill();
  RedisClient pusher(port());
  ServeTheBlocked(pusher);
  RedisClient publisher(port());
  EXPECT_EQ(publisher.Call({"PUBLISH", "news", "x"}).integer, kSubscribed);
  for (auto& client : subscribed_) {
    EXPECT_EQ(client->Read(), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n");
  }
  for (size_t i = 0; i < watching_.size(); ++i) {
    EXPECT_EQ(watching_[i]->Call({"EXEC"}), "*1\r\n:" + std::to_string(i + 1) + "\r\n");
  }
  migration_.fresh.Start();
  migration_.ExpectEqualWhenDrained();
}

// Who waits goes on waiting; who listened is told by the end of the connection;
// what was watched is not known any more, so nothing is executed.
TEST_P(CrowdOutage, TheAuthorityIsKilledAndComesBack) {
  migration_.legacy.Kill();
  for (auto& client : subscribed_) EXPECT_EQ(client->Read(), "(lost)");
  EXPECT_TRUE(AwaitBlocked(migration_, kBlocked));
  migration_.legacy.Start();
  ASSERT_TRUE(migration_.proxy->AwaitReady());
  RedisClient client(port());
  ASSERT_TRUE(Await([&] { return client.Call({"SET", "back", "1"}).ok(); }));
  for (auto& watching : watching_) EXPECT_EQ(watching->Call({"EXEC"}), "*-1\r\n");
  EXPECT_EQ(client.Call({"EXISTS", "executed"}).integer, 0);
  ServeTheBlocked(client);  // whose worker is known to be connected again
  EXPECT_EQ(watching_[0]->Call({"WATCH", "watched"}), "+OK\r\n");
  migration_.ExpectEqualWhenDrained();
}

// Whatever they wait for, and however long.
TEST_P(CrowdOutage, AStopClosesThemAll) {
  RawClients others;
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(Add(others).Call({"SET", "k", "1"}), "+OK\r\n");
    others.back()->Send(Words("WAIT 3 0"));
  }
  ASSERT_EQ(Add(others).Call({"MONITOR"}), "+OK\r\n");
  ASSERT_EQ(Add(others).Call({"MULTI"}), "+OK\r\n");
  ASSERT_EQ(others.back()->Call({"SET", "never", "1"}), "+QUEUED\r\n");
  Add(others).SendRaw("*3\r\n$3\r\nSET\r\n$5\r\nnever\r\n$100\r\n");
  ASSERT_EQ(Add(others).Call({"CLIENT", "PAUSE", "60000", "WRITE"}), "+OK\r\n");
  others.back()->Send({"SET", "never", "1"});

  const auto begun = steady_clock::now();
  EXPECT_EQ(migration_.proxy->Terminate(), 0);
  EXPECT_LT(steady_clock::now() - begun, seconds(2));
  for (RawClients* clients : {&blocked_, &subscribed_, &watching_}) {
    for (auto& client : *clients) EXPECT_EQ(client->Read(), "(lost)");
  }
  RedisClient legacy(migration_.legacy.port());
  EXPECT_EQ(legacy.Call({"EXISTS", "never", "executed", "q"}).integer, 0);
  const StoreComparison comparison =
      CompareStores(migration_.legacy.port(), migration_.fresh.port());
  EXPECT_TRUE(comparison.differences.empty()) << Describe(comparison);
}

// Then there is a limit.
TEST_P(CrowdOutage, AStopWaitsNoLongerThanItMayForAStoreThatHangs) {
  ProxyConfig config = migration_.config;
  config.limits["stop_timeout"] = "1s";
  ASSERT_EQ(migration_.proxy->Reload(config).status, 200);
  RawClient asks(port());
  asks.Call({"PING"});
  migration_.legacy.Pause();
  asks.Send({"SET", "k", "1"});
  Add(blocked_).Send(Words("BLPOP q 0"));
  const auto begun = steady_clock::now();
  EXPECT_GE(migration_.proxy->Terminate(), 0);
  EXPECT_LT(steady_clock::now() - begun, seconds(3));
  for (auto& client : blocked_) EXPECT_EQ(client->Read(), "(lost)");
  migration_.legacy.Resume();
}

}  // namespace
}  // namespace crossfade::test
