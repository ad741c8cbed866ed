// The proxy's own users: who gets in, and what their rules let them do.
#include <gtest/gtest.h>

#include "tests/e2e/auth_texts.h"
#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class ProxyAuth : public ::testing::TestWithParam<int> {
 protected:
  ProxyAuth() { migration_.config.workers = GetParam(); }

  void Start(std::vector<std::string> users) {
    migration_.config.users = std::move(users);
    ASSERT_TRUE(migration_.StartLive());
  }
  uint16_t port() const { return migration_.proxy->port(); }
  std::string Say(RedisClient& client, const Args& args) { return client.Call(args).text; }

  Migration migration_;
};

TEST_P(ProxyAuth, NobodyGetsInWithoutAPassword) {
  Start({"{name: app, password: app-pass}"});
  RedisClient client(port());
  EXPECT_EQ(Say(client, {"PING"}), kNoAuth);
  EXPECT_EQ(Say(client, {"SET", "k", "v"}), kNoAuth);
  EXPECT_TRUE(Say(client, {"HELLO", "3"}).starts_with("NOAUTH HELLO must be called"));
  EXPECT_EQ(Say(client, {"AUTH", "hunter2"}), kWrongPass);
  EXPECT_EQ(Say(client, {"AUTH", "app", "hunter2"}), kWrongPass);
  EXPECT_EQ(Say(client, {"AUTH", "nobody", "hunter2"}), kWrongPass);
  EXPECT_EQ(Say(client, {"PING"}), kNoAuth);
  EXPECT_EQ(Say(client, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "k", "v"}), "OK");
  EXPECT_EQ(Say(client, {"ACL", "WHOAMI"}), "app");
  EXPECT_EQ(Say(client, {"AUTH", "app", "hunter2"}), kWrongPass);
  EXPECT_EQ(Say(client, {"GET", "k"}), "v");
  EXPECT_EQ(Say(client, {"RESET"}), "RESET");
  EXPECT_EQ(Say(client, {"GET", "k"}), kNoAuth);
  EXPECT_EQ(MetricLine(migration_.proxy->Metrics(), "crossfade_auth_failures_total"),
            "crossfade_auth_failures_total 4");
  EXPECT_EQ(migration_.proxy->LogTail(1000).find("hunter2"), std::string::npos);
  migration_.ExpectEqualWhenDrained();
}

TEST_P(ProxyAuth, RulesHoldWhereverACommandGoes) {
  Start(
      {"{name: app, password: app-pass, keys: [\"app:*\", \"%R~shared:*\"], commands: [\"+@all\", "
       "\"-@dangerous\", \"+sort\", \"-client|setname\", \"-subscribe\"], channels: [\"news\"]}",
       "{name: default, nopass: true, commands: [\"+@read\", \"+ping\"]}"});
  RedisClient client(port());
  EXPECT_EQ(Say(client, {"PING"}), "PONG");
  EXPECT_EQ(Say(client, {"SET", "app:k", "v"}), NoCommand("set"));
  EXPECT_EQ(Say(client, {"AUTH", "x"}),
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?");
  EXPECT_EQ(Say(client, {"ACL", "WHOAMI"}), NoCommand("acl|whoami"));
  EXPECT_TRUE(client.Call({"HELLO", "2", "AUTH", "app", "app-pass"}).ok());
  EXPECT_EQ(Say(client, {"SET", "app:k", "v"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "shared:k", "v"}), kNoKey);
  EXPECT_EQ(client.Call({"GET", "shared:k"}).kind, Value::Kind::kNil);
  EXPECT_EQ(Say(client, {"MGET", "app:k", "other"}), kNoKey);
  EXPECT_EQ(Say(client, {"EVAL", "return redis.call('get', KEYS[1])", "1", "other"}), kNoKey);
  EXPECT_EQ(Say(client, {"FLUSHALL"}), NoCommand("flushall"));
  EXPECT_EQ(Say(client, {"CLIENT", "SETNAME", "x"}), NoCommand("client|setname"));
  EXPECT_EQ(Say(client, {"SUBSCRIBE", "news"}), NoCommand("subscribe"));
  EXPECT_EQ(Say(client, {"PUBLISH", "other", "x"}),
            "NOPERM this user has no permissions to access one of the channels used as arguments");
  EXPECT_EQ(client.Call({"PUBLISH", "news", "x"}).integer, 0);
  EXPECT_EQ(Say(client, {"SORT", "app:l", "BY", "w*"}),
            "ERR BY option of SORT denied due to insufficient ACL permissions.");
  migration_.ExpectEqualWhenDrained();
}

TEST_P(ProxyAuth, ARefusedCommandFailsItsTransaction) {
  Start({"{name: app, password: app-pass, keys: [\"app:*\"]}"});
  RedisClient client(port());
  EXPECT_EQ(Say(client, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(client, {"MULTI"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "app:k", "v"}), "QUEUED");
  EXPECT_EQ(Say(client, {"SET", "other", "v"}), kNoKey);
  EXPECT_EQ(Say(client, {"EXEC"}), "EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(client.Call({"GET", "app:k"}).kind, Value::Kind::kNil);
}

TEST_P(ProxyAuth, UsersAreMappedToThoseOfTheStore) {
  for (const uint16_t store : {migration_.legacy.port()}) {
    RedisClient admin(store);
    admin.Call({"ACL", "SETUSER", "backend", "on", ">backend-pass", "~b:*", "+@all"});
    admin.Call({"ACL", "SETUSER", "same", "on", ">same-pass", "~s:*", "+@all"});
  }
  Start({"{name: app, password: app-pass, store_user: backend, store_password: backend-pass}",
         "{name: same, password: same-pass, store_user: same}",
         "{name: lost, password: lost-pass, store_user: nosuch}",
         "{name: plain, password: plain-pass}"});
  RedisClient app(port()), same(port()), lost(port()), plain(port());
  EXPECT_EQ(Say(app, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(same, {"AUTH", "same", "same-pass"}), "OK");
  EXPECT_EQ(Say(lost, {"AUTH", "lost", "lost-pass"}), "OK");
  EXPECT_EQ(Say(plain, {"AUTH", "plain", "plain-pass"}), "OK");
  EXPECT_EQ(Say(app, {"ACL", "WHOAMI"}), "app");
  EXPECT_EQ(Say(app, {"SET", "b:k", "v"}), "OK");
  EXPECT_EQ(Say(app, {"SET", "s:k", "v"}), kNoKey);
  EXPECT_EQ(Say(same, {"SET", "s:k", "v"}), "OK");
  EXPECT_EQ(Say(same, {"GET", "b:k"}), kNoKey);
  EXPECT_EQ(Say(lost, {"GET", "b:k"}), kWrongPass);
  EXPECT_EQ(Say(plain, {"SET", "p:k", "v"}), "OK");
  EXPECT_EQ(Say(plain, {"GET", "b:k"}), "v");
  migration_.ExpectEqualWhenDrained();
}

TEST_P(ProxyAuth, ReloadsTakeEffectOnThoseWhoAreConnected) {
  Start({"{name: app, password: app-pass}", "{name: gone, password: gone-pass}"});
  RedisClient app(port()), gone(port()), nobody(port());
  EXPECT_EQ(Say(app, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(gone, {"AUTH", "gone", "gone-pass"}), "OK");
  EXPECT_EQ(Say(app, {"SET", "k", "v"}), "OK");
  EXPECT_EQ(Say(gone, {"GET", "k"}), "v");
  EXPECT_EQ(Say(nobody, {"GET", "k"}), kNoAuth);
  RedisClient queued(port());
  EXPECT_EQ(Say(queued, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(queued, {"MULTI"}), "OK");
  EXPECT_EQ(Say(queued, {"SET", "k", "w"}), "QUEUED");
  ProxyConfig changed = migration_.config;
  changed.users = {"{name: app, password: other-pass, commands: [\"+@read\", \"+@transaction\"]}",
                   "{name: default, nopass: true, commands: [\"+ping\"]}"};
  const HttpAnswer answer = migration_.proxy->Reload(changed);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body.find("pass\""), std::string::npos) << answer.body;
  EXPECT_EQ(Say(app, {"GET", "k"}), "v");
  EXPECT_EQ(Say(app, {"SET", "k", "w"}), NoCommand("set"));
  EXPECT_EQ(gone.Call({"GET", "k"}).kind, Value::Kind::kLost);
  EXPECT_EQ(Say(nobody, {"PING"}), "PONG");
  EXPECT_EQ(Say(queued, {"EXEC"}), "EXECABORT Transaction discarded because of previous errors.");
  RedisClient fresh(port());
  EXPECT_EQ(Say(fresh, {"AUTH", "app", "app-pass"}), kWrongPass);
  EXPECT_EQ(Say(fresh, {"AUTH", "app", "other-pass"}), "OK");
  // Without users the authority authenticates: everybody must say anew who he is.
  changed.users.reset();
  ASSERT_EQ(migration_.proxy->Reload(changed).status, 200);
  EXPECT_EQ(app.Call({"GET", "k"}).kind, Value::Kind::kLost);
  RedisClient open(port());
  EXPECT_EQ(Say(open, {"SET", "k", "w"}), "OK");
  migration_.ExpectEqualWhenDrained();
}

TEST_P(ProxyAuth, RoutesMatchTheUser) {
  migration_.config.stage = "ramp";
  migration_.config.reads = {{"follower", "0%"}, {"staleness", "5s"}};
  migration_.config.routes = {"{name: canary, match: {user: canary}, follower: 100%}"};
  Start({"{name: canary, password: canary-pass}", "{name: app, password: app-pass}"});
  RedisClient canary(port()), app(port());
  EXPECT_EQ(Say(canary, {"AUTH", "canary", "canary-pass"}), "OK");
  EXPECT_EQ(Say(app, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(app, {"SET", "k", "v"}), "OK");
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  const auto on_new = [&] {
    return SumWhere(migration_.Status()["read_decisions"], "store", "new");
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Say(app, {"GET", "k"}), "v");
  EXPECT_EQ(on_new(), 0u);
  EXPECT_TRUE(Await([&] {
    EXPECT_EQ(Say(canary, {"GET", "k"}), "v");
    return on_new() > 0;
  }));
}

TEST_P(ProxyAuth, GuessingGetsSlowerAndNobodyIsLockedOut) {
  Start({"{name: app, password: app-pass}"});
  RedisClient guesser(port());
  using Clock = std::chrono::steady_clock;
  const auto attempt = [&](RedisClient& client, const char* password) {
    const auto begin = Clock::now();
    const std::string reply = Say(client, {"AUTH", "app", password});
    EXPECT_EQ(reply, std::string(password) == "app-pass" ? "OK" : kWrongPass);
    return Clock::now() - begin;
  };
  for (int i = 0; i < 6; ++i) attempt(guesser, "wrong");
  const auto slow = attempt(guesser, "wrong");
  EXPECT_GT(slow, std::chrono::milliseconds(300));
  RedisClient right(port());
  EXPECT_LT(attempt(right, "app-pass"), std::chrono::seconds(4));
  // Who is in is not slowed down.
  const auto begin = Clock::now();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Say(right, {"SET", "k", "v"}), "OK");
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(2));
}

TEST_P(ProxyAuth, AClientThatLeavesWhileItWaitsLeavesNothingBehind) {
  Start({"{name: app, password: app-pass}"});
  RedisClient guesser(port());
  for (int i = 0; i < 7; ++i) Say(guesser, {"AUTH", "app", "wrong"});
  for (int i = 0; i < 20; ++i) {
    RedisClient leaves(port());
    leaves.SendRaw("*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$5\r\nwrong\r\n");
  }
  EXPECT_TRUE(Await([&] { return migration_.Status().value("clients", 0) == 1; }));
}

INSTANTIATE_TEST_SUITE_P(Workers, ProxyAuth, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
