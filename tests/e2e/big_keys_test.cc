// Big keys are copied in chunks while clients write to them: nothing is lost, whatever
// stands between two chunks, and neither store is busy with one for long.
#include <atomic>
#include <random>
#include <thread>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

constexpr int kMembers = 20'000;

void FillBig(RedisClient& client, const std::string& which) {
  const std::string script =
      "for i = 1, " + std::to_string(kMembers) +
      " do redis.call('HSET', 'h' .. ARGV[1], 'm' .. i, i) redis.call('SADD', 'u' .. ARGV[1], "
      "'m' .. i) redis.call('ZADD', 'z' .. ARGV[1], i / 3, 'm' .. i) end";
  ASSERT_TRUE(client.Call({"EVAL", script, "0", which}).ok());
}

// Commands on few big keys; one in `other` is not by value.
class Writer {
 public:
  Writer(uint16_t port, uint64_t seed, uint64_t other)
      : client_(port), random_(seed), other_(other), thread_([this] { Run(); }) {}
  ~Writer() { Stop(); }
  uint64_t Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return written_;
  }

 private:
  void Run() {
    while (!stop_ && client_.connected()) {
      std::vector<Args> commands;
      for (int i = 0; i < 10; ++i) commands.push_back(Next());
      for (const Value& reply : client_.Pipeline(commands)) {
        EXPECT_NE(reply.kind, Value::Kind::kLost);
      }
      written_ += commands.size();
    }
  }
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  std::string Member() { return "m" + std::to_string(1 + Below(kMembers + 100)); }
  Args Next() {
    const std::string key = std::to_string(1 + Below(2)), number = std::to_string(Below(1'000));
    if (other_ > 0 && Below(other_) == 0) return Other(key, number);
    switch (Below(12)) {
      case 0:
        return {"HSET", "h" + key, Member(), number, Member(), "x"};
      case 1:
        return {"HDEL", "h" + key, Member()};
      case 2:
        return {"HINCRBY", "h" + key, "counter", number};
      case 3:
        return {"HINCRBYFLOAT", "h" + key, "float", "0.1"};
      case 4:
        return {"HSETNX", "h" + key, Member(), number};
      case 5:
        return {"SADD", "u" + key, Member(), number};
      case 6:
        return {"SREM", "u" + key, Member()};
      case 7:
        return {"SPOP", "u" + key, "2"};
      case 8:
        return {"ZADD", "z" + key, number, Member(), "inf", Member()};
      case 9:
        return {"ZINCRBY", "z" + key, "0.3", Member()};
      case 10:
        return {"ZPOPMIN", "z" + key};
      default:
        return {"ZREM", "z" + key, Member()};
    }
  }
  Args Other(const std::string& key, const std::string& number) {
    switch (Below(8)) {
      case 0:
        return {"PEXPIRE", "h" + key, std::to_string(70'000 + Below(200'000))};
      case 1:
        return {"RENAME", "u1", "u2"};
      case 2:
        return {"SUNIONSTORE", "u" + key, "u1", "u2"};
      case 3:
        return {"ZREMRANGEBYRANK", "z" + key, "0", "5"};
      case 4:
        return {"ZADD", "z" + key, "GT", number, Member()};
      case 5:
        return {"EVAL", "return redis.call('HSET', KEYS[1], ARGV[1], 's')", "1", "h" + key, number};
      case 6:
        return {"PERSIST", "h" + key};
      default:
        return {"ZADD", "z" + key, "XX", "INCR", "2", Member()};
    }
  }

  RedisClient client_;
  std::mt19937_64 random_;
  const uint64_t other_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> written_{0};
  std::thread thread_;
};

class BigKeys : public ::testing::TestWithParam<int> {
 protected:
  BigKeys() {
    migration_.config.workers = GetParam();
    migration_.config.mirror["big_key"] = "64KiB";
    RedisClient legacy(migration_.legacy.port());
    for (const char* which : {"1", "2"}) FillBig(legacy, which);
  }
  // All of them are dirty again.
  void SyncAll() {
    const HttpAnswer answer = HttpRequest(migration_.proxy->admin_port(), "POST", "/api/v1/sync",
                                          R"({"keys": ["h1", "h2", "u1", "u2", "z1", "z2"]})");
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  uint64_t Figure(const char* name) { return migration_.Status().value(name, uint64_t{0}); }

  Migration migration_;
};

INSTANTIATE_TEST_SUITE_P(Workers, BigKeys, ::testing::Values(1, 2), WorkersName);

TEST_P(BigKeys, AreCopiedWhileClientsWriteToThem) {
  ASSERT_TRUE(migration_.Start());
  Writer writer(migration_.proxy->port(), TestSeed(), 0);
  uint64_t restarted = 0;  // by the backfill, which marks again what was written before
  uint64_t chunked = 0;    // not all of them: what clients take away makes some small
  for (int round = 0; round < 4; ++round) {
    EXPECT_TRUE(Await([&] {
      const nlohmann::json status = migration_.Status();
      return status.value("syncs_chunked", uint64_t{0}) > chunked &&
             status.value("mirror_state", "") == "live" && status.value("dirty_keys", 1) == 0;
    })) << migration_.Status();
    chunked = Figure("syncs_chunked");
    if (round == 0) restarted = Figure("chunks_restarted");
    if (round < 3) SyncAll();
  }
  EXPECT_GT(writer.Stop(), 0u);
  migration_.ExpectEqualWhenDrained();
  const nlohmann::json status = migration_.Status();
  EXPECT_EQ(status["drift"]["reply"], 0) << status["drift"];
  EXPECT_EQ(status["chunks_restarted"], restarted);
}

TEST_P(BigKeys, AreCopiedWhateverIsWritten) {
  ASSERT_TRUE(migration_.Start());
  Writer writer(migration_.proxy->port(), TestSeed(), 200);
  ASSERT_TRUE(Await([&] { return migration_.Status().value("mirror_state", "") == "live"; }));
  for (int round = 0; round < 8; ++round) {
    SyncAll();
    if (round == 4) {
      ASSERT_TRUE(
          RedisClient(migration_.fresh.port()).Call({"CLIENT", "KILL", "TYPE", "normal"}).ok());
    }
    const uint64_t chunked = Figure("syncs_chunked");
    (void)Await([&] { return Figure("syncs_chunked") > chunked; }, std::chrono::milliseconds(500));
  }
  EXPECT_GT(writer.Stop(), 0u);
  migration_.ExpectEqualWhenDrained();
  EXPECT_GT(Figure("syncs_chunked"), 0u);
}

// Every collection is big.
TEST_P(BigKeys, AllCommandsWhileAllIsCopiedInChunks) {
  migration_.config.mirror["big_key"] = "1B";
  ASSERT_TRUE(migration_.StartLive());
  Load load(migration_.LoadFor(TestSeed()));
  load.Start();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.3)));
    ASSERT_TRUE(
        RedisClient(migration_.fresh.port()).Call({"CLIENT", "KILL", "TYPE", "normal"}).ok());
  }
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration_.ExpectEqualWhenDrained();
  EXPECT_GT(Figure("syncs_chunked"), 0u);
}

}  // namespace
}  // namespace crossfade::test
