// Several databases: every write in the db that the client meant, on both stores.
#include <gtest/gtest.h>

#include <random>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class Databases : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    migration_.config.workers = GetParam();
    ASSERT_TRUE(migration_.StartLive());
  }
  uint16_t port() const { return migration_.proxy->port(); }

  void ExpectSameAsPlain(const std::vector<Args>& commands) {
    RedisClient(plain_.port()).Call({"FLUSHALL"});
    RedisClient plain(plain_.port());
    RedisClient proxy(port());
    for (const Args& args : commands) {
      const Value want = plain.Call(args);
      const Value have = proxy.Call(args);
      EXPECT_TRUE(want == have) << Render(args) << "\n  plain: " << Render(want)
                                << "\n  proxy: " << Render(have);
    }
    ExpectStoresAsPlain();
  }
  void ExpectStoresAsPlain() {
    migration_.ExpectEqualWhenDrained();
    const StoreComparison with_plain = CompareStores(plain_.port(), migration_.legacy.port());
    EXPECT_TRUE(with_plain.differences.empty())
        << "a plain server (a) and legacy (b): " << Describe(with_plain);
  }

  Migration migration_;
  RedisServer plain_;
};

INSTANTIATE_TEST_SUITE_P(Each, Databases, ::testing::Values(1, 2), WorkersName);

TEST_P(Databases, CommandsOverTwoDatabases) {
  ExpectSameAsPlain({{"SET", "k", "zero"},
                     {"SET", "moved", "m"},
                     {"PEXPIRE", "moved", "600000"},
                     {"MOVE", "moved", "3"},
                     {"MOVE", "moved", "3"},
                     {"MOVE", "k", "0"},
                     {"MOVE", "k", "99"},
                     {"COPY", "k", "copied", "DB", "5"},
                     {"COPY", "k", "copied", "DB", "5"},
                     {"COPY", "k", "k", "DB", "6", "REPLACE"},
                     {"COPY", "k", "k", "DB", "77"},
                     {"SELECT", "5"},
                     {"GET", "copied"},
                     {"RPUSH", "list", "a", "b"},
                     {"SWAPDB", "5", "6"},
                     {"GET", "k"},
                     {"EXISTS", "copied", "list"},
                     {"SET", "after swap", "1"},
                     {"SWAPDB", "5", "99"},
                     {"SELECT", "3"},
                     {"GET", "moved"},
                     {"FLUSHDB"},
                     {"SET", "left", "1"},
                     {"DBSIZE"},
                     {"RANDOMKEY"},
                     {"KEYS", "*"},
                     {"SCAN", "0"}});
}

TEST_P(Databases, SelectInsideMulti) {
  ExpectSameAsPlain({{"SET", "k", "zero"},
                     {"MULTI"},
                     {"SET", "a", "0"},
                     {"SELECT", "5"},
                     {"SET", "a", "5"},
                     {"EXPIRE", "a", "600"},
                     {"SELECT", "7"},
                     {"RPUSH", "a", "7"},
                     {"EXEC"},
                     // The session is in 7 now.
                     {"GET", "k"},
                     {"LRANGE", "a", "0", "-1"},
                     {"SET", "in seven", "1"},
                     {"MULTI"},
                     {"SELECT", "0"},
                     {"DISCARD"},
                     {"EXISTS", "in seven"},
                     {"MULTI"},
                     {"SELECT", "99"},
                     {"SELECT", "x"},
                     {"INCR", "counter"},
                     {"EXEC"},
                     {"GET", "counter"},
                     {"MULTI"},
                     {"SELECT", "2"},
                     {"NOSUCH"},
                     {"EXEC"},
                     {"GET", "counter"},
                     {"MULTI"},
                     {"SELECT", "0"},
                     {"GET", "k"},
                     {"EXEC"},
                     {"GET", "k"},
                     {"WATCH", "k"},
                     {"MULTI"},
                     {"SELECT", "1"},
                     {"SET", "k", "one"},
                     {"EXEC"},
                     {"GET", "k"}});
}

// Who waits in the db that a transaction has selected is served by it.
TEST_P(Databases, WaitersOfASelectedDatabaseAreServed) {
  RedisClient waiter(port());
  RedisClient pusher(port());
  ASSERT_EQ(waiter.Call({"SELECT", "5"}).text, "OK");
  std::string bytes;
  EncodeCommand(bytes, {"BLPOP", "list", "20"});
  waiter.SendRaw(bytes);
  ASSERT_TRUE(Await([this] { return migration_.Status().value("clients_blocked", 0) == 1; }));
  const std::vector<Value> replies = pusher.Pipeline(std::vector<Args>{{"MULTI"},
                                                                       {"RPUSH", "list", "in 0"},
                                                                       {"SELECT", "5"},
                                                                       {"RPUSH", "list", "in 5"},
                                                                       {"EXEC"},
                                                                       {"LLEN", "list"}});
  EXPECT_EQ(replies.at(4).elements.size(), 3u);
  EXPECT_EQ(Render(waiter.Read()), "[\"list\" \"in 5\"]");
  EXPECT_EQ(pusher.Call({"LLEN", "list"}).integer, 0);
  EXPECT_EQ(pusher.Call({"SELECT", "0"}).text, "OK");
  EXPECT_EQ(pusher.Call({"LLEN", "list"}).integer, 1);
  migration_.ExpectEqualWhenDrained();
}

// No session ever sees another's db, and no write lands elsewhere.
TEST_P(Databases, ManySessionsThatChangeTheirsInsideMulti) {
  std::mt19937_64 random(TestSeed());
  constexpr size_t kClients = 8;
  std::vector<std::unique_ptr<RedisClient>> clients;
  std::vector<int> in_db(kClients, 0);
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RedisClient>(port(), std::chrono::seconds(30)));
  }
  RedisClient plain(plain_.port());
  const auto on_plain = [&plain](int db, const Args& args) {
    plain.Call({"SELECT", std::to_string(db)});
    plain.Call(args);
  };
  for (uint64_t round = 0; round < LoadSize(0.02); ++round) {
    // All of them at once; each has keys of its own, so that the outcome is known.
    std::vector<size_t> owed(kClients);
    for (size_t who = 0; who < kClients; ++who) {
      const std::string key = "k" + std::to_string(who) + ":" + std::to_string(random() % 3);
      const Args append = {"APPEND", key, std::to_string(round % 10)};
      const int next = static_cast<int>(random() % 4);
      std::vector<Args> commands = {append};
      on_plain(in_db[who], append);
      if (random() % 3 == 0) {
        commands = {append, {"MULTI"}, append, {"SELECT", std::to_string(next)},
                    append, {"EXEC"},  append};
        on_plain(in_db[who], append);
        in_db[who] = next;
        on_plain(next, append);
        on_plain(next, append);
      }
      std::string bytes;
      for (const Args& args : commands) EncodeCommand(bytes, args);
      clients[who]->SendRaw(bytes);
      owed[who] = commands.size();
    }
    for (size_t who = 0; who < kClients; ++who) {
      for (size_t i = 0; i < owed[who]; ++i) {
        const Value reply = clients[who]->Read();
        ASSERT_TRUE(reply.ok()) << Render(reply);
      }
    }
  }
  ExpectStoresAsPlain();
}

}  // namespace
}  // namespace crossfade::test
