// Many clients in blocking commands at once: fair, nothing lost, nothing given
// twice, and no store's reply before that to the push.
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "tests/e2e/blocking.h"

namespace crossfade::test {
namespace {

using std::chrono::steady_clock;

class BlockingLoad : public BlockingTest {};

INSTANTIATE_TEST_SUITE_P(Each, BlockingLoad, ::testing::Values(1, 2), WorkersName);

// In the order in which they came, whichever worker they live on, and whether
// they are pushed for one by one, many at once, in a transaction, or by a move.
TEST_P(BlockingLoad, AHundredAreServedInTheOrderOfTheirArrival) {
  constexpr int kWaiters = 100;
  RedisClient pusher(port());
  for (const char* how :
       {"one by one", "at once", "in a transaction", "by RENAME", "by LMOVE", "pipelined"}) {
    std::vector<std::unique_ptr<RedisClient>> clients;
    for (int i = 0; i < kWaiters; ++i) {
      clients.push_back(std::make_unique<RedisClient>(port()));
      SendNow(*clients.back(), "BLPOP q 0");
      ASSERT_TRUE(AwaitBlocked(migration_, clients.size()));
    }
    Args all{"RPUSH", "q"};
    std::vector<Args> each;
    for (int i = 0; i < kWaiters; ++i) {
      all.push_back(std::to_string(i));
      each.push_back({"RPUSH", "q", std::to_string(i)});
    }
    const std::string way = how;
    if (way == "one by one") {
      for (const Args& push : each) EXPECT_TRUE(pusher.Call(push).ok());
    } else if (way == "at once") {
      EXPECT_EQ(pusher.Call(all).integer, kWaiters);
    } else if (way == "pipelined") {
      pusher.Pipeline(each);
    } else if (way == "in a transaction") {
      pusher.Call({"MULTI"});
      pusher.Pipeline(each);
      EXPECT_TRUE(pusher.Call({"EXEC"}).ok());
    } else {
      all[1] = "r";
      EXPECT_EQ(pusher.Call(all).integer, kWaiters);
      if (way == "by RENAME") {
        EXPECT_TRUE(pusher.Call({"RENAME", "r", "q"}).ok());
      }
      for (int i = 0; way == "by LMOVE" && i < kWaiters; ++i) {
        EXPECT_TRUE(pusher.Call(Words("LMOVE r q LEFT LEFT")).ok());
      }
    }
    for (int i = 0; i < kWaiters; ++i) {
      const Value reply = clients[static_cast<size_t>(i)]->Read();
      ASSERT_EQ(reply.elements.size(), 2u) << how << ": " << Render(reply);
      EXPECT_EQ(reply.elements[1].text, std::to_string(i)) << how;
    }
    EXPECT_EQ(pusher.Call(Words("EXISTS q r")).integer, 0) << how;
  }
}

// Clients that push and clients that wait, with timeouts at random.
class Crowd {
 public:
  Crowd(uint16_t port, uint64_t seed) : port_(port), seed_(seed) {}

  void Push(uint64_t pusher, steady_clock::time_point until) {
    std::mt19937_64 random(seed_ * 100 + pusher);
    RedisClient client(port_);
    for (uint64_t n = 0; steady_clock::now() < until;) {
      Args push{random() % 2 == 0 ? "RPUSH" : "LPUSH", Key(random)};
      const size_t count = 1 + random() % 3;
      for (size_t i = 0; i < count; ++i) {
        push.push_back(std::to_string(pusher) + "-" + std::to_string(n++));
      }
      const Value reply = PushSomehow(client, push, "side" + std::to_string(pusher), random);
      if (reply.ok()) {
        pushed += count;
      } else {
        Note(push, reply);
      }
      if (random() % 8 == 0) ::poll(nullptr, 0, static_cast<int>(random() % 4));
    }
  }

  void Pop(uint64_t waiter, const std::atomic<bool>& pushing) {
    std::mt19937_64 random(seed_ * 1000 + waiter);
    RedisClient client(port_);
    while (pushing || random() % 8 != 0) {
      const std::string timeout = "0.00" + std::to_string(1 + random() % 9);
      Args wait{random() % 2 == 0 ? "BLPOP" : "BRPOP", Key(random), Key(random), timeout};
      if (random() % 4 == 0) {
        wait = {"BLMPOP", timeout, "2", Key(random), Key(random), "LEFT", "COUNT", "2"};
      } else if (random() % 4 == 0) {
        wait = {"BLMOVE", Key(random), Key(random), "LEFT", "RIGHT", timeout};
      }
      const Value reply = client.Call(wait);
      if (!reply.ok()) Note(wait, reply);
      if (wait[0] == "BLMOVE" || reply.kind != Value::Kind::kArray) continue;
      const std::lock_guard lock(mutex_);
      if (wait[0] == "BLMPOP") {
        for (const Value& element : reply.elements.at(1).elements) popped.insert(element.text);
      } else {
        popped.insert(reply.elements.at(1).text);
      }
    }
  }

  std::atomic<uint64_t> pushed{0};
  std::multiset<std::string> popped;
  std::vector<std::string> problems;

 private:
  static std::string Key(std::mt19937_64& random) { return "q" + std::to_string(random() % 3); }

  static Value PushSomehow(RedisClient& client, Args push, const std::string& side,
                           std::mt19937_64& random) {
    switch (random() % 4) {
      case 0:
        client.Call({"MULTI"});
        client.Call(push);
        return client.Call({"EXEC"});
      case 1: {
        push[1] = side;
        const Value reply = client.Call(push);
        client.Call({"RENAMENX", side, Key(random)});
        return reply;
      }
      default:
        return client.Call(push);
    }
  }

  void Note(const Args& args, const Value& reply) {
    const std::lock_guard lock(mutex_);
    problems.push_back(Render(args) + ": " + Render(reply));
  }

  const uint16_t port_;
  const uint64_t seed_;
  std::mutex mutex_;  // of `popped` and `problems` while there are threads
};

// Every element that was pushed is popped exactly once, or is left.
TEST_P(BlockingLoad, NothingIsLostAndNothingIsGivenTwice) {
  Crowd crowd(port(), TestSeed());
  const auto until = steady_clock::now() + RunTime();
  std::atomic<bool> pushing{true};
  std::vector<std::thread> pushers, waiters;
  for (uint64_t i = 0; i < 4; ++i) pushers.emplace_back([&, i] { crowd.Push(i, until); });
  for (uint64_t i = 0; i < 12; ++i) waiters.emplace_back([&, i] { crowd.Pop(i, pushing); });
  for (std::thread& thread : pushers) thread.join();
  pushing = false;
  for (std::thread& thread : waiters) thread.join();
  ASSERT_TRUE(crowd.problems.empty()) << crowd.problems.size() << ": " << crowd.problems[0];

  std::set<std::string> distinct(crowd.popped.begin(), crowd.popped.end());
  EXPECT_EQ(distinct.size(), crowd.popped.size()) << "given twice";
  RedisClient client(port());
  uint64_t left = 0;
  for (const char* name : {"q0", "q1", "q2", "side0", "side1", "side2", "side3"}) {
    for (const Value& element : client.Call({"LRANGE", name, "0", "-1"}).elements) {
      EXPECT_TRUE(distinct.insert(element.text).second) << element.text << " is still there";
      ++left;
    }
  }
  EXPECT_EQ(crowd.popped.size() + left, crowd.pushed.load());
  std::printf("%llu pushed, %zu popped, %llu left\n",
              static_cast<unsigned long long>(crowd.pushed.load()), crowd.popped.size(),
              static_cast<unsigned long long>(left));
  EXPECT_TRUE(AwaitBlocked(migration_, 0));
  client.Call({"SET", "one", "key"});
  migration_.ExpectEqualWhenDrained();
  const nlohmann::json drift = migration_.Status()["drift"];
  EXPECT_EQ(drift.value("reply", 9), 0) << drift.dump();
}

// The trap that the waiting table is there for: a store that blocks itself
// answers who waits on another connection before it answers the push. A proxy
// that logs effects in the order of replies logs the pop first.
TEST_P(BlockingLoad, AStoresOwnBlockingIsAnsweredBeforeThePushAndTheProxysIsNot) {
  constexpr int kRounds = 300;
  PipelinedClient waits(migration_.legacy.port());
  PipelinedClient pushes(migration_.legacy.port());
  const int epoll = epoll_create1(0);
  for (PipelinedClient* client : {&waits, &pushes}) {
    epoll_event event{EPOLLIN | EPOLLET, {client}};
    ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd(), &event), 0);
  }
  RedisClient info(migration_.legacy.port());
  int overtaken = 0;
  for (int round = 0; round < kRounds; ++round) {
    waits.Send({"BLPOP", "trap", "0"});
    waits.Flush();
    ASSERT_TRUE(AwaitBlockedThere(info, 1));
    pushes.Send({"RPUSH", "trap", "x"});
    pushes.Flush();
    PipelinedClient* first = nullptr;
    for (int replies = 0; replies < 2;) {
      epoll_event events[2];
      const int n = epoll_wait(epoll, events, 2, 5000);
      ASSERT_GT(n, 0);
      for (int i = 0; i < n; ++i) {
        auto* client = static_cast<PipelinedClient*>(events[i].data.ptr);
        client->Fill();
        Value reply;
        if (!client->Next(reply)) continue;
        ++replies;
        if (first == nullptr) first = client;
      }
    }
    overtaken += first == &waits;
  }
  close(epoll);
  std::printf("%d of %d pops were answered before their push\n", overtaken, kRounds);
  EXPECT_GT(overtaken, 0) << "the trap is not there";

  RedisClient waiter(port());
  RedisClient pusher(port());
  for (int round = 0; round < kRounds; ++round) {
    SendNow(waiter, "BLPOP trap 0");
    ASSERT_TRUE(AwaitBlocked(migration_, 1));
    ASSERT_TRUE(pusher.Call({"RPUSH", "trap", std::to_string(round)}).ok());
    ASSERT_EQ(waiter.Read().elements.size(), 2u);
  }
  pusher.Call({"RPUSH", "trap", "last"});
  migration_.ExpectEqualWhenDrained();
  const nlohmann::json status = migration_.Status();
  EXPECT_EQ(Sum(status["drift"]), 0u) << status["drift"].dump();
}

}  // namespace
}  // namespace crossfade::test
