// Clients that go away in the middle of everything: what was theirs is free again
// within a second, and what they sent is done once or not at all.
#include <algorithm>
#include <random>
#include <set>

#include "tests/e2e/blocking.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

constexpr int kPinned = 5;
constexpr Departure kDepartures[] = {Departure::kClose, Departure::kReset, Departure::kHalfClose};

const char* Name(Departure how) {
  return how == Departure::kClose ? "close" : how == Departure::kReset ? "reset" : "half-close";
}

class Vanishing : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    migration_.config.workers = GetParam();
    migration_.config.limits["pinned"] = std::to_string(kPinned);
    ASSERT_TRUE(migration_.StartLive());
  }
  uint16_t port() const { return migration_.proxy->port(); }

  static int64_t ConnectionsTo(const RedisServer& store) {
    const std::string list = RedisClient(store.port()).Call({"CLIENT", "LIST"}).text;
    return std::count(list.begin(), list.end(), '\n');
  }
  // No client but those, none that waits, and the connections to the authority.
  bool AwaitOnly(int clients, int64_t connections) {
    return Await(
        [&] {
          const nlohmann::json status = migration_.Status();
          return status.value("clients", -1) == clients &&
                 status.value("clients_blocked", 1) == 0 &&
                 ConnectionsTo(migration_.legacy) <= connections;
        },
        std::chrono::seconds(1));
  }
  // The clients whose line of CLIENT LIST has this.
  static int Listed(RedisClient& client, const std::string& text) {
    std::istringstream lines(client.Call({"CLIENT", "LIST"}).text);
    int count = 0;
    for (std::string line; std::getline(lines, line);) count += line.find(text) != line.npos;
    return count;
  }
  static bool AwaitListed(RedisClient& client, const std::string& text, int count) {
    return Await([&] { return Listed(client, text) == count; });
  }
  static int WithInput(RedisClient& client) {
    return Listed(client, "") - Listed(client, "qbuf=0 ");
  }
  std::string HowItIs() {
    const nlohmann::json status = migration_.Status();
    return std::to_string(status.value("clients", -1)) + " clients, " +
           std::to_string(status.value("clients_blocked", -1)) + " blocked, " +
           std::to_string(ConnectionsTo(migration_.legacy)) + " connections";
  }

  Migration migration_;
};

INSTANTIATE_TEST_SUITE_P(Each, Vanishing, ::testing::Values(1, 2), WorkersName);

// What a client has been answered, and what it has sent last.
struct Situation {
  const char* name;
  std::vector<const char*> answered;
  std::string last;
  uint64_t blocked = 0;  // of each
};

std::string Encoded(const std::string& line) {
  std::string bytes;
  EncodeCommand(bytes, Words(line));
  return bytes;
}

const Situation kSituations[] = {
    {"idle", {"PING"}, ""},
    {"blocked", {}, Encoded("BLPOP q 0"), 1},
    {"blocked for a while", {}, Encoded("BLPOP q 30"), 1},
    {"blocked with more behind it", {}, Encoded("BLPOP q 0") + Encoded("SET never 1"), 1},
    {"blocked on a stream", {}, Encoded("XREAD BLOCK 0 STREAMS s $"), 1},
    {"in MULTI", {"MULTI", "SET never 1"}, ""},
    {"in MULTI, half a command", {"MULTI", "SET never 1"}, "*1\r\n$4\r\nEX"},
    {"half a big command",
     {},
     "*3\r\n$3\r\nSET\r\n$5\r\nnever\r\n$100000\r\n" + std::string(50'000, 'x')},
    {"in WATCH", {"WATCH k"}, ""},
    {"in WATCH and MULTI", {"WATCH k", "MULTI", "SET never 1"}, ""},
    {"in WATCH and blocked", {"WATCH k"}, Encoded("BLPOP q 0"), 1},
    {"subscribed", {"SUBSCRIBE c"}, ""},
    {"subscribed to a pattern", {"PSUBSCRIBE c*"}, ""},
    {"subscribed to a shard", {"SSUBSCRIBE c"}, ""},
    {"subscribed and blocked", {"HELLO 3", "SUBSCRIBE c"}, Encoded("BLPOP q 0"), 1},
    {"subscribing", {}, Encoded("SUBSCRIBE c")},
    {"tracking", {"HELLO 3", "CLIENT TRACKING ON", "GET k"}, ""},
    {"monitoring", {"MONITOR"}, ""},
    {"in WAIT", {"SET k 1"}, Encoded("WAIT 1 0")},
    {"authenticating", {}, Encoded("AUTH nobody wrong")},
};

TEST_P(Vanishing, LeavesNothingBehind) {
  RedisClient stays(port());
  ASSERT_TRUE(stays.Call({"SET", "k", "1"}).ok());
  // Every worker has its lanes, and what is kept for the next clients is kept.
  const int64_t connections = ConnectionsTo(migration_.legacy) + 2 * kPinned + 2;
  for (const Situation& situation : kSituations) {
    for (const Departure how : kDepartures) {
      const std::string which = std::string(situation.name) + ", " + Name(how);
      std::vector<std::unique_ptr<RawClient>> clients;
      for (int i = 0; i < kPinned; ++i) {
        clients.push_back(std::make_unique<RawClient>(port()));
        for (const char* line : situation.answered) {
          std::string reply = clients.back()->Call(Words(line));
          // Of those before, a connection may be on its way yet.
          EXPECT_TRUE(Await([&] {
            if (reply.find("try again later") == std::string::npos) return true;
            reply = clients.back()->Call(Words(line));
            return false;
          })) << which;
          ASSERT_NE(reply.front(), '-') << which << ": " << line << ": " << reply;
          ASSERT_NE(reply, "(lost)") << which << ": " << line;
        }
        clients.back()->SendRaw(situation.last);
      }
      if (situation.blocked > 0) {
        ASSERT_TRUE(AwaitBlocked(migration_, kPinned)) << which;
      }
      for (auto& client : clients) client->Leave(how);
      EXPECT_TRUE(AwaitOnly(1, connections))
          << which << ": " << HowItIs() << ", expected " << connections;
    }
  }
  EXPECT_EQ(stays.Call({"EXISTS", "never"}).integer, 0);
  EXPECT_EQ(stays.Call({"RPUSH", "q", "x"}).integer, 1);
  EXPECT_EQ(stays.Call({"LLEN", "q"}).integer, 1) << "served to somebody who has gone";
  EXPECT_EQ(stays.Call({"PUBLISH", "c", "x"}).integer, 0);
  migration_.ExpectEqualWhenDrained();
}

// What went to a store that hangs holds the gate for its key. Others, who speak
// another protocol and so are on another lane, wait there: one that has died does
// not any more; one that has said its last word is heard, as by a server that has
// received it.
TEST_P(Vanishing, AtTheGate) {
  for (const Departure first_leaves : kDepartures) {
    for (const Departure how : kDepartures) {
      const std::string which = std::string(Name(first_leaves)) + ", then " + Name(how);
      RedisClient stays(port());
      ASSERT_TRUE(stays.Call({"DEL", "log"}).ok());
      RawClient first(port()), second(port()), third(port());
      for (RawClient* client : {&second, &third}) client->Call({"HELLO", "3"});
      for (RawClient* client : {&first, &second, &third}) client->Call({"GET", "log"});
      migration_.legacy.Pause();
      first.Send({"RPUSH", "log", "first"});
      ASSERT_TRUE(AwaitListed(stays, "cmd=rpush", 1));
      second.Send({"RPUSH", "log", "second"});
      ASSERT_TRUE(AwaitListed(stays, "cmd=rpush", 2));
      third.Send({"RPUSH", "log", "third"});
      ASSERT_TRUE(AwaitListed(stays, "cmd=rpush", 3));
      EXPECT_EQ(WithInput(stays), 3) << which << ": the others wait, and who asks";
      first.Leave(first_leaves);
      second.Leave(how);
      if (how == Departure::kReset) {
        EXPECT_TRUE(Await([&] { return WithInput(stays) == 2; }, std::chrono::seconds(1))) << which;
      }
      migration_.legacy.Resume();
      const bool executed = how != Departure::kReset;
      EXPECT_EQ(third.Read(), executed ? ":3\r\n" : ":2\r\n") << which;
      EXPECT_EQ(Render(stays.Call({"LRANGE", "log", "0", "-1"})),
                executed ? "[\"first\" \"second\" \"third\"]" : "[\"first\" \"third\"]")
          << which;
      EXPECT_TRUE(AwaitOnly(2, INT64_MAX)) << which << ": " << HowItIs();
      EXPECT_EQ(stays.Call({"RPUSH", "log", "free"}).integer, executed ? 4 : 3) << which;
    }
  }
  migration_.ExpectEqualWhenDrained();
}

// Clients that send and are gone before the answer, beside some that stay: every
// element is pushed once or not at all, and popped once at most.
TEST_P(Vanishing, NothingIsDoneTwice) {
  std::mt19937_64 random(TestSeed());
  std::vector<std::unique_ptr<RawClient>> waiting;
  RedisClient stays(port());
  constexpr int kRounds = 600;
  for (int i = 0; i < kRounds; ++i) {
    const std::string element = std::to_string(i);
    auto client = std::make_unique<RawClient>(port());
    std::string bytes;
    switch (random() % 4) {
      case 0:
        bytes = Encoded("RPUSH q " + element) + Encoded("RPUSH log " + element);
        break;
      case 1:
        bytes = Encoded("MULTI") + Encoded("RPUSH q " + element) + Encoded("RPUSH log " + element) +
                Encoded("EXEC");
        break;
      case 2:
        bytes = Encoded("WATCH k") + Encoded("MULTI") + Encoded("RPUSH log " + element) +
                Encoded("EXEC");
        break;
      default:
        bytes = Encoded("BLMOVE q moved LEFT RIGHT 0");
    }
    client->SendRaw(bytes);
    if (random() % 8 == 0) {
      ASSERT_TRUE(stays.Call({"RPUSH", "q", "s" + element}).ok());
    }
    if (random() % 4 == 0) waiting.push_back(std::move(client));
    if (waiting.size() > 20) waiting.erase(waiting.begin());
    if (client) client->Leave(kDepartures[random() % 3]);
  }
  waiting.clear();
  ASSERT_TRUE(AwaitOnly(1, INT64_MAX)) << HowItIs();
  std::multiset<std::string> log, moved;
  for (const Value& item : stays.Call({"LRANGE", "log", "0", "-1"}).elements) log.insert(item.text);
  for (const char* key : {"q", "moved"}) {
    for (const Value& item : stays.Call({"LRANGE", key, "0", "-1"}).elements) {
      moved.insert(item.text);
    }
  }
  EXPECT_GT(log.size(), 0u);
  EXPECT_GT(moved.size(), 0u);
  for (const std::string& item : log) EXPECT_EQ(log.count(item), 1u) << item;
  for (const std::string& item : moved) EXPECT_EQ(moved.count(item), 1u) << item;
  migration_.ExpectEqualWhenDrained();
  const nlohmann::json drift = migration_.Status()["drift"];
  EXPECT_EQ(drift.value("reply", 9), 0) << drift.dump();
}

}  // namespace
}  // namespace crossfade::test
