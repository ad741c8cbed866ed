// What looks impossible until it happens: each is shown on real stores first,
// then that the proxy between them is not caught. Those of scripts, of commands
// that block and of WAIT are shown beside their own tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;

const Value kOk{Value::Kind::kStatus, "OK", 0, {}};

int64_t UnixMs() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class Traps : public ::testing::TestWithParam<int> {
 protected:
  Traps() { Reset({}); }

  void Reset(MigrationOptions options) {
    migration_.emplace(std::move(options));
    migration_->config.workers = GetParam();
  }
  void StartRamp() {
    migration_->config.stage = "ramp";
    migration_->config.reads = {{"follower", "100%"}, {"staleness", "10s"}};
    ASSERT_TRUE(migration_->StartLive());
  }
  uint16_t port() const { return migration_->proxy->port(); }
  Value OnLegacy(const Args& args) { return RedisClient(migration_->legacy.port()).Call(args); }
  Value OnNew(const Args& args) { return RedisClient(migration_->fresh.port()).Call(args); }

  static void SendNow(RedisClient& client, const Args& args) {
    std::string bytes;
    EncodeCommand(bytes, args);
    client.SendRaw(bytes);
  }

  std::optional<Migration> migration_;
};

INSTANTIATE_TEST_SUITE_P(Workers, Traps, ::testing::Values(1, 2), WorkersName);

// The follower's hash has expired before HSET comes, and the authority's has not:
// both reply 1, and the follower is left with a hash that never expires.
TEST_P(Traps, EqualRepliesThoughAKeyHadVanishedOnOneSide) {
  const auto make = [](RedisClient& client) {
    EXPECT_EQ(client.Call({"HSET", "h", "f", "1"}).integer, 1);
    EXPECT_EQ(client.Call({"PEXPIRE", "h", "1000"}).integer, 1);
  };
  const auto write = [](RedisClient& client) {
    return client.Call({"HSET", "h", "g", "2"}).integer;
  };
  {
    RedisServer late;
    RedisClient authority(migration_->legacy.port()), follower(late.port());
    make(authority);
    make(follower);
    EXPECT_EQ(write(authority), 1);
    ASSERT_TRUE(Await([&] { return follower.Call({"EXISTS", "h"}).integer == 0; }));
    EXPECT_EQ(write(follower), 1);
    ASSERT_TRUE(Await([&] { return authority.Call({"EXISTS", "h"}).integer == 0; }));
    ASSERT_EQ(follower.Call({"PTTL", "h"}).integer, -1) << "the trap";
  }
  ASSERT_TRUE(migration_->StartLive());
  RedisClient client(port());
  make(client);
  ASSERT_TRUE(migration_->proxy->AwaitDrained());
  migration_->fresh.Pause();
  EXPECT_EQ(write(client), 1);
  ASSERT_TRUE(Await([&] { return client.Call({"EXISTS", "h"}).integer == 0; }));
  migration_->fresh.Resume();
  ASSERT_TRUE(migration_->proxy->AwaitDrained());
  EXPECT_EQ(OnNew({"EXISTS", "h"}).integer, 0);
  EXPECT_GE(migration_->Status()["drift"].value("expiry", 0), 1);
}

// A store goes on executing what a connection had sent that is long given up.
TEST_P(Traps, ALostConnectionIsStillExecuted) {
  constexpr int kBuffered = 4000;
  {
    RedisServer store;
    auto given_up = std::make_unique<RedisClient>(store.port());
    RedisClient next(store.port());
    ASSERT_TRUE(next.Call({"PING"}).ok());
    SendNow(*given_up, {"CLIENT", "REPLY", "OFF"});
    store.Pause();
    std::string bytes;
    for (int i = 1; i <= kBuffered; ++i) EncodeCommand(bytes, {"SET", "k", std::to_string(i)});
    given_up->SendRaw(bytes);
    given_up.reset();
    SendNow(next, {"SET", "k", "of the next connection"});
    store.Resume();
    EXPECT_EQ(next.Read(), kOk);
    EXPECT_TRUE(Await([&] {
      return next.Call({"GET", "k"}).text == std::to_string(kBuffered);
    })) << "the trap is not there: "
        << next.Call({"GET", "k"}).text;
  }
  migration_->config.limits["command_timeout"] = "200ms";
  ASSERT_TRUE(migration_->StartLive());
  RedisClient client(port());
  const auto kills = [this] {
    const std::string stats = OnNew({"INFO", "commandstats"}).text;
    const size_t at = stats.find("cmdstat_client|kill:calls=");
    return at == std::string::npos ? 0 : std::strtol(stats.c_str() + at + 26, nullptr, 10);
  };
  for (int round = 1; round <= 3; ++round) {
    const long before = kills();
    migration_->fresh.Pause();
    std::vector<Args> writes;
    for (int i = 0; i < kBuffered; ++i) writes.push_back({"SET", "k", std::to_string(i)});
    for (const Value& reply : client.Pipeline(writes)) ASSERT_EQ(reply, kOk);
    ASSERT_TRUE(Await([this] {
      const nlohmann::json status = migration_->Status();
      return status.is_object() && !status["stores"][1].value("connected", true);
    }));
    const std::string last = "round " + std::to_string(round);
    EXPECT_EQ(client.Call({"SET", "k", last}), kOk);
    migration_->fresh.Resume();
    migration_->ExpectEqualWhenDrained();
    EXPECT_EQ(OnNew({"GET", "k"}).text, last);
    EXPECT_GT(kills(), before);
  }
}

// COMMAND says of none of these that it writes, nor that it reads only.
TEST_P(Traps, CommandsThatAreNeitherWritesNorReads) {
  const Value infos = OnLegacy({"COMMAND", "INFO", "EVAL", "FCALL", "PUBLISH", "SCRIPT|LOAD"});
  ASSERT_EQ(infos.elements.size(), 4u);
  for (const Value& info : infos.elements) {
    ASSERT_EQ(info.kind, Value::Kind::kArray);
    for (const Value& flag : info.elements.at(2).elements) {
      ASSERT_TRUE(flag.text != "write" && flag.text != "readonly") << "no trap any more";
    }
  }
  ASSERT_EQ(OnLegacy({"FUNCTION", "LOAD",
                      "#!lua name=lib\nredis.register_function('put', function(keys, args) return "
                      "redis.call('SET', keys[1], args[1]) end)"})
                .text,
            "lib");
  StartRamp();
  RedisClient client(port());
  RedisClient subscriber(port());
  EXPECT_TRUE(subscriber.Call({"SUBSCRIBE", "channel"}).ok());
  for (int i = 0; i < 20; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_EQ(client.Call({"EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", "e", value}),
              kOk);
    ASSERT_EQ(client.Call({"FCALL", "put", "1", "f", value}), kOk);
    ASSERT_EQ(client.Call({"PUBLISH", "channel", value}).integer, 1);
    ASSERT_EQ(subscriber.Read().elements.at(2).text, value);
    ASSERT_EQ(OnLegacy({"GET", "e"}).text, value);
    ASSERT_EQ(OnLegacy({"GET", "f"}).text, value);
  }
  const std::string sha = client.Call({"SCRIPT", "LOAD", "return 7"}).text;
  migration_->ExpectEqualWhenDrained();
  EXPECT_EQ(OnLegacy({"SCRIPT", "EXISTS", sha}).elements.at(0).integer, 1);
  EXPECT_EQ(OnNew({"SCRIPT", "EXISTS", sha}).elements.at(0).integer, 1);
}

// A lock whose time to live was made a moment by somebody else is gone when the
// server stalls, though its taker was told OK.
TEST_P(Traps, ALockWithADeadlineVanishesInAStall) {
  constexpr int64_t kTtlMs = 600;
  const auto stalled = [](RedisServer& server, RedisClient& client, const Args& lock) {
    server.Pause();
    SendNow(client, lock);
    const int64_t until = UnixMs() + kTtlMs + 200;
    EXPECT_TRUE(Await([&] { return UnixMs() > until; }));
    server.Resume();
    return client.Read();
  };
  {
    RedisServer store;
    RedisClient client(store.port());
    const std::string at = std::to_string(UnixMs() + kTtlMs);
    ASSERT_EQ(stalled(store, client, {"SET", "lock", "me", "NX", "PXAT", at}), kOk);
    ASSERT_EQ(client.Call({"EXISTS", "lock"}).integer, 0) << "the trap";
  }
  ASSERT_TRUE(migration_->StartLive());
  RedisClient client(port());
  const std::string ttl = std::to_string(kTtlMs);
  EXPECT_EQ(stalled(migration_->legacy, client, {"SET", "lock", "me", "NX", "PX", ttl}), kOk);
  EXPECT_GT(client.Call({"PTTL", "lock"}).integer, 0);
  EXPECT_EQ(stalled(migration_->legacy, client,
                    {"EVAL", "return redis.call('SET', KEYS[1], 'me', 'PX', ARGV[1])", "1", "other",
                     ttl}),
            kOk);
  EXPECT_GT(client.Call({"PTTL", "other"}).integer, 0);
  EXPECT_EQ(client.Call({"SET", "stays", "1"}), kOk);
  migration_->ExpectEqualWhenDrained();
}

// A SELECT that nobody awaits may be refused, and the next write lands elsewhere.
TEST_P(Traps, ARefusedSelectSendsTheNextWriteElsewhere) {
  {
    RedisServer few({"--databases", "4"});
    RedisClient client(few.port());
    const std::vector<Args> batch = {{"SELECT", "9"}, {"SET", "k", "meant for 9"}};
    const std::vector<Value> replies = client.Pipeline(batch);
    ASSERT_FALSE(replies[0].ok());
    ASSERT_EQ(replies[1], kOk);
    ASSERT_EQ(RedisClient(few.port()).Call({"GET", "k"}).text, "meant for 9") << "the trap";
  }
  // The follower's: nothing is applied in db 0 that was meant for another.
  Reset({.legacy_args = {}, .fresh_args = {"--databases", "4"}});
  ASSERT_TRUE(migration_->StartLive());
  RedisClient client(port());
  EXPECT_EQ(client.Call({"SELECT", "9"}), kOk);
  EXPECT_EQ(client.Call({"SET", "k", "meant for 9"}), kOk);
  EXPECT_TRUE(Await([this] { return migration_->Status().value("mirror_state", "") != "live"; }));
  EXPECT_EQ(CountKeys(migration_->fresh.port()), 0u);
  EXPECT_EQ(client.Call({"GET", "k"}).text, "meant for 9");
  // The authority's.
  Reset({.legacy_args = {"--databases", "4"}});
  ASSERT_TRUE(migration_->StartLive());
  RedisClient other(port());
  EXPECT_EQ(other.Call({"SET", "k", "of 0"}), kOk);
  const bool selected = other.Call({"SELECT", "9"}).ok();
  EXPECT_NE(other.Call({"SET", "k", "meant for 9"}).ok(), selected);
  if (selected) {
    EXPECT_EQ(OnLegacy({"GET", "k"}).text, "of 0");
  }
  EXPECT_EQ(RedisClient(port()).Call({"SET", "j", "1"}), kOk);
  migration_->ExpectEqualWhenDrained();
}

// Two stores that hold the same go through it in different orders.
TEST_P(Traps, CursorsAreOfTheStoreThatGaveThem) {
  constexpr int kKeys = 2000;
  StartRamp();
  RedisClient client(port());
  Args members = {"SADD", "s"};
  std::vector<Args> sets;
  for (int i = 0; i < kKeys; ++i) {
    sets.push_back({"SET", "key:" + std::to_string(i), "v"});
    members.push_back(std::to_string(i) + "m");
  }
  for (const Value& reply : client.Pipeline(sets)) ASSERT_EQ(reply, kOk);
  ASSERT_EQ(client.Call(members).integer, kKeys);
  migration_->ExpectEqualWhenDrained();
  const Args first = {"SCAN", "0", "COUNT", "100"};
  ASSERT_NE(OnLegacy(first).elements.at(1), OnNew(first).elements.at(1)) << "the trap";
  const auto all = [&client](Args scan, size_t cursor_at) {
    std::set<std::string> found;
    do {
      const Value page = client.Call(scan);
      if (page.elements.size() != 2) break;
      scan[cursor_at] = page.elements[0].text;
      for (const Value& element : page.elements[1].elements) found.insert(element.text);
      // Something of the route between, so that pages do not come in one batch.
      EXPECT_EQ(client.Call({"GET", "key:1"}).text, "v");
    } while (scan[cursor_at] != "0");
    return found.size();
  };
  EXPECT_EQ(all({"SCAN", "0", "COUNT", "50"}, 1), kKeys + 1u);
  EXPECT_EQ(all({"SSCAN", "s", "0", "COUNT", "50"}, 2), static_cast<size_t>(kKeys));
  const std::string stats = OnNew({"INFO", "commandstats"}).text;
  EXPECT_NE(stats.find("cmdstat_get:"), std::string::npos) << "reads did not go there at all";
  EXPECT_EQ(stats.find("cmdstat_sscan:"), std::string::npos) << stats;
}

// A store that evicts loses keys alone, and its replies do not tell.
TEST_P(Traps, AStoreThatEvictsCannotFollow) {
  const MigrationOptions evicting = {
      .legacy_args = {},
      .fresh_args = {"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}};
  Reset(evicting);
  for (RedisServer* store : {&migration_->legacy, &migration_->fresh}) {
    EXPECT_EQ(RedisClient(store->port()).Call({"HSET", "h", "f", "1"}).integer, 1);
  }
  OnNew({"CONFIG", "SET", "maxmemory", "1"});
  OnNew({"SET", "more", "than it takes"});
  OnNew({"CONFIG", "SET", "maxmemory", "100mb"});
  ASSERT_EQ(OnLegacy({"HSET", "h", "g", "2"}), OnNew({"HSET", "h", "g", "2"}));
  ASSERT_NE(OnLegacy({"HLEN", "h"}), OnNew({"HLEN", "h"})) << "the trap";
  OnNew({"FLUSHALL"});
  ASSERT_TRUE(migration_->Start());
  ASSERT_TRUE(migration_->proxy->AwaitStatus("refused", [](const nlohmann::json& status) {
    return status.value("mirror_state", "") == "refused";
  }));
  EXPECT_NE(migration_->Status().value("mirror_detail", "").find("noeviction"), std::string::npos);
  EXPECT_EQ(RedisClient(port()).Call({"SET", "k", "v"}), kOk);
  EXPECT_EQ(CountKeys(migration_->fresh.port()), 0u);
  // Told to keep what it has, it may.
  EXPECT_EQ(OnNew({"CONFIG", "SET", "maxmemory-policy", "noeviction"}), kOk);
  migration_->ExpectEqualWhenDrained();
}

}  // namespace
}  // namespace crossfade::test
