// A wrong key on the follower must not spread: while commands that derive other
// keys from it are on their way, no client reads what comes of it.
#include <gtest/gtest.h>

#include <set>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

struct Case {
  const char* name;
  std::vector<Args> before;   // through the proxy, then drained
  std::vector<Args> corrupt;  // on the new store alone
  std::vector<Args> spread;   // through the proxy, while the new store lags
  std::vector<Args> reads;    // of the source and of what derives from it
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> kCases = {
      {"CopyAndRename",
       {{"SET", "src", "right"}},
       {{"SET", "src", "wrong-wrong"}},
       {{"APPEND", "src", "+"},
        {"COPY", "src", "copy"},
        {"RENAME", "copy", "moved"},
        {"APPEND", "moved", "-"},
        {"COPY", "moved", "third"}},
       {{"GET", "src"},
        {"GET", "copy"},
        {"GET", "moved"},
        {"GET", "third"},
        {"MGET", "src", "third"}}},
      {"ListMove",
       {{"RPUSH", "src", "a", "b", "c", "d"}},
       {{"LPUSH", "src", "wrong"}},
       {{"LMOVE", "src", "dst", "LEFT", "RIGHT"},
        {"RPOPLPUSH", "dst", "far"},
        {"LMOVE", "src", "dst", "LEFT", "LEFT"},
        {"LINSERT", "dst", "BEFORE", "b", "x"}},
       {{"LRANGE", "src", "0", "-1"}, {"LRANGE", "dst", "0", "-1"}, {"LRANGE", "far", "0", "-1"}}},
      {"SetUnion",
       {{"SADD", "src", "1", "2"}, {"SADD", "other", "9"}},
       {{"SADD", "src", "3", "666"}},
       {{"SADD", "src", "3"},
        {"SUNIONSTORE", "union", "src", "other"},
        {"SDIFFSTORE", "diff", "union", "other"},
        {"SMOVE", "diff", "union2", "1"}},
       {{"SISMEMBER", "src", "666"},
        {"SISMEMBER", "union", "666"},
        {"SCARD", "union"},
        {"SCARD", "diff"},
        {"SISMEMBER", "union2", "1"}}},
      {"SortedSetStore",
       {{"ZADD", "src", "1", "a", "2", "b"}},
       {{"ZADD", "src", "50", "b", "9", "z"}},
       {{"ZINCRBY", "src", "1", "b"},
        {"ZRANGESTORE", "part", "src", "0", "1"},
        {"ZUNIONSTORE", "sum", "2", "part", "src"}},
       {{"ZRANGE", "src", "0", "-1", "WITHSCORES"},
        {"ZRANGE", "part", "0", "-1", "WITHSCORES"},
        {"ZSCORE", "sum", "b"}}},
      {"InsideATransaction",
       {{"SET", "src", "10"}},
       {{"SET", "src", "99"}},
       {{"MULTI"},
        {"INCR", "src"},
        {"COPY", "src", "copy", "REPLACE"},
        {"INCR", "copy"},
        {"EXEC"},
        {"COPY", "copy", "third"}},
       {{"GET", "src"}, {"GET", "copy"}, {"GET", "third"}}},
  };
  return kCases;
}

class Spread : public ::testing::TestWithParam<int> {};

// Every reply that the authority gave to `reads` at any moment of the case, so
// that a lawfully stale read by another session can be told from a wrong one.
using History = std::vector<std::vector<Value>>;

bool WasEverTrue(const History& history, size_t read, const Value& reply) {
  for (const std::vector<Value>& moment : history) {
    if (moment[read] == reply) return true;
  }
  return false;
}

void RunCase(Migration& migration, RedisClient& client, RedisClient& other, const Case& c) {
  RedisClient legacy(migration.legacy.port());
  RedisClient fresh(migration.fresh.port());
  ASSERT_TRUE(client.Call({"FLUSHALL"}).ok());
  History history{legacy.Pipeline(c.reads)};
  for (const Args& args : c.before) ASSERT_TRUE(client.Call(args).ok()) << Render(args);
  history.push_back(legacy.Pipeline(c.reads));
  ASSERT_TRUE(migration.proxy->AwaitDrained());
  for (const Args& args : c.corrupt) ASSERT_TRUE(fresh.Call(args).ok()) << Render(args);

  migration.relay->SetDelay(std::chrono::milliseconds(60));
  // Each command with the reads behind it in one pipeline: none waits for the follower.
  std::vector<Args> pipeline;
  bool queued = false;
  for (const Args& args : c.spread) {
    pipeline.push_back(args);
    queued = args[0] == "MULTI" || (queued && args[0] != "EXEC");
    if (!queued) pipeline.insert(pipeline.end(), c.reads.begin(), c.reads.end());
  }
  std::vector<Value> replies = client.Pipeline(pipeline);
  const std::vector<Value> truth = legacy.Pipeline(c.reads);
  for (size_t i = 0; i < c.reads.size(); ++i) {
    EXPECT_EQ(replies[replies.size() - c.reads.size() + i], truth[i])
        << Render(c.reads[i]) << ": " << Render(replies[replies.size() - c.reads.size() + i])
        << ", legacy says " << Render(truth[i]);
  }
  // The pipeline's own reads are this session's truth of the moments between.
  for (size_t at = 0; at + c.reads.size() <= replies.size(); ++at) {
    if (pipeline[at] == c.reads[0]) {
      history.emplace_back(replies.begin() + static_cast<std::ptrdiff_t>(at),
                           replies.begin() + static_cast<std::ptrdiff_t>(at + c.reads.size()));
    }
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(250);
  while (std::chrono::steady_clock::now() < until && !::testing::Test::HasFailure()) {
    const std::vector<Value> own = client.Pipeline(c.reads);
    const std::vector<Value> others = other.Pipeline(c.reads);
    for (size_t i = 0; i < c.reads.size(); ++i) {
      EXPECT_EQ(own[i], truth[i]) << Render(c.reads[i]) << ": " << Render(own[i])
                                  << ", legacy says " << Render(truth[i]);
      EXPECT_TRUE(WasEverTrue(history, i, others[i]))
          << "another session: " << Render(c.reads[i]) << ": " << Render(others[i]);
    }
  }
  migration.relay->SetDelay(std::chrono::milliseconds(0));
  migration.ExpectEqualWhenDrained();
}

TEST_P(Spread, DriftStaysWithItsKey) {
  Migration migration({.legacy_args = {}, .relay = true});
  migration.config.workers = GetParam();
  migration.config.stage = "ramp";
  migration.config.reads = {{"follower", "100%"}, {"staleness", "500ms"}};
  ASSERT_TRUE(migration.StartLive());
  RedisClient client(migration.proxy->port());
  RedisClient other(migration.proxy->port());
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    for (int round = 0; round < 3 && !HasFailure(); ++round) {
      RunCase(migration, client, other, c);
      if (HasFatalFailure()) return;
    }
  }
  const nlohmann::json status = migration.Status();
  EXPECT_GE(Sum(status["drift"]), Cases().size()) << status["drift"];
  EXPECT_GT(SumWhere(status["read_decisions"], "store", "new"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Workers, Spread, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
