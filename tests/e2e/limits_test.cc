// The limits at their edges: what is below is served, what is over ends as it is
// documented, and nobody else notices.
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>

#include "tests/e2e/blocking.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kMiB = size_t{1} << 20;

class Limits : public ::testing::TestWithParam<int> {
 protected:
  bool StartWith(std::map<std::string, std::string> limits) {
    migration_.config.workers = GetParam();
    migration_.config.limits = std::move(limits);
    return migration_.StartLive();
  }
  uint16_t port() const { return migration_.proxy->port(); }
  uint64_t Errors(const char* kind) {
    return migration_.Status()["client_errors"].value(kind, uint64_t{0});
  }
  bool AwaitClients(int count) {
    return Await([&] { return migration_.Status().value("clients", -1) == count; });
  }

  Migration migration_;
};

INSTANTIATE_TEST_SUITE_P(Workers, Limits, ::testing::Values(1, 2), WorkersName);

TEST_P(Limits, Clients) {
  ASSERT_TRUE(StartWith({{"clients", "5"}}));
  std::vector<std::unique_ptr<RedisClient>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<RedisClient>(port()));
    EXPECT_EQ(clients.back()->Call({"PING"}).text, "PONG");
  }
  RawClient over(port());
  EXPECT_EQ(over.Read(), "-ERR max number of clients reached\r\n");
  EXPECT_EQ(over.Read(), "(lost)");
  EXPECT_EQ(migration_.Status().value("clients_rejected", 0), 1);
  clients.pop_back();
  ASSERT_TRUE(AwaitClients(4));
  EXPECT_EQ(RedisClient(port()).Call({"PING"}).text, "PONG");
  for (auto& client : clients) EXPECT_EQ(client->Call({"PING"}).text, "PONG");
}

TEST_P(Limits, Request) {
  ASSERT_TRUE(StartWith({{"request", "64KiB"}}));
  RedisClient stays(port());
  // With its head and the other arguments it fits exactly.
  const std::string head = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$65499\r\n";
  const size_t fits = 64 * 1024 - head.size() - 2;
  for (const size_t size : {fits - 10, fits + 64 * 1024}) {
    RawClient client(port());
    client.Send({"SET", "k", std::string(size, 'x')});
    const std::string reply = client.Read();
    if (size <= fits) {
      EXPECT_EQ(reply, "+OK\r\n") << size;
    } else {
      EXPECT_TRUE(reply.starts_with("-ERR Protocol error")) << size << ": " << reply;
      EXPECT_EQ(client.Read(), "(lost)");
    }
  }
  EXPECT_EQ(stays.Call({"STRLEN", "k"}).integer, static_cast<int64_t>(fits - 10));
}

TEST_P(Limits, OutputOfAClientThatDoesNotRead) {
  ASSERT_TRUE(StartWith({{"client_output", "8MiB"}}));
  RedisClient stays(port());
  ASSERT_TRUE(stays.Call({"SET", "big", std::string(4 * kMiB, 'x')}).ok());
  RedisClient reads(port());
  EXPECT_EQ(reads.Call({"GET", "big"}).text.size(), 4 * kMiB);
  // One that leaves less than the limit unread may, for as long as it likes.
  RawClient slow(port());
  slow.Send({"GET", "big"});
  // One that asks for more than it takes is closed, and nobody else waits for it.
  RawClient greedy(port());
  for (int i = 0; i < 50; ++i) greedy.Send({"GET", "big"});
  ASSERT_TRUE(Await([&] { return Errors("output_limit") == 1; }));
  for (int i = 0; i < 50; ++i) {
    const auto begun = steady_clock::now();
    EXPECT_EQ(stays.Call({"SET", "k", "v"}).text, "OK");
    EXPECT_LT(steady_clock::now() - begun, milliseconds(1'000));
  }
  EXPECT_EQ(slow.Read().size(), 4 * kMiB + std::string("$4194304\r\n\r\n").size());
  EXPECT_EQ(slow.Call({"PING"}), "+PONG\r\n");
  // What it is sent unasked can't be held back.
  RawClient listens(port());
  EXPECT_EQ(listens.Call({"SUBSCRIBE", "news"}).substr(0, 2), "*3");
  for (int i = 0; i < 10 && Errors("output_limit") == 1; ++i) {
    stays.Call({"PUBLISH", "news", std::string(4 * kMiB, 'y')});
  }
  EXPECT_TRUE(Await([&] { return Errors("output_limit") == 2; }));
  EXPECT_EQ(stays.Call({"PING"}).text, "PONG");
}

TEST_P(Limits, Idle) {
  ASSERT_TRUE(StartWith({{"client_idle", "500ms"}}));
  RedisClient active(port());
  RawClient idle(port()), blocked(port()), subscribed(port()), watches(port());
  EXPECT_EQ(idle.Call({"PING"}), "+PONG\r\n");
  EXPECT_EQ(watches.Call({"WATCH", "k"}), "+OK\r\n");
  blocked.Send({"BLPOP", "q", "0"});
  EXPECT_EQ(subscribed.Call({"SUBSCRIBE", "c"}).substr(0, 2), "*3");
  const auto begun = steady_clock::now();
  ASSERT_TRUE(Await([&] {
    EXPECT_EQ(active.Call({"PING"}).text, "PONG");
    return migration_.Status().value("clients", 0) == 3 &&
           steady_clock::now() - begun > milliseconds(1'000);
  }));
  EXPECT_EQ(idle.Read(), "(lost)");
  EXPECT_EQ(watches.Read(), "(lost)");
  EXPECT_EQ(active.Call({"RPUSH", "q", "x"}).integer, 1);
  EXPECT_EQ(blocked.Read(), "*2\r\n$1\r\nq\r\n$1\r\nx\r\n");
  EXPECT_EQ(active.Call({"PUBLISH", "c", "x"}).integer, 1);
}

TEST_P(Limits, MemoryOfAllClients) {
  ASSERT_TRUE(StartWith({{"memory", "16MiB"}}));
  RedisClient stays(port());
  const auto begin_big = [](RawClient& client, size_t bytes) {
    client.SendRaw("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n" + std::string(bytes, 'x'));
  };
  std::vector<std::unique_ptr<RawClient>> small;
  for (int i = 0; i < 10; ++i) {
    small.push_back(std::make_unique<RawClient>(port()));
    EXPECT_EQ(small.back()->Call({"MULTI"}), "+OK\r\n");
    EXPECT_EQ(small.back()->Call({"SET", "m", std::string(kMiB, 'm')}), "+QUEUED\r\n");
  }
  const auto buffered = [&](size_t at_least) {
    return Await([&] {
      size_t bytes = 0;
      const std::string list = stays.Call({"CLIENT", "LIST"}).text;
      for (size_t at = list.find(" tot-mem="); at != list.npos;
           at = list.find(" tot-mem=", at + 1)) {
        bytes += std::strtoull(list.c_str() + at + 9, nullptr, 10);
      }
      return bytes >= at_least;
    });
  };
  ASSERT_TRUE(buffered(10 * kMiB));
  EXPECT_EQ(Errors("memory_limit"), 0u);
  RawClient large(port());
  // What a long string needs is taken at once.
  begin_big(large, 2 * kMiB);
  EXPECT_EQ(large.Read(), "(lost)");
  EXPECT_EQ(Errors("memory_limit"), 1u);
  EXPECT_NE(migration_.proxy->LogTail(1000).find("more than limits.memory"), std::string::npos);
  for (auto& client : small) EXPECT_EQ(client->Call({"EXEC"}), "*1\r\n+OK\r\n");
  EXPECT_EQ(stays.Call({"PING"}).text, "PONG");
  migration_.ExpectEqualWhenDrained();
}

// Five thousand clients that connect at once are let in a few at a time.
TEST_P(Limits, AStormOfConnectionsDoesNotHoldUpThoseServed) {
  constexpr size_t kStorm = 5'000;
  rlimit descriptors{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  ASSERT_GE(descriptors.rlim_max, kStorm + 500);
  descriptors.rlim_cur = std::max<rlim_t>(descriptors.rlim_cur, kStorm + 500);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  ASSERT_TRUE(StartWith({{"clients", "6000"}}));
  RedisClient served(port());
  std::atomic<bool> storm_over{false};
  std::vector<std::unique_ptr<PipelinedClient>> clients;
  const auto times = [&](const std::function<bool()>& until) {
    std::vector<double> ms;
    while (ms.size() < 200 || !until()) {
      const auto begun = steady_clock::now();
      EXPECT_EQ(served.Call({"SET", "k", "v"}).text, "OK");
      ms.push_back(std::chrono::duration<double, std::milli>(steady_clock::now() - begun).count());
    }
    std::sort(ms.begin(), ms.end());
    return std::pair(ms[ms.size() / 2], ms[ms.size() * 99 / 100]);
  };
  const auto before = times([] { return true; });
  std::thread storm([&] {
    for (size_t i = 0; i < kStorm; ++i) {
      clients.push_back(std::make_unique<PipelinedClient>(port()));
      clients.back()->Send({"PING"});
      clients.back()->Flush();
    }
    storm_over = true;
  });
  const auto during = times([&] { return storm_over.load(); });
  storm.join();
  std::printf("ms before: p50 %.2f p99 %.2f; during the storm: p50 %.2f p99 %.2f\n", before.first,
              before.second, during.first, during.second);
  EXPECT_LT(during.first, before.first + 20);
  for (auto& client : clients) {
    Value reply;
    ASSERT_TRUE(Await([&] {
      client->Fill();
      return client->Next(reply);
    }));
    ASSERT_EQ(reply.text, "PONG");
  }
  EXPECT_EQ(migration_.Status().value("clients", 0), static_cast<int>(kStorm) + 1);
}

}  // namespace
}  // namespace crossfade::test
