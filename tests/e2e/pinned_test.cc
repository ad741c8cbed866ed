// Commands that need a connection of their own, byte for byte as a plain
// redis-server answers them: WATCH, subscriptions, MONITOR, tracking, WAIT; and
// what became of the connections afterwards.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/migration.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

struct Conversation {
  const char* name;
  std::vector<std::string> lines;
};

const Conversation kConversations[] = {
    {"a watched key that was written to",
     {"a WATCH k", "b SET k 1", "a MULTI", "a SET k 2", "a EXEC", "a GET k"}},
    {"a watched key that was not",
     {"a SET k 1", "a WATCH k j", "a GET k", "a MULTI", "a INCR k", "a EXEC", "b GET k"}},
    {"watching ends with EXEC",
     {"a WATCH k", "a MULTI", "a SET k 1", "a EXEC", "b SET k 2", "a MULTI", "a SET k 3",
      "a EXEC"}},
    {"UNWATCH",
     {"a WATCH k", "a UNWATCH", "b SET k 9", "a MULTI", "a SET k 3", "a EXEC", "a UNWATCH"}},
    {"DISCARD ends watching",
     {"a WATCH k", "a MULTI", "a DISCARD", "b SET k 1", "a MULTI", "a SET k 2", "a EXEC"}},
    {"a transaction that is refused ends watching",
     {"a WATCH k", "a MULTI", "a NOSUCH", "a EXEC", "b SET k 1", "a MULTI", "a SET k 2", "a EXEC"}},
    {"an empty transaction looks at watched keys too",
     {"a WATCH k", "b SET k 1", "a MULTI", "a EXEC", "a WATCH k", "a MULTI", "a EXEC"}},
    {"WATCH in a transaction is refused and does not end it",
     {"a MULTI", "a WATCH k", "a SET k 1", "a EXEC"}},
    {"UNWATCH and WAIT in a transaction", {"a MULTI", "a UNWATCH", "a WAIT 0 0", "a EXEC"}},
    {"watching goes on in another db",
     {"a WATCH k", "a SELECT 1", "a SET x 1", "b SET k 1", "a MULTI", "a SET x 2", "a EXEC",
      "a GET x", "a SELECT 0", "a GET x", "a SELECT 99", "a SELECT foo"}},
    {"RESET ends watching",
     {"a WATCH k", "a RESET", "b SET k 1", "a MULTI", "a SET k 2", "a EXEC"}},
    {"a watched key that expires",
     {"a SET k 1 PX 1", "a WATCH k", "b SET other 1", "a MULTI", "a PING", "a DISCARD"}},
    {"RESP3 gets RESP3 from a watched transaction",
     {"a HELLO 3 SETNAME x", "a WATCH k", "b SET k 1", "a MULTI", "a SET k 2", "a EXEC"}},
    {"channels",
     {"s SUBSCRIBE c1 c2",
      "s <",
      "b PUBLISH c1 hello",
      "s <",
      "s PING",
      "s PING x",
      "s GET k",
      "s MULTI",
      "s PSUBSCRIBE c*",
      "b PUBLISH c2 x",
      "s <",
      "s <",
      "s UNSUBSCRIBE c1",
      "s UNSUBSCRIBE",
      "s PUNSUBSCRIBE",
      "s GET k",
      "s UNSUBSCRIBE",
      "s UNSUBSCRIBE x y",
      "s <",
      "s PUNSUBSCRIBE",
      "s SUNSUBSCRIBE"}},
    {"the same channel twice",
     {"s SUBSCRIBE c c", "s <", "b PUBLISH c m", "s <", "s UNSUBSCRIBE c c", "s <", "s PING"}},
    {"sharded channels",
     {"s SSUBSCRIBE c1 c2", "s <", "b SPUBLISH c1 hello", "s <", "b PUBLISH c1 other",
      "s SUNSUBSCRIBE c2", "s SUNSUBSCRIBE", "s PING"}},
    {"subscribed in RESP3 everything else goes on",
     {"s HELLO 3 SETNAME s", "s SUBSCRIBE z", "s PUBLISH z m", "s <", "s SET k 1", "s GET k",
      "s PING", "s MULTI", "s INCR k", "s EXEC", "s UNSUBSCRIBE", "s GET nokey"}},
    {"RESET ends subscriptions", {"s SUBSCRIBE c", "s RESET", "b PUBLISH c m", "s GET k"}},
    {"tracking",
     {"t HELLO 3 SETNAME t", "t CLIENT TRACKING ON", "t GET k", "b SET k 1", "t <", "t GET k",
      "t SET k 2", "t <", "t CLIENT TRACKING OFF", "t GET k", "t CLIENT TRACKING OFF"}},
    {"what tracking is on",
     {"t HELLO 3 SETNAME t", "t CLIENT TRACKINGINFO", "t CLIENT TRACKING ON OPTIN",
      "t CLIENT TRACKINGINFO", "t CLIENT CACHING YES", "t CLIENT TRACKINGINFO",
      "t CLIENT TRACKINGINFO", "t CLIENT TRACKING OFF", "t CLIENT TRACKINGINFO",
      "t CLIENT TRACKING ON BCAST NOLOOP", "t CLIENT TRACKINGINFO", "t CLIENT TRACKING OFF",
      "t CLIENT TRACKING ON BCAST PREFIX b PREFIX a", "t CLIENT TRACKING ON BCAST PREFIX c",
      "t CLIENT TRACKINGINFO"}},
    {"tracking by prefix",
     {"t HELLO 3 SETNAME t", "t CLIENT TRACKING ON BCAST PREFIX user: NOLOOP", "t SET user:1 x",
      "b SET other 1", "b SET user:2 x", "t <"}},
    {"tracking of what is asked for",
     {"t HELLO 3 SETNAME t", "t CLIENT CACHING YES", "t CLIENT TRACKING ON OPTIN", "t GET k",
      "b SET k 1", "t CLIENT CACHING YES", "t GET k", "b SET k 2", "t <"}},
    {"what was tracked for one client is not told another",
     {"t HELLO 3 SETNAME t", "t CLIENT TRACKING ON", "t GET k", "t CLIENT TRACKING OFF",
      "s HELLO 3 SETNAME t", "s CLIENT TRACKING ON", "b SET k 1", "s GET k"}},
    {"tracking is refused as Redis refuses it",
     {"t CLIENT TRACKING ON", "t HELLO 3 SETNAME t", "t CLIENT TRACKING ON OPTIN OPTOUT",
      "t CLIENT TRACKING ON PREFIX x", "t CLIENT TRACKING ON REDIRECT 999999",
      "t CLIENT TRACKING MAYBE", "t SET k 1"}},
};

// HELLO's reply names the client.
std::string Unnumbered(std::string line) {
  const size_t at = line.find("$2\r\nid\r\n:");
  if (at == std::string::npos) return line;
  const size_t from = at + 9;
  return line.erase(from, line.find("\r\n", from) - from);
}

class PinnedTest : public ::testing::TestWithParam<int> {};

TEST_P(PinnedTest, AnswersAsAPlainServer) {
  Migration migration;
  migration.config.workers = GetParam();
  ASSERT_TRUE(migration.StartLive());
  RedisServer plain;
  for (const Conversation& conversation : kConversations) {
    RedisClient(plain.port()).Call({"FLUSHALL"});
    ASSERT_TRUE(RedisClient(migration.proxy->port()).Call({"FLUSHALL"}).ok());
    const auto want = Converse(plain.port(), conversation.lines);
    const auto have = Converse(migration.proxy->port(), conversation.lines);
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(Unnumbered(have[i]), Unnumbered(want[i])) << conversation.name;
    }
  }
  migration.ExpectEqualWhenDrained();
}

INSTANTIATE_TEST_SUITE_P(Workers, PinnedTest, ::testing::Values(1, 2), WorkersName);

// The proxy's own commands may stand before it.
bool Shows(RawClient& monitor, const std::string& text) {
  for (int i = 0; i < 20; ++i) {
    if (monitor.Read().find(text) != std::string::npos) return true;
  }
  return false;
}

TEST(Monitor, ShowsWhatOthersDo) {
  Migration migration;
  ASSERT_TRUE(migration.StartLive());
  RawClient monitor(migration.proxy->port());
  RawClient other(migration.proxy->port());
  EXPECT_EQ(monitor.Call({"MONITOR"}), "+OK\r\n");
  EXPECT_EQ(other.Call({"SET", "k", "v"}), "+OK\r\n");
  EXPECT_TRUE(Shows(monitor, "\"SET\" \"k\" \"v\""));
  monitor.Send({"GET", "k"});
  EXPECT_TRUE(Shows(monitor, "-ERR Replica can't interact with the keyspace\r\n"));
  monitor.Send({"RESET"});
  EXPECT_TRUE(Shows(monitor, "+RESET\r\n"));
  EXPECT_EQ(monitor.Call({"GET", "k"}), "$1\r\nv\r\n");
}

TEST(Monitor, ShowsTransactionsAsWrittenAndThoseThatAreRefused) {
  Migration migration;
  ASSERT_TRUE(migration.StartLive());
  RawClient monitor(migration.proxy->port());
  RawClient other(migration.proxy->port());
  const auto shows = [&monitor](const std::string& command) {
    EXPECT_TRUE(Shows(monitor, command)) << command;
  };
  EXPECT_EQ(monitor.Call({"MONITOR"}), "+OK\r\n");
  other.Call({"multi"});
  other.Call({"SET", "k", "v"});
  EXPECT_EQ(other.Call({"Exec"}), "*1\r\n+OK\r\n");
  shows("\"multi\"");
  shows("\"SET\" \"k\" \"v\"");
  shows("\"Exec\"");
  other.Call({"multi"});
  other.Call({"nosuch"});
  EXPECT_EQ(other.Call({"exec"}).substr(0, 10), "-EXECABORT");
  shows("\"multi\"");
  shows("\"exec\"");
  EXPECT_EQ(other.Call({"GET", "k"}), "$1\r\nv\r\n");
  shows("\"GET\" \"k\"");
}

TEST(Replies, ThatAreOffAreNoMessages) {
  Migration migration;
  ASSERT_TRUE(migration.StartLive());
  RawClient client(migration.proxy->port());
  RawClient other(migration.proxy->port());
  client.Call({"HELLO", "3"});
  client.Send({"CLIENT", "REPLY", "OFF"});
  EXPECT_EQ(client.Call({"SUBSCRIBE", "c"}).substr(0, 2), ">3");
  EXPECT_EQ(other.Call({"PUBLISH", "c", "hello"}), ":1\r\n");
  EXPECT_NE(client.Read().find("hello"), std::string::npos);
  client.Send({"SET", "k", "1"});
  EXPECT_EQ(client.Call({"UNSUBSCRIBE", "c"}).substr(0, 2), ">3");
  EXPECT_EQ(client.Call({"UNSUBSCRIBE", "c"}).substr(0, 2), ">3");
  EXPECT_EQ(client.Call({"CLIENT", "REPLY", "ON"}), "+OK\r\n");
  client.Send({"CLIENT", "REPLY", "SKIP"});
  EXPECT_EQ(client.Call({"SUBSCRIBE", "c"}).substr(0, 2), ">3");
  EXPECT_EQ(client.Call({"GET", "k"}), "$1\r\n1\r\n");
}

// A WAIT on a connection that has written nothing lies: the trap, and that the
// proxy, whose write went out on another connection, is not caught.
TEST(Wait, CountsTheReplicasThatHaveTheWrite) {
  Migration migration;
  RedisServer replica({"--replicaof", "127.0.0.1", std::to_string(migration.legacy.port())});
  ASSERT_TRUE(migration.StartLive());
  RedisClient of_replica(replica.port());
  ASSERT_TRUE(Await([&] {
    return of_replica.Call({"INFO", "replication"}).text.find("master_link_status:up") !=
           std::string::npos;
  }));
  RawClient client(migration.proxy->port());
  EXPECT_EQ(client.Call({"SET", "k", "1"}), "+OK\r\n");
  EXPECT_EQ(client.Call({"WAIT", "1", "5000"}), ":1\r\n");
  EXPECT_EQ(of_replica.Call({"GET", "k"}).text, "1");

  replica.Pause();  // it acknowledges nothing from here on
  RawClient idle(migration.legacy.port());
  EXPECT_EQ(client.Call({"SET", "k", "2"}), "+OK\r\n");
  EXPECT_EQ(idle.Call({"WAIT", "1", "100"}), ":1\r\n") << "Redis has no such trap any more";
  EXPECT_EQ(client.Call({"WAIT", "1", "100"}), ":0\r\n");
  EXPECT_EQ(client.Call({"WAIT", "0", "0"}), ":0\r\n");
  EXPECT_EQ(client.Call({"WAIT", "x", "0"}), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(client.Call({"WAIT", "1", "-1"}), "-ERR timeout is negative\r\n");
  replica.Resume();
  EXPECT_EQ(client.Call({"WAIT", "1", "5000"}), ":1\r\n");
  EXPECT_EQ(client.Call({"GET", "k"}), "$1\r\n2\r\n");
}

int64_t ConnectionsTo(const RedisServer& store) {
  const std::string list = RedisClient(store.port()).Call({"CLIENT", "LIST"}).text;
  return std::count(list.begin(), list.end(), '\n');
}

TEST(Pinned, ConnectionsAreGivenBackAndBounded) {
  Migration migration;
  migration.config.limits["pinned"] = "4";
  ASSERT_TRUE(migration.StartLive());
  const int64_t before = ConnectionsTo(migration.legacy);
  {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(std::make_unique<RawClient>(migration.proxy->port()));
      EXPECT_EQ(clients.back()->Call({"WATCH", "k"}), "+OK\r\n");
    }
    RawClient fifth(migration.proxy->port());
    EXPECT_EQ(fifth.Call({"WATCH", "k"}).substr(0, 44),
              "-ERR crossfade: all connections for WATCH, W");
    EXPECT_EQ(fifth.Call({"SET", "k", "1"}), "+OK\r\n");
    EXPECT_EQ(clients[0]->Call({"UNWATCH"}), "+OK\r\n");
    EXPECT_EQ(fifth.Call({"WATCH", "k"}), "+OK\r\n");
    EXPECT_EQ(ConnectionsTo(migration.legacy), before + 4);
  }
  // Clients that are gone leave none behind.
  EXPECT_TRUE(Await([&] { return ConnectionsTo(migration.legacy) <= before + 1; }));
  for (int i = 0; i < 20; ++i) {
    RawClient subscriber(migration.proxy->port());
    EXPECT_EQ(subscriber.Call({"SUBSCRIBE", "c"}).substr(0, 2), "*3");
  }
  EXPECT_TRUE(Await([&] { return ConnectionsTo(migration.legacy) <= before + 1; }));
}

// Connections that are kept for the next client serve only such as the last one.
TEST(Pinned, ConnectionsThatNobodyHasTakeNobodysPlace) {
  Migration migration;
  migration.config.limits["pinned"] = "1";
  migration.config.workers = 2;
  ASSERT_TRUE(migration.StartLive());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<RawClient>(migration.proxy->port()));
    RawClient& client = *clients.back();
    if (i % 2 == 0) client.Call({"HELLO", "3"});
    client.Call({"SELECT", std::to_string(i / 2)});
    EXPECT_EQ(client.Call({"WATCH", "k"}), "+OK\r\n") << i;
    EXPECT_EQ(client.Call({"UNWATCH"}), "+OK\r\n") << i;
    EXPECT_EQ(client.Call({"SET", "k", "1"}), "+OK\r\n") << i;
  }
  EXPECT_EQ(clients[0]->Call({"WATCH", "k"}), "+OK\r\n");
  EXPECT_EQ(clients[1]->Call({"WATCH", "k"}).substr(0, 14), "-ERR crossfade");
}

TEST(Pinned, AWatchThatWasLostWithTheConnectionFailsTheTransaction) {
  Migration migration;
  ASSERT_TRUE(migration.StartLive());
  RawClient client(migration.proxy->port());
  RawClient subscriber(migration.proxy->port());
  EXPECT_EQ(client.Call({"WATCH", "k"}), "+OK\r\n");
  EXPECT_EQ(subscriber.Call({"SUBSCRIBE", "c"}).substr(0, 2), "*3");
  EXPECT_TRUE(RedisClient(migration.legacy.port()).Call({"CLIENT", "KILL", "TYPE", "normal"}).ok());
  RedisClient(migration.legacy.port()).Call({"CLIENT", "KILL", "TYPE", "pubsub"});
  EXPECT_EQ(subscriber.Read(), "(lost)") << "it would wait for messages for ever";
  EXPECT_EQ(client.Call({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Call({"SET", "k", "1"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Call({"EXEC"}), "*-1\r\n");
  EXPECT_EQ(client.Call({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Call({"SET", "k", "2"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Call({"EXEC"}), "*1\r\n+OK\r\n");
  migration.ExpectEqualWhenDrained();
}

}  // namespace
}  // namespace crossfade::test
