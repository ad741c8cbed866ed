// CLIENT through the proxy: about its own clients, those of all workers.
#include <gtest/gtest.h>

#include <set>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class Clients : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    migration_.config.workers = GetParam();
    ASSERT_TRUE(migration_.StartLive());
  }
  uint16_t port() const { return migration_.proxy->port(); }

  static std::vector<std::string> Lines(const Value& list) {
    std::vector<std::string> lines;
    for (size_t at = 0; at < list.text.size();) {
      const size_t end = list.text.find('\n', at);
      lines.push_back(list.text.substr(at, end - at));
      at = end + 1;
    }
    return lines;
  }
  static std::string Field(const std::string& line, const std::string& name) {
    const std::string padded = " " + line + " ";
    const size_t at = padded.find(" " + name + "=");
    if (at == std::string::npos) return "(none)";
    const size_t begin = at + name.size() + 2;
    return padded.substr(begin, padded.find(' ', begin) - begin);
  }
  std::string LineOf(RedisClient& asker, int64_t id) {
    const auto lines = Lines(asker.Call({"CLIENT", "LIST", "ID", std::to_string(id)}));
    return lines.size() == 1 ? lines[0] : "";
  }
  bool AwaitClients(RedisClient& asker, size_t count) {
    return Await([&] { return Lines(asker.Call({"CLIENT", "LIST"})).size() == count; });
  }
  bool AwaitHeld(RedisClient& asker, size_t count) {
    return Await([&] {
      size_t held = 0;
      for (const std::string& line : Lines(asker.Call({"CLIENT", "LIST"}))) {
        held += Field(line, "flags").find('b') != std::string::npos;
      }
      return held == count;
    });
  }

  Migration migration_;
};

INSTANTIATE_TEST_SUITE_P(Each, Clients, ::testing::Values(1, 2), WorkersName);

TEST_P(Clients, ListShowsTheClientsOfAllWorkersWithTheFieldsOfRedis) {
  RedisClient asker(port());
  RedisClient named(port());
  RedisClient in_multi(port());
  ASSERT_TRUE(named.Call({"CLIENT", "SETNAME", "app"}).ok());
  ASSERT_TRUE(named.Call({"CLIENT", "SETINFO", "LIB-NAME", "lib"}).ok());
  ASSERT_TRUE(named.Call({"CLIENT", "NO-EVICT", "on"}).ok());
  ASSERT_TRUE(named.Call({"SELECT", "3"}).ok());
  ASSERT_TRUE(named.Call({"GET", "k"}).ok());
  ASSERT_TRUE(in_multi.Call({"MULTI"}).ok());
  ASSERT_TRUE(in_multi.Call({"SET", "k", "v"}).ok());

  const auto lines = Lines(asker.Call({"CLIENT", "LIST"}));
  ASSERT_EQ(lines.size(), 3u);
  // As a plain server names them, in its order.
  RedisServer plain;
  const std::string model = Lines(RedisClient(plain.port()).Call({"CLIENT", "LIST"})).at(0);
  size_t from = 0;
  for (const char* field :
       {"id",        "addr",     "laddr",     "fd",   "name", "age",   "idle",
        "flags",     "db",       "sub",       "psub", "ssub", "multi", "qbuf",
        "qbuf-free", "argv-mem", "multi-mem", "rbs",  "rbp",  "obl",   "oll",
        "omem",      "tot-mem",  "events",    "cmd",  "user", "redir", "resp"}) {
    EXPECT_NE(Field(model, field), "(none)") << field << " in " << model;
    const size_t at = (" " + lines[0]).find(std::string(" ") + field + "=", from);
    ASSERT_NE(at, std::string::npos) << field << " in " << lines[0];
    from = at;
  }
  EXPECT_EQ(Field(lines[0], "cmd"), "client|list");
  EXPECT_EQ(Field(lines[0], "qbuf"), "26");
  EXPECT_EQ(Field(lines[0], "argv-mem"), Field(model, "argv-mem"));
  EXPECT_EQ(Field(lines[0], "flags"), "N");
  EXPECT_EQ(Field(lines[0], "laddr"), "127.0.0.1:" + std::to_string(port()));

  const std::string app = LineOf(asker, named.Call({"CLIENT", "ID"}).integer);
  EXPECT_EQ(Field(app, "name"), "app");
  EXPECT_EQ(Field(app, "lib-name"), "lib");
  EXPECT_EQ(Field(app, "flags"), "e");
  EXPECT_EQ(Field(app, "db"), "3");
  EXPECT_EQ(Field(app, "cmd"), "client|id");
  EXPECT_EQ(Field(app, "multi"), "-1");
  for (const std::string& line : lines) {
    if (Field(line, "cmd") != "set") continue;
    EXPECT_EQ(Field(line, "flags"), "x") << line;
    EXPECT_EQ(Field(line, "multi"), "1") << line;
  }
  EXPECT_EQ(Lines(asker.Call({"CLIENT", "LIST", "TYPE", "normal"})).size(), 3u);
  EXPECT_EQ(asker.Call({"CLIENT", "LIST", "TYPE", "master"}).text, "");
  EXPECT_EQ(asker.Call({"CLIENT", "LIST", "ID", "987654321"}).text, "");
}

TEST_P(Clients, WrongArgumentsGetTheTextsOfRedis) {
  RedisServer plain_server;
  RedisClient plain(plain_server.port());
  RedisClient proxy(port());
  for (const Args& args : std::vector<Args>{{"CLIENT"},
                                            {"CLIENT", "NOSUCH"},
                                            {"CLIENT", "LIST", "x"},
                                            {"CLIENT", "LIST", "TYPE", "nosuch"},
                                            {"CLIENT", "LIST", "TYPE"},
                                            {"CLIENT", "LIST", "ID", "x"},
                                            {"CLIENT", "LIST", "ID"},
                                            {"CLIENT", "KILL"},
                                            {"CLIENT", "KILL", "1.2.3.4:5"},
                                            {"CLIENT", "KILL", "ID", "x"},
                                            {"CLIENT", "KILL", "ID", "0"},
                                            {"CLIENT", "KILL", "ID", "10", "wrong"},
                                            {"CLIENT", "KILL", "TYPE", "nosuch"},
                                            {"CLIENT", "KILL", "USER", "nosuch"},
                                            {"CLIENT", "KILL", "SKIPME", "maybe"},
                                            {"CLIENT", "KILL", "NOSUCH", "x"},
                                            {"CLIENT", "KILL", "ID", "99999999"},
                                            {"CLIENT", "KILL", "TYPE", "replica"},
                                            {"CLIENT", "PAUSE"},
                                            {"CLIENT", "PAUSE", "x"},
                                            {"CLIENT", "PAUSE", "-1"},
                                            {"CLIENT", "PAUSE", "1", "x"},
                                            {"CLIENT", "PAUSE", "x", "x"},
                                            {"CLIENT", "PAUSE", "1", "ALL", "x"},
                                            {"CLIENT", "PAUSE", "0"},
                                            {"CLIENT", "UNPAUSE", "x"},
                                            {"CLIENT", "UNPAUSE"},
                                            {"CLIENT", "REPLY"},
                                            {"CLIENT", "REPLY", "x"},
                                            {"CLIENT", "REPLY", "ON"},
                                            {"CLIENT", "NO-EVICT", "x"},
                                            {"CLIENT", "NO-EVICT", "on"},
                                            {"CLIENT", "NO-EVICT", "off"},
                                            {"CLIENT", "UNBLOCK", "x"},
                                            {"CLIENT", "UNBLOCK", "1", "x"},
                                            {"CLIENT", "UNBLOCK", "1", "ERROR", "x"},
                                            {"CLIENT", "UNBLOCK", "99999999"},
                                            {"CLIENT", "SETNAME", "a b"},
                                            {"CLIENT", "SETNAME", "x"},
                                            {"CLIENT", "SETNAME", ""},
                                            {"CLIENT", "GETNAME"},
                                            {"CLIENT", "GETREDIR"},
                                            {"CLIENT", "TRACKINGINFO"},
                                            {"CLIENT", "TRACKING", "OFF"},
                                            {"CLIENT", "TRACKING", "x"},
                                            {"CLIENT", "CACHING", "YES"},
                                            {"CLIENT", "HELP"},
                                            {"CLIENT", "ID", "x"},
                                            {"CLIENT", "INFO", "x"}}) {
    const Value want = plain.Call(args);
    const Value have = proxy.Call(args);
    EXPECT_TRUE(want == have) << Render(args) << "\n  plain: " << Render(want)
                              << "\n  proxy: " << Render(have);
  }
  EXPECT_TRUE(proxy.Call({"CLIENT", "NO-TOUCH", "on"}).ok());
  EXPECT_FALSE(proxy.Call({"CLIENT", "NO-TOUCH"}).ok());
  EXPECT_FALSE(proxy.Call({"CLIENT", "SETINFO", "LIB-NAME", "a b"}).ok());
  EXPECT_FALSE(proxy.Call({"CLIENT", "SETINFO", "x", "y"}).ok());
}

TEST_P(Clients, KillClosesThoseThatMatch) {
  RedisClient asker(port());
  const auto lost = [](RedisClient& client) {
    return client.Call({"PING"}).kind == Value::Kind::kLost;
  };
  const auto fresh = [this] { return std::make_unique<RedisClient>(port()); };
  const auto address_of = [&](RedisClient& client) {
    return Field(Lines(client.Call({"CLIENT", "INFO"})).at(0), "addr");
  };

  auto by_address = fresh();
  EXPECT_EQ(asker.Call({"CLIENT", "KILL", address_of(*by_address)}).text, "OK");
  EXPECT_TRUE(lost(*by_address));

  auto by_id = fresh();
  const std::string id = std::to_string(by_id->Call({"CLIENT", "ID"}).integer);
  EXPECT_EQ(asker.Call({"CLIENT", "KILL", "ID", id, "TYPE", "pubsub"}).integer, 0);
  EXPECT_EQ(asker.Call({"CLIENT", "KILL", "ID", id, "USER", "default"}).integer, 1);
  EXPECT_TRUE(lost(*by_id));

  auto by_laddr = fresh();
  ASSERT_TRUE(by_laddr->Call({"PING"}).ok());
  const std::string laddr = "127.0.0.1:" + std::to_string(port());
  EXPECT_EQ(asker.Call({"CLIENT", "KILL", "LADDR", laddr}).integer, 1);
  EXPECT_TRUE(lost(*by_laddr));

  std::vector<std::unique_ptr<RedisClient>> many;
  for (int i = 0; i < 10; ++i) {
    many.push_back(fresh());
    ASSERT_TRUE(many.back()->Call({"PING"}).ok());
  }
  EXPECT_EQ(asker.Call({"CLIENT", "KILL", "TYPE", "normal"}).integer, 10);
  for (auto& client : many) EXPECT_TRUE(lost(*client));
  EXPECT_TRUE(AwaitClients(asker, 1));

  // Oneself, behind the reply.
  EXPECT_EQ(asker.Call({"CLIENT", "KILL", "SKIPME", "no"}).integer, 1);
  EXPECT_TRUE(lost(asker));
  RedisClient old_form(port());
  EXPECT_EQ(old_form.Call({"CLIENT", "KILL", address_of(old_form)}).text, "OK");
  EXPECT_TRUE(lost(old_form));
}

TEST_P(Clients, KillOfAWriterLosesNoWrite) {
  RedisClient asker(port());
  for (int round = 0; round < 30; ++round) {
    RedisClient writer(port());
    const std::string id = std::to_string(writer.Call({"CLIENT", "ID"}).integer);
    const std::string key = "counter:" + std::to_string(round);
    std::string bytes;
    for (int i = 0; i < 500; ++i) EncodeCommand(bytes, {"INCR", key});
    writer.SendRaw(bytes);
    EXPECT_EQ(asker.Call({"CLIENT", "KILL", "ID", id}).integer, 1);
  }
  EXPECT_TRUE(AwaitClients(asker, 1));
  EXPECT_TRUE(asker.Call({"SET", "end", "1"}).ok());
  migration_.ExpectEqualWhenDrained();
}

TEST_P(Clients, PauseHoldsWritesOfAllSessionsButNoReads) {
  RedisClient asker(port());
  ASSERT_TRUE(asker.Call({"SET", "k", "old"}).ok());
  RedisClient queued(port());
  ASSERT_TRUE(queued.Call({"MULTI"}).ok());
  ASSERT_TRUE(queued.Call({"SET", "k", "by exec"}).ok());

  ASSERT_EQ(asker.Call({"CLIENT", "PAUSE", "60000", "WRITE"}).text, "OK");
  const auto send = [](RedisClient& client, const Args& args) {
    std::string bytes;
    EncodeCommand(bytes, args);
    client.SendRaw(bytes);
  };
  std::vector<std::unique_ptr<RedisClient>> writers;
  for (int i = 0; i < 4; ++i) {
    writers.push_back(std::make_unique<RedisClient>(port()));
    send(*writers.back(), {"APPEND", "k", "+"});
  }
  RedisClient hll(port()), publisher(port());
  send(hll, {"PFCOUNT", "hll"});
  send(publisher, {"PUBLISH", "c", "m"});
  send(queued, {"EXEC"});
  EXPECT_TRUE(AwaitHeld(asker, 7)) << asker.Call({"CLIENT", "LIST"}).text;

  RedisClient reader(port());
  EXPECT_EQ(reader.Call({"GET", "k"}).text, "old");
  EXPECT_EQ(reader.Call({"MULTI"}).text, "OK");
  EXPECT_EQ(reader.Call({"GET", "k"}).text, "QUEUED");
  EXPECT_EQ(Render(reader.Call({"EXEC"})), "[\"old\"]");
  EXPECT_FALSE(reader.Call({"SET", "k"}).ok());
  EXPECT_EQ(reader.Call({"CLIENT", "UNPAUSE"}).text, "OK");
  for (auto& writer : writers) EXPECT_EQ(writer->Read().kind, Value::Kind::kInteger);
  EXPECT_EQ(hll.Read().integer, 0);
  EXPECT_EQ(publisher.Read().integer, 0);
  EXPECT_EQ(queued.Read().kind, Value::Kind::kArray);
  migration_.ExpectEqualWhenDrained();
}

TEST_P(Clients, PauseOfWritesLetsScriptsPassThatDeclareToBeReads) {
  RedisClient asker(port()), reader(port());
  const std::string reads = "#!lua flags=no-writes\nreturn 'read'";
  const std::string sha = asker.Call({"SCRIPT", "LOAD", reads}).text;
  ASSERT_TRUE(asker
                  .Call({"FUNCTION", "LOAD",
                         "#!lua name=lib\nredis.register_function{function_name='f', "
                         "callback=function() return 'read' end, flags={'no-writes'}}"})
                  .ok());
  ASSERT_EQ(asker.Call({"CLIENT", "PAUSE", "60000", "WRITE"}).text, "OK");
  EXPECT_EQ(reader.Call({"EVAL", reads, "0"}).text, "read");
  EXPECT_EQ(reader.Call({"EVALSHA", sha, "0"}).text, "read");
  EXPECT_EQ(reader.Call({"FCALL", "f", "0"}).text, "read");
  EXPECT_EQ(reader.Call({"MULTI"}).text, "OK");
  EXPECT_EQ(reader.Call({"EVAL", reads, "0"}).text, "QUEUED");
  EXPECT_EQ(Render(reader.Call({"EXEC"})), "[\"read\"]");
  reader.SendRaw("*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n");
  EXPECT_TRUE(AwaitHeld(asker, 1));
  EXPECT_EQ(asker.Call({"CLIENT", "UNPAUSE"}).text, "OK");
  EXPECT_EQ(reader.Read().integer, 1);
}

TEST_P(Clients, PauseOfAllEndsByItself) {
  RedisClient asker(port());
  RedisClient reader(port());
  ASSERT_TRUE(reader.Call({"PING"}).ok());
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(asker.Call({"CLIENT", "PAUSE", "300"}).text, "OK");
  EXPECT_EQ(reader.Call({"PING"}).text, "PONG");
  EXPECT_EQ(asker.Call({"GET", "k"}).kind, Value::Kind::kNil);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, std::chrono::milliseconds(300));
  EXPECT_LT(took, std::chrono::seconds(5));
}

TEST_P(Clients, RepliesAreKeptBackAsTheClientAsks) {
  RedisServer plain;
  const auto converse = [](uint16_t to) {
    RedisClient client(to);
    std::string bytes;
    for (const Args& args : std::vector<Args>{{"CLIENT", "REPLY", "SKIP"},
                                              {"SET", "k", "1"},
                                              {"INCR", "k"},
                                              {"CLIENT", "REPLY", "SKIP"},
                                              {"NOSUCH"},
                                              {"PING", "a"},
                                              {"CLIENT", "REPLY", "OFF"},
                                              {"INCR", "k"},
                                              {"GET"},
                                              {"MULTI"},
                                              {"INCR", "k"},
                                              {"EXEC"},
                                              {"PING"},
                                              {"CLIENT", "REPLY", "SKIP"},
                                              {"CLIENT", "REPLY", "ON"},
                                              {"GET", "k"},
                                              {"CLIENT", "REPLY", "SKIP"},
                                              {"CLIENT", "REPLY", "SKIP"},
                                              {"PING", "never"},
                                              {"CLIENT", "REPLY", "SKIP"},
                                              {"CLIENT", "REPLY", "ON"},
                                              {"CLIENT", "REPLY", "OFF"},
                                              {"RESET"},
                                              {"PING", "end"}}) {
      EncodeCommand(bytes, args);
    }
    client.SendRaw(bytes);
    std::vector<std::string> replies;
    do {
      replies.push_back(Render(client.Read()));
    } while (replies.back().find("end") == std::string::npos && replies.size() < 20);
    return replies;
  };
  const auto want = converse(plain.port());
  EXPECT_EQ(converse(port()), want);
  EXPECT_EQ(want.size(), 7u);

  // The end of a client that gets no replies is seen all the same.
  RedisClient asker(port());
  RedisClient silent(port());
  std::string bytes;
  for (const Args& args :
       std::vector<Args>{{"CLIENT", "REPLY", "OFF"}, {"SET", "k", "2"}, {"QUIT"}}) {
    EncodeCommand(bytes, args);
  }
  silent.SendRaw(bytes);
  EXPECT_EQ(silent.Read().kind, Value::Kind::kLost);
  EXPECT_TRUE(AwaitClients(asker, 1));
  EXPECT_EQ(asker.Call({"GET", "k"}).text, "2");
}

// Their resources are back within a second, and what they had not finished is
// not executed.
TEST_P(Clients, ThoseThatVanishLeaveNothingBehind) {
  RedisClient asker(port());
  {
    std::vector<std::unique_ptr<RedisClient>> gone;
    for (int i = 0; i < 20; ++i) {
      gone.push_back(std::make_unique<RedisClient>(port()));
      std::string bytes;
      EncodeCommand(bytes, {"MULTI"});
      EncodeCommand(bytes, {"SET", "in multi", "1"});
      gone.back()->SendRaw(bytes);
    }
    EXPECT_TRUE(AwaitClients(asker, 21));
  }
  EXPECT_TRUE(Await(
      [&] {
        return Lines(asker.Call({"CLIENT", "LIST"})).size() == 1;
      },
      std::chrono::seconds(1)));

  ASSERT_EQ(asker.Call({"CLIENT", "PAUSE", "60000", "WRITE"}).text, "OK");
  {
    std::vector<std::unique_ptr<RedisClient>> gone;
    for (int i = 0; i < 20; ++i) {
      gone.push_back(std::make_unique<RedisClient>(port()));
      std::string bytes;
      EncodeCommand(bytes, {"SET", "held", "1"});
      gone.back()->SendRaw(bytes);
    }
    EXPECT_TRUE(AwaitHeld(asker, 20));
  }
  EXPECT_TRUE(Await(
      [&] {
        return Lines(asker.Call({"CLIENT", "LIST"})).size() == 1;
      },
      std::chrono::seconds(1)));
  ASSERT_EQ(asker.Call({"CLIENT", "UNPAUSE"}).text, "OK");
  EXPECT_EQ(asker.Call({"EXISTS", "held", "in multi"}).integer, 0);
}

TEST_P(Clients, UnixSocketsAreShownAsRedisShowsThem) {
  migration_.proxy.reset();
  migration_.config.unix_listener =
      "/tmp/crossfade_clients_" + std::to_string(::getpid()) + ".sock";
  ASSERT_TRUE(migration_.Start());
  RedisClient client(migration_.config.unix_listener);
  const std::string line = Lines(client.Call({"CLIENT", "INFO"})).at(0);
  EXPECT_EQ(Field(line, "addr"), migration_.config.unix_listener + ":0");
  EXPECT_EQ(Field(line, "flags"), "U");
  RedisClient asker(port());
  const std::string address = migration_.config.unix_listener + ":0";
  EXPECT_EQ(asker.Call({"CLIENT", "KILL", "ADDR", address, "SKIPME", "no"}).integer, 1);
  EXPECT_EQ(client.Read().kind, Value::Kind::kLost);
}

}  // namespace
}  // namespace crossfade::test
