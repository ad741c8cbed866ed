// Commands that are refused or lost on their way leave nothing behind: no place at
// the gate, no connection, no state that the client did not ask for.
#include <gtest/gtest.h>

#include "tests/e2e/blocking.h"
#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class LeftBehind : public BlockingTest {};

// EXEC waits at the gate for another's write when its user's rules are changed.
TEST_P(LeftBehind, AnExecThatFailsAtTheGateLeavesIt) {
  migration_.proxy.reset();
  migration_.config.users = {"{name: app, password: pw}"};
  ASSERT_TRUE(migration_.StartLive());
  RedisClient waits(port()), writes(port());
  EXPECT_EQ(waits.Call({"AUTH", "app", "pw"}).text, "OK");
  EXPECT_EQ(writes.Call({"AUTH", "app", "pw"}).text, "OK");
  EXPECT_EQ(waits.Call({"SET", "k", "0"}).text, "OK");
  EXPECT_EQ(waits.Call({"WATCH", "none"}).text, "OK");  // on a connection of its own
  EXPECT_EQ(waits.Call({"MULTI"}).text, "OK");
  EXPECT_EQ(waits.Call({"SET", "k", "1"}).text, "QUEUED");
  migration_.legacy.Pause();
  SendNow(writes, "SET k 2");
  ASSERT_TRUE(Await([&] {
    RedisClient asks(port());
    asks.Call({"AUTH", "app", "pw"});
    return asks.Call({"CLIENT", "LIST"}).text.find("cmd=set") != std::string::npos;
  }));
  SendNow(waits, "EXEC");
  ProxyConfig changed = migration_.config;
  changed.users = {"{name: app, password: pw, commands: [\"+@all\", \"-append\"]}"};
  EXPECT_EQ(migration_.proxy->Reload(changed).status, 200);
  migration_.legacy.Resume();
  EXPECT_EQ(writes.Read().text, "OK");
  const Value reply = waits.Read();
  EXPECT_TRUE(reply.text.starts_with("EXECABORT") || reply.elements.size() == 1) << Render(reply);
  EXPECT_EQ(waits.Call({"SET", "other", "1"}).text, "OK");
  EXPECT_EQ(writes.Call({"SET", "k", "3"}).text, "OK");
  EXPECT_EQ(waits.Call({"SET", "k", "4"}).text, "OK");
  migration_.ExpectEqualWhenDrained();
}

// Each worker numbers its users: another's with the same number is somebody else.
TEST_P(LeftBehind, WhoWaitsIsServedWithItsOwnRights) {
  RedisClient admin(migration_.legacy.port());
  admin.Call({"ACL", "SETUSER", "consumer", "on", ">pw", "~*", "+@all"});
  admin.Call({"ACL", "SETUSER", "producer", "on", ">pw", "~*", "+rpush", "+multi", "+exec"});
  for (int round = 0; round < 10; ++round) {
    RedisClient consumer(port()), producer(port());
    EXPECT_EQ(consumer.Call({"AUTH", "consumer", "pw"}).text, "OK");
    EXPECT_EQ(producer.Call({"AUTH", "producer", "pw"}).text, "OK");
    SendNow(consumer, "BLPOP q 0");
    ASSERT_TRUE(AwaitBlocked(migration_, 1));
    EXPECT_EQ(producer.Call({"RPUSH", "q", "x"}).integer, 1);
    EXPECT_EQ(Render(consumer.Read()), "[\"q\" \"x\"]");
  }
}

TEST_P(LeftBehind, WhatFailsWhileLegacyIsGoneHoldsNoConnection) {
  RedisClient client(port()), monitor(port());
  EXPECT_EQ(client.Call({"SET", "k", "v"}).text, "OK");
  migration_.legacy.Kill();
  const auto fails = [](RedisClient& who, const Args& args) {
    return Await([&] { return who.Call(args).text.find("legacy") != std::string::npos; });
  };
  EXPECT_TRUE(fails(client, {"GET", "k"}));
  EXPECT_TRUE(fails(client, {"SUBSCRIBE", "c"}));
  EXPECT_TRUE(fails(client, {"WATCH", "k"}));
  EXPECT_TRUE(fails(monitor, {"MONITOR"}));
  migration_.legacy.Start();
  EXPECT_TRUE(Await([&] { return client.Call({"SET", "k", "w"}).text == "OK"; }));
  EXPECT_EQ(client.Call({"GET", "k"}).text, "w");
  // Each worker is connected again in its own time.
  EXPECT_TRUE(Await([&] { return monitor.Call({"GET", "k"}).text == "w"; }));
  EXPECT_EQ(client.Call({"PING"}).text, "PONG");
}

TEST_P(LeftBehind, SelectWaitsForAnOwnConnectionThatWasLost) {
  RedisClient client(port()), admin(migration_.legacy.port());
  EXPECT_EQ(client.Call({"WATCH", "k"}).text, "OK");
  for (int round = 0; round < 5; ++round) {
    admin.Call({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    EXPECT_EQ(client.Call({"SELECT", std::to_string(round % 2 + 1)}).text, "OK");
  }
  EXPECT_EQ(client.Call({"MULTI"}).text, "OK");
  EXPECT_EQ(client.Call({"SET", "k", "v"}).text, "QUEUED");
  EXPECT_EQ(client.Call({"EXEC"}).kind, Value::Kind::kNil);
}

INSTANTIATE_TEST_SUITE_P(Workers, LeftBehind, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
