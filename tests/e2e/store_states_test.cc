// The states that a store can be in: each has its name, its metric, its line in
// the log and its effect on reads, writes and the mirror.
#include <filesystem>

#include "tests/e2e/migration.h"
#include "tests/support/ledger.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;

class StoreStates : public ::testing::TestWithParam<int> {
 protected:
  explicit StoreStates(MigrationOptions options = {}) : migration_(std::move(options)) {
    migration_.config.workers = GetParam();
    migration_.config.stage = "ramp";
    migration_.config.reads = {{"follower", "100%"}, {"staleness", "1s"}};
    migration_.config.limits = {{"command_timeout", "2s"}, {"connect_timeout", "300ms"}};
  }

  void SetUp() override {
    ASSERT_TRUE(migration_.StartLive());
    client_ = std::make_unique<RedisClient>(migration_.proxy->port());
    for (int i = 0; i < 100; ++i) Set(i, "before");
    ASSERT_TRUE(migration_.proxy->AwaitDrained());
    ASSERT_TRUE(Await([&] { return Store("new").value("keys", 0) == 100; }));
  }

  static std::string Key(int number) { return "key:" + std::to_string(number); }
  void Set(int number, const std::string& value) {
    const Value reply = client_->Call({"SET", Key(number), value});
    EXPECT_EQ(reply.text, "OK") << Render(reply);
  }
  static Value Tell(RedisServer& store, const Args& args) {
    Value reply = RedisClient(store.port()).Call(args);
    EXPECT_TRUE(reply.ok()) << Render(args) << " -> " << Render(reply);
    return reply;
  }
  nlohmann::json Store(const char* role) {
    const nlohmann::json status = migration_.Status();
    for (const auto& store : status.value("stores", nlohmann::json::array())) {
      if (store.value("role", "") == role) return store;
    }
    return {};
  }
  bool AwaitState(const char* role, const char* state, bool holds = true) {
    const bool came = Await([&] {
      const nlohmann::json store = Store(role);
      return store.contains("states") && store["states"].value(state, !holds) == holds;
    });
    EXPECT_TRUE(came) << role << " is not " << (holds ? "" : "no longer ") << state << ": "
                      << Store(role).dump();
    if (!came || !holds) return came;
    EXPECT_GE(Store(role)["state_entries"].value(state, 0), 1);
    const std::string metric =
        "crossfade_store_state_entries_total{store=\"" + std::string(role) + "\",state=\"" + state;
    EXPECT_NE(migration_.proxy->Metrics().find(metric), std::string::npos);
    const std::string line = "store=" + std::string(role) +
                             " role=" + (std::string(role) == "legacy" ? "authority" : "follower") +
                             " state=" + state + " holds=true";
    EXPECT_NE(migration_.proxy->LogTail(1000).find(line), std::string::npos) << line;
    return came;
  }
  uint64_t Decisions(const std::string& reason) {
    return SumWhere(migration_.Status()["read_decisions"], "reason", reason);
  }
  // All keys are read, and none at the follower.
  void ExpectReadsAtAuthority(const std::string& reason) {
    const uint64_t eligible = Decisions("eligible"), because = Decisions(reason);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(client_->Call({"GET", Key(i)}).ok());
    EXPECT_EQ(Decisions("eligible"), eligible);
    EXPECT_EQ(Decisions(reason), because + 100);
  }
  bool AwaitReadsAtFollower() {
    return Await([&] {
      const uint64_t before = Decisions("eligible");
      for (int i = 0; i < 100; ++i) client_->Call({"GET", Key(i)});
      return Decisions("eligible") >= before + 100;
    });
  }
  std::string MirrorDetail() {
    const nlohmann::json status = migration_.Status();
    return status.value("mirror_state", "") + " " + status.value("mirror_detail", "");
  }

  Migration migration_;
  std::unique_ptr<RedisClient> client_;
};

INSTANTIATE_TEST_SUITE_P(Workers, StoreStates, ::testing::Values(1, 2), WorkersName);

TEST_P(StoreStates, UpThenSlowThenDownWhenItHangs) {
  ASSERT_TRUE(AwaitState("legacy", "up") && AwaitState("new", "up"));
  migration_.fresh.Pause();
  EXPECT_TRUE(AwaitState("new", "slow"));
  EXPECT_TRUE(AwaitState("new", "down"));
  EXPECT_TRUE(AwaitState("new", "up", false));
  Set(1, "while it hangs");
  migration_.fresh.Resume();
  EXPECT_TRUE(AwaitState("new", "up"));
  EXPECT_EQ(Store("new").value("state", ""), "up");
  migration_.ExpectEqualWhenDrained();
}

TEST_P(StoreStates, AnAuthorityThatIsDownIsNamedToClientsAtOnce) {
  migration_.legacy.Kill();
  EXPECT_TRUE(AwaitState("legacy", "down"));
  const auto begun = std::chrono::steady_clock::now();
  for (const Args& args : {Args{"SET", "k", "v"}, Args{"GET", "nobody has this"},
                           Args{"BLPOP", "q", "0"}, Args{"EVAL", "return 1", "0"}}) {
    const Value reply = client_->Call(args);
    EXPECT_TRUE(reply.text.find("legacy store (authority)") != std::string::npos) << Render(reply);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, milliseconds(500));
  migration_.legacy.Start();
  EXPECT_TRUE(AwaitState("legacy", "up"));
}

TEST_P(StoreStates, AFollowerThatComesBackEmptyIsCopiedAndNotReadMeanwhile) {
  migration_.fresh.Kill();
  EXPECT_TRUE(AwaitState("new", "down"));
  ExpectReadsAtAuthority("not_connected");
  // So that it is not filled before it was looked at.
  migration_.fresh.StartLoading({"--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"});
  EXPECT_TRUE(AwaitState("new", "restarted_empty"));
  EXPECT_NE(Store("new").value("state_detail", "").find("it held 100 keys"), std::string::npos);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client_->Call({"GET", Key(i)}).text, "before");
  Tell(migration_.fresh, {"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  migration_.ExpectEqualWhenDrained();
  EXPECT_TRUE(AwaitReadsAtFollower());
  EXPECT_TRUE(AwaitState("new", "restarted_empty", false));
  EXPECT_EQ(Store("new").value("state", ""), "up");
}

TEST_P(StoreStates, StoresThatComeBackWithTheirData) {
  for (const char* role : {"new", "legacy"}) {
    RedisServer& store = role == std::string("new") ? migration_.fresh : migration_.legacy;
    Tell(store, {"SAVE"});
    store.Kill();
    EXPECT_TRUE(AwaitState(role, "down"));
    store.Start();
    EXPECT_TRUE(AwaitState(role, "restarted"));
    EXPECT_TRUE(AwaitState(role, "up"));
    ASSERT_TRUE(Await([&] { return client_->Call({"SET", Key(1), "after"}).ok(); }));
    EXPECT_GE(migration_.ExpectEqualWhenDrained().keys_compared, 100u);
  }
  EXPECT_TRUE(AwaitReadsAtFollower());
}

// What the new store still holds may be the last there is of it.
TEST_P(StoreStates, AnAuthorityThatComesBackEmptyDoesNotEmptyTheFollower) {
  Tell(migration_.legacy, {"SAVE"});
  const std::string dump = migration_.legacy.dir() + "/dump.rdb";
  migration_.legacy.Kill();
  std::filesystem::rename(dump, dump + ".kept");
  migration_.legacy.Start();
  EXPECT_TRUE(AwaitState("legacy", "restarted_empty"));
  const auto refused = [&] {
    const nlohmann::json status = migration_.Status();
    return status.value("mirror_state", "") == "refused" &&
           status.value("mirror_detail", "").find("crossfade resume") != std::string::npos;
  };
  EXPECT_TRUE(Await(refused));
  // Clients are served, and fill it again: that proves nothing.
  for (int i = 1'000; i < 1'150; ++i)
    ASSERT_TRUE(Await([&] { return client_->Call({"SET", Key(i), "new"}).ok(); }));
  EXPECT_FALSE(Await([&] { return !refused(); }, milliseconds(2'500)));
  EXPECT_EQ(Tell(migration_.fresh, {"EXISTS", Key(0), Key(99), Key(1'000)}).integer, 2);

  // With its data again it goes on by itself; this time the operator takes it without.
  migration_.legacy.Kill();
  std::filesystem::rename(dump + ".kept", dump);
  migration_.legacy.Start();
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 100u);
  migration_.legacy.Kill();
  std::filesystem::remove(dump);
  migration_.legacy.Start();
  EXPECT_TRUE(Await(refused));
  Set(1, "new");
  EXPECT_EQ(migration_.proxy->Http("POST", "/api/v1/resume").status, 200);
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 1u);
}

TEST_P(StoreStates, Loading) {
  for (int i = 0; i < 2'000; ++i) client_->Send({"SET", Key(i), std::string(100, 'x')});
  for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(client_->Read().ok());
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  for (const char* role : {"new", "legacy"}) {
    RedisServer& store = role == std::string("new") ? migration_.fresh : migration_.legacy;
    Tell(store, {"SAVE"});
    store.Kill();
    store.StartLoading(
        {"--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"});
    EXPECT_TRUE(AwaitState(role, "loading"));
    const Value reply = client_->Call({"GET", Key(1)});
    EXPECT_TRUE(reply.ok() || (role == std::string("legacy") &&
                               reply.text.find("legacy store (authority)") != std::string::npos))
        << Render(reply);
    EXPECT_TRUE(AwaitState(role, "loading", false));
    ASSERT_TRUE(Await([&] { return client_->Call({"SET", Key(1), "after"}).ok(); }));
    migration_.ExpectEqualWhenDrained();
  }
}

// What the follower refuses is synced when it is over; meanwhile little is tried.
TEST_P(StoreStates, AFollowerThatRefusesWrites) {
  const std::vector<std::pair<const char*, std::vector<Args>>> cases = {
      {"out_of_memory", {{"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "SET", "maxmemory", "0"}}},
      {"read_only",
       {{"CONFIG", "SET", "min-replicas-to-write", "1"},
        {"CONFIG", "SET", "min-replicas-to-write", "0"}}}};
  for (const auto& [state, changes] : cases) {
    Tell(migration_.fresh, changes[0]);
    for (int i = 0; i < 100; ++i) Set(i, state);
    EXPECT_TRUE(AwaitState("new", state));
    EXPECT_TRUE(Await([&] { return migration_.Status().value("dirty_keys", 0) == 100; }));
    ExpectReadsAtAuthority("suspended");
    EXPECT_FALSE(migration_.Status().value("reads_suspended", "").empty());
    const uint64_t refused = migration_.Status()["drift"].value("sync_refused", uint64_t{0});
    const auto begun = std::chrono::steady_clock::now();
    uint64_t writes = 0;
    for (; std::chrono::steady_clock::now() - begun < milliseconds(1'500); ++writes) {
      Set(static_cast<int>(writes % 100), "again");
    }
    EXPECT_GT(writes, 100u);
    const uint64_t tried =
        migration_.Status()["drift"].value("sync_refused", uint64_t{0}) - refused;
    EXPECT_LT(tried, 30u) << "of " << writes << " writes";
    Tell(migration_.fresh, changes[1]);
    migration_.ExpectEqualWhenDrained();
    EXPECT_TRUE(AwaitState("new", state, false));
    EXPECT_TRUE(AwaitReadsAtFollower());
  }
}

TEST_P(StoreStates, AnAuthorityThatRefusesWritesSaysSoItself) {
  Tell(migration_.legacy, {"CONFIG", "SET", "maxmemory", "1"});
  const Value full = client_->Call({"SET", "k", "v"});
  EXPECT_TRUE(full.text.starts_with("OOM")) << Render(full);
  EXPECT_TRUE(AwaitState("legacy", "out_of_memory"));
  EXPECT_TRUE(AwaitReadsAtFollower()) << "nothing is wrong with the follower";
  Tell(migration_.legacy, {"CONFIG", "SET", "maxmemory", "0"});
  Tell(migration_.legacy, {"CONFIG", "SET", "min-replicas-to-write", "1"});
  const Value refused = client_->Call({"SET", "k", "v"});
  EXPECT_TRUE(refused.text.starts_with("NOREPLICAS")) << Render(refused);
  EXPECT_TRUE(AwaitState("legacy", "read_only"));
  Tell(migration_.legacy, {"CONFIG", "SET", "min-replicas-to-write", "0"});
  EXPECT_TRUE(AwaitState("legacy", "read_only", false));
  EXPECT_TRUE(AwaitState("legacy", "out_of_memory", false));
  Set(1, "after");
  migration_.ExpectEqualWhenDrained();
}

// Somebody else's data may take the place of ours: all is copied when it is over.
TEST_P(StoreStates, AFollowerThatBecomesAReplica) {
  RedisServer other;
  Tell(other, {"SET", "alien", "1"});
  Tell(migration_.fresh, {"REPLICAOF", "127.0.0.1", std::to_string(other.port())});
  EXPECT_TRUE(AwaitState("new", "read_only"));
  EXPECT_TRUE(AwaitState("new", "failed_over"));
  EXPECT_TRUE(Await([&] { return MirrorDetail().find("is a replica of") != std::string::npos; }))
      << MirrorDetail();
  for (int i = 0; i < 100; ++i) Set(i, "meanwhile");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client_->Call({"GET", Key(i)}).text, "meanwhile");
  Tell(migration_.fresh, {"REPLICAOF", "NO", "ONE"});
  ASSERT_TRUE(AwaitState("new", "read_only", false));
  migration_.ExpectEqualWhenDrained();
  EXPECT_TRUE(AwaitReadsAtFollower());
}

TEST_P(StoreStates, AnAuthorityThatEvictsSuspendsReadsUntilAllWasCopied) {
  Tell(migration_.legacy, {"CONFIG", "SET", "maxmemory-policy", "allkeys-random"});
  Tell(migration_.legacy, {"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_TRUE(AwaitState("legacy", "evicting"));
  Tell(migration_.legacy, {"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(Await([&] {
    return Decisions("suspended") > 0 || !client_->Call({"GET", Key(1)}).ok();
  }));
  ExpectReadsAtAuthority("suspended");
  for (int i = 0; i < 100; ++i) Set(i, "after");
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  ExpectReadsAtAuthority("suspended");
  const HttpAnswer resumed = migration_.proxy->Http("POST", "/api/v1/resume");
  EXPECT_EQ(resumed.status, 200);
  EXPECT_NE(resumed.body.find("copied again"), std::string::npos) << resumed.body;
  EXPECT_TRUE(AwaitReadsAtFollower());
  EXPECT_TRUE(migration_.Status().value("reads_suspended", "x").empty());
  migration_.ExpectEqualWhenDrained();
}

TEST_P(StoreStates, KeysEvictedWhileTheProxyWasAwaySuspendReadsToo) {
  migration_.proxy.reset();
  migration_.config.journal = {{"dir", migration_.fresh.dir() + "/journal"}, {"mode", "process"}};
  Tell(migration_.fresh, {"FLUSHALL"});
  ASSERT_TRUE(migration_.StartLive());
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  ASSERT_EQ(migration_.proxy->Terminate(), 0);
  Tell(migration_.legacy, {"CONFIG", "SET", "maxmemory-policy", "allkeys-random"});
  Tell(migration_.legacy, {"CONFIG", "SET", "maxmemory", "1"});
  RedisClient(migration_.legacy.port()).Call({"SET", "makes", "room"});
  Tell(migration_.legacy, {"CONFIG", "SET", "maxmemory", "1gb"});
  ASSERT_TRUE(migration_.StartLive());
  EXPECT_TRUE(Await([&] { return !migration_.Status().value("reads_suspended", "").empty(); }));
  client_ = std::make_unique<RedisClient>(migration_.proxy->port());
  ExpectReadsAtAuthority("suspended");
  EXPECT_EQ(migration_.proxy->Http("POST", "/api/v1/resume").status, 200);
  EXPECT_TRUE(AwaitReadsAtFollower());
  Set(0, "after");  // all may have been evicted
  migration_.ExpectEqualWhenDrained();
}

TEST_P(StoreStates, AFollowerThatEvictsIsCopiedOnceItDoesNoLonger) {
  Tell(migration_.fresh, {"CONFIG", "SET", "maxmemory", "1gb"});
  Tell(migration_.fresh, {"CONFIG", "SET", "maxmemory-policy", "allkeys-random"});
  EXPECT_TRUE(Await([&] { return !migration_.Status().value("reads_suspended", "").empty(); }));
  ExpectReadsAtAuthority("suspended");
  Tell(migration_.fresh, {"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_TRUE(AwaitState("new", "evicting"));
  EXPECT_TRUE(Await([&] {
    return MirrorDetail().starts_with("refused the new store evicts keys");
  })) << MirrorDetail();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client_->Call({"GET", Key(i)}).text, "before");
  Tell(migration_.fresh, {"CONFIG", "SET", "maxmemory", "0"});
  migration_.ExpectEqualWhenDrained();
  EXPECT_TRUE(AwaitReadsAtFollower());
}

// The authority's replica takes its place, without the last writes.
class FailOver : public StoreStates {
 protected:
  FailOver()
      : StoreStates({.legacy_args = {"--repl-diskless-sync-delay", "0"},
                     .relay = false,
                     .legacy_relay = true}) {}
  static uint64_t UptimeSeconds(RedisServer& store) {
    const std::string info = RedisClient(store.port()).Call({"INFO", "server"}).text;
    const std::string field = "uptime_in_seconds:";
    const size_t at = info.find(field);
    return at == info.npos ? 0 : std::strtoull(info.c_str() + at + field.size(), nullptr, 10);
  }
  Relay replication_{migration_.legacy.port()};
  RedisServer replica_{{"--replicaof", "127.0.0.1", std::to_string(replication_.port())}};
};

INSTANTIATE_TEST_SUITE_P(Workers, FailOver, ::testing::Values(1, 2), WorkersName);

TEST_P(FailOver, WritesThatTheNewAuthorityLacksAreGoneFromTheFollowerToo) {
  ASSERT_TRUE(Await([&] {
    return RedisClient(replica_.port()).Call({"GET", Key(99)}).text == "before";
  }));
  // So long that it can't have been started in the other's place.
  ASSERT_TRUE(Await([&] { return UptimeSeconds(replica_) >= 4; }));
  replication_.Pause();
  for (int i = 0; i < 50; ++i) Set(i, "lost");
  EXPECT_EQ(client_->Call({"SADD", "lost set", "x"}).integer, 1);
  EXPECT_EQ(client_->Call({"DEL", Key(99)}).integer, 1);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  migration_.legacy.Kill();
  replication_.ResetConnections();
  ASSERT_TRUE(Await([&] {
    return RedisClient(replica_.port()).Call({"REPLICAOF", "NO", "ONE"}).ok();
  }));
  const uint64_t eligible = Decisions("eligible");
  migration_.legacy_relay->SetTarget(replica_.port());
  migration_.legacy_relay->ResetConnections();
  EXPECT_TRUE(AwaitState("legacy", "failed_over"));
  // As the authority has it, from the first answer on.
  for (const auto& [key, value] :
       {std::pair{Key(1), "before"}, {Key(60), "before"}, {Key(99), "before"}}) {
    Value reply;
    EXPECT_TRUE(Await([&] { return (reply = client_->Call({"GET", key})).ok(); }));
    EXPECT_EQ(reply.text, value) << key;
  }
  EXPECT_EQ(client_->Call({"EXISTS", "lost set"}).integer, 0);
  Set(60, "new");
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  const StoreComparison comparison = CompareStores(replica_.port(), migration_.fresh.port());
  EXPECT_TRUE(comparison.differences.empty()) << Describe(comparison);
  EXPECT_EQ(comparison.keys_compared, 100u);
  EXPECT_GE(Decisions("eligible"), eligible);
  EXPECT_TRUE(AwaitReadsAtFollower());
}

// The process stays, and so do the connections: what it holds is its new master's.
TEST_P(FailOver, AnAuthorityThatBecomesAReplicaIsNotMirrored) {
  RedisServer other;
  Tell(other, {"SET", Key(1), "alien"});
  Tell(migration_.legacy, {"REPLICAOF", "127.0.0.1", std::to_string(other.port())});
  EXPECT_TRUE(AwaitState("legacy", "read_only"));
  EXPECT_TRUE(AwaitState("legacy", "failed_over"));
  EXPECT_TRUE(Await([&] { return MirrorDetail().find("is a replica of") != std::string::npos; }))
      << MirrorDetail();
  EXPECT_TRUE(Await([&] { return client_->Call({"GET", Key(1)}).text == "alien"; }));
  Tell(migration_.legacy, {"REPLICAOF", "NO", "ONE"});
  ASSERT_TRUE(Await([&] { return client_->Call({"SET", Key(2), "after"}).ok(); }));
  migration_.ExpectEqualWhenDrained();
}

}  // namespace
}  // namespace crossfade::test
