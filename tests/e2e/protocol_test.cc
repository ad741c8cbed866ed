// What a client sees of the protocol: the bytes that a plain redis-server of the
// same version sends, clear errors where the proxy does less, and no client that
// suffers from another's mistakes.
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class Protocol : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    migration_ = new Migration;
    migration_->config.limits["request"] = "8MiB";
    migration_->config.unix_listener = "/tmp/crossfade_e2e_" + std::to_string(::getpid()) + ".sock";
    plain_ = new RedisServer;
    ASSERT_TRUE(migration_->StartLive());
  }
  static void TearDownTestSuite() {
    delete migration_;
    delete plain_;
    migration_ = nullptr;
    plain_ = nullptr;
  }
  void SetUp() override {
    ASSERT_TRUE(migration_->proxy.has_value() && migration_->proxy->running());
    RedisClient(plain_->port()).Call({"FLUSHALL"});
    ASSERT_TRUE(RedisClient(proxy_port()).Call({"FLUSHALL"}).ok());
  }
  void TearDown() override {
    if (HasFailure()) std::fprintf(stderr, "%s\n", migration_->proxy->LogTail(20).c_str());
  }

  static uint16_t proxy_port() { return migration_->proxy->port(); }

  // Sends the bytes, then PING; all replies until PONG or until the connection is closed.
  static std::vector<Value> Converse(uint16_t port, std::string_view bytes) {
    RedisClient client(port, std::chrono::seconds(10));
    client.SendRaw(bytes);
    client.SendRaw("*1\r\n$4\r\nPING\r\n");
    std::vector<Value> replies;
    do {
      replies.push_back(client.Read());
      if (replies.back().kind == Value::Kind::kLost) replies.back().text.clear();
    } while (replies.back().kind != Value::Kind::kLost && replies.back().text != "PONG");
    return replies;
  }

  static void ExpectSameAsPlain(std::string_view bytes) {
    const std::vector<Value> expected = Converse(plain_->port(), bytes);
    const std::vector<Value> got = Converse(proxy_port(), bytes);
    const Value want{Value::Kind::kArray, "", 0, expected};
    const Value have{Value::Kind::kArray, "", 0, got};
    EXPECT_TRUE(want == have) << Render(Args{std::string(bytes)}) << "\n  plain: " << Render(want)
                              << "\n  proxy: " << Render(have);
  }

  static void ExpectSameCommands(const std::vector<Args>& commands) {
    RedisClient plain(plain_->port());
    RedisClient proxy(proxy_port());
    for (const Args& args : commands) {
      const Value want = plain.Call(args);
      const Value have = proxy.Call(args);
      EXPECT_TRUE(want == have) << Render(args) << "\n  plain: " << Render(want)
                                << "\n  proxy: " << Render(have);
    }
  }

  static Migration* migration_;
  static RedisServer* plain_;
};

Migration* Protocol::migration_ = nullptr;
RedisServer* Protocol::plain_ = nullptr;

TEST_F(Protocol, MalformedInputGetsRedisOwnReply) {
  RedisClient bystander(proxy_port());
  ASSERT_EQ(bystander.Call({"SET", "bystander", "1"}).text, "OK");
  for (const std::string_view bytes :
       {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "*-7\r\n", "*0\r\n", "*2147483648\r\n",
        "*abc\r\n", "*1\r\n$-1\r\n", "*1\r\n$abc\r\n", "*1\r\n$99999999999\r\n",
        "*1\r\n!4\r\nPING\r\n", "set k \"unbalanced\r\n", "set k 'also\r\n", "\r\n\r\n",
        "*1048577\r\n", "PING\r\nset k \"v\"x\r\n", "*2\r\n$3\r\nGET\r\n+k\r\n"}) {
    ExpectSameAsPlain(bytes);
    EXPECT_EQ(bystander.Call({"GET", "bystander"}).text, "1");
  }
  // Lines that do not end: what comes back depends on there being nothing behind them.
  for (const std::string& bytes : {std::string(70'000, 'x'), "*1\r\n$" + std::string(70'000, '1'),
                                   "*" + std::string(70'000, '1')}) {
    RedisClient plain(plain_->port());
    RedisClient proxy(proxy_port());
    plain.SendRaw(bytes);
    proxy.SendRaw(bytes);
    EXPECT_EQ(Render(plain.Read()), Render(proxy.Read())) << bytes.substr(0, 10);
  }
  EXPECT_EQ(bystander.Call({"GET", "bystander"}).text, "1");
}

TEST_F(Protocol, InlineCommands) {
  for (const std::string_view bytes :
       {"SET k v\r\nGET k\r\n", "set k 'a b' \r\nget k\n", "SET k \"\\x41\\n\\\"\"\r\nGET   k\r\n",
        "  GET\tk  \r\n", "FOO\r\n", "GET\r\n", "SELECT 1\r\nGET k\r\n"}) {
    ExpectSameAsPlain(bytes);
  }
}

TEST_F(Protocol, MistakesGetRedisOwnErrors) {
  ExpectSameCommands({{"GET"},
                      {"SET", "k"},
                      {"get", "a", "b"},
                      {"NOSUCHCOMMAND"},
                      {"nosuch", "with", "arguments", std::string(200, 'x')},
                      {""},
                      {"OBJECT", "NOSUCH", "k"},
                      {"SET", "k", "v"},
                      {"LPUSH", "k", "v"},
                      {"INCR", "k"},
                      {"SELECT", "16"},
                      {"SELECT", "-1"},
                      {"SELECT", "x"},
                      {"SELECT"},
                      {"EXEC"},
                      {"DISCARD"},
                      {"PING", "a", "b"},
                      {"ECHO"},
                      {"GET", "k"}});
}

TEST_F(Protocol, SelectKeepsDatabasesApart) {
  ExpectSameCommands({{"SET", "k", "zero"},
                      {"SELECT", "3"},
                      {"GET", "k"},
                      {"SET", "k", "three"},
                      {"SELECT", "0"},
                      {"GET", "k"},
                      {"MOVE", "k", "5"},
                      {"SELECT", "5"},
                      {"GET", "k"},
                      {"DBSIZE"},
                      {"FLUSHDB"},
                      {"DBSIZE"},
                      {"SELECT", "3"},
                      {"GET", "k"}});
}

TEST_F(Protocol, Transactions) {
  ExpectSameCommands({{"MULTI"},     {"SET", "k", "1"}, {"INCR", "k"},       {"GET", "k"},
                      {"EXEC"},      {"MULTI"},         {"SET", "k", "9"},   {"DISCARD"},
                      {"GET", "k"},  {"MULTI"},         {"MULTI"},           {"EXEC"},
                      {"MULTI"},     {"GET"},           {"SET", "k", "7"},   {"EXEC"},
                      {"GET", "k"},  {"MULTI"},         {"LPUSH", "k", "x"}, {"INCR", "k"},
                      {"EXEC"},      {"MULTI"},         {"NOSUCH"},          {"EXEC"},
                      {"MULTI"},     {"EXEC"},          {"MULTI"},           {"PING"},
                      {"ECHO", "x"}, {"EXEC"}});
}

TEST_F(Protocol, ConnectionCommands) {
  ExpectSameCommands({{"PING"},
                      {"PING", "x"},
                      {"ECHO", "y"},
                      {"CLIENT", "GETNAME"},
                      {"CLIENT", "SETNAME", "app-1"},
                      {"CLIENT", "GETNAME"},
                      {"CLIENT", "SETNAME", "with space"},
                      {"CLIENT", "NOSUCH"},
                      {"RESET"},
                      {"CLIENT", "GETNAME"}});
  RedisClient one(proxy_port());
  RedisClient two(proxy_port());
  const Value id = one.Call({"CLIENT", "ID"});
  EXPECT_EQ(id.kind, Value::Kind::kInteger) << Render(id);
  EXPECT_NE(id.integer, two.Call({"CLIENT", "ID"}).integer);
  EXPECT_EQ(one.Call({"QUIT"}).text, "OK");
  EXPECT_EQ(one.Read().kind, Value::Kind::kLost);
  EXPECT_EQ(two.Call({"PING"}).text, "PONG");
}

TEST_F(Protocol, ResetLeavesATransactionAndTheDatabase) {
  RedisClient client(proxy_port());
  EXPECT_EQ(client.Call({"SELECT", "4"}).text, "OK");
  EXPECT_EQ(client.Call({"MULTI"}).text, "OK");
  EXPECT_EQ(client.Call({"SET", "k", "never"}).text, "QUEUED");
  EXPECT_EQ(client.Call({"RESET"}).text, "RESET");
  EXPECT_EQ(client.Call({"EXEC"}).kind, Value::Kind::kError);
  EXPECT_EQ(client.Call({"SET", "in", "zero"}).text, "OK");
  RedisClient legacy(migration_->legacy.port());
  EXPECT_EQ(legacy.Call({"GET", "in"}).text, "zero");
  EXPECT_EQ(legacy.Call({"GET", "k"}).kind, Value::Kind::kNil);
}

// Either served or refused in clear words; never silence, never a lost connection.
TEST_F(Protocol, WhatIsNotServedSaysSo) {
  for (const Args& args : std::vector<Args>{{"SUBSCRIBE", "c"},
                                            {"PSUBSCRIBE", "c*"},
                                            {"WATCH", "k"},
                                            {"MONITOR"},
                                            {"AUTH", "secret"},
                                            {"EVAL", "return 1", "0"},
                                            {"CONFIG", "SET", "maxmemory", "1"},
                                            {"SHUTDOWN", "NOSAVE"},
                                            {"DEBUG", "SLEEP", "0"},
                                            {"REPLICAOF", "NO", "ONE"},
                                            {"CLIENT", "TRACKING", "ON"},
                                            {"SYNC"},
                                            {"WAIT", "0", "1"}}) {
    RedisClient client(proxy_port(), std::chrono::seconds(5));
    const Value reply = client.Call(args);
    EXPECT_NE(reply.kind, Value::Kind::kLost) << Render(args) << ": " << Render(reply);
    if (reply.kind != Value::Kind::kError) {
      std::printf("served: %s -> %s\n", Render(args).c_str(), Render(reply).c_str());
      continue;
    }
    EXPECT_TRUE(reply.text.starts_with("ERR ") || reply.text.starts_with("NOPROTO "))
        << Render(reply);
    EXPECT_FALSE(reply.text.starts_with("ERR unknown command"))
        << Render(args) << ": " << Render(reply);
    EXPECT_EQ(client.Call({"PING"}).text, "PONG") << "after " << Render(args);
  }
  EXPECT_TRUE(RedisClient(migration_->legacy.port()).Call({"PING"}).ok());
}

TEST_F(Protocol, LargeValues) {
  RedisClient client(proxy_port());
  const std::string big(1 << 20, 'b');
  EXPECT_EQ(client.Call({"SET", "big", big}).text, "OK");
  const Value value = client.Call({"GET", "big"});
  EXPECT_TRUE(value.text == big) << Render(value);
  EXPECT_EQ(client.Call({"APPEND", "big", big}).integer, 2 << 20);
  EXPECT_EQ(client.Call({"RPUSH", "list", big, "", big}).integer, 3);
  EXPECT_EQ(client.Call({"LRANGE", "list", "0", "-1"}).elements.size(), 3u);
  migration_->ExpectEqualWhenDrained();
}

TEST_F(Protocol, OversizedRequestIsRefusedForItsSenderAlone) {
  RedisClient bystander(proxy_port());
  RedisClient client(proxy_port());
  const Value reply = client.Call({"SET", "huge", std::string(16 << 20, 'h')});
  EXPECT_TRUE(reply.kind == Value::Kind::kLost ||
              (reply.kind == Value::Kind::kError && reply.text.starts_with("ERR ")))
      << Render(reply);
  EXPECT_EQ(bystander.Call({"EXISTS", "huge"}).integer, 0);
  EXPECT_EQ(RedisClient(proxy_port()).Call({"PING"}).text, "PONG");
}

TEST_F(Protocol, PipelineOfTenThousand) {
  RedisClient client(proxy_port());
  std::vector<Args> commands;
  for (int i = 0; i < 5000; ++i) {
    commands.push_back({"INCR", "counter"});
    commands.push_back({"GET", "counter"});
  }
  const std::vector<Value> replies = client.Pipeline(commands);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(replies[static_cast<size_t>(2 * i)].integer, i + 1);
    ASSERT_EQ(replies[static_cast<size_t>(2 * i + 1)].text, std::to_string(i + 1));
  }
}

TEST_F(Protocol, ConnectionsThatCloseInTheMiddle) {
  for (const std::string_view bytes :
       {"*3\r\n$3\r\nSET\r\n$1\r\nk", "*1\r\n$4\r\nPI", "SET k", "*"}) {
    for (int i = 0; i < 20; ++i) RedisClient(proxy_port()).SendRaw(bytes);
  }
  for (int i = 0; i < 50; ++i) {
    // Gone before their replies are written.
    RedisClient(proxy_port())
        .SendRaw("*2\r\n$4\r\nINCR\r\n$4\r\ngone\r\n*2\r\n$3\r\nGET\r\n$4\r\ngone\r\n");
  }
  EXPECT_EQ(RedisClient(proxy_port()).Call({"PING"}).text, "PONG");
  RedisClient legacy(migration_->legacy.port());
  EXPECT_TRUE(Await([&] { return legacy.Call({"GET", "gone"}).text == "50"; }));
  migration_->ExpectEqualWhenDrained();
}

TEST_F(Protocol, UnixSocketListener) {
  RedisClient client(migration_->config.unix_listener);
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.Call({"SET", "k", "by unix"}).text, "OK");
  EXPECT_EQ(RedisClient(proxy_port()).Call({"GET", "k"}).text, "by unix");
}

}  // namespace
}  // namespace crossfade::test
