// The allow list: commands that act on a store as a whole.
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class Allow : public ::testing::Test {
 protected:
  bool Start(const std::string& allow) {
    migration_.config.allow = allow;
    if (!migration_.StartLive()) return false;
    client_.emplace(migration_.proxy->port());
    return true;
  }
  Value Call(const Args& args) { return client_->Call(args); }
  std::string OfFollower(const std::string& setting) {
    return Render(RedisClient(migration_.fresh.port()).Call({"CONFIG", "GET", setting}));
  }

  Migration migration_{{.legacy_args = {"--enable-debug-command", "yes"}}};
  std::optional<RedisClient> client_;
};

TEST_F(Allow, IsEmptyByDefaultAndAReloadChangesIt) {
  ASSERT_TRUE(Start(""));
  const Value refused = Call({"CONFIG", "SET", "slowlog-max-len", "7"});
  EXPECT_NE(refused.text.find("allow: [config|set]"), std::string::npos) << Render(refused);
  EXPECT_NE(Call({"SHUTDOWN"}).text.find("ends the store"), std::string::npos);
  ProxyConfig config = migration_.config;
  config.allow = "[config|set]";
  ASSERT_EQ(migration_.proxy->Reload(config).status, 200);
  EXPECT_EQ(Call({"CONFIG", "SET", "slowlog-max-len", "7"}).text, "OK");
  EXPECT_EQ(RedisClient(migration_.legacy.port())
                .Call({"CONFIG", "GET", "slowlog-max-len"})
                .elements.at(1)
                .text,
            "7");
  EXPECT_EQ(OfFollower("slowlog-max-len").find("\"7\""), std::string::npos);
  EXPECT_FALSE(Call({"CONFIG", "RESETSTAT"}).ok());
  config.allow = "[shutdown]";
  const HttpAnswer answer = migration_.proxy->Reload(config);
  EXPECT_NE(answer.status, 200);
  EXPECT_NE(answer.body.find("can't be allowed"), std::string::npos) << answer.body;
}

TEST_F(Allow, CommandsRunOnTheAuthorityAlone) {
  ASSERT_TRUE(
      Start("[config, debug, acl|setuser, acl|list, slowlog, latency, memory|purge, "
            "save, bgsave, pfdebug]"));
  ASSERT_TRUE(Call({"SET", "k", "v"}).ok());
  for (const Args& args : std::vector<Args>{{"DEBUG", "SLEEP", "0"},
                                            {"DEBUG", "SET-ACTIVE-EXPIRE", "1"},
                                            {"DEBUG", "OBJECT", "k"},
                                            {"DEBUG", "RELOAD"},
                                            {"CONFIG", "RESETSTAT"},
                                            {"ACL", "SETUSER", "someone", "on"},
                                            {"ACL", "LIST"},
                                            {"SLOWLOG", "RESET"},
                                            {"LATENCY", "RESET"},
                                            {"MEMORY", "PURGE"},
                                            {"SAVE"}}) {
    const Value reply = Call(args);
    EXPECT_TRUE(reply.ok()) << Render(args) << ": " << Render(reply);
  }
  EXPECT_FALSE(Call({"DEBUG", "SEGFAULT"}).ok());
  EXPECT_FALSE(Call({"CONFIG", "SET", "no-such-setting", "1"}).ok());
  EXPECT_EQ(RedisClient(migration_.fresh.port()).Call({"ACL", "LIST"}).elements.size(), 1u);
  EXPECT_EQ(Call({"MULTI"}).text, "OK");
  EXPECT_EQ(Call({"CONFIG", "SET", "slowlog-max-len", "9"}).text, "QUEUED");
  EXPECT_EQ(Call({"SET", "k", "w"}).text, "QUEUED");
  EXPECT_EQ(Call({"EXEC"}).elements.size(), 2u);
  EXPECT_EQ(OfFollower("slowlog-max-len").find("\"9\""), std::string::npos);
  migration_.ExpectEqualWhenDrained();
}

TEST_F(Allow, OnBothReachesTheFollowerBeforeTheReply) {
  ASSERT_TRUE(Start("[{command: config|set, on: both}, {command: acl|setuser, on: both}]"));
  RedisClient follower(migration_.fresh.port());
  for (int i = 1; i <= 20; ++i) {
    const std::string length = std::to_string(100 + i);
    ASSERT_EQ(Call({"CONFIG", "SET", "slowlog-max-len", length}).text, "OK");
    EXPECT_EQ(follower.Call({"CONFIG", "GET", "slowlog-max-len"}).elements.at(1).text, length);
  }
  ASSERT_EQ(Call({"ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all"}).text, "OK");
  EXPECT_EQ(follower.Call({"ACL", "LIST"}).elements.size(), 2u);
  // What the authority refuses does not go further.
  EXPECT_FALSE(Call({"CONFIG", "SET", "nosuch", "1"}).ok());
  // In a pipeline it keeps its place.
  const std::vector<Value> replies = client_->Pipeline(std::vector<Args>{
      {"SET", "k", "1"}, {"CONFIG", "SET", "slowlog-max-len", "7"}, {"INCR", "k"}, {"PING", "x"}});
  EXPECT_EQ(replies[1].text, "OK");
  EXPECT_EQ(replies[2].integer, 2);
  EXPECT_EQ(replies[3].text, "x");
  EXPECT_EQ(Call({"MULTI"}).text, "OK");
  EXPECT_FALSE(Call({"CONFIG", "SET", "slowlog-max-len", "8"}).ok());
  EXPECT_FALSE(Call({"EXEC"}).ok());
}

TEST_F(Allow, OnBothSaysWhatTheFollowerDidNotDo) {
  ASSERT_TRUE(Start("[{command: config|set, on: both}]"));
  migration_.fresh.Kill();
  Value reply = Call({"CONFIG", "SET", "slowlog-max-len", "7"});
  EXPECT_NE(reply.text.find("done on the legacy store (authority), but not on the new store"),
            std::string::npos)
      << Render(reply);
  EXPECT_EQ(Call({"CONFIG", "GET", "slowlog-max-len"}).elements.at(1).text, "7");
  migration_.fresh.Start();
  EXPECT_TRUE(Await([&] { return Call({"CONFIG", "SET", "slowlog-max-len", "9"}).ok(); }));
  EXPECT_NE(OfFollower("slowlog-max-len").find("\"9\""), std::string::npos);
  // Gone while it is being asked.
  migration_.fresh.Pause();
  std::string bytes;
  EncodeCommand(bytes, {"CONFIG", "SET", "slowlog-max-len", "11"});
  client_->SendRaw(bytes);
  EXPECT_TRUE(Await([this] {
    return Render(RedisClient(migration_.legacy.port()).Call({"CONFIG", "GET", "slowlog-max-len"}))
               .find("\"11\"") != std::string::npos;
  }));
  client_.reset();  // so has its client
  migration_.fresh.Resume();
  client_.emplace(migration_.proxy->port());
  EXPECT_TRUE(
      Await([this] { return OfFollower("slowlog-max-len").find("\"11\"") != std::string::npos; }));
  EXPECT_EQ(Call({"PING"}).text, "PONG");
}

// What changes keys without the mirror seeing which: all of them are copied again.
TEST_F(Allow, KeysThatDebugMakesReachTheFollower) {
  ASSERT_TRUE(Start("[debug, pfdebug]"));
  ASSERT_TRUE(Call({"SET", "k", "v"}).ok());
  ASSERT_EQ(Call({"DEBUG", "POPULATE", "100", "made"}).text, "OK");
  ASSERT_TRUE(Call({"SET", "k", "w"}).ok());
  ASSERT_TRUE(Call({"PFADD", "hll", "a", "b"}).ok());
  ASSERT_TRUE(Call({"PFDEBUG", "TODENSE", "hll"}).ok());
  ASSERT_TRUE(Call({"PFADD", "hll", "c"}).ok());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 102u);
  EXPECT_EQ(Call({"MULTI"}).text, "OK");
  EXPECT_EQ(Call({"DEBUG", "POPULATE", "10", "more"}).text, "QUEUED");
  EXPECT_EQ(Call({"EXEC"}).elements.size(), 1u);
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 112u);
}

}  // namespace
}  // namespace crossfade::test
