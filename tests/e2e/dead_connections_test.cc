// A store that stops with a full socket buffer: its connections are given up and
// made anew. When it goes on, what the old ones had buffered must not be executed
// behind what came after (design R8).
#include <algorithm>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

constexpr int kKeys = 50;
constexpr int kVersions = 12;
constexpr size_t kValueBytes = 16 * 1024;

class DeadConnections : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    migration_.config.workers = GetParam();
    migration_.config.limits = {{"command_timeout", "500ms"}, {"connect_timeout", "300ms"}};
    ASSERT_TRUE(migration_.StartLive());
    for (int i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<RedisClient>(migration_.proxy->port()));
    }
  }

  static std::string Key(int number) { return "key:" + std::to_string(number); }
  static std::string Text(const std::string& version) {
    return version + std::string(kValueBytes, '.');
  }
  // Far more than a socket's buffers take; from several clients, so that all workers do.
  void SendOldVersions() {
    for (int version = 0; version < kVersions; ++version) {
      for (int i = 0; i < kKeys; ++i) {
        Client(i).Send({"SET", Key(i), Text("old " + std::to_string(version))});
      }
    }
  }
  RedisClient& Client(int key) { return *clients_[static_cast<size_t>(key) % clients_.size()]; }
  bool Connected(size_t store) {
    const nlohmann::json status = migration_.Status();
    return status.is_object() && status["stores"][store].value("connected", true);
  }
  void ExpectNewIn(RedisServer& store) {
    RedisClient client(store.port());
    for (int i = 0; i < kKeys; ++i) {
      EXPECT_EQ(client.Call({"GET", Key(i)}).text.substr(0, 3), "new") << Key(i);
    }
  }

  static constexpr int kClients = 8;
  Migration migration_;
  std::vector<std::unique_ptr<RedisClient>> clients_;
};

INSTANTIATE_TEST_SUITE_P(Workers, DeadConnections, ::testing::Values(1, 2), WorkersName);

TEST_P(DeadConnections, OfTheFollowerDoNotOverwriteWhatWasSynced) {
  for (int round = 0; round < 3; ++round) {
    migration_.fresh.Pause();
    SendOldVersions();
    for (int i = 0; i < kKeys * kVersions; ++i) ASSERT_EQ(Client(i % kKeys).Read().text, "OK");
    ASSERT_TRUE(Await([&] { return !Connected(1); }));
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_EQ(Client(i).Call({"SET", Key(i), Text("new")}).text, "OK");
    }
    migration_.fresh.Resume();
    EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, static_cast<uint64_t>(kKeys));
    ExpectNewIn(migration_.fresh);
  }
}

// The clients are told that it is not known what became of their writes; what is
// acknowledged after that stays.
TEST_P(DeadConnections, OfTheAuthorityDoNotOverwriteWhatWasAcknowledged) {
  for (int round = 0; round < 3; ++round) {
    migration_.legacy.Pause();
    SendOldVersions();
    uint64_t unknown = 0;
    for (int i = 0; i < kKeys * kVersions; ++i) {
      const Value reply = Client(i % kKeys).Read();
      ASSERT_EQ(reply.kind, Value::Kind::kError) << Render(reply);
      unknown += reply.text.find("not known whether") != std::string::npos;
    }
    EXPECT_GT(unknown, 0u);
    ASSERT_TRUE(Await([&] { return !Connected(0); }));
    migration_.legacy.Resume();
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(Await([&] { return Client(i).Call({"SET", Key(i), Text("new")}).ok(); }));
    }
    ExpectNewIn(migration_.legacy);
    EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, static_cast<uint64_t>(kKeys));
    ExpectNewIn(migration_.fresh);
  }
}

// Transactions and scripts are of unknown fate as a whole.
TEST_P(DeadConnections, WritesOfUnknownFateAreSaidToBeSoAndSynced) {
  RedisClient& client = Client(0);
  const std::vector<std::vector<Args>> cases = {
      {{"INCR", "number"}},
      {{"MULTI"}, {"INCR", "number"}, {"RPUSH", "list", "x"}, {"EXEC"}},
      {{"EVAL", "redis.call('INCR', KEYS[1]) return redis.call('RPUSH', KEYS[2], 'x')", "2",
        "number", "list"}},
      {{"BLPOP", "list", "0"}},
      {{"WATCH", "none"}, {"MULTI"}, {"INCR", "number"}, {"EXEC"}}};
  for (const std::vector<Args>& commands : cases) {
    ASSERT_TRUE(Await([&] { return client.Call({"RPUSH", "list", "a", "b"}).ok(); }));
    Value reply;
    for (size_t i = 0; i + 1 < commands.size(); ++i) {
      reply = client.Call(commands[i]);
      ASSERT_TRUE(reply.ok()) << Render(reply);
    }
    migration_.legacy.Pause();
    reply = client.Call(commands.back());
    EXPECT_NE(reply.text.find("not known whether"), std::string::npos)
        << Render(commands.back()) << " -> " << Render(reply);
    migration_.legacy.Resume();
    migration_.ExpectEqualWhenDrained();
  }
}

}  // namespace
}  // namespace crossfade::test
