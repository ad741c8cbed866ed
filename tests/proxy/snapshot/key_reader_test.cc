#include "proxy/snapshot/key_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/proxy/snapshot/store.h"

namespace crossfade::proxy {
namespace {

class Keys final : public KeyTaker {
 public:
  Status OnKey(std::string_view name, int64_t deadline_ms, std::string_view payload) override {
    if (keys.size() >= most) return Fail("enough");
    keys[std::string(name)] = {deadline_ms, std::string(payload)};
    since_cursor.insert(std::string(name));
    return {};
  }
  Status OnRefused(std::string_view name, std::string_view reason) override {
    refused[std::string(name)] = reason;
    return {};
  }
  void OnVanished() override { ++vanished; }
  void OnCursor(uint64_t to) override {
    cursor = to;
    since_cursor.clear();
  }

  std::map<std::string, std::pair<int64_t, std::string>> keys;
  std::map<std::string, std::string> refused;
  std::set<std::string> since_cursor;
  uint64_t vanished = 0, cursor = 0;
  size_t most = SIZE_MAX;
};

void Fill(test::RedisClient& client, int keys) {
  std::mt19937_64 random(3);
  std::vector<test::Args> commands;
  for (int i = 0; i < keys; ++i) {
    const size_t size = i % 50 == 0 ? 300'000 : random() % 100;
    commands.push_back({"SET", "key:" + std::to_string(i), std::string(size, 'x')});
    if (i % 3 == 0) commands.push_back({"PEXPIREAT", "key:" + std::to_string(i), "4102444800000"});
  }
  for (const test::Value& reply : client.Pipeline(commands)) ASSERT_TRUE(reply.ok());
}

TEST(KeyReader, GivesAllKeysButTheProxysOwnWithTheirDeadlines) {
  Store store;
  Fill(store.client, 2'000);
  store.client.Call({"SET", "crossfade:tenure", "x"});
  for (const bool has_expiretime : {true, false}) {
    Keys taken;
    KeyReader reader(store.connection, has_expiretime, taken);
    const Status read = reader.ReadDb(0);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(taken.keys.size(), 2'000u);
    for (const auto& [name, key] : taken.keys) {
      const int number = std::stoi(name.substr(4));
      const int64_t deadline = number % 3 == 0 ? 4'102'444'800'000 : 0;
      EXPECT_NEAR(static_cast<double>(key.first), static_cast<double>(deadline), 50) << name;
      if (number % 100 == 0) {
        EXPECT_EQ(key.second, store.client.Call({"DUMP", name}).text) << name;
      }
    }
    EXPECT_TRUE(taken.refused.empty());
  }
}

// What was taken since the last cursor is read again, nothing else is left out.
TEST(KeyReader, GoesOnAtTheLastCursorWhereverItEnded) {
  Store store;
  Fill(store.client, 1'500);
  for (const size_t most : {size_t{1}, size_t{100}, size_t{700}, size_t{1'499}}) {
    Keys first;
    first.most = most;
    {
      Store again(store.server);  // one that is given up has replies under way
      EXPECT_FALSE(KeyReader(again.connection, true, first).ReadDb(0));
    }
    ASSERT_EQ(first.keys.size(), most);
    Keys rest;
    ASSERT_TRUE(KeyReader(store.connection, true, rest).ReadDb(first.cursor));
    std::set<std::string> all;
    for (const auto& [name, key] : rest.keys) all.insert(name);
    for (const auto& [name, key] : first.keys) {
      if (!first.since_cursor.contains(name)) all.insert(name);
    }
    EXPECT_EQ(all.size(), 1'500u) << most;
    if (most == 700) {
      EXPECT_LT(rest.keys.size(), 1'500u) << "it began anew";
    }
  }
}

TEST(KeyReader, AKeyThatIsRefusedLeavesThoseAroundItReadable) {
  Store store;
  for (int i = 0; i < 1'000; ++i) {
    store.client.Call({"SET", (i % 10 == 0 ? "a:" : "b:") + std::to_string(i), "v"});
  }
  ASSERT_TRUE(store.client.Call({"ACL", "SETUSER", "default", "resetkeys", "~b:*"}).ok());
  Keys taken;
  ASSERT_TRUE(KeyReader(store.connection, true, taken).ReadDb(0));
  EXPECT_EQ(taken.keys.size(), 900u);
  EXPECT_EQ(taken.refused.size(), 100u);
  for (const auto& [name, reason] : taken.refused) {
    EXPECT_TRUE(name.starts_with("a:") && reason.starts_with("NOPERM")) << name << " " << reason;
  }
}

// A value with another one's deadline would vanish too early, or never.
TEST(KeyReader, AValueAndItsDeadlineAreOfOneMoment) {
  Store store;
  const std::string kDeadline = "4102444800000";
  // Long, so that the store reads a request in pieces and others come in between.
  const auto name = [](int i) { return "key:" + std::to_string(i) + std::string(1'500, 'x'); };
  for (int i = 0; i < 200; ++i) store.client.Call({"SET", name(i), "stays"});
  const std::string stays = store.client.Call({"DUMP", name(0)}).text;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    test::RedisClient client(store.server->port());
    for (bool expires = true; !stop; expires = !expires) {
      std::vector<test::Args> commands;
      for (int i = 0; i < 200; ++i) {
        commands.push_back({"SET", name(i), expires ? "goes" : "stays"});
        if (expires) commands.back().insert(commands.back().end(), {"PXAT", kDeadline});
      }
      client.Pipeline(commands);
    }
  });
  size_t of_each[2] = {0, 0};
  for (int round = 0; round < 300 || (round < 20'000 && (of_each[0] == 0 || of_each[1] == 0));
       ++round) {
    Keys taken;
    EXPECT_TRUE(KeyReader(store.connection, true, taken).ReadDb(0));
    for (const auto& [key, state] : taken.keys) {
      EXPECT_EQ(state.first == 0, state.second == stays) << key;
      ++of_each[state.first == 0 ? 0 : 1];
    }
  }
  stop = true;
  writer.join();
  EXPECT_GT(of_each[0], 0u);
  EXPECT_GT(of_each[1], 0u);
}

TEST(KeyReader, AnEmptyDbIsRead) {
  Store store;
  Keys taken;
  ASSERT_TRUE(KeyReader(store.connection, true, taken).ReadDb(0));
  EXPECT_TRUE(taken.keys.empty());
  EXPECT_EQ(taken.vanished, 0u);
}

}  // namespace
}  // namespace crossfade::proxy
