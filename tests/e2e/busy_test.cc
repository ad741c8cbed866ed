// A script that runs for too long: what others get meanwhile is what the store
// itself would give them, though they share its connection.
#include "tests/e2e/scripts.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

class BusyTest : public ScriptsTest {
 protected:
  void StartWithThreshold(const std::string& ms) {
    OnLegacy({"CONFIG", "SET", "busy-reply-threshold", ms});
    Start();
  }
};

INSTANTIATE_TEST_SUITE_P(Workers, BusyTest, ::testing::Values(1, 2), WorkersName);

bool AwaitBusy(RawClient& client) {
  return Await([&] { return client.Call({"PING"}).starts_with("-BUSY "); });
}

// The replies of clients to whom the store is busy, and of the script's own.
std::vector<std::string> WhileAScriptRuns(uint16_t port, const std::vector<std::string>& script) {
  RawClient runs(port), queued(port), half(port), other(port), late(port);
  std::vector<std::string> replies;
  const auto say = [&replies](RawClient& client, const std::vector<std::string>& args) {
    std::string line;
    for (const std::string& arg : args) line += arg + " ";
    replies.push_back(line + "=> " + client.Call(args));
  };
  say(other, {"SET", "k", "1"});
  for (RawClient* client : {&queued, &half}) {
    say(*client, {"MULTI"});
    say(*client, {"INCR", "k"});
  }
  runs.Send(script);
  runs.Send({"PING"});
  for (RawClient* client : {&late, &other}) EXPECT_TRUE(AwaitBusy(*client));  // on either thread
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"PING"},
                                             {"GET", "k"},
                                             {"SET", "k", "5"},
                                             {"CLIENT", "ID"},
                                             {"CONFIG", "GET", "port"},
                                             {"EVAL", "return 1", "0"},
                                             {"EXEC"},
                                             {"BLPOP", "l", "1"},
                                             {"SUBSCRIBE", "c"},
                                             {"GET"},
                                             {"NOSUCH"},
                                             {"MULTI"},
                                             {"INCR", "k"},
                                             {"EXEC"},
                                             {"MULTI"},
                                             {"DISCARD"}}) {
    say(other, args);
  }
  say(queued, {"EXEC"});
  say(queued, {"DISCARD"});
  say(half, {"INCR", "k"});
  say(late, {script[0] == "FCALL" ? "SCRIPT" : "FUNCTION", "KILL"});
  say(late, {script[0] == "FCALL" ? "FUNCTION" : "SCRIPT", "KILL"});
  replies.push_back(runs.Read());
  replies.push_back(runs.Read());
  say(other, {"PING"});
  say(half, {"EXEC"});
  say(queued, {"GET", "k"});
  return replies;
}

TEST_P(BusyTest, OthersGetWhatTheStoreSays) {
  StartWithThreshold("20");
  RedisServer alone({"--busy-reply-threshold", "20"});
  const std::string library =
      "#!lua name=lib\nredis.register_function('f', function() while true do end end)";
  EXPECT_TRUE(RedisClient(alone.port()).Call({"FUNCTION", "LOAD", library}).ok());
  EXPECT_TRUE(Client().Call({"FUNCTION", "LOAD", library}).ok());
  for (const std::vector<std::string>& script : std::vector<std::vector<std::string>>{
           {"EVAL", "while true do end", "0"},
           {"EVAL", "while true do redis.call('GET', KEYS[1]) end", "1", "k"},
           {"EVAL", "if ARGV[1] == 'w' then redis.call('SET', KEYS[1], 'x') end while true do end",
            "1", "j", "r"},
           {"FCALL", "f", "0"}}) {
    const auto have = WhileAScriptRuns(migration_.proxy->port(), script);
    const auto want = WhileAScriptRuns(alone.port(), script);
    ASSERT_EQ(have.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(have[i], want[i]) << script[1];
  }
  ExpectEqual();
}

TEST_P(BusyTest, InATransactionToo) {
  StartWithThreshold("20");
  RawClient runs(migration_.proxy->port()), other(migration_.proxy->port());
  for (const char* text : {"while true do end", "#!lua flags=no-writes\nwhile true do end"}) {
    EXPECT_EQ(runs.Call({"MULTI"}), "+OK\r\n");
    EXPECT_EQ(runs.Call({"SET", "k", "v"}), "+QUEUED\r\n");
    EXPECT_EQ(runs.Call({"EVAL", text, "0"}), "+QUEUED\r\n");
    runs.Send({"EXEC"});
    EXPECT_TRUE(AwaitBusy(other));
    EXPECT_TRUE(other.Call({"GET", "k"}).starts_with("-BUSY "));
    EXPECT_EQ(other.Call({"SCRIPT", "KILL"}), "+OK\r\n");
    EXPECT_NE(runs.Read().find("Script killed by user"), std::string::npos);
    EXPECT_EQ(other.Call({"GET", "k"}), "$1\r\nv\r\n");
  }
  ExpectEqual();
}

// A store that says that it is busy is alive: the script's client gets its reply.
TEST_P(BusyTest, AScriptMayRunLongerThanTheTimeout) {
  migration_.config.limits["command_timeout"] = "300ms";
  StartWithThreshold("500");
  const std::string text =
      "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end "
      "local e = now() + 2500 while now() < e do end "
      "redis.call('SET', KEYS[1], 'late') return 'done'";
  RawClient runs(migration_.proxy->port()), other(migration_.proxy->port());
  runs.Send({"EVAL", text, "1", "k"});
  EXPECT_TRUE(AwaitBusy(other));
  EXPECT_EQ(runs.Read(), "$4\r\ndone\r\n");
  EXPECT_EQ(other.Call({"GET", "k"}), "$4\r\nlate\r\n");
  ExpectEqual();
}

TEST_P(BusyTest, AUserOfTheStoreKillsAScriptToo) {
  OnLegacy({"ACL", "SETUSER", "app", "on", ">app-pass", "~*", "&*", "+@all"});
  OnLegacy({"ACL", "SETUSER", "low", "on", ">low-pass", "~*", "&*", "+@all", "-script|kill"});
  StartWithThreshold("20");
  RawClient runs(migration_.proxy->port()), low(migration_.proxy->port()),
      other(migration_.proxy->port());
  EXPECT_EQ(low.Call({"AUTH", "low", "low-pass"}), "+OK\r\n");
  EXPECT_EQ(runs.Call({"AUTH", "app", "app-pass"}), "+OK\r\n");
  EXPECT_EQ(other.Call({"AUTH", "app", "app-pass"}), "+OK\r\n");
  runs.Send({"EVAL", "while true do end", "0"});
  EXPECT_TRUE(AwaitBusy(other));
  EXPECT_TRUE(low.Call({"SCRIPT", "KILL"}).starts_with("-NOPERM "));
  EXPECT_EQ(other.Call({"SCRIPT", "KILL"}), "+OK\r\n");
  EXPECT_NE(runs.Read().find("Script killed by user"), std::string::npos);
  EXPECT_EQ(other.Call({"SET", "k", "v"}), "+OK\r\n");
  ExpectEqual();
}

}  // namespace
}  // namespace crossfade::test
