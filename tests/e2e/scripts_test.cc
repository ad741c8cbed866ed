// Scripts between real stores: each trap is shown on the stores themselves first,
// then that the proxy is not caught.
#include "tests/e2e/scripts.h"

namespace crossfade::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Workers, ScriptsTest, ::testing::Values(1, 2), WorkersName);

TEST_P(ScriptsTest, AProvenScriptIsRunOnTheFollowerToo) {
  Start();
  const std::string text =
      "local n = redis.call('INCR', KEYS[1]) redis.call('RPUSH', KEYS[2], n, ARGV[1]) return n";
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(Eval(text, {"n", "l"}, {"x"}).integer, i + 1);
  }
  const std::string sha = Load(text);
  ASSERT_EQ(Client(1).Call({"EVALSHA", sha, "2", "n", "l", "y"}).integer, 21);
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(Calls(status, "replay"), 21u);
  EXPECT_EQ(Calls(status, "sync"), 0u);
  EXPECT_EQ(Sum(status.at("drift")), 0u) << status.at("drift");
  const nlohmann::json script = ScriptNamed(status, sha);
  EXPECT_EQ(script.value("verdict", ""), "replay");
  EXPECT_EQ(script.value("calls", 0), 21);
  EXPECT_EQ(script.value("replayed", 0), 21);
  EXPECT_TRUE(status.at("exact"));
  EXPECT_NE(migration_.proxy->Metrics().find("crossfade_scripts_total{verdict=\"replay\"} 21"),
            std::string::npos);
}

TEST_P(ScriptsTest, AScriptThatFailsHasWrittenBefore) {
  const std::string text = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[1])";
  RedisServer alone;
  RedisClient plain(alone.port());
  const Value error = plain.Call({"EVAL", text, "1", "k", "no number"});
  ASSERT_EQ(error.kind, Value::Kind::kError);
  ASSERT_EQ(plain.Call({"GET", "k"}).text, "no number") << "the trap";

  Start();
  EXPECT_EQ(Eval(text, {"k"}, {"no number"}), error);
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(OnNew({"GET", "k"}).text, "no number");
  EXPECT_EQ(Calls(status, "failed"), 1u);
  // An error that the script itself returns is no proof that it did nothing.
  EXPECT_EQ(
      Eval("redis.call('SET', KEYS[1], 'x') return {err = 'NOSCRIPT No matching script'}", {"j"})
          .kind,
      Value::Kind::kError);
  ExpectEqual();
  EXPECT_EQ(OnNew({"GET", "j"}).text, "x");
}

TEST_P(ScriptsTest, AScriptThatTheFollowerAloneDoesNotKnow) {
  const std::string text = "return redis.call('APPEND', KEYS[1], ARGV[1])";
  const std::string sha = OnLegacy({"SCRIPT", "LOAD", text}).text;
  ASSERT_TRUE(OnNew({"EVALSHA", sha, "1", "k", "x"}).text.starts_with("NOSCRIPT")) << "the trap";
  Start();
  // Its text was never seen: nothing is known of what it does.
  EXPECT_EQ(Client().Call({"EVALSHA", sha, "1", "k", "a"}).integer, 1);
  nlohmann::json status = ExpectEqual();
  EXPECT_EQ(Calls(status, "unseen"), 1u);
  EXPECT_EQ(ScriptNamed(status, sha).value("verdict", ""), "unseen");
  EXPECT_FALSE(status.at("exact"));
  // Now it is known.
  EXPECT_EQ(Eval(text, {"k"}, {"b"}).integer, 2);
  EXPECT_EQ(Client(1).Call({"EVALSHA", sha, "1", "k", "c"}).integer, 3);
  status = ExpectEqual();
  EXPECT_EQ(Calls(status, "replay"), 2u);
  EXPECT_EQ(status.at("drift").at("reply"), 0u);
  // Somebody takes it away from the follower alone: one sync, and it is given again.
  EXPECT_EQ(OnNew({"SCRIPT", "FLUSH"}), kOk);
  EXPECT_EQ(Client().Call({"EVALSHA", sha, "1", "k", "d"}).integer, 4);
  ExpectEqual();
  EXPECT_EQ(Client(1).Call({"EVALSHA", sha, "1", "k", "e"}).integer, 5);
  status = ExpectEqual();
  EXPECT_EQ(status.at("drift").at("reply"), 1u);
  EXPECT_EQ(OnNew({"GET", "k"}).text, "abcde");
}

TEST_P(ScriptsTest, ScriptsAreGivenToTheFollowerThoughTheyDoNotRunThere) {
  Start();
  const std::string reads = "return redis.call('GET', KEYS[1])";
  const std::string synced = "return redis.call('SET', KEYS[1], redis.call('TIME')[1])";
  EXPECT_EQ(Eval(reads, {"k"}).kind, Value::Kind::kNil);
  EXPECT_EQ(Client().Call({"EVAL_RO", "return 'ro'", "0"}).text, "ro");
  EXPECT_EQ(Eval(synced, {"k"}), kOk);
  const nlohmann::json status = ExpectEqual();
  for (const std::string& text : {reads, synced, std::string("return 'ro'")}) {
    const std::string sha = Load(text);
    Drained();
    EXPECT_EQ(OnNew({"SCRIPT", "EXISTS", sha}).elements.at(0).integer, 1) << text;
  }
  EXPECT_EQ(Calls(status, "reads"), 2u);
  EXPECT_EQ(Calls(status, "sync"), 1u);
}

TEST_P(ScriptsTest, WhatTheStoreChoosesIsCopied) {
  Start();
  Args members = {"SADD", "s"};
  for (int i = 0; i < 300; ++i) members.push_back("m" + std::to_string(i));
  ASSERT_EQ(Client().Call(members).integer, 300);
  const std::vector<std::string> texts = {
      "return redis.call('SET', KEYS[1], redis.call('TIME')[2])",
      "return redis.call('RPUSH', KEYS[1], redis.call('SPOP', KEYS[2]))",
      "return redis.call('RPUSH', KEYS[1], redis.call('SRANDMEMBER', KEYS[2]))",
      "return redis.call('RPUSH', KEYS[1], unpack(redis.call('SMEMBERS', KEYS[2])))",
      "return redis.call('SET', KEYS[1], math.random())",
      "return redis.call('XADD', KEYS[1], '*', 'f', 'v')",
      "return redis.call('SET', KEYS[1], tostring({}))",
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    const Value reply = Eval(texts[i], {"k" + std::to_string(i), "s"});
    ASSERT_TRUE(reply.ok()) << texts[i] << ": " << Render(reply);
  }
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(Calls(status, "sync"), texts.size());
  EXPECT_EQ(Calls(status, "replay"), 0u);
  EXPECT_TRUE(status.at("exact"));
}

// Two servers hash by seeds of their own.
TEST_P(ScriptsTest, MembersComeInAnotherOrderOnEachStore) {
  RedisServer other;
  const std::string text =
      "redis.call('DEL', KEYS[2]) for _, m in ipairs(redis.call('SMEMBERS', KEYS[1])) do "
      "redis.call('RPUSH', KEYS[2], m) end return redis.call('LLEN', KEYS[2])";
  Args members = {"SADD", "s"};
  for (int i = 0; i < 1000; ++i) members.push_back("m" + std::to_string(i));
  std::vector<Value> lists;
  for (const uint16_t port : {migration_.legacy.port(), other.port()}) {
    RedisClient store(port);
    store.Call(members);
    ASSERT_EQ(store.Call({"EVAL", text, "2", "s", "l"}).integer, 1000);
    lists.push_back(store.Call({"LRANGE", "l", "0", "-1"}));
  }
  ASSERT_NE(lists[0], lists[1]) << "the trap: equal replies, other lists";
  Start();
  EXPECT_EQ(Eval(text, {"s", "l2"}).integer, 1000);
  ExpectEqual();
}

TEST_P(ScriptsTest, RelativeDeadlinesAreThoseOfTheAuthority) {
  Start();
  const std::string set = "return redis.call('SET', KEYS[1], 'v', 'PX', ARGV[1])";
  const std::string limit =
      "local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('PEXPIRE', KEYS[1], "
      "ARGV[1]) end return n";
  const std::string two =
      "redis.call('SET', KEYS[1], 'v', 'EX', 100) redis.call('RENAME', KEYS[1], KEYS[2]) "
      "redis.call('SET', KEYS[3], 'stays') return 'done'";
  migration_.fresh.Pause();  // it runs them later
  EXPECT_EQ(Eval(set, {"a"}, {"100000"}), kOk);
  EXPECT_EQ(Eval(limit, {"b"}, {"100000"}).integer, 1);
  EXPECT_EQ(Eval(limit, {"b"}, {"100000"}).integer, 2);
  EXPECT_EQ(Eval(two, {"c", "d", "e"}).text, "done");
  EXPECT_EQ(Eval(set, {"gone"}, {"1"}), kOk);
  EXPECT_TRUE(Await([this] { return OnLegacy({"EXISTS", "gone"}).integer == 0; }));
  migration_.fresh.Resume();
  const nlohmann::json status = ExpectEqual();
  for (const char* key : {"a", "b", "c", "d", "e", "gone"}) {
    EXPECT_EQ(OnNew({"PEXPIRETIME", key}), OnLegacy({"PEXPIRETIME", key})) << key;
  }
  EXPECT_EQ(Calls(status, "replay"), 5u);
  EXPECT_EQ(status.at("drift").at("reply"), 0u);
}

TEST_P(ScriptsTest, UndeclaredKeysAreReplayedAndWithdrawTheClaim) {
  Start();
  const std::string text = "return redis.call('SET', 'fixed:' .. ARGV[1], ARGV[2])";
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(Client(static_cast<size_t>(i % 4))
                  .Call({"EVAL", text, "0", std::to_string(i % 3), std::to_string(i)}),
              kOk);
  }
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(OnNew({"GET", "fixed:2"}).text, "29");
  EXPECT_FALSE(status.at("exact"));
  EXPECT_EQ(status.at("exact_doubts"), 30u);
  EXPECT_EQ(Calls(status, "undeclared"), 30u);
  const std::string sha = Load(text);
  EXPECT_EQ(status.at("doubt_script"), sha);
  EXPECT_NE(ScriptNamed(status, sha).value("reason", "").find("a key of SET"), std::string::npos);
}

TEST_P(ScriptsTest, UndeclaredKeysAreRefusedIfWanted) {
  migration_.config.mirror["undeclared_keys"] = "refuse";
  const std::string unseen =
      OnLegacy({"SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])"}).text;
  Start();
  const Value refused = Eval("return redis.call('SET', 'fixed', 1)", {});
  EXPECT_TRUE(refused.text.starts_with("ERR crossfade: this script may touch keys"))
      << refused.text;
  EXPECT_EQ(OnLegacy({"EXISTS", "fixed"}).integer, 0);
  // Clients know what to do about a script that is not known.
  EXPECT_TRUE(Client().Call({"EVALSHA", unseen, "1", "k"}).text.starts_with("NOSCRIPT"));
  EXPECT_EQ(OnLegacy({"EXISTS", "k"}).integer, 0);
  EXPECT_EQ(Eval("return redis.call('INCR', KEYS[1])", {"k"}).integer, 1);
  EXPECT_EQ(Client(1).Call({"EVALSHA", unseen, "1", "k"}).integer, 2);
  EXPECT_EQ(Client().Call({"MULTI"}), kOk);
  EXPECT_EQ(Eval("return redis.call('SET', 'fixed', 1)", {}), refused);
  EXPECT_TRUE(Client().Call({"EXEC"}).text.starts_with("EXECABORT"));
  const nlohmann::json status = ExpectEqual();
  EXPECT_TRUE(status.at("exact"));
  EXPECT_EQ(Calls(status, "refused"), 2u);
}

TEST_P(ScriptsTest, SyncNeverRunsAScriptOnTheFollower) {
  migration_.config.mirror["scripts"] = "sync";
  Start();
  EXPECT_EQ(Eval("return redis.call('SET', KEYS[1], 1)", {"k"}), kOk);
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(Calls(status, "sync"), 1u);
  EXPECT_EQ(OnNew({"GET", "k"}).text, "1");
  const std::string stats = OnNew({"INFO", "commandstats"}).text;
  EXPECT_EQ(stats.find("cmdstat_eval:"), std::string::npos);
}

TEST_P(ScriptsTest, ScriptsInsideTransactions) {
  Start();
  const std::string add = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
  const std::string sha = Load(add);
  const auto exec = [this](const std::vector<Args>& commands) {
    EXPECT_EQ(Client().Call({"MULTI"}), kOk);
    for (const Args& args : commands) EXPECT_EQ(Client().Call(args).text, "QUEUED");
    return Client().Call({"EXEC"});
  };
  EXPECT_EQ(exec({{"SET", "a", "1"}, {"EVAL", add, "1", "a", "2"}, {"EVALSHA", sha, "1", "a", "3"}})
                .elements.at(2)
                .integer,
            6);
  nlohmann::json status = ExpectEqual();
  EXPECT_EQ(Calls(status, "replay"), 2u);
  EXPECT_EQ(Sum(status.at("drift")), 0u) << status.at("drift");
  // One that fails, one that sets a deadline, one that names other keys, one that reads.
  EXPECT_EQ(exec({{"EVAL", "redis.call('SET', KEYS[1], 'x') error('no')", "1", "b"},
                  {"EVAL", "return redis.call('SET', KEYS[1], 'y', 'EX', 100)", "1", "c"},
                  {"EVAL", "return redis.call('SET', 'other', 'z')", "0"},
                  {"EVAL", "return redis.call('GET', KEYS[1])", "1", "a"},
                  {"SCRIPT", "EXISTS", sha}})
                .elements.at(3)
                .text,
            "6");
  EXPECT_EQ(exec({{"SET", "d", "1"}, {"EVAL", "return redis.call('SET', 'other', 'w')", "0"}})
                .elements.size(),
            2u);
  migration_.proxy->AwaitDrained();
  EXPECT_EQ(OnNew({"GET", "b"}).text, "x");
  EXPECT_EQ(OnNew({"PEXPIRETIME", "c"}), OnLegacy({"PEXPIRETIME", "c"}));
  EXPECT_EQ(OnNew({"GET", "other"}).text, "w");
  EXPECT_FALSE(migration_.Status().at("exact"));
}

// It did not run, so that nothing is to be doubted.
TEST_P(ScriptsTest, AScriptThatNobodyKnowsInsideATransaction) {
  Start();
  for (const Args& call :
       {Args{"EVALSHA", std::string(40, 'a'), "1", "k"}, Args{"FCALL", "nosuch", "1", "k"},
        Args{"EVAL", "return redis.call(", "1", "k"}}) {
    EXPECT_FALSE(Client().Call(call).ok());
    EXPECT_EQ(Client().Call({"MULTI"}), kOk);
    EXPECT_EQ(Client().Call({"SET", "k", "v"}).text, "QUEUED");
    EXPECT_EQ(Client().Call(call).text, "QUEUED");
    EXPECT_EQ(Client().Call({"EXEC"}).elements.at(1).kind, Value::Kind::kError);
  }
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(Calls(status, "failed"), 6u);
  EXPECT_TRUE(status.at("exact")) << status.at("doubt_reason");
}

TEST_P(ScriptsTest, AScriptThatEmptiesAllMakesTheFollowerBeCopied) {
  Start();
  EXPECT_EQ(Client().Call({"MSET", "a", "1", "b", "2"}), kOk);
  EXPECT_EQ(Eval("redis.call('FLUSHALL') return redis.call('SET', 'c', 3)", {}), kOk);
  ASSERT_TRUE(Await([this] { return migration_.Status().value("mirror_state", "") == "live"; }));
  ExpectEqual();
  EXPECT_EQ(CountKeys(migration_.fresh.port()), 1u);
}

TEST_P(ScriptsTest, ScriptFlushInTheMiddle) {
  Start();
  const std::string text = "return redis.call('INCR', KEYS[1])";
  const std::string sha = Load(text);
  for (int i = 0; i < 50; ++i) {
    RedisClient& client = Client(static_cast<size_t>(i % 3));
    if (i % 10 == 9) {
      EXPECT_EQ(client.Call({"SCRIPT", "FLUSH"}), kOk);
      EXPECT_TRUE(client.Call({"EVALSHA", sha, "1", "n"}).text.starts_with("NOSCRIPT"));
      EXPECT_EQ(client.Call({"SCRIPT", "LOAD", text}).text, sha);
    }
    ASSERT_TRUE(client.Call({"EVALSHA", sha, "1", "n"}).ok());
  }
  const nlohmann::json status = ExpectEqual();
  EXPECT_EQ(OnNew({"GET", "n"}).text, "50");
  EXPECT_EQ(status.at("drift").at("reply"), 0u);
}

TEST_P(ScriptsTest, ARunningScriptIsKilledThoughItsLaneIsBusy) {
  RedisClient(migration_.legacy.port()).Call({"CONFIG", "SET", "busy-reply-threshold", "100"});
  migration_.config.limits["command_timeout"] = "30s";
  Start();
  EXPECT_TRUE(Client().Call({"SCRIPT", "KILL"}).text.starts_with("NOTBUSY"));
  EXPECT_TRUE(Client().Call({"FUNCTION", "KILL"}).text.starts_with("NOTBUSY"));
  Client(1).SendRaw("*3\r\n$4\r\nEVAL\r\n$18\r\nwhile true do end \r\n$1\r\n0\r\n");
  Value killed;
  ASSERT_TRUE(Await([&] {
    killed = Client().Call({"SCRIPT", "KILL"});
    return killed == kOk;
  })) << Render(killed);
  EXPECT_NE(Client(1).Read().text.find("Script killed by user"), std::string::npos);
  EXPECT_EQ(Client().Call({"SET", "k", "v"}), kOk);
  ExpectEqual();
}

TEST_P(ScriptsTest, AKeyIsCopiedThoughTheStoreIsOutOfMemory) {
  Start();
  EXPECT_EQ(Client().Call({"SET", "k", "before", "PX", "1000000"}), kOk);
  Drained();
  OnLegacy({"CONFIG", "SET", "maxmemory", "1"});
  RedisClient plain(migration_.legacy.port());
  ASSERT_EQ(plain.Call({"MULTI"}), kOk);
  ASSERT_TRUE(plain.Call({"DUMP", "k"}).text.starts_with("OOM ")) << "the trap";
  // It fails, so that what it did is not known.
  const Value failed = Eval("return redis.call('SET', KEYS[1], 'x')", {"k"});
  EXPECT_TRUE(failed.text.starts_with("OOM ")) << Render(failed);
  const nlohmann::json status = Drained();
  EXPECT_EQ(status.at("drift").at("unknown_effect"), 1u);
  EXPECT_EQ(status.at("drift").at("sync_refused"), 0u);
  OnLegacy({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(OnNew({"GET", "k"}).text, "before");
  ExpectEqual();
}

TEST_P(ScriptsTest, ErrorsAreThoseOfTheStore) {
  Start();
  RedisServer alone;
  RedisClient plain(alone.port());
  const std::vector<Args> commands = {
      {"EVAL", "return", "x"},
      {"EVAL", "return 1", "-1"},
      {"EVAL", "return 1", "2", "a"},
      {"EVAL", "return redis.call(", "0"},
      {"EVAL", "return nosuch", "0"},
      {"EVAL", "return redis.call('NOSUCH')", "0"},
      {"EVALSHA", "zzz", "0"},
      {"EVALSHA", std::string(40, 'a'), "0"},
      {"FCALL", "nosuch", "0"},
      {"EVAL_RO", "return redis.call('SET', KEYS[1], 1)", "1", "k"},
      {"SCRIPT", "FLUSH", "NOW"},
      {"SCRIPT", "NOSUCH"},
      {"FUNCTION", "LOAD", "no library"},
      {"FUNCTION", "DELETE", "nosuch"},
      {"FUNCTION", "RESTORE", "junk"},
      {"SCRIPT", "EXISTS", "a", "b"},
      {"EVAL", "return {1, 2, {3, 'x'}, false, 'y'}", "0"},
      {"EVAL", "return {ok = 'FINE'}", "0"},
  };
  for (const Args& args : commands)
    EXPECT_EQ(Client().Call(args), plain.Call(args)) << Render(args);
  EXPECT_TRUE(Client().Call({"SCRIPT", "DEBUG", "YES"}).text.starts_with("ERR crossfade"));
}

}  // namespace
}  // namespace crossfade::test
