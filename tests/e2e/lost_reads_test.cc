// The connection to the authority is lost with reads in flight: they are made again
// once, when nothing else of their session is in flight; the client sees no error.
#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

constexpr int kClients = 6;
constexpr int kKeys = 60;

enum class Reads { kPlain, kOrdered, kShadowed };

std::string NameOf(const ::testing::TestParamInfo<Reads>& param) {
  static constexpr const char* kNames[] = {"Plain", "Ordered", "Shadowed"};
  return kNames[static_cast<size_t>(param.param)];
}

class LostReads : public ::testing::TestWithParam<Reads> {
 protected:
  LostReads() : migration_({.legacy_args = {}, .legacy_relay = true}) {}
  void SetUp() override {
    migration_.config.workers = 2;
    migration_.config.limits = {{"command_timeout", "2s"}, {"connect_timeout", "300ms"}};
    if (GetParam() != Reads::kPlain) {
      migration_.config.stage = "ramp";
      const bool shadowed = GetParam() == Reads::kShadowed;
      migration_.config.reads = {{"follower", "0%"}, {"shadow", shadowed ? "100%" : "0%"}};
    }
    ASSERT_TRUE(migration_.StartLive());
    for (int i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<RedisClient>(migration_.proxy->port()));
    }
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(clients_[0]->Call({"SET", Key(i), Text(i)}).ok());
    }
  }

  // Of one packet and of many.
  static std::string Text(int i) {
    return std::to_string(i) + std::string(i % 7 == 0 ? 70'000 : 30, '.');
  }
  static std::string Key(int i) { return "key:" + std::to_string(i); }
  static Value StringOf(int i) {
    return {.kind = Value::Kind::kString, .text = Text(i), .integer = 0, .elements = {}};
  }
  // At once, in one piece.
  static void Send(RedisClient& client, const std::vector<Args>& commands) {
    std::string bytes;
    for (const Args& command : commands) EncodeCommand(bytes, command);
    client.SendRaw(bytes);
  }
  static std::vector<Args> AllKeysFrom(int start) {
    std::vector<Args> commands;
    for (int i = 0; i < kKeys; ++i) commands.push_back({"GET", Key((start + i) % kKeys)});
    return commands;
  }
  uint64_t Retries() { return migration_.Status()["authority_read_retries"].get<uint64_t>(); }
  uint64_t Lost() { return migration_.Status()["client_errors"]["store_lost"].get<uint64_t>(); }
  void LoseConnections() {
    migration_.legacy_relay->ResetConnections();
    migration_.legacy_relay->Resume();
  }

  Migration migration_;
  std::vector<std::unique_ptr<RedisClient>> clients_;
};

INSTANTIATE_TEST_SUITE_P(, LostReads,
                         ::testing::Values(Reads::kPlain, Reads::kOrdered, Reads::kShadowed),
                         NameOf);

TEST_P(LostReads, AreMadeAgain) {
  // Until it has happened that they were under way; at the first try, as a rule.
  for (int round = 0; round < 5 || (round < 50 && Retries() == 0); ++round) {
    migration_.legacy_relay->Pause();
    std::vector<Args> commands = AllKeysFrom(0);
    commands.push_back({"MGET", Key(1), Key(2), "none"});
    for (const auto& client : clients_) Send(*client, commands);
    LoseConnections();
    for (const auto& client : clients_) {
      for (int i = 0; i < kKeys; ++i) ASSERT_EQ(client->Read(), StringOf(i)) << i;
      const Value many = client->Read();
      ASSERT_EQ(many.elements.size(), 3u) << Render(many);
      EXPECT_EQ(many.elements[1], StringOf(2));
    }
  }
  EXPECT_GT(Retries(), 0u);
  EXPECT_EQ(Lost(), 0u);
  migration_.ExpectEqualWhenDrained();
}

// At any moment, also within a run of replies.
TEST_P(LostReads, OfARunOnlyTheUnansweredAreMadeAgain) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> answered{0};
  uint64_t lost_twice = 0;
  std::thread cutter([&] {
    for (uint64_t cuts = 1; cuts <= 25; ++cuts) {
      Await([&] { return answered > cuts * 1001; });
      migration_.legacy_relay->ResetConnections();
    }
    stop = true;
  });
  for (int start = 0; !stop; start = (start + 1) % kKeys) {
    for (const auto& client : clients_) Send(*client, AllKeysFrom(start));
    for (const auto& client : clients_) {
      for (int i = 0; i < kKeys; ++i) {
        const Value reply = client->Read();
        if (reply.kind == Value::Kind::kError) {
          ++lost_twice;
        } else {
          ASSERT_EQ(reply, StringOf((start + i) % kKeys));
          ++answered;
        }
      }
    }
  }
  cutter.join();
  EXPECT_GT(Retries(), 0u);
  EXPECT_LT(lost_twice, answered / 10);
}

TEST_P(LostReads, BesideAWriteAreNot) {
  RedisClient& client = *clients_[0];
  const Value expected[] = {
      StringOf(1),
      {.kind = Value::Kind::kStatus, .text = "OK", .integer = 0, .elements = {}},
      StringOf(2)};
  bool told = false;
  for (int round = 0; round < 50 && !told; ++round) {  // until they were under way
    migration_.legacy_relay->Pause();
    Send(client, {{"GET", Key(1)}, {"SET", Key(1), Text(1)}, {"GET", Key(2)}});
    LoseConnections();
    for (const Value& value : expected) {
      const Value reply = client.Read();
      if (reply == value) continue;
      told = true;
      EXPECT_NE(reply.text.find("not known whether the command was executed"), std::string::npos)
          << Render(reply);
    }
  }
  EXPECT_TRUE(told);
  EXPECT_EQ(client.Call({"GET", Key(2)}), StringOf(2));
  migration_.ExpectEqualWhenDrained();
}

// The store closes a connection whose reply is larger than its limit, each time.
TEST_P(LostReads, AreMadeAgainOnce) {
  RedisClient direct(migration_.legacy.port());
  ASSERT_TRUE(direct.Call({"SET", "large", std::string(3 << 20, 'x')}).ok());
  ASSERT_TRUE(direct.Call({"CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"}).ok());
  const Value reply = clients_[0]->Call({"GET", "large"});
  EXPECT_EQ(reply.kind, Value::Kind::kError);
  EXPECT_NE(reply.text.find("was lost"), std::string::npos) << Render(reply);
  EXPECT_EQ(Retries(), 1u);
  EXPECT_EQ(clients_[0]->Call({"GET", Key(3)}), StringOf(3));
}

TEST_P(LostReads, GetAnErrorWhileTheStoreIsAway) {
  migration_.legacy_relay->Pause();
  for (const auto& client : clients_) Send(*client, {{"GET", Key(1)}});
  migration_.legacy_relay->ResetConnections();  // and what connects now gets no answer
  for (const auto& client : clients_) {
    const Value reply = client->Read();
    EXPECT_EQ(reply.kind, Value::Kind::kError) << Render(reply);
  }
  migration_.legacy_relay->Resume();
  ASSERT_TRUE(Await([this] { return clients_[0]->Call({"GET", Key(1)}) == StringOf(1); }));
}

}  // namespace
}  // namespace crossfade::test
