// The effects against Redis's own replication: the authority has a real replica,
// and every row of the effects' table must leave authority, replica and follower
// the same, each line by itself and at random from many connections.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>

#include "tests/e2e/migration.h"
#include "tests/replication/effects/command_lines.h"
#include "tests/support/resp3_client.h"

namespace crossfade::test {
namespace {

// As an inline request is split; the lines have no escapes in double quotes.
Args SplitLine(std::string_view line) {
  Args words;
  for (size_t i = 0; i < line.size();) {
    if (line[i] == ' ') {
      ++i;
      continue;
    }
    const char quote = line[i] == '"' || line[i] == '\'' ? line[i] : ' ';
    const size_t begin = i + (quote == ' ' ? 0 : 1);
    const size_t end = std::min(line.find(quote, begin), line.size());
    words.emplace_back(line.substr(begin, end - begin));
    i = end + 1;
  }
  return words;
}

bool ConcernsAllKeys(const std::string& line) {
  return line.starts_with("FLUSH") || line.starts_with("SWAPDB");
}

class ReplicaBase {
 protected:
  explicit ReplicaBase(int workers) { migration_.config.workers = workers; }

  bool StartAll() {
    return migration_.StartLive() && Await([this] {
             return Info(replica_client_).find("master_link_status:up") != std::string::npos;
           });
  }

  static std::string Info(RedisClient& client) { return client.Call({"INFO", "replication"}).text; }
  static std::string Field(const std::string& info, const std::string& name) {
    const size_t at = info.find("\n" + name + ":");
    if (at == std::string::npos) return "";
    const size_t begin = at + name.size() + 2;
    return info.substr(begin, info.find('\r', begin) - begin);
  }

  // Authority = replica = follower. Differences that `excused` takes are Redis's own.
  std::vector<Difference> ExpectAllEqual(const std::function<bool(const Difference&)>& excused =
                                             [](const auto&) { return false; }) {
    std::vector<Difference> all = migration_.ExpectEqualWhenDrained().differences;
    EXPECT_TRUE(Await([this] {
      const std::string offset = Field(Info(legacy_client_), "master_repl_offset");
      return !offset.empty() && Field(Info(replica_client_), "slave_repl_offset") == offset;
    })) << "the replica did not catch up";
    StoreComparison replica =
        CompareStores(migration_.legacy.port(), replica_.port(), 50, Groups::kAsReplicated);
    std::erase_if(replica.differences, excused);
    EXPECT_TRUE(replica.differences.empty())
        << "authority (a) and its replica (b): " << Describe(replica);
    all.insert(all.end(), replica.differences.begin(), replica.differences.end());
    return all;
  }

  Migration migration_{
      MigrationOptions{.legacy_args = {"--repl-diskless-sync-delay", "0"}, .relay = true}};
  RedisServer replica_{{"--replicaof", "127.0.0.1", std::to_string(migration_.legacy.port())}};
  RedisClient legacy_client_{migration_.legacy.port()};
  RedisClient replica_client_{replica_.port()};
};

// Every line of the table as a case with keys of its own, so that one keyspace
// holds them all and a difference names its case.
class ReplicaTable : public ReplicaBase,
                     public ::testing::TestWithParam<std::tuple<int, bool, int>> {
 protected:
  ReplicaTable() : ReplicaBase(std::get<0>(GetParam())) {}

  // Redis 7.0 tells a replica nothing of a string that BITFIELD grew when all that
  // it was to write overflowed. (The follower is told.)
  static bool IsLostByRedis(const std::string& line) {
    return line.starts_with("BITFIELD ") && line.ends_with("OVERFLOW FAIL INCRBY u2 100 5");
  }

  Args KeysOf(const Args& command) {
    Args ask = {"COMMAND", "GETKEYS"};
    ask.insert(ask.end(), command.begin(), command.end());
    Args keys;
    const Value reply = legacy_client_.Call(ask);
    for (const Value& key : reply.elements) keys.push_back(key.text);
    return keys;
  }

  // The commands of one case: what its keys hold before, then the line itself.
  std::vector<Args> CaseOf(const std::string& line, size_t number, bool transaction) {
    const std::string prefix = std::to_string(number) + ":";
    Args command = SplitLine(line);
    const Args keys = KeysOf(command);
    const std::set<std::string> names(keys.begin(), keys.end());
    std::vector<Args> commands;
    for (const std::string_view fixture : kFixture) {
      Args before = SplitLine(fixture);
      const bool group = before[0] == "XGROUP";
      std::string& key = before[0] == "XREADGROUP" ? before[7] : before[group ? 2 : 1];
      if (!names.contains(key)) continue;
      key.insert(0, prefix);
      commands.push_back(std::move(before));
    }
    for (std::string& word : command) {
      if (names.contains(word)) word.insert(0, prefix);
    }
    if (transaction) commands.push_back({"MULTI"});
    commands.push_back(std::move(command));
    if (transaction) commands.push_back({"EXEC"});
    return commands;
  }
};

TEST_P(ReplicaTable, EveryLineLeavesReplicaAndFollowerEqual) {
  ASSERT_TRUE(StartAll());
  const bool transaction = std::get<1>(GetParam());
  const bool resp3 = std::get<2>(GetParam()) == 3;
  // One for each worker at least.
  std::vector<std::unique_ptr<RedisClient>> clients;
  std::vector<std::unique_ptr<Resp3Client>> resp3_clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<RedisClient>(migration_.proxy->port()));
    resp3_clients.push_back(std::make_unique<Resp3Client>(migration_.proxy->port()));
  }
  const std::vector<std::string> lines = ExpandedLines();
  std::vector<std::string> cases = {""};
  const auto line_of = [&](const Difference& difference) {
    return cases.at(std::strtoul(difference.key.c_str(), nullptr, 10));
  };
  for (const std::string& line : lines) {
    if (ConcernsAllKeys(line)) continue;
    const size_t client = cases.size() % clients.size();
    const std::vector<Args> commands = CaseOf(line, cases.size(), transaction);
    cases.push_back(line);
    const std::vector<Value> replies =
        resp3 ? resp3_clients[client]->Pipeline(commands) : clients[client]->Pipeline(commands);
    ASSERT_NE(replies.back().kind, Value::Kind::kLost) << line;
    for (size_t i = 0; i + (transaction ? 3 : 1) < replies.size(); ++i) {
      ASSERT_TRUE(replies[i].ok()) << Render(commands[i]) << " -> " << Render(replies[i]);
    }
  }
  EXPECT_GT(cases.size(), 1500u);
  for (const Difference& difference :
       ExpectAllEqual([&](const Difference& one) { return IsLostByRedis(line_of(one)); })) {
    ADD_FAILURE() << difference.key << ": " << line_of(difference);
  }
  const nlohmann::json status = migration_.Status();
  std::printf("%zu lines, effects %s drift %s\n", cases.size() - 1,
              status["effects"].dump().c_str(), status["drift"].dump().c_str());
  EXPECT_GT(status["effects"].value("replay", 0), 1000);
  EXPECT_EQ(status["drift"].value("reply", 1), 0);
}

INSTANTIATE_TEST_SUITE_P(Modes, ReplicaTable,
                         ::testing::Combine(::testing::Values(1, 2), ::testing::Bool(),
                                            ::testing::Values(2, 3)),
                         [](const auto& param) {
                           return std::to_string(std::get<0>(param.param)) + "Workers" +
                                  (std::get<1>(param.param) ? "InTransactions" : "") + "Resp" +
                                  std::to_string(std::get<2>(param.param));
                         });

class ReplicaKeyspace : public ReplicaBase, public ::testing::TestWithParam<int> {
 protected:
  ReplicaKeyspace() : ReplicaBase(GetParam()) {}

  void Run(RedisClient& client, const std::string& line, bool transaction) {
    for (const char* db : {"1", "0"}) {
      client.Call({"SELECT", db});
      for (const std::string_view fixture : kFixture) {
        const bool plain = fixture.starts_with("SET") || fixture.starts_with("HSET");
        if (plain) client.Call(SplitLine(fixture));
      }
      client.Call({"SET", "only in", db});
    }
    if (transaction) client.Call({"MULTI"});
    client.Call(SplitLine(line));
    client.Call({"SET", "after", line});
    if (transaction) client.Call({"EXEC"});
    ExpectAllEqual();
  }
};

TEST_P(ReplicaKeyspace, FollowsFlushesAndSwaps) {
  ASSERT_TRUE(StartAll());
  RedisClient client(migration_.proxy->port());
  for (const std::string& line : ExpandedLines()) {
    if (!ConcernsAllKeys(line)) continue;
    SCOPED_TRACE(line);
    Run(client, line, false);
    Run(client, line, true);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, ReplicaKeyspace, ::testing::Values(1, 2), WorkersName);

class ReplicaRandom : public ReplicaBase, public ::testing::TestWithParam<int> {
 protected:
  ReplicaRandom() : ReplicaBase(GetParam()), seed_(TestSeed()) {}

  // Commands of `kinds` beside those of all families, in 16 connections, to a
  // follower that is as late as that.
  void Run(const RandomOptions& kinds, std::chrono::milliseconds late = {}) {
    ASSERT_TRUE(StartAll());
    migration_.relay->SetDelay(late);
    LoadOptions options = migration_.LoadFor(seed_);
    options.commands.as_replicated = true;
    options.commands.watches = true;
    options.commands.blocking = true;
    options.commands.scripts = kinds.scripts;
    options.commands.undeclared = kinds.undeclared;
    // At full speed a late follower is never in step, and nothing is replayed there.
    if (late.count() > 0) options.commands_per_second = 2'000;
    const LoadReport report = Load(options).Run(LoadSize(late.count() > 0 ? 0.2 : 1));
    EXPECT_TRUE(report.failures.empty()) << Describe(report);
    migration_.relay->SetDelay({});
    ExpectAllEqual();
    const nlohmann::json status = migration_.Status();
    std::printf("%llu answered, %llu errors, effects %s drift %s scripts %s\n",
                static_cast<unsigned long long>(report.answered),
                static_cast<unsigned long long>(report.errors), status["effects"].dump().c_str(),
                status["drift"].dump().c_str(), status["script_calls"].dump().c_str());
  }

  const uint64_t seed_;
};

TEST_P(ReplicaRandom, AllFamiliesOnHotKeys) { Run({}); }

TEST_P(ReplicaRandom, ScriptsAmongAllFamilies) {
  Run({.scripts = true});
  const nlohmann::json status = migration_.Status();
  EXPECT_TRUE(status["exact"]) << status["doubt_script"] << status["doubt_reason"];
  for (const char* verdict : {"replay", "sync", "failed", "reads"}) {
    EXPECT_GT(status["script_calls"].value(verdict, 0), 0) << verdict;
  }
}

// What is replayed runs there at another time than on the authority.
TEST_P(ReplicaRandom, ScriptsOnALateFollower) {
  Run({.scripts = true}, std::chrono::milliseconds(100));
}

TEST_P(ReplicaRandom, ScriptsThatDoNotDeclareTheirKeys) {
  Run({.scripts = true, .undeclared = true});
  const nlohmann::json status = migration_.Status();
  EXPECT_FALSE(status["exact"]);
  EXPECT_GT(status["script_calls"].value("undeclared", 0), 0);
}

// Why XREADGROUP is replayed and not sent as XCLAIM, which is what replicas get.
TEST_P(ReplicaRandom, GroupsOnTheFollowerAreWholeWhereAReplicasAreNot) {
  ASSERT_TRUE(StartAll());
  RedisClient client(migration_.proxy->port());
  for (const char* line :
       {"XGROUP CREATE s g $ MKSTREAM", "XADD s 1-1 f v", "XADD s 2-1 f v",
        "XREADGROUP GROUP g reader COUNT 1 STREAMS s >", "XREADGROUP GROUP g looker STREAMS s 0"}) {
    ASSERT_TRUE(client.Call(SplitLine(line)).ok()) << line;
  }
  ExpectAllEqual();
  const auto read = [](RedisClient& store) { return CanonicalValue(store, "s"); };
  RedisClient follower(migration_.fresh.port());
  EXPECT_EQ(read(follower), read(legacy_client_));
  if (legacy_client_.Call({"INFO", "server"}).text.find("redis_version:7.0.") !=
      std::string::npos) {
    EXPECT_FALSE(read(replica_client_) == read(legacy_client_));
  }
  EXPECT_EQ(Sum(migration_.Status()["drift"]), 0u);
}

INSTANTIATE_TEST_SUITE_P(Workers, ReplicaRandom, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
