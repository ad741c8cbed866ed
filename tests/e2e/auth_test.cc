// AUTH where the proxy has no users: the authority's word, and its rights.
#include <gtest/gtest.h>

#include "tests/e2e/auth_texts.h"
#include "tests/e2e/migration.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

class StoreAuth : public ::testing::TestWithParam<int> {
 protected:
  StoreAuth() { migration_.config.workers = GetParam(); }

  void StartWithPassword() {
    Admin({"CONFIG", "SET", "requirepass", "service"});
    migration_.config.legacy_login = ":service@";
    Admin({"ACL", "SETUSER", "app", "on", ">app-pass", ">app-second", "~app:*", "+@all",
           "-@dangerous"});
    Admin({"ACL", "SETUSER", "reader", "on", ">reader-pass", "~*", "+@read", "+ping", "+exec"});
    ASSERT_TRUE(migration_.StartLive());
  }

  Value Admin(const Args& args) {
    RedisClient admin(migration_.legacy.port());
    if (!migration_.config.legacy_login.empty()) admin.Call({"AUTH", "service"});
    return admin.Call(args);
  }

  uint16_t port() const { return migration_.proxy->port(); }
  std::string Say(RedisClient& client, const Args& args) { return client.Call(args).text; }

  // As Migration's, with the password.
  void ExpectEqualWhenDrained() {
    ASSERT_TRUE(migration_.proxy->AwaitDrained());
    Admin({"CONFIG", "SET", "requirepass", ""});
    const StoreComparison comparison =
        CompareStores(migration_.legacy.port(), migration_.fresh.port());
    EXPECT_TRUE(comparison.differences.empty()) << Describe(comparison);
    EXPECT_GT(comparison.keys_compared, 0u);
  }

  Migration migration_;
};

TEST_P(StoreAuth, WhoSaysNothingMayDoNothing) {
  StartWithPassword();
  RedisClient client(port());
  for (const Args& args : std::vector<Args>{{"GET", "k"},
                                            {"SET", "k", "v"},
                                            {"PING"},
                                            {"SELECT", "1"},
                                            {"CLIENT", "SETNAME", "x"},
                                            {"MULTI"},
                                            {"SUBSCRIBE", "c"},
                                            {"INFO"}}) {
    EXPECT_EQ(Say(client, args), kNoAuth) << Render(args);
  }
  EXPECT_TRUE(Say(client, {"HELLO", "2"}).starts_with("NOAUTH HELLO must be called"));
  EXPECT_EQ(Say(client, {"NOSUCH"}), "ERR unknown command 'NOSUCH', with args beginning with: ");
  EXPECT_EQ(Say(client, {"GET"}), "ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(Say(client, {"RESET"}), "RESET");
  EXPECT_EQ(Say(client, {"QUIT"}), "OK");
}

TEST_P(StoreAuth, WrongPasswordsAreRefusedAsTheStoreDoesAndCounted) {
  StartWithPassword();
  RedisClient client(port());
  EXPECT_EQ(Say(client, {"AUTH", "hunter2"}), kWrongPass);
  EXPECT_EQ(Say(client, {"AUTH", "nobody", "hunter2"}), kWrongPass);
  EXPECT_EQ(Say(client, {"HELLO", "2", "AUTH", "app", "hunter2"}), kWrongPass);
  EXPECT_EQ(Say(client, {"AUTH", "a", "b", "hunter2"}), "ERR syntax error");
  EXPECT_EQ(Say(client, {"GET", "k"}), kNoAuth);
  EXPECT_EQ(MetricLine(migration_.proxy->Metrics(), "crossfade_auth_failures_total"),
            "crossfade_auth_failures_total 3");
  EXPECT_EQ(migration_.Status().value("auth_failures", 0), 3);
  EXPECT_NE(migration_.proxy->LogTail(1000).find("authentication failed"), std::string::npos);
  EXPECT_EQ(migration_.proxy->LogTail(1000).find("hunter2"), std::string::npos);
}

TEST_P(StoreAuth, TheStoresAclDecides) {
  StartWithPassword();
  RedisClient app(port()), reader(port()), service(port());
  EXPECT_EQ(Say(app, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(reader, {"AUTH", "reader", "reader-pass"}), "OK");
  EXPECT_EQ(Say(service, {"AUTH", "service"}), "OK");
  EXPECT_EQ(Say(app, {"ACL", "WHOAMI"}), "app");
  EXPECT_EQ(Say(service, {"ACL", "WHOAMI"}), "default");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Say(app, {"SET", "app:k", "v" + std::to_string(i)}), "OK");
    EXPECT_EQ(Say(app, {"SET", "other", "x"}), kNoKey);
    EXPECT_EQ(Say(app, {"KEYS", "*"}), NoCommand("keys"));
    EXPECT_EQ(Say(reader, {"GET", "app:k"}), "v" + std::to_string(i));
    EXPECT_EQ(Say(reader, {"SET", "app:k", "x"}), NoCommand("set"));
    EXPECT_EQ(Say(service, {"SET", "other", "o"}), "OK");
  }
  ExpectEqualWhenDrained();
}

TEST_P(StoreAuth, ManyUsersAtOnceNeverGetEachOthersRights) {
  StartWithPassword();
  const int kUsers = 12;
  std::vector<std::unique_ptr<RedisClient>> clients;
  for (int u = 0; u < kUsers; ++u) {
    const std::string name = "u" + std::to_string(u);
    Admin({"ACL", "SETUSER", name, "on", ">" + name + "-pass", "~" + name + ":*", "+@all"});
    clients.push_back(std::make_unique<RedisClient>(port()));
    EXPECT_EQ(Say(*clients.back(), {"AUTH", name, name + "-pass"}), "OK");
  }
  for (int round = 0; round < 30; ++round) {
    for (int u = 0; u < kUsers; ++u) {
      const std::string mine = "u" + std::to_string(u) + ":k";
      const std::string others = "u" + std::to_string((u + 1) % kUsers) + ":k";
      clients[u]->Send({"INCR", mine});
      clients[u]->Send({"INCR", others});
      clients[u]->Send({"GET", others});
    }
    for (int u = 0; u < kUsers; ++u) {
      EXPECT_EQ(clients[u]->Read().integer, round + 1);
      EXPECT_EQ(clients[u]->Read().text, kNoKey);
      EXPECT_EQ(clients[u]->Read().text, kNoKey);
    }
  }
  ExpectEqualWhenDrained();
}

TEST_P(StoreAuth, AuthenticationHoldsFromThenOnAndEndsWithReset) {
  StartWithPassword();
  RedisClient client(port());
  // In one batch: what stands behind AUTH runs as the user, what stands before does not.
  const std::vector<Args> batch = {{"GET", "app:k"},
                                   {"AUTH", "app", "app-pass"},
                                   {"SET", "app:k", "v"},
                                   {"GET", "app:k"},
                                   {"AUTH", "app", "wrong"},
                                   {"GET", "app:k"},
                                   {"AUTH", "service"},
                                   {"SET", "other", "w"},
                                   {"AUTH", "app", "app-second"},
                                   {"GET", "other"},
                                   {"RESET"},
                                   {"GET", "app:k"}};
  const std::vector<std::string> expected = {kNoAuth, "OK", "OK", "v",    kWrongPass, "v",
                                             "OK",    "OK", "OK", kNoKey, "RESET",    kNoAuth};
  const std::vector<Value> replies = client.Pipeline(batch);
  ASSERT_EQ(replies.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(replies[i].text, expected[i]) << Render(batch[i]);
  }
}

TEST_P(StoreAuth, HelloAuthenticatesInBothProtocols) {
  StartWithPassword();
  RedisClient client(port());
  EXPECT_TRUE(client.Call({"HELLO", "2", "AUTH", "app", "app-pass", "SETNAME", "me"}).ok());
  EXPECT_EQ(Say(client, {"CLIENT", "GETNAME"}), "me");
  EXPECT_EQ(Say(client, {"SET", "app:k", "v"}), "OK");
  RawClient resp3(port());
  resp3.Send({"HELLO", "3", "AUTH", "reader", "wrong"});
  EXPECT_EQ(resp3.Read(), "-" + std::string(kWrongPass) + "\r\n");
  resp3.Send({"HELLO", "3", "AUTH", "reader", "reader-pass"});
  EXPECT_TRUE(resp3.Read().starts_with("%7\r\n"));
  resp3.Send({"SET", "app:k", "x"});
  EXPECT_EQ(resp3.Read(), "-" + NoCommand("set") + "\r\n");
  resp3.Send({"GET", "no"});
  EXPECT_EQ(resp3.Read(), "_\r\n");
  resp3.Send({"HELLO", "3", "AUTH", "app", "app-pass"});
  EXPECT_TRUE(resp3.Read().starts_with("%7\r\n"));
  resp3.Send({"SET", "app:k", "w"});
  EXPECT_EQ(resp3.Read(), "+OK\r\n");
  ExpectEqualWhenDrained();
}

TEST_P(StoreAuth, ADbIsTheUsersToSelectOrNot) {
  StartWithPassword();
  Admin({"ACL", "SETUSER", "onedb", "on", ">p", "~*", "+@all", "-select"});
  RedisClient client(port()), app(port());
  EXPECT_EQ(Say(client, {"AUTH", "onedb", "p"}), "OK");
  EXPECT_EQ(Say(client, {"SELECT", "1"}), NoCommand("select"));
  EXPECT_EQ(Say(client, {"SET", "k", "in 0"}), "OK");
  EXPECT_EQ(Say(app, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(app, {"SELECT", "1"}), "OK");
  EXPECT_EQ(Say(app, {"SET", "app:k", "in 1"}), "OK");
  RedisClient legacy(migration_.legacy.port());
  legacy.Call({"AUTH", "service"});
  EXPECT_EQ(legacy.Call({"GET", "k"}).text, "in 0");
  legacy.Call({"SELECT", "1"});
  EXPECT_EQ(legacy.Call({"GET", "app:k"}).text, "in 1");
  ExpectEqualWhenDrained();
}

TEST_P(StoreAuth, OtherClientsAreForThoseWhomTheStoreLetsHaveThem) {
  StartWithPassword();
  Admin({"ACL", "SETUSER", "low", "on", ">p", "~*", "&*", "+@all", "-@dangerous"});
  Admin({"ACL", "SETUSER", "nokill", "on", ">p", "~*", "&*", "+@all", "-client|kill"});
  RedisClient low(port()), nokill(port());
  EXPECT_EQ(Say(low, {"AUTH", "low", "p"}), "OK");
  EXPECT_EQ(Say(nokill, {"AUTH", "nokill", "p"}), "OK");
  EXPECT_EQ(Say(low, {"CLIENT", "LIST"}), NoCommand("client|list"));
  EXPECT_EQ(Say(low, {"CLIENT", "KILL", "TYPE", "normal"}), NoCommand("client|kill"));
  EXPECT_EQ(Say(low, {"CLIENT", "PAUSE", "100000"}), NoCommand("client|pause"));
  EXPECT_EQ(Say(low, {"CLIENT", "SETNAME", "x"}), "OK");
  EXPECT_EQ(Say(low, {"MULTI"}), "OK");
  EXPECT_EQ(Say(low, {"CLIENT", "PAUSE", "100000"}), NoCommand("client|pause"));
  EXPECT_EQ(Say(low, {"EXEC"}), "EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(Say(nokill, {"CLIENT", "KILL", "ID", "1"}), NoCommand("client|kill"));
  EXPECT_NE(Say(nokill, {"CLIENT", "LIST"}).find(" user=low "), std::string::npos);
  EXPECT_EQ(Say(nokill, {"CLIENT", "PAUSE", "1"}), "OK");
  // It may do so from the next time on, as the store says then.
  Admin({"ACL", "SETUSER", "low", "+client|list"});
  EXPECT_NE(Say(low, {"CLIENT", "LIST"}).find(" name=x "), std::string::npos);
  EXPECT_EQ(Say(low, {"SET", "k", "v"}), "OK");
  ExpectEqualWhenDrained();
}

// As in a script's own test of Redis: who was in a db before AUTH is there still.
TEST_P(StoreAuth, ADbSelectedBeforeAuthIsKept) {
  StartWithPassword();
  Admin({"ACL", "SETUSER", "nodb", "on", ">p", "~*", "+@all", "-select"});
  RedisClient client(port());
  EXPECT_EQ(Say(client, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(client, {"SELECT", "9"}), "OK");
  EXPECT_EQ(Say(client, {"AUTH", "nodb", "p"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "k", "in 9"}), "OK");
  EXPECT_EQ(Say(client, {"SELECT", "1"}), NoCommand("select"));
  EXPECT_EQ(Say(client, {"SELECT", "0"}), NoCommand("select"));
  EXPECT_EQ(Say(client, {"GET", "k"}), "in 9");
  RedisClient legacy(migration_.legacy.port());
  legacy.Call({"AUTH", "service"});
  legacy.Call({"SELECT", "9"});
  EXPECT_EQ(legacy.Call({"GET", "k"}).text, "in 9");
  ExpectEqualWhenDrained();
}

// What stands between a refused MULTI and its EXEC would run all the same.
TEST_P(StoreAuth, AUserWithoutMultiRunsNothingOfATransaction) {
  StartWithPassword();
  for (const char* denied : {"-multi", "-exec"}) {
    Admin({"ACL", "SETUSER", "single", "reset", "on", ">p", "~*", "+@all", denied});
    RedisClient client(port());
    EXPECT_EQ(Say(client, {"AUTH", "single", "p"}), "OK");
    EXPECT_EQ(Say(client, {"SET", "k", "1"}), "OK");
    EXPECT_EQ(Say(client, {"MULTI"}), NoCommand("multi"));
    EXPECT_EQ(Say(client, {"BLPOP", "l", "0"}), NoCommand("multi"));
    EXPECT_EQ(client.Call({"INCR", "k"}).integer, 2);
    Admin({"ACL", "DELUSER", "single"});
  }
  // A right that is taken away while the lane is there.
  Admin({"ACL", "SETUSER", "later", "on", ">p", "~*", "+@all"});
  RedisClient client(port());
  EXPECT_EQ(Say(client, {"AUTH", "later", "p"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "k", "1"}), "OK");
  Admin({"ACL", "SETUSER", "later", "-multi"});
  EXPECT_EQ(Say(client, {"MULTI"}), "OK");
  EXPECT_EQ(Say(client, {"INCR", "k"}), "QUEUED");
  EXPECT_FALSE(client.Call({"EXEC"}).ok());
  ExpectEqualWhenDrained();
}

TEST_P(StoreAuth, ADeletedUserGetsTheStoresErrorAndHoldsNothingUp) {
  StartWithPassword();
  RedisClient client(port()), other(port());
  EXPECT_EQ(Say(client, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(other, {"AUTH", "service"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "app:k", "v"}), "OK");
  Admin({"ACL", "DELUSER", "app"});
  EXPECT_TRUE(Await([&] { return Say(client, {"GET", "app:k"}) == kWrongPass; }));
  EXPECT_EQ(Say(client, {"AUTH", "app", "app-pass"}), kWrongPass);
  EXPECT_EQ(Say(other, {"SET", "app:k", "w"}), "OK");
  // A new password is another login: the old one's connections live on, as at the store.
  Admin({"ACL", "SETUSER", "app", "on", ">new-pass", "~app:*", "+@all"});
  EXPECT_EQ(Say(client, {"AUTH", "app", "new-pass"}), "OK");
  EXPECT_EQ(Say(client, {"GET", "app:k"}), "w");
  ExpectEqualWhenDrained();
}

TEST_P(StoreAuth, TheDefaultUsersRightsAreThoseOfWhoSaysNothing) {
  migration_.config.legacy_login = "service:service@";
  RedisClient admin(migration_.legacy.port());
  admin.Call({"ACL", "SETUSER", "service", "on", ">service", "~*", "&*", "+@all"});
  admin.Call({"ACL", "SETUSER", "default", "on", "nopass", "resetkeys", "~public:*", "-@all",
              "+@read", "+@connection"});
  ASSERT_TRUE(migration_.StartLive());
  RedisClient client(port());
  EXPECT_EQ(Say(client, {"GET", "private"}), kNoKey);
  EXPECT_EQ(Say(client, {"SET", "public:k", "v"}), NoCommand("set"));
  EXPECT_EQ(client.Call({"GET", "public:k"}).kind, Value::Kind::kNil);
  EXPECT_EQ(Say(client, {"AUTH", "x"}),
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?");
  EXPECT_EQ(Say(client, {"AUTH", "service", "service"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "public:k", "v"}), "OK");
  EXPECT_EQ(Say(client, {"RESET"}), "RESET");
  EXPECT_EQ(Say(client, {"GET", "public:k"}), "v");
  EXPECT_EQ(Say(client, {"SET", "public:k", "w"}), NoCommand("set"));
}

TEST_P(StoreAuth, APasswordThatIsSetLaterHoldsForNewClients) {
  RedisClient admin(migration_.legacy.port());
  ASSERT_TRUE(migration_.StartLive());
  RedisClient before(port());
  EXPECT_EQ(Say(before, {"SET", "k", "v"}), "OK");
  EXPECT_EQ(Say(before, {"AUTH", "x"}),
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?");
  admin.Call({"CONFIG", "SET", "requirepass", "later"});
  // A client is let in until its worker has seen it, and not one moment longer.
  RedisClient after(port());
  EXPECT_TRUE(Await([&] { return Say(after, {"GET", "k"}) == kNoAuth; }));
  RedisClient later(port());  // of the other worker, if there is one
  EXPECT_TRUE(Await([&] { return Say(later, {"GET", "k"}) == kNoAuth; }));
  EXPECT_EQ(Say(later, {"AUTH", "wrong"}), kWrongPass);
  EXPECT_EQ(Say(later, {"AUTH", "later"}), "OK");
}

TEST_P(StoreAuth, WhoWatchesMayBecomeAnother) {
  StartWithPassword();
  RedisClient client(port());
  EXPECT_EQ(Say(client, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(client, {"WATCH", "app:k"}), "OK");
  EXPECT_EQ(Say(client, {"AUTH", "service"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "other", "v"}), "OK");
  EXPECT_EQ(Say(client, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(client, {"GET", "other"}), kNoKey);
  EXPECT_EQ(Say(client, {"MULTI"}), "OK");
  EXPECT_EQ(Say(client, {"SET", "app:k", "w"}), "QUEUED");
  EXPECT_EQ(client.Call({"EXEC"}).elements.size(), 1u);
  EXPECT_EQ(Say(client, {"GET", "other"}), kNoKey);
  EXPECT_EQ(Say(client, {"GET", "app:k"}), "w");
  ExpectEqualWhenDrained();
}

TEST_P(StoreAuth, FollowerReadsAreForWhomTheFollowerKnows) {
  migration_.config.stage = "ramp";
  migration_.config.reads = {{"follower", "100%"}, {"staleness", "5s"}};
  {
    RedisClient fresh(migration_.fresh.port());
    fresh.Call({"ACL", "SETUSER", "reader", "on", ">reader-pass", "~*", "+@all", "-hget"});
  }
  StartWithPassword();
  RedisClient app(port()), reader(port());
  EXPECT_EQ(Say(app, {"AUTH", "app", "app-pass"}), "OK");
  EXPECT_EQ(Say(reader, {"AUTH", "reader", "reader-pass"}), "OK");
  EXPECT_EQ(Say(app, {"SET", "app:k", "v"}), "OK");
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  const auto on_new = [&] {
    return SumWhere(migration_.Status()["read_decisions"], "store", "new");
  };
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Say(app, {"GET", "app:k"}), "v");
  EXPECT_EQ(on_new(), 0u);
  EXPECT_EQ(SumWhere(migration_.Status()["read_decisions"], "reason", "not_connected"), 20u);
  EXPECT_TRUE(Await([&] {
    return migration_.proxy->LogTail(1000).find("a store refuses a user") != std::string::npos;
  }));
  EXPECT_TRUE(Await([&] {
    EXPECT_EQ(Say(reader, {"GET", "app:k"}), "v");
    return on_new() > 0;
  }));
  // What one user may not do there is no reason to think ill of the store.
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(reader.Call({"HGET", "app:none", "f"}).kind, Value::Kind::kNil);
  }
  EXPECT_GE(migration_.Status()["follower_read_retries"].get<uint64_t>(), 50u);
  EXPECT_EQ(migration_.Status()["breaker_trips"].get<uint64_t>(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Workers, StoreAuth, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
