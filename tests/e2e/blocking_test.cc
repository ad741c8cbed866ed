// Blocking commands through the proxy, which blocks instead of the store: what
// every client sees is what a plain server of the same version shows.
#include "tests/e2e/blocking.h"

#include <chrono>

#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class Blocking : public BlockingTest {};

INSTANTIATE_TEST_SUITE_P(Each, Blocking, ::testing::Values(1, 2), WorkersName);

// Commands of one client before; commands that wait, each of a client of its own
// and begun one after another; then what the one client does. At the end those
// who still wait are told so by CLIENT UNBLOCK.
struct Scene {
  const char* name;
  std::vector<const char*> before;
  std::vector<const char*> waiting;
  std::vector<const char*> then;
};

const Scene kScenes[] = {
    {"lists", {}, {"BLPOP a b 0", "BRPOP b 0", "BLPOP c a 9"}, {"RPUSH b 1 2 3", "LPUSH a x"}},
    {"two keys in a transaction", {}, {"BLPOP a b 0"}, {"MULTI", "RPUSH b 1", "RPUSH a 2", "EXEC"}},
    {"move", {}, {"BLMOVE a b LEFT RIGHT 0", "BLPOP b 0"}, {"RPUSH a 1 2"}},
    {"moves in a circle",
     {},
     {"BRPOPLPUSH a b 0", "BRPOPLPUSH b a 0"},
     {"RPUSH a 1", "LRANGE a 0 -1", "LRANGE b 0 -1"}},
    {"move onto itself", {}, {"BRPOPLPUSH a a 0"}, {"RPUSH a 1", "LRANGE a 0 -1"}},
    {"chain", {}, {"BRPOPLPUSH a b 0", "BRPOPLPUSH b c 0", "BLPOP c 0"}, {"RPUSH a 1"}},
    {"destination of another type",
     {"SET d x"},
     {"BLMOVE a d LEFT LEFT 0", "BLPOP a 0"},
     {"RPUSH a 1", "LRANGE a 0 -1"}},
    {"source of another type", {}, {"BLPOP a 0"}, {"SET a x", "DEL a", "RPUSH a 1"}},
    {"pops of many",
     {},
     {"BLMPOP 0 2 a b LEFT COUNT 2", "BLMPOP 0 1 a RIGHT", "BLPOP a 0"},
     {"RPUSH a 1 2 3 4", "LRANGE a 0 -1"}},
    {"sorted sets",
     {},
     {"BZPOPMIN a b 0", "BZPOPMAX b 0", "BZMPOP 0 2 c a MAX COUNT 2"},
     {"ZADD b 1 x 2 y", "ZADD a 1.5 m 2 n 3 o", "ZRANGE a 0 -1"}},
    {"ZADD with options", {}, {"BZPOPMIN a 0"}, {"ZADD a XX 1 x", "ZADD a NX 1 x"}},
    {"ZINCRBY, GEOADD, unions",
     {"ZADD from 1 m"},
     {"BZPOPMIN a 0", "BZPOPMIN b 0", "BZPOPMIN c 0"},
     {"ZINCRBY a 5 x", "GEOADD b 1 2 place", "ZUNIONSTORE c 1 from"}},
    {"a list and a sorted set under one name",
     {},
     {"BLPOP a 0", "BZPOPMIN a 0"},
     {"ZADD a 1 m", "DEL a", "RPUSH a 1"}},
    {"streams",
     {"XADD s 1-1 f v"},
     {"XREAD BLOCK 0 STREAMS s $", "XREAD BLOCK 0 COUNT 1 STREAMS t s 0 5-0",
      "XREAD BLOCK 0 STREAMS t 0"},
     {"XADD s 2-1 f v", "XADD t 1-1 f v", "XADD s 6-0 f v"}},
    {"a stream that is not there yet", {}, {"XREAD BLOCK 0 STREAMS s $"}, {"XADD s 1-1 f v"}},
    {"a group",
     {"XGROUP CREATE s g $ MKSTREAM"},
     {"XREADGROUP GROUP g c1 BLOCK 0 STREAMS s >", "XREADGROUP GROUP g c2 BLOCK 0 STREAMS s >"},
     {"XADD s 1-1 f v", "XADD s 2-1 f v", "XPENDING s g"}},
    {"a group's stream deleted",
     {"XGROUP CREATE s g $ MKSTREAM"},
     {"XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "XREAD BLOCK 0 STREAMS s $"},
     {"DEL s", "XADD s 1-1 f v"}},
    {"a group's stream overwritten",
     {"XGROUP CREATE s g $ MKSTREAM"},
     {"XREADGROUP GROUP g c BLOCK 0 STREAMS s >"},
     {"SET s x"}},
    {"a group's stream overwritten in a transaction",
     {"XGROUP CREATE s g $ MKSTREAM"},
     {"XREADGROUP GROUP g c BLOCK 0 STREAMS s >"},
     {"MULTI", "DEL s", "SADD s x", "EXEC"}},
    {"a group destroyed",
     {"XGROUP CREATE s g $ MKSTREAM"},
     {"XREADGROUP GROUP g c BLOCK 0 STREAMS s >"},
     {"XGROUP DESTROY s g"}},
    {"a group's stream renamed onto",
     {"XGROUP CREATE s g $ MKSTREAM", "XADD t 1-1 f v", "XGROUP CREATE t g 0"},
     {"XREADGROUP GROUP g c BLOCK 0 STREAMS s >"},
     {"RENAME t s"}},
    {"all flushed",
     {"XGROUP CREATE s g $ MKSTREAM"},
     {"XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "BLPOP a 0"},
     {"FLUSHALL", "RPUSH a 1"}},
    {"dbs swapped", {"SELECT 9", "RPUSH a 1", "SELECT 0"}, {"BLPOP a 0"}, {"SWAPDB 0 9"}},
    {"renamed, copied, restored, sorted, moved",
     {"RPUSH f 2 1", "SELECT 9", "RPUSH m 7", "SELECT 0"},
     {"BLPOP a 0", "BLPOP b 0", "BLPOP c 0", "BLPOP m 0"},
     {"COPY f a", "SORT f STORE c", "RENAME f b", "SELECT 9", "MOVE m 0", "SELECT 0"}},
    {"what is pushed and deleted in a transaction serves nobody",
     {},
     {"BLPOP a 0"},
     {"MULTI", "RPUSH a 1", "DEL a", "EXEC", "RPUSH a 2"}},
    {"a transaction pops before those who wait",
     {},
     {"BLPOP a 0", "BLPOP a 0"},
     {"MULTI", "RPUSH a 1 2 3", "LPOP a", "EXEC", "LRANGE a 0 -1"}},
    {"blocking commands in a transaction do not block",
     {"RPUSH a 1"},
     {},
     {"MULTI", "BLPOP a 0", "BLPOP a 0", "BLMOVE a b LEFT LEFT 0", "BZPOPMIN a 0",
      "XREAD BLOCK 0 STREAMS s $", "EXEC"}},
    {"served by what a move in a transaction pushes",
     {"RPUSH f 1 2"},
     {"BLPOP a 0"},
     {"MULTI", "LMOVE f a LEFT LEFT", "EXEC"}},
    {"named twice", {}, {"BLPOP a a a 0"}, {"RPUSH a 1", "RPUSH a 2", "LRANGE a 0 -1"}},
    {"nothing to wait for",
     {"RPUSH a 1 2 3 4", "ZADD z 1 m", "XADD s 1-1 f v", "SET x y"},
     {},
     {"BLPOP b a 0", "BRPOP a 1", "BLMOVE a b LEFT LEFT 0", "BLMPOP 0 1 a LEFT", "BZPOPMIN z 0",
      "XREAD BLOCK 0 STREAMS s 0", "BLPOP x 0", "BLPOP a x 0.01"}},
    {"what is wrong",
     {"SET x y", "XGROUP CREATE s g $ MKSTREAM"},
     {},
     {"BLPOP a x",
      "BLPOP a -1",
      "BLPOP a",
      "BRPOP a 1x",
      "BLMOVE a b UP LEFT 0",
      "BLMOVE a b LEFT LEFT",
      "BLMPOP 0 0 a LEFT",
      "BLMPOP 0 2 a LEFT",
      "BLMPOP 0 1 a MIDDLE",
      "BLMPOP 0 1 a LEFT COUNT 0",
      "BLMPOP x 1 a LEFT",
      "BZMPOP 0 1 a LEFT",
      "BZPOPMIN a -0.1",
      "BZPOPMIN x 0",
      "XREAD BLOCK x STREAMS s $",
      "XREAD BLOCK -1 STREAMS s $",
      "XREAD BLOCK 0 STREAMS s",
      "XREAD BLOCK 0 STREAMS s x",
      "XREAD BLOCK 0 STREAMS x $",
      "XREAD BLOCK 0 GROUP g c STREAMS s >",
      "XREADGROUP GROUP none c BLOCK 0 STREAMS s >",
      "XREADGROUP GROUP g c BLOCK 0 STREAMS none >",
      "XREADGROUP GROUP g c BLOCK 0 STREAMS s $",
      "XREADGROUP BLOCK 0 STREAMS s >",
      "XREADGROUP GROUP g c BLOCK 0 STREAMS s 0"}},
};

// Plays a scene; a line for each reply.
std::vector<std::string> Play(const Scene& scene, uint16_t port,
                              const std::function<bool(uint64_t)>& await_blocked) {
  std::vector<std::string> seen;
  RedisClient actor(port);
  actor.Call({"FLUSHALL"});
  for (const char* line : scene.before) {
    EXPECT_TRUE(actor.Call(Words(line)).ok()) << scene.name << ": " << line;
  }
  std::vector<std::unique_ptr<RedisClient>> clients;
  std::vector<std::string> ids;
  for (const char* line : scene.waiting) {
    clients.push_back(std::make_unique<RedisClient>(port));
    ids.push_back(std::to_string(clients.back()->Call({"CLIENT", "ID"}).integer));
    SendNow(*clients.back(), line);
    EXPECT_TRUE(await_blocked(clients.size())) << scene.name << ": " << line;
  }
  for (const char* line : scene.then) {
    seen.push_back(std::string(line) + " -> " + Render(actor.Call(Words(line))));
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    const bool waited = actor.Call({"CLIENT", "UNBLOCK", ids[i], "ERROR"}).integer == 1;
    seen.push_back(std::string(scene.waiting[i]) + (waited ? " waits -> " : " was served -> ") +
                   Render(clients[i]->Read()));
  }
  return seen;
}

TEST_P(Blocking, EachSceneGoesAsOnAPlainServer) {
  RedisServer plain;
  RedisClient info(plain.port());
  for (const Scene& scene : kScenes) {
    const auto expected =
        Play(scene, plain.port(), [&](uint64_t n) { return AwaitBlockedThere(info, n); });
    const auto seen = Play(scene, port(), [&](uint64_t n) { return AwaitBlocked(migration_, n); });
    EXPECT_EQ(seen, expected) << scene.name;
    ASSERT_TRUE(AwaitBlocked(migration_, 0)) << scene.name;
    RedisClient(port()).Call({"SET", "one", "key"});
    migration_.ExpectEqualWhenDrained();
    if (HasFatalFailure()) return;
  }
  const nlohmann::json drift = migration_.Status()["drift"];
  EXPECT_EQ(drift.value("reply", 9), 0) << drift.dump();
  EXPECT_EQ(drift.value("lost", 9), 0) << drift.dump();
}

TEST_P(Blocking, TimeoutsEndInNil) {
  for (const char* line : {"BLPOP a b 0.2", "BLMOVE a b LEFT LEFT 0.2", "BZMPOP 0.2 1 z MIN",
                           "XREAD BLOCK 200 STREAMS s $", "BLPOP a 0.001"}) {
    RedisClient client(port());
    const auto begun = steady_clock::now();
    EXPECT_EQ(client.Call(Words(line)).kind, Value::Kind::kNil) << line;
    const auto took = steady_clock::now() - begun;
    EXPECT_GE(took, milliseconds(std::string(line).ends_with("0.001") ? 1 : 200)) << line;
    EXPECT_LT(took, milliseconds(2000)) << line;
    EXPECT_EQ(client.Call({"PING"}).text, "PONG");
  }
  RawClient resp3(port());
  resp3.Call({"HELLO", "3"});
  EXPECT_EQ(resp3.Call(Words("BLPOP a 0.01")), "_\r\n");
  EXPECT_TRUE(AwaitBlocked(migration_, 0));
}

// Whoever waits speaks RESP3, whoever pushes RESP2: another lane, no other order.
TEST_P(Blocking, AcrossProtocolsFirstComeFirstServed) {
  RedisClient pusher(port());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<RawClient>(port()));
    if (i % 2 == 0) clients.back()->Call({"HELLO", "3"});
    clients.back()->Send(Words("BLPOP q 0"));
    ASSERT_TRUE(AwaitBlocked(migration_, static_cast<uint64_t>(i + 1)));
  }
  EXPECT_EQ(pusher.Call(Words("RPUSH q 0 1 2")).integer, 3);
  for (int i = 3; i < 8; ++i) EXPECT_TRUE(pusher.Call({"RPUSH", "q", std::to_string(i)}).ok());
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(clients[static_cast<size_t>(i)]->Read(),
              "*2\r\n$1\r\nq\r\n$1\r\n" + std::to_string(i) + "\r\n");
  }
}

// A double has its own type there.
TEST_P(Blocking, EachIsAnsweredInItsOwnProtocol) {
  RedisClient pusher(port());
  RawClient resp2(port()), resp3(port());
  resp3.Call({"HELLO", "3"});
  resp3.Send(Words("BZPOPMIN z 0"));
  ASSERT_TRUE(AwaitBlocked(migration_, 1));
  resp2.Send(Words("BZPOPMIN z 0"));
  ASSERT_TRUE(AwaitBlocked(migration_, 2));
  EXPECT_EQ(pusher.Call(Words("ZADD z 1.5 a 2.5 b")).integer, 2);
  EXPECT_EQ(resp3.Read(), "*3\r\n$1\r\nz\r\n$1\r\na\r\n,1.5\r\n");
  EXPECT_EQ(resp2.Read(), "*3\r\n$1\r\nz\r\n$1\r\nb\r\n$3\r\n2.5\r\n");
}

// It is served to nobody, and nothing of it is left.
TEST_P(Blocking, AClientThatVanishesWaitsNoMore) {
  RedisClient pusher(port());
  for (int i = 0; i < 4; ++i) {
    auto gone = std::make_unique<RedisClient>(port());
    auto stays = std::make_unique<RedisClient>(port());
    SendNow(*gone, "BLPOP q 0");
    ASSERT_TRUE(AwaitBlocked(migration_, 1));
    SendNow(*stays, "BLPOP q 0");
    ASSERT_TRUE(AwaitBlocked(migration_, 2));
    gone.reset();
    ASSERT_TRUE(AwaitBlocked(migration_, 1));
    EXPECT_EQ(pusher.Call(Words("RPUSH q x y")).integer, 2);
    EXPECT_EQ(Render(stays->Read()), "[\"q\" \"x\"]");
    EXPECT_EQ(Render(pusher.Call(Words("LPOP q"))), "\"y\"");
  }
}

// Who is served while another unblocks it is not unblocked, and the other is told so.
TEST_P(Blocking, UnblockSaysWhatBecameOfTheClient) {
  RedisClient waiter(port()), pusher(port()), other(port());
  const std::string id = std::to_string(waiter.Call({"CLIENT", "ID"}).integer);
  uint64_t served = 0;
  for (int round = 0; round < 300; ++round) {
    SendNow(waiter, "BLPOP k 0");
    ASSERT_TRUE(AwaitBlocked(migration_, 1));
    SendNow(pusher, "RPUSH k v");
    SendNow(other, "CLIENT UNBLOCK " + id + " ERROR");
    EXPECT_TRUE(pusher.Read().ok());
    const bool unblocked = other.Read().integer == 1;
    const std::string reply = Render(waiter.Read());
    EXPECT_EQ(unblocked, reply.find("UNBLOCKED") != std::string::npos) << reply;
    if (unblocked) {
      EXPECT_EQ(pusher.Call({"LPOP", "k"}).text, "v");
    }
    served += unblocked ? 0 : 1;
  }
  EXPECT_GT(served, 0u);
  EXPECT_TRUE(pusher.Call({"SET", "one", "key"}).ok());
  migration_.ExpectEqualWhenDrained();
}

TEST_P(Blocking, UnblockedByAnotherClientOnAnyWorker) {
  for (const char* how : {"TIMEOUT", "ERROR"}) {
    for (int i = 0; i < 3; ++i) {
      RedisClient waits(port());
      RedisClient asks(port());
      const std::string id = std::to_string(waits.Call({"CLIENT", "ID"}).integer);
      EXPECT_EQ(asks.Call({"CLIENT", "UNBLOCK", id, how}).integer, 0);
      SendNow(waits, "BLPOP q 0");
      ASSERT_TRUE(AwaitBlocked(migration_, 1));
      EXPECT_EQ(asks.Call({"CLIENT", "UNBLOCK", id, how}).integer, 1);
      const Value reply = waits.Read();
      if (*how == 'T') {
        EXPECT_EQ(reply.kind, Value::Kind::kNil);
      } else {
        EXPECT_EQ(reply.text, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
      }
      EXPECT_EQ(waits.Call({"PING"}).text, "PONG");
    }
  }
}

// What stands behind a blocking command in the client's pipeline waits for it.
TEST_P(Blocking, APipelineGoesOnBehindIt) {
  RedisClient waits(port());
  RedisClient pusher(port());
  std::string bytes;
  for (const char* line : {"SET k 1", "BLPOP q 0", "GET k", "BLPOP q 0", "PING"}) {
    EncodeCommand(bytes, Words(line));
  }
  waits.SendRaw(bytes);
  EXPECT_EQ(waits.Read().text, "OK");
  ASSERT_TRUE(AwaitBlocked(migration_, 1));
  EXPECT_TRUE(pusher.Call(Words("SET k 2")).ok());
  EXPECT_TRUE(pusher.Call(Words("RPUSH q a b")).ok());
  EXPECT_EQ(Render(waits.Read()), "[\"q\" \"a\"]");
  EXPECT_EQ(waits.Read().text, "2");
  EXPECT_EQ(Render(waits.Read()), "[\"q\" \"b\"]");
  EXPECT_EQ(waits.Read().text, "PONG");
}

// Who writes past the proxy is found by the poll.
TEST_P(Blocking, WritersThatBypassTheProxyAreFoundSoon) {
  RedisClient legacy(migration_.legacy.port());
  std::vector<std::unique_ptr<RedisClient>> clients;
  for (const char* line : {"BLPOP q 0", "BZPOPMIN z 0", "XREAD BLOCK 0 STREAMS s $", "BLPOP q 0"}) {
    clients.push_back(std::make_unique<RedisClient>(port(), std::chrono::seconds(8)));
    SendNow(*clients.back(), line);
    ASSERT_TRUE(AwaitBlocked(migration_, clients.size()));
  }
  EXPECT_TRUE(legacy.Call(Words("RPUSH q 1 2")).ok());
  EXPECT_TRUE(legacy.Call(Words("ZADD z 1 m")).ok());
  EXPECT_TRUE(legacy.Call(Words("XADD s 1-1 f v")).ok());
  EXPECT_EQ(Render(clients[0]->Read()), "[\"q\" \"1\"]");
  EXPECT_EQ(Render(clients[1]->Read()), "[\"z\" \"m\" \"1\"]");
  EXPECT_EQ(Render(clients[2]->Read()), "[[\"s\" [[\"1-1\" [\"f\" \"v\"]]]]]");
  EXPECT_EQ(Render(clients[3]->Read()), "[\"q\" \"2\"]");
}

// WATCH of a client that then waits stands, and EXEC sees what was written.
TEST_P(Blocking, WaitingLeavesWhatIsWatched) {
  RedisClient waits(port());
  RedisClient pusher(port());
  for (const bool touched : {false, true}) {
    EXPECT_TRUE(waits.Call(Words("WATCH k")).ok());
    SendNow(waits, "BLPOP q 0");
    ASSERT_TRUE(AwaitBlocked(migration_, 1));
    if (touched) {
      EXPECT_TRUE(pusher.Call(Words("SET k 1")).ok());
    }
    EXPECT_TRUE(pusher.Call(Words("RPUSH q x")).ok());
    EXPECT_EQ(Render(waits.Read()), "[\"q\" \"x\"]");
    EXPECT_TRUE(waits.Call({"MULTI"}).ok());
    EXPECT_TRUE(waits.Call({"SET", "m", "1"}).ok());
    EXPECT_EQ(Render(waits.Call({"EXEC"})), touched ? "nil" : "[+OK]");
  }
}

TEST_P(Blocking, TheyWaitOnWhileTheAuthorityIsAway) {
  RedisClient waits(port());
  SendNow(waits, "BLPOP q 0");
  ASSERT_TRUE(AwaitBlocked(migration_, 1));
  migration_.legacy.Kill();
  ASSERT_TRUE(migration_.proxy->AwaitStatus("away", [](const nlohmann::json& status) {
    return status.is_object() && !status["stores"][0].value("connected", true);
  }));
  EXPECT_TRUE(AwaitBlocked(migration_, 1));
  migration_.legacy.Start();
  RedisClient pusher(port());
  ASSERT_TRUE(Await([&] { return pusher.Call(Words("RPUSH q x")).ok(); }));
  EXPECT_EQ(Render(waits.Read()), "[\"q\" \"x\"]");
  EXPECT_TRUE(AwaitBlocked(migration_, 0));
}

TEST_P(Blocking, PlansComeAndGoWhileTheyWait) {
  RedisClient pusher(port());
  RedisClient waits(port());
  for (const char* stage : {"observe", "mirror", "observe"}) {
    SendNow(waits, "BLPOP q 0");
    ASSERT_TRUE(AwaitBlocked(migration_, 1));
    ProxyConfig config = migration_.proxy->config();
    config.stage = stage;
    ASSERT_EQ(migration_.proxy->Reload(config).status, 200) << stage;
    EXPECT_TRUE(pusher.Call(Words("RPUSH q x")).ok());
    EXPECT_EQ(Render(waits.Read()), "[\"q\" \"x\"]") << stage;
  }
}

TEST_P(Blocking, AGracefulStopDoesNotWaitForThem) {
  RedisClient waits(port());
  SendNow(waits, "BLPOP q 0");
  ASSERT_TRUE(AwaitBlocked(migration_, 1));
  const auto begun = steady_clock::now();
  EXPECT_EQ(migration_.proxy->Terminate(), 0);
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(5));
  EXPECT_EQ(waits.Read().kind, Value::Kind::kLost);
}

}  // namespace
}  // namespace crossfade::test
