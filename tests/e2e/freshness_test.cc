// Follower reads are never older than their route's budget, and every session
// sees its own writes and never goes back, while the follower is stopped,
// delayed and cut off at random (design.md §5).
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <deque>
#include <random>
#include <thread>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct RouteUnderTest {
  const char* prefix;
  milliseconds budget;
};
constexpr std::array<RouteUnderTest, 3> kRoutes = {
    {{"now:", milliseconds(0)}, {"soon:", milliseconds(50)}, {"late:", milliseconds(500)}}};
constexpr size_t kKeysPerRoute = 150;
// The first sessions read and write all keys. The others read those of one route
// each, often on a new connection: a session that has just seen a write waits for
// it, whatever the budget, so old sessions alone would prove little.
constexpr size_t kWriters = 6;
constexpr size_t kSessions = 15;

enum class KeyKind { kVersion, kCounter, kList, kField };

// What is known of one key. Versions only rise: those of kVersion keys because
// one session alone writes them, the others' because the store counts.
struct TrackedKey {
  std::string name;
  size_t route = 0;
  KeyKind kind = KeyKind::kVersion;
  size_t writer = 0;       // the session that writes a kVersion key
  uint64_t last_sent = 0;  // of a kVersion key
  std::deque<std::pair<Clock::time_point, uint64_t>> known;  // when a client learnt of it

  void Learn(uint64_t version, Clock::time_point when) {
    if (known.empty() || known.back().second < version) known.emplace_back(when, version);
  }
  // The newest version that anyone knew of at `when`. Calls with rising times.
  uint64_t KnownAt(Clock::time_point when) {
    while (known.size() > 1 && known[1].first <= when - milliseconds(1000)) known.pop_front();
    uint64_t version = 0;
    for (const auto& [since, value] : known) {
      if (since <= when) version = value;
    }
    return version;
  }
};

struct Expected {
  bool write = false;
  std::vector<size_t> keys;
  std::vector<uint64_t> at_least;  // as required when the read was sent
  uint64_t version = 0;            // that a write of a kVersion key sets
};

struct Session {
  explicit Session(uint16_t port) : client(port), seen(kRoutes.size() * kKeysPerRoute) {}
  PipelinedClient client;
  std::deque<Expected> unanswered;
  std::vector<uint64_t> seen;  // by key: what this session wrote or saw
  Clock::time_point next_batch{};
};

class Sessions {
 public:
  Sessions(uint16_t port, uint64_t seed) : port_(port), random_(seed), bulk_(port) {
    for (size_t i = 0; i < kRoutes.size() * kKeysPerRoute; ++i) {
      TrackedKey key;
      key.route = i % kRoutes.size();
      key.kind = static_cast<KeyKind>(i / kRoutes.size() % 4);
      key.name = kRoutes[key.route].prefix + std::to_string(i);
      key.writer = i / 12 % kWriters;
      keys_.push_back(std::move(key));
    }
    for (size_t i = 0; i < kSessions; ++i) sessions_.push_back(std::make_unique<Session>(port));
  }

  void RunFor(milliseconds time) {
    const auto until = Clock::now() + time;
    std::vector<pollfd> polled;
    while (Clock::now() < until && failures_ == 0) {
      polled.clear();
      for (size_t i = 0; i < kSessions; ++i) {
        const Session& session = *sessions_[i];
        if (session.unanswered.empty() && Clock::now() >= session.next_batch) SendBatch(i);
        polled.push_back({sessions_[i]->client.fd(), POLLIN, 0});  // may be a new session
      }
      SendBulk();
      ::poll(polled.data(), polled.size(), 1);
      for (size_t i = 0; i < kSessions; ++i) {
        if (polled[i].revents != 0) TakeReplies(*sessions_[i]);
      }
    }
  }

  uint64_t reads() const { return reads_; }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }

  // Writes that nobody reads, enough to fill what may be unanswered on a follower
  // that hangs: only then do entries wait unsent, and lag alone keeps reads off it.
  void SendBulk() {
    static const std::string kValue(4096, 'b');
    const auto now = Clock::now();
    if (now < next_bulk_) return;
    next_bulk_ = now + milliseconds(1);
    bulk_.Fill();
    for (Value reply; bulk_.Next(reply);) --bulk_unanswered_;
    if (bulk_unanswered_ > 200) return;
    for (int i = 0; i < 5; ++i, ++bulk_unanswered_) {
      bulk_.Send({"SET", "bulk:" + std::to_string(Below(100)), kValue});
    }
    bulk_.Flush();
  }

  void SendBatch(size_t index) {
    if (index >= kWriters && Below(2) == 0) sessions_[index] = std::make_unique<Session>(port_);
    Session& session = *sessions_[index];
    size_t last_written = keys_.size();
    for (uint64_t i = 1 + Below(8); i > 0; --i) {
      size_t key = Below(keys_.size());
      if (index >= kWriters) {
        SendRead(session, key / kRoutes.size() * kRoutes.size() + index % kRoutes.size());
        continue;
      }
      if (Below(100) < 30) {
        if (keys_[key].kind == KeyKind::kVersion && keys_[key].writer != index) continue;
        SendWrite(session, key);
        last_written = key;
        continue;
      }
      if (last_written < keys_.size() && Below(3) == 0) key = last_written;
      SendRead(session, key);
    }
    session.client.Flush();
    session.next_batch = Clock::now() + milliseconds(1 + Below(8));
  }

  void SendWrite(Session& session, size_t index) {
    TrackedKey& key = keys_[index];
    Expected expected{true, {index}, {}, 0};
    switch (key.kind) {
      case KeyKind::kVersion:
        expected.version = ++key.last_sent;
        session.client.Send({"SET", key.name,
                             std::to_string(expected.version) + ":" +
                                 std::to_string(Clock::now().time_since_epoch().count())});
        break;
      case KeyKind::kCounter:
        session.client.Send({"INCR", key.name});
        break;
      case KeyKind::kList:
        session.client.Send({"RPUSH", key.name, "x"});
        break;
      case KeyKind::kField:
        session.client.Send({"HINCRBY", key.name, "v", "1"});
        break;
    }
    session.unanswered.push_back(std::move(expected));
  }

  void SendRead(Session& session, size_t index) {
    Expected expected{false, {index}, {}, 0};
    const TrackedKey& key = keys_[index];
    switch (key.kind) {
      case KeyKind::kVersion:
      case KeyKind::kCounter:
        if (Below(5) == 0) {
          // A second key of the route that GET can read.
          const size_t step = kRoutes.size() * 4;
          const size_t other = (index + step * (1 + Below(5))) % keys_.size();
          if (keys_[other].route == key.route && keys_[other].kind <= KeyKind::kCounter) {
            expected.keys.push_back(other);
          }
        }
        if (expected.keys.size() == 2) {
          session.client.Send({"MGET", key.name, keys_[expected.keys[1]].name});
        } else {
          session.client.Send({"GET", key.name});
        }
        break;
      case KeyKind::kList:
        session.client.Send({"LLEN", key.name});
        break;
      case KeyKind::kField:
        session.client.Send({"HGET", key.name, "v"});
        break;
    }
    const auto visible_since = Clock::now() - kRoutes[key.route].budget;
    for (const size_t k : expected.keys)
      expected.at_least.push_back(keys_[k].KnownAt(visible_since));
    session.unanswered.push_back(std::move(expected));
  }

  static uint64_t VersionOf(const Value& value) {
    if (value.kind == Value::Kind::kInteger) return static_cast<uint64_t>(value.integer);
    return std::strtoull(value.text.c_str(), nullptr, 10);  // nil is 0
  }

  void TakeReplies(Session& session) {
    session.client.Fill();
    Value reply;
    while (session.client.Next(reply)) {
      if (session.unanswered.empty()) return Fail("a reply that nobody asked for");
      const Expected expected = std::move(session.unanswered.front());
      session.unanswered.pop_front();
      if (!reply.ok()) return Fail(keys_[expected.keys[0]].name + ": " + Render(reply));
      if (expected.write) {
        TrackedKey& key = keys_[expected.keys[0]];
        const uint64_t version =
            key.kind == KeyKind::kVersion ? expected.version : VersionOf(reply);
        Note(session, expected.keys[0], version);
      } else {
        CheckRead(session, expected, reply);
      }
    }
    if (session.client.lost()) Fail("lost a connection: " + session.client.why_lost());
  }

  void CheckRead(Session& session, const Expected& expected, const Value& reply) {
    ++reads_;
    for (size_t i = 0; i < expected.keys.size(); ++i) {
      const size_t index = expected.keys[i];
      const uint64_t version = VersionOf(expected.keys.size() == 1 ? reply : reply.elements.at(i));
      const std::string what = keys_[index].name + ": read version " + std::to_string(version);
      if (version < expected.at_least[i]) {
        Fail(what + ", but " + std::to_string(expected.at_least[i]) + " was known " +
             std::to_string(kRoutes[keys_[index].route].budget.count()) + " ms before it was sent");
      }
      if (version < session.seen[index]) {
        Fail(what + ", but this session wrote or saw " + std::to_string(session.seen[index]));
      }
      Note(session, index, version);
    }
  }

  void Note(Session& session, size_t index, uint64_t version) {
    session.seen[index] = std::max(session.seen[index], version);
    keys_[index].Learn(version, Clock::now());
  }

  void Fail(const std::string& what) {
    if (++failures_ <= 5) ADD_FAILURE() << what;
  }

  const uint16_t port_;
  std::mt19937_64 random_;
  std::vector<TrackedKey> keys_;
  std::vector<std::unique_ptr<Session>> sessions_;
  PipelinedClient bulk_;
  int bulk_unanswered_ = 0;
  Clock::time_point next_bulk_{};
  uint64_t reads_ = 0;
  int failures_ = 0;
};

// Makes the new store late in every way there is, until told to stop.
void DisturbFollower(Migration& migration, uint64_t seed, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  const auto between = [&](uint64_t low, uint64_t high) {
    ::poll(nullptr, 0, static_cast<int>(low + random() % (high - low + 1)));
  };
  while (!stop) {
    between(10, 120);
    switch (random() % 10) {
      case 0:
        migration.fresh.Pause();
        between(5, 300);
        migration.fresh.Resume();
        break;
      case 1:
        migration.relay->ResetConnections();
        break;
      case 2:
      case 3:
      case 4:
      case 5:
        migration.relay->Pause();
        between(5, 400);
        migration.relay->Resume();
        break;
      default:
        migration.relay->SetDelay(milliseconds(random() % 2 == 0 ? random() % 200 : 0));
    }
  }
  migration.relay->SetDelay(milliseconds(0));
}

class Freshness : public ::testing::TestWithParam<int> {};

TEST_P(Freshness, ReadsAreWithinTheirBudgetWhateverTheFollowerDoes) {
  // Reads reach the follower at once; what the applier sends it is late.
  Migration migration({.legacy_args = {}, .relay = true, .relay_marker = "bulk:"});
  migration.config.workers = GetParam();
  migration.config.stage = "ramp";
  migration.config.reads = {{"follower", "100%"}};
  for (const RouteUnderTest& route : kRoutes) {
    const std::string name = std::string(route.prefix).substr(0, 3);
    migration.config.routes.push_back("{name: " + name + ", match: {prefix: \"" + route.prefix +
                                      "\"}, staleness: " + std::to_string(route.budget.count()) +
                                      "ms}");
  }
  ASSERT_TRUE(migration.StartLive());
  const uint64_t seed = TestSeed() + 30;
  Sessions sessions(migration.proxy->port(), seed);
  std::atomic<bool> stop{false};
  std::thread disturber([&] { DisturbFollower(migration, seed, stop); });
  sessions.RunFor(RunTime());
  stop = true;
  disturber.join();

  const nlohmann::json decisions = migration.Status()["read_decisions"];
  for (const RouteUnderTest& route : kRoutes) {
    uint64_t to_new = 0;
    uint64_t all = 0;
    std::string reasons;
    for (const auto& decision : decisions) {
      if (decision["route"] != std::string(route.prefix).substr(0, 3)) continue;
      const auto count = decision["count"].get<uint64_t>();
      all += count;
      if (decision["store"] == "new") to_new += count;
      reasons += " " + decision["reason"].get<std::string>() + " " + std::to_string(count);
    }
    std::printf("%s %llu of %llu reads went to the new store:%s\n", route.prefix,
                static_cast<unsigned long long>(to_new), static_cast<unsigned long long>(all),
                reasons.c_str());
    EXPECT_GT(to_new, all / 20) << decisions;
    EXPECT_GT(all, 100u);
  }
  EXPECT_GT(sessions.reads(), 500u);
  migration.ExpectEqualWhenDrained();
}

INSTANTIATE_TEST_SUITE_P(Workers, Freshness, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
