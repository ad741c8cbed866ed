// A backfill of all types and sizes under writes to all of them, with shadow reads
// through the frontier and verification behind it: how fast, what clients notice, how
// much memory; and equal stores, also when the proxy is killed on the way. By default
// small; CROSSFADE_BACKFILL_KEYS, CROSSFADE_BACKFILL_WRITES (a second),
// CROSSFADE_BACKFILL_PASSES (of verification) and CROSSFADE_BACKFILL_KILLS make it
// large, CROSSFADE_BACKFILL_RATE (keys a second, 0: unbounded) slow.
#include <poll.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "tests/e2e/verification.h"
#include "tests/support/http_client.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

uint64_t Wanted(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : otherwise;
}

constexpr uint64_t kBigKeys = 3;  // of each kind

// Keys FROM to TO of every type; a seventh expires, in 100 ms to days.
constexpr const char* kFill = R"(
local n = {'s:', 's:', 's:', 's:', 'b:', 'h:', 'u:', 'z:', 'l:', 'x:'}
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local kind = i % 10
  local key = n[kind + 1] .. i
  if kind < 4 then redis.call('SET', key, string.rep('v', i % 300))
  elseif kind == 4 then redis.call('SET', key, string.rep(tostring(i), 500))
  elseif kind == 5 then for f = 1, 1 + i % 20 do redis.call('HSET', key, 'f' .. f, i) end
  elseif kind == 6 then for f = 1, 1 + i % 20 do redis.call('SADD', key, 'm' .. f) end
  elseif kind == 7 then for f = 1, 1 + i % 20 do redis.call('ZADD', key, f / 3, 'm' .. f) end
  elseif kind == 8 then for f = 1, 1 + i % 20 do redis.call('RPUSH', key, f) end
  else
    for f = 1, 1 + i % 5 do redis.call('XADD', key, f .. '-1', 'f', i) end
    redis.call('XGROUP', 'CREATE', key, 'g', '0')
    redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '2', 'STREAMS', key, '>')
  end
  if i % 7 == 0 then redis.call('PEXPIRE', key, 100 * 10 ^ (i / 7 % 7)) end
end)";
constexpr const char* kFillBig = R"(
for i = 1, tonumber(ARGV[1]) do
  for f = 1, tonumber(ARGV[2]) do
    redis.call('HSET', 'big:h:' .. i, 'f' .. f, f)
    redis.call('SADD', 'big:u:' .. i, 'm' .. f)
    redis.call('ZADD', 'big:z:' .. i, f, 'm' .. f)
    redis.call('RPUSH', 'big:l:' .. i, f)
  end
  redis.call('SET', 'big:s:' .. i, string.rep('x', 1024 * 1024))
end)";

// Writes at a rate to all kinds of keys, a tenth of them to few, and reads a quarter as
// many; goes on when its connection is lost.
class Writer {
 public:
  Writer(uint16_t port, uint64_t keys, uint64_t per_second, uint64_t seed)
      : port_(port), keys_(keys), per_second_(per_second), random_(seed), thread_([this] {
          Run();
        }) {}
  ~Writer() {
    stop_ = true;
    thread_.join();
  }
  uint64_t answered() const { return answered_.load(); }

 private:
  static constexpr int kBatch = 20, kReads = 5;
  void Run() {
    std::unique_ptr<RedisClient> client;
    const auto begun = steady_clock::now();
    for (uint64_t sent = 0; !stop_; sent += kBatch) {
      std::this_thread::sleep_until(begun +
                                    std::chrono::microseconds(sent * 1'000'000 / per_second_));
      if (!client || !client->connected()) client = std::make_unique<RedisClient>(port_);
      if (!client->connected()) continue;
      for (int i = 0; i < kReads; ++i) client->Send(NextRead());
      for (int i = 0; i < kBatch; ++i) client->Send(Next());
      for (int i = 0; i < kReads + kBatch && client->connected(); ++i) {
        answered_ += client->Read().kind != Value::Kind::kLost && i >= kReads ? 1 : 0;
      }
    }
  }
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  std::string KeyOf(uint64_t kind) {
    const uint64_t of_kind = Below(10) == 0 ? Below(16) : Below(keys_ / 10 + 1);
    return std::to_string(of_kind * 10 + kind);
  }
  Args Next() {
    const std::string number = std::to_string(Below(1'000));
    if (Below(100) == 0) return NextBig(number);
    switch (Below(14)) {
      case 0:
        return {"SET", "s:" + KeyOf(1), number};
      case 1:
        return {"APPEND", "s:" + KeyOf(2), number};
      case 2:
        return {"DEL", "s:" + KeyOf(3)};
      case 3:
        return {"SET", "s:" + KeyOf(0), number, "PX", std::to_string(100 + Below(5'000))};
      case 4:
        return {"INCR", "n:" + KeyOf(0)};
      case 5:
        return {"HSET", "h:" + KeyOf(5), "f" + number, number};
      case 6:
        return {"HDEL", "h:" + KeyOf(5), "f1"};
      case 7:
        return {"SADD", "u:" + KeyOf(6), number};
      case 8:
        return {"SPOP", "u:" + KeyOf(6)};
      case 9:
        return {"ZINCRBY", "z:" + KeyOf(7), "1.5", "m" + number};
      case 10:
        return {"RPUSH", "l:" + KeyOf(8), number};
      case 11:
        return {"LPOP", "l:" + KeyOf(8)};
      case 12:
        return {"XADD", "x:" + KeyOf(9), "MAXLEN", "50", "*", "f", number};
      default:
        return {"RENAME", "s:" + KeyOf(1), "s:" + KeyOf(2)};
    }
  }
  Args NextRead() {
    const std::string number = std::to_string(1 + Below(1'000));
    const std::string big = std::to_string(1 + Below(kBigKeys));
    switch (Below(8)) {
      case 0:
        return {"HGETALL", "h:" + KeyOf(5)};
      case 1:
        return {"SMEMBERS", "u:" + KeyOf(6)};
      case 2:
        return {"ZRANGE", "z:" + KeyOf(7), "0", "-1", "WITHSCORES"};
      case 3:
        return {"LRANGE", "l:" + KeyOf(8), "0", "-1"};
      case 4:
        return {"XRANGE", "x:" + KeyOf(9), "-", "+"};
      case 5:
        return {"HGET", "big:h:" + big, "f" + number};
      case 6:
        return {"ZSCORE", "big:z:" + big, "m" + number};
      default:
        return {"GET", "s:" + KeyOf(Below(4))};
    }
  }
  Args NextBig(const std::string& number) {
    const std::string which = std::to_string(1 + Below(kBigKeys));
    switch (Below(5)) {
      case 0:
        return {"HSET", "big:h:" + which, "f" + number, number + "w"};
      case 1:
        return {"SREM", "big:u:" + which, "m" + number};
      case 2:
        return {"ZADD", "big:z:" + which, number, "m" + number};
      case 3:
        return {"RPUSH", "big:l:" + which, number};
      default:
        return {"SETRANGE", "big:s:" + which, number, number};
    }
  }

  const uint16_t port_;
  const uint64_t keys_, per_second_;
  std::mt19937_64 random_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> answered_{0};
  std::thread thread_;
};

class BackfillScale : public ::testing::Test {
 protected:
  BackfillScale() {
    migration_.config.journal = {{"mode", "process"}, {"dir", dir()}};
    migration_.config.stage = "ramp";
    migration_.config.reads = {{"follower", "50%"}, {"staleness", "30s"}, {"shadow", "100%"}};
    migration_.config.backfill["auto_start"] = "false";
    migration_.config.backfill["keys_per_second"] =
        std::to_string(Wanted("CROSSFADE_BACKFILL_RATE", 0));
  }
  ~BackfillScale() override { std::filesystem::remove_all(dir()); }
  std::string dir() const { return migration_.fresh.dir() + "/journal"; }
  void Fill() {
    RedisClient legacy(migration_.legacy.port());
    constexpr uint64_t kStep = 20'000;
    for (uint64_t from = 1; from <= keys_; from += kStep) {
      const std::string to = std::to_string(std::min(keys_, from + kStep - 1));
      ASSERT_NE(legacy.Call({"EVAL", kFill, "0", std::to_string(from), to}).kind,
                Value::Kind::kError);
    }
    const std::string members = std::to_string(std::min<uint64_t>(100'000, keys_));
    ASSERT_NE(legacy.Call({"EVAL", kFillBig, "0", std::to_string(kBigKeys), members}).kind,
              Value::Kind::kError);
  }
  nlohmann::json Figures() {
    const nlohmann::json status = migration_.Status();
    return status.is_object() ? status["backfill"] : nlohmann::json::object();
  }
  std::vector<uint64_t> WriteTimes() {
    const nlohmann::json status = migration_.Status();
    return status["stores"][0]["latency"]["write"]["counts"].get<std::vector<uint64_t>>();
  }
  // Of the requests between two looks; in µs, by the bucket.
  static double P99(const std::vector<uint64_t>& from, const std::vector<uint64_t>& to) {
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < to.size(); ++i) all += to[i] - from[i];
    for (size_t i = 0; i < to.size(); ++i) {
      seen += to[i] - from[i];
      if (static_cast<double>(seen) >= static_cast<double>(all) * 0.99) return std::exp2(i);
    }
    return 0;
  }
  uint64_t RssMib() {
    std::ifstream status("/proc/" + std::to_string(migration_.proxy->pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6)) / 1024;
    }
    return 0;
  }
  void Start() {
    HttpRequest(migration_.proxy->admin_port(), "POST", "/api/v1/backfill",
                R"({"action": "start"})");
  }

  // Finds nothing, whatever is written meanwhile.
  void VerifyAgainAndAgain() {
    for (uint64_t pass = 1; pass <= passes_; ++pass) {
      const auto begun = steady_clock::now();
      const nlohmann::json report = Verify(migration_);
      const double seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
      ASSERT_EQ(report.value("state", ""), "done") << Brief(report);
      EXPECT_EQ(report.value("differences", 1), 0) << Brief(report);
      std::printf("verification in %.1f s, %llu MiB: %s\n", seconds,
                  static_cast<unsigned long long>(RssMib()), Brief(report).c_str());
    }
  }
  void ExpectShadowReadsMatched() {
    nlohmann::json shadow;
    EXPECT_TRUE(Await([&] {
      shadow = migration_.Status()["shadow"];
      return SumWhere(shadow, "result", "matched") > 0;
    }));
    EXPECT_EQ(SumWhere(shadow, "result", "mismatched"), 0u) << shadow;
    std::printf("%llu shadow reads matched\n",
                static_cast<unsigned long long>(SumWhere(shadow, "result", "matched")));
  }

  const uint64_t keys_ = Wanted("CROSSFADE_BACKFILL_KEYS", 3'000);
  const uint64_t writes_ = Wanted("CROSSFADE_BACKFILL_WRITES", 2'000);
  const uint64_t passes_ = Wanted("CROSSFADE_BACKFILL_PASSES", 1);
  const uint64_t kills_ = Wanted("CROSSFADE_BACKFILL_KILLS", 2);
  Migration migration_;
};

TEST_F(BackfillScale, AllTypesAndSizesUnderWritesToAllOfThem) {
  Fill();
  ASSERT_TRUE(migration_.Start());
  auto writer = std::make_unique<Writer>(migration_.proxy->port(), keys_, writes_, TestSeed());
  ASSERT_TRUE(Await([&] { return writer->answered() > writes_; }, milliseconds(30'000)));
  const auto before = WriteTimes();
  ::poll(nullptr, 0, 1'000);
  const auto begun_with = WriteTimes();
  const uint64_t answered_before = writer->answered();
  const auto begun = steady_clock::now();
  Start();
  uint64_t rss = 0;
  ASSERT_TRUE(Await(
      [&] {
        rss = std::max(rss, RssMib());
        return Figures().value("phase", "") == "done";
      },
      milliseconds(600'000)))
      << Figures();
  const double seconds = std::chrono::duration<double>(steady_clock::now() - begun).count();
  const auto ended_with = WriteTimes();
  std::printf(
      "%llu keys in %.1f s: %.0f a second, under %.0f writes a second; p99 of writes %.0f us "
      "before, %.0f us meanwhile (by powers of two); %llu MiB at most\n",
      static_cast<unsigned long long>(keys_), seconds, static_cast<double>(keys_) / seconds,
      static_cast<double>(writer->answered() - answered_before) / seconds, P99(before, begun_with),
      P99(begun_with, ended_with), static_cast<unsigned long long>(rss));
  ExpectShadowReadsMatched();
  VerifyAgainAndAgain();
  ExpectShadowReadsMatched();
  writer.reset();
  migration_.ExpectEqualWhenDrained();
}

TEST_F(BackfillScale, KilledAtRandomMomentsItGoesOnWhereItWas) {
  Fill();
  migration_.config.backfill["auto_start"] = "true";
  // So slow that all the kills come in time.
  migration_.config.backfill["keys_per_second"] = std::to_string(keys_ / (2 + kills_) + 1);
  std::mt19937_64 random(TestSeed());
  ASSERT_TRUE(migration_.Start());
  auto writer = std::make_unique<Writer>(migration_.proxy->port(), keys_, writes_, TestSeed());
  for (uint64_t kill = 0; kill < kills_; ++kill) {
    ::poll(nullptr, 0, static_cast<int>(random() % 1'500));
    const uint64_t finished = Figures().value("partitions_finished", uint64_t{0});
    migration_.proxy->Kill();
    ASSERT_TRUE(migration_.Start());
    EXPECT_TRUE(
        Await([&] { return Figures().value("partitions_finished", uint64_t{0}) >= finished; },
              milliseconds(2'000)))
        << "kill " << kill << ", " << finished << " were finished: " << Figures();
  }
  ASSERT_TRUE(Await([&] { return Figures().value("phase", "") == "done"; }, milliseconds(600'000)))
      << Figures();
  EXPECT_GT(writer->answered(), 0u);
  writer.reset();
  migration_.ExpectEqualWhenDrained();
}

}  // namespace
}  // namespace crossfade::test
