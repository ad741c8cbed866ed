// Keys that are rewritten around their deadlines while the follower lags by up
// to two seconds: no key outlives or misses its deadline on one side alone.
#include <gtest/gtest.h>
#include <poll.h>

#include <deque>
#include <map>
#include <random>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kKeys = 80;

// The last commands on each key, for the message when it comes out wrong.
class History {
 public:
  void Note(const char* who, const Args& args, const Value& reply) {
    for (const std::string& word : args) {
      if (word.find(':') == std::string::npos) continue;
      std::deque<std::string>& lines = lines_[word];
      const auto at = std::chrono::system_clock::now().time_since_epoch();
      lines.push_back(std::to_string(std::chrono::duration_cast<milliseconds>(at).count()) + " " +
                      who + " " + Render(args) + " -> " + Render(reply));
      if (lines.size() > 25) lines.pop_front();
    }
  }
  std::string Of(const std::string& key) const {
    std::string out = "the last commands on " + key + " and what they answered:\n";
    const auto found = lines_.find(key);
    if (found == lines_.end()) return out;
    for (const std::string& line : found->second) out += "  " + line + "\n";
    return out;
  }

 private:
  std::map<std::string, std::deque<std::string>> lines_;
};

// Writes to keys of every type, preferably to those whose deadline is near.
class DeadlineWriter {
 public:
  DeadlineWriter(const char* name, uint16_t port, uint64_t seed, History& history)
      : name_(name), client_(port), random_(seed), due_(kKeys), history_(history) {}

  // One small batch; false on an error that is not of wrong type.
  bool Step() {
    std::vector<Args> batch;
    for (int64_t i = Int(1, 4); i > 0; --i) Append(batch, ChooseKey());
    const std::vector<Value> replies = client_.Pipeline(batch);
    for (size_t i = 0; i < replies.size(); ++i) {
      const Value& reply = replies[i];
      history_.Note(name_, batch[i], reply);
      if (!reply.ok() && !reply.text.starts_with("WRONGTYPE") &&
          !reply.text.starts_with("ERR no such key")) {
        ADD_FAILURE() << Render(reply) << " in a batch that began with " << Render(batch[0]);
        return false;
      }
    }
    return true;
  }

 private:
  int64_t Int(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }

  int ChooseKey() {
    const auto now = Clock::now();
    for (int tries = 0; tries < 20; ++tries) {
      const int key = static_cast<int>(Int(0, kKeys - 1));
      const auto distance = due_[static_cast<size_t>(key)] - now;
      if (distance > milliseconds(-20) && distance < milliseconds(20)) return key;
    }
    return static_cast<int>(Int(0, kKeys - 1));
  }

  static std::string Name(int key) {
    static constexpr const char* kTypes[] = {"hash", "set", "zset", "counter", "text"};
    return std::string(kTypes[key % 5]) + ":" + std::to_string(key);
  }

  Args Write(int key, const std::string& name) {
    const std::string member = "m" + std::to_string(Int(0, 5));
    switch (key % 5) {
      case 0:
        if (Int(0, 3) == 0) return {"HDEL", name, member};
        if (Int(0, 1) == 0) return {"HINCRBY", name, "n", "1"};
        return {"HSET", name, member, std::to_string(Int(0, 9))};
      case 1:
        return {Int(0, 3) == 0 ? "SREM" : "SADD", name, member};
      case 2:
        if (Int(0, 2) == 0) return {"ZINCRBY", name, "1", member};
        return {"ZADD", name, std::to_string(Int(0, 9)), member};
      case 3:
        return {"INCR", name};
      default:
        if (Int(0, 2) == 0) return {"APPEND", name, "x"};
        if (Int(0, 1) == 0) return {"SET", name, "kept", "KEEPTTL"};
        return {"SET", name, "v", "PX", std::to_string(NewTtl(key))};
    }
  }

  int64_t NewTtl(int key) {
    const int64_t ttl = Int(50, 500);
    due_[static_cast<size_t>(key)] = Clock::now() + milliseconds(ttl);
    return ttl;
  }

  void Append(std::vector<Args>& batch, int key) {
    const std::string name = Name(key);
    const std::string sibling = Name((key + 5) % kKeys);
    const int64_t dice = Int(1, 100);
    if (dice <= 50) {
      batch.push_back(Write(key, name));
    } else if (dice <= 75) {
      batch.push_back(Write(key, name));
      batch.push_back({"PEXPIRE", name, std::to_string(NewTtl(key))});
      if (Int(0, 4) == 0) batch.back().push_back(Int(0, 1) == 0 ? "GT" : "NX");
    } else if (dice <= 80) {
      batch.insert(
          batch.end(),
          {{"MULTI"}, Write(key, name), {"PEXPIRE", name, std::to_string(NewTtl(key))}, {"EXEC"}});
    } else if (dice <= 83) {
      batch.push_back({"PERSIST", name});
    } else if (dice <= 87) {
      batch.push_back({"COPY", name, sibling, "REPLACE"});
    } else if (dice <= 90) {
      batch.push_back({"RENAME", name, sibling});
    } else if (dice <= 92 && key % 5 == 1) {
      batch.push_back({"SUNIONSTORE", sibling, name, sibling});
    } else {
      static const Args kReads[] = {{"HGETALL"}, {"SCARD"}, {"ZCARD"}, {"GET"}, {"STRLEN"}};
      batch.push_back({kReads[key % 5][0], name});
    }
  }

  const char* name_;
  RedisClient client_;
  std::mt19937_64 random_;
  std::vector<Clock::time_point> due_;
  History& history_;
};

class Expiry : public ::testing::TestWithParam<int> {};

TEST_P(Expiry, NoGhostsOnALaggingFollower) {
  Migration migration({.legacy_args = {}, .relay = true});
  migration.config.workers = GetParam();
  migration.config.stage = "ramp";
  migration.config.reads = {{"shadow", "100%"}};
  ASSERT_TRUE(migration.StartLive());
  const uint64_t seed = TestSeed() + 20;
  History history;
  DeadlineWriter one("one", migration.proxy->port(), seed, history);
  DeadlineWriter two("two", migration.proxy->port(), seed + 1, history);
  std::mt19937_64 random(seed);
  const auto until = Clock::now() + RunTime();
  auto next_change = Clock::now();
  while (Clock::now() < until) {
    if (Clock::now() >= next_change) {
      static constexpr int kDelays[] = {0, 50, 200, 600, 2000};
      migration.relay->SetDelay(milliseconds(kDelays[random() % 5]));
      next_change = Clock::now() + milliseconds(300);
    }
    if (!one.Step() || !two.Step()) break;
    ::poll(nullptr, 0, 1);  // a rate at which a slow build's follower keeps up
  }
  migration.relay->SetDelay(milliseconds(0));
  for (const Difference& difference : migration.ExpectEqualWhenDrained().differences) {
    ADD_FAILURE() << history.Of(difference.key);
  }
  const nlohmann::json status = migration.Status();
  EXPECT_EQ(SumWhere(status["shadow"], "result", "mismatched"), 0u) << status["shadow"];
  EXPECT_GT(SumWhere(status["shadow"], "result", "matched"), 0u) << status["shadow"];
  std::printf("drift %s shadow %s\n", status["drift"].dump().c_str(),
              status["shadow"].dump().c_str());
}

INSTANTIATE_TEST_SUITE_P(Workers, Expiry, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
