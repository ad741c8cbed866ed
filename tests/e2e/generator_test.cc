// The tools of these tests against themselves: the generator's commands on two
// servers, and a comparison that must see what was changed.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/support/load.h"
#include "tests/support/random_commands.h"
#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"
#include "tests/support/relay.h"
#include "tests/support/store_compare.h"

namespace crossfade::test {
namespace {

// What the server chooses itself would differ: not replayed.
bool IsDeterministic(const Args& args) {
  const std::string& name = args.front();
  if (name == "SPOP" || name == "PFCOUNT") return false;
  if (name == "XCLAIM" || name == "XAUTOCLAIM") return false;  // by idle times
  for (const std::string& arg : args) {
    if (name == "XADD" && (arg == "*" || arg.ends_with("-*"))) return false;
  }
  return true;
}

TEST(Generator, SameCommandsOnTwoServersLeaveThemEqual) {
  RedisServer a;
  RedisServer b;
  RedisClient left(a.port());
  RedisClient right(b.port());
  RandomOptions options;
  options.as_replicated = true;
  options.payloads = MakePayloads(left);
  RandomCommands commands(20261, options);
  std::map<std::string, int> errors;
  uint64_t answered = 0;
  for (; answered < 20'000; ++answered) {
    RandomCommand command = commands.Next();
    if (!IsDeterministic(command.args)) command.args = {"PING"};
    // At about the same time: keys expire.
    left.Send(command.args);
    right.Send(command.args);
    const Value reply = left.Read();
    right.Read();
    if (!reply.ok()) ++errors[reply.text.substr(0, 40)];
    if (command.args.front() != "PING") {
      ASSERT_TRUE(IsPlausible(command, reply)) << Render(command.args) << " -> " << Render(reply);
    }
  }
  int failed = 0;
  for (const auto& [text, count] : errors) {
    failed += count;
    if (std::getenv("CROSSFADE_E2E_VERBOSE") != nullptr)
      std::printf("%6d %s\n", count, text.c_str());
  }
  EXPECT_LT(failed, static_cast<int>(answered) / 5) << "too many commands fail to be a fair load";
  const StoreComparison comparison = CompareStores(a.port(), b.port());
  EXPECT_TRUE(comparison.differences.empty()) << Describe(comparison);
  EXPECT_GT(comparison.keys_compared, 50u);
}

TEST(Generator, LoadFindsNothingWrongWithAPlainServer) {
  RedisServer server;
  LoadOptions options;
  options.port = server.port();
  options.seed = 7;
  options.commands.blocking = true;
  options.commands.watches = true;
  options.commands.scripts = true;
  options.commands.undeclared = true;
  const LoadReport report = Load(options).Run(20'000);
  EXPECT_EQ(report.answered, 20'000u);
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
}

class CompareStoresTest : public ::testing::Test {
 protected:
  // Runs the commands on both, the change on b alone; what was found.
  std::string FoundAfter(const std::vector<Args>& both, const std::vector<Args>& change) {
    for (RedisClient* client : {&a_, &b_}) {
      client->Call({"FLUSHALL"});
      client->Call({"SELECT", "0"});
      for (const Args& args : both) EXPECT_TRUE(client->Call(args).ok()) << Render(args);
    }
    StoreComparison equal = CompareStores(left_.port(), right_.port());
    EXPECT_TRUE(equal.differences.empty()) << Describe(equal);
    for (const Args& args : change) EXPECT_TRUE(b_.Call(args).ok()) << Render(args);
    const StoreComparison found = CompareStores(left_.port(), right_.port());
    EXPECT_LE(found.differences.size(), 1u) << Describe(found);
    return found.differences.empty() ? "nothing" : found.differences[0].what;
  }

  RedisServer left_;
  RedisServer right_;
  RedisClient a_{left_.port()};
  RedisClient b_{right_.port()};
};

TEST_F(CompareStoresTest, SeesEveryKindOfDifference) {
  EXPECT_EQ(FoundAfter({{"SET", "k", "1"}}, {{"DEL", "k"}}), "missing");
  EXPECT_EQ(FoundAfter({}, {{"SET", "k", "1"}}), "extra");
  EXPECT_EQ(FoundAfter({}, {{"SELECT", "2"}, {"SET", "k", "1"}}), "extra");
  EXPECT_EQ(FoundAfter({{"SET", "k", "1"}}, {{"DEL", "k"}, {"LPUSH", "k", "1"}}), "type");
  EXPECT_EQ(FoundAfter({{"SET", "k", "1"}}, {{"SET", "k", "2"}}), "value");
  EXPECT_EQ(FoundAfter({{"RPUSH", "k", "1", "2"}}, {{"RPOPLPUSH", "k", "k"}}), "value");
  EXPECT_EQ(FoundAfter({{"ZADD", "k", "1", "m"}}, {{"ZADD", "k", "1.0000001", "m"}}), "value");
  EXPECT_EQ(FoundAfter({{"HSET", "k", "f", "1"}}, {{"HSET", "k", "f", "2"}}), "value");
  EXPECT_EQ(FoundAfter({{"XADD", "k", "5-1", "f", "v"}}, {{"XSETID", "k", "9-9"}}), "value");
  EXPECT_EQ(FoundAfter({{"XADD", "k", "5-1", "f", "v"}}, {{"XGROUP", "CREATE", "k", "g", "0"}}),
            "value");
  EXPECT_EQ(FoundAfter({{"SET", "k", "1"}}, {{"EXPIRE", "k", "1000"}}), "expiry");
  EXPECT_EQ(FoundAfter({{"SET", "k", "1", "EX", "1000"}}, {{"EXPIRE", "k", "1001"}}), "expiry");
}

TEST_F(CompareStoresTest, SeesNoneWhereOnlyTheFormDiffers) {
  EXPECT_EQ(FoundAfter({{"SADD", "k", "1", "2"}}, {{"SADD", "k", "x"}, {"SREM", "k", "x"}}),
            "nothing");
  EXPECT_EQ(FoundAfter({{"HSET", "k", "a", "1", "b", "2"}},
                       {{"HDEL", "k", "a"}, {"HSET", "k", "a", "1"}}),
            "nothing");
  EXPECT_EQ(FoundAfter({{"PFADD", "k", "1", "2"}}, {{"PFCOUNT", "k"}}), "nothing");
}

TEST_F(CompareStoresTest, LooksAgainAtWhatIsAboutToExpire) {
  a_.Call({"SET", "k", "v", "PX", "300"});
  const StoreComparison comparison = CompareStores(left_.port(), right_.port());
  EXPECT_TRUE(comparison.differences.empty()) << Describe(comparison);
  EXPECT_EQ(a_.Call({"EXISTS", "k"}).integer, 0);
}

TEST(RelayTest, DelaysAndResets) {
  RedisServer server;
  Relay relay(server.port());
  RedisClient client(relay.port());
  EXPECT_EQ(client.Call({"PING"}).text, "PONG");
  relay.SetDelay(std::chrono::milliseconds(100));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(client.Call({"PING"}).text, "PONG");
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(95));
  relay.SetDelay(std::chrono::milliseconds(0));
  relay.ResetConnections();
  EXPECT_EQ(client.Read().kind, Value::Kind::kLost);
  EXPECT_EQ(RedisClient(relay.port()).Call({"PING"}).text, "PONG");
}

}  // namespace
}  // namespace crossfade::test
