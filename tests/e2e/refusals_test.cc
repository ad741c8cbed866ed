// What bad input gets, byte for byte as a plain redis-server with the same users
// gives it: inside transactions, for protocols, passwords and permissions, and to
// who has subscribed.
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

struct Conversation {
  const char* name;
  std::vector<std::string> lines;
};

// Nobody has to say who he is.
const Conversation kOpen[] = {
    {"a transaction with an unknown command",
     {"a MULTI", "a SET k 1", "a NOSUCH x", "a GET k", "a EXEC", "a GET k"}},
    {"with too few arguments", {"a MULTI", "a GET", "a SET k 1", "a EXEC", "a EXISTS k"}},
    {"with an unknown subcommand", {"a MULTI", "a OBJECT NOSUCH k", "a EXEC"}},
    {"with a command that is not allowed there",
     {"a MULTI", "a WATCH k", "a SET k 1", "a EXEC", "a GET k"}},
    {"with an error that only shows when it runs",
     {"a SET k x", "a MULTI", "a INCR k", "a LPUSH k 1", "a SET k y", "a EXEC", "a GET k"}},
    {"nested", {"a MULTI", "a MULTI", "a SET k 1", "a EXEC", "a GET k"}},
    {"that is none", {"a EXEC", "a DISCARD", "a MULTI", "a EXEC x", "a DISCARD", "a EXEC"}},
    {"discarded after an error", {"a MULTI", "a NOSUCH", "a DISCARD", "a MULTI", "a EXEC"}},
    {"RESET in a transaction", {"a MULTI", "a SET k 1", "a RESET", "a EXEC", "a GET k"}},
    {"protocols that are none",
     {"a HELLO 1", "a HELLO 4", "a HELLO x", "a HELLO 99999999999999999999", "a HELLO 2 x",
      "a HELLO 3 AUTH x", "a HELLO 3 SETNAME", "a HELLO 3 SETNAME a\tb", "a PING", "a GET k"}},
    {"passwords where there is none",
     {"a AUTH x", "a AUTH default x", "a AUTH nobody x", "a AUTH", "a AUTH a b c", "a AUTH off off",
      "a HELLO 3 AUTH nobody x", "a GET k"}},
    {"to who has subscribed",
     {"s SUBSCRIBE c",  "s GET k",     "s SET k 1",       "s NOSUCH",      "s GET",
      "s MULTI",        "s EXEC",      "s WATCH k",       "s BLPOP k 0",   "s HELLO 3 x",
      "s AUTH x y",     "s CLIENT ID", "s ECHO x",        "s PUBLISH c m", "s SELECT 1",
      "s INFO",         "s EVAL x 0",  "s COMMAND COUNT", "s PING a b",    "s PING x",
      "s SSUBSCRIBE d", "s SUBSCRIBE", "s QUIT"}},
    {"to who has subscribed to a pattern or a shard",
     {"p PSUBSCRIBE c*", "p GET k", "p PUNSUBSCRIBE", "p GET k", "q SSUBSCRIBE d", "q GET k",
      "q SUNSUBSCRIBE d", "q GET k"}},
    {"who waits for a type that it is not",
     {"a SET k x", "a BLPOP k 0", "a BLMOVE k l LEFT LEFT 0", "a XREAD BLOCK 0 STREAMS k $",
      "a BZPOPMIN k 1", "a BLPOP k x", "a BLPOP k -1"}},
};

// A password for the default user, and others with few rights.
const Conversation kClosed[] = {
    {"nobody yet",
     {"a PING", "a GET k", "a NOSUCH", "a GET", "a MULTI", "a EXEC", "a SUBSCRIBE c", "a HELLO",
      "a HELLO 3", "a HELLO 4", "a CLIENT ID", "a SELECT 1", "a WATCH k", "a BLPOP k 0",
      "a MONITOR", "a RESET", "a QUIT"}},
    {"who says it wrongly",
     {"a AUTH wrong", "a AUTH default wrong", "a AUTH nobody wrong", "a AUTH off off-pass",
      "a HELLO 3 AUTH default wrong", "a AUTH service", "a PING"}},
    {"a wrong word does not end the right one",
     {"b AUTH reader reader-pass", "b AUTH reader wrong", "b GET k", "b ACL WHOAMI",
      "b HELLO 2 AUTH reader wrong", "b GET k"}},
    {"a reader",
     {"b AUTH reader reader-pass", "b SET k 1", "b GET k", "b CONFIG GET x", "b DEL k",
      "b BLPOP k 0", "b EVAL x 0", "b PUBLISH c x", "b MULTI", "b GET k", "b EXEC", "b SUBSCRIBE c",
      "b RESET", "b GET k"}},
    {"who has keys and channels of its own",
     {"d AUTH app app-pass",
      "d SET app:k 1",
      "d SET other 1",
      "d MGET app:k other",
      "d RENAME app:k other",
      "d BLPOP other 0",
      "d BLPOP app:q other 0",
      "d WATCH other",
      "d SUBSCRIBE news",
      "d UNSUBSCRIBE",
      "d SUBSCRIBE other",
      "d PSUBSCRIBE *",
      "d PUBLISH other x",
      "d PUBLISH news x",
      "d MULTI",
      "d SET app:k 2",
      "d EXEC",
      "d GET app:k",
      "d FLUSHALL",
      "d KEYS *",
      "d SORT app:l BY w*"}},
};

// Bytes inside a transaction that are no protocol end the connection.
const char* const kMalformed[] = {
    "*1\r\n$5\r\nMULTI\r\n*1\r\n$abc\r\n",
    "*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nGET\r\n+k\r\n",
    "*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$5\r\nnever\r\n$1\r\n1\r\n*x\r\n",
    "MULTI\r\nSET never 1\r\nSET k \"open\r\nEXEC\r\n",
    "MULTI\r\n*1\r\n$-1\r\nEXEC\r\n",
    "MULTI\r\nSET never 1\r\n*1\r\n$99999999999\r\n",
};

class Refusals : public ::testing::TestWithParam<int> {
 protected:
  Refusals() { migration_.config.workers = GetParam(); }

  void SetUpUsers(const Args& rest) {
    for (const RedisServer* server : {&plain_, &migration_.legacy}) {
      RedisClient admin(server->port());
      admin.Call({"ACL", "SETUSER", "off", "off", ">off-pass", "+@all", "~*"});
      admin.Call({"ACL", "SETUSER", "reader", "on", ">reader-pass", "~*", "+@read", "+ping",
                  "+multi", "+exec", "+acl|whoami"});
      admin.Call(
          {"ACL", "SETUSER", "app", "on", ">app-pass", "~app:*", "&news", "+@all", "-@dangerous"});
      if (!rest.empty()) {
        ASSERT_TRUE(admin.Call(rest).ok());
      }
    }
  }

  // Without what the clock or the order of connections decides.
  static std::string Same(std::string line) {
    const size_t at = line.find("$2\r\nid\r\n:");
    if (at == line.npos) return line;
    return line.erase(at + 9, line.find("\r\n", at + 9) - at - 9);
  }

  void ExpectSame(std::span<const Conversation> conversations) {
    for (const Conversation& conversation : conversations) {
      const auto want = Converse(plain_.port(), conversation.lines);
      const auto have = Converse(migration_.proxy->port(), conversation.lines);
      for (size_t i = 0; i < want.size(); ++i) {
        EXPECT_EQ(Same(have[i]), Same(want[i])) << conversation.name;
      }
    }
  }

  // All that comes back before the end of the connection.
  static std::vector<std::string> Answers(uint16_t port, const char* bytes) {
    RawClient client(port);
    client.SendRaw(bytes);
    std::vector<std::string> answers;
    do answers.push_back(client.Read());
    while (answers.back() != "(lost)");
    return answers;
  }

  RedisServer plain_;
  Migration migration_;
};

INSTANTIATE_TEST_SUITE_P(Each, Refusals, ::testing::Values(1, 2), WorkersName);

TEST_P(Refusals, OfAStoreThatIsOpen) {
  SetUpUsers({});
  ASSERT_TRUE(migration_.StartLive());
  ExpectSame(kOpen);
  migration_.ExpectEqualWhenDrained();
}

TEST_P(Refusals, OfAStoreWithUsers) {
  SetUpUsers({"CONFIG", "SET", "requirepass", "service"});
  migration_.config.legacy_login = ":service@";
  ASSERT_TRUE(migration_.StartLive());
  ExpectSame(kClosed);
  EXPECT_TRUE(migration_.proxy->AwaitDrained());
}

// The store alone knows what its users may, so it says so when it is asked: with
// EXEC, which does nothing then.
TEST_P(Refusals, OfWhatAStoresUserMayNotDoInATransaction) {
  SetUpUsers({});
  ASSERT_TRUE(migration_.StartLive());
  const auto have = Converse(migration_.proxy->port(),
                             {"b AUTH reader reader-pass", "b MULTI", "b SET k 1", "b EXEC",
                              "b GET k", "d AUTH app app-pass", "d MULTI", "d SET app:k 1",
                              "d SET other 1", "d EXEC", "d GET app:k"});
  const std::string aborted =
      "EXEC => -EXECABORT Transaction discarded because of previous errors.";
  EXPECT_EQ(have[3], "b " + aborted + "\r\n");
  EXPECT_EQ(have[4], "b GET k => $-1\r\n");
  EXPECT_EQ(have[9], "d " + aborted + "\r\n");
  EXPECT_EQ(have[10], "d GET app:k => $-1\r\n");
  RedisClient(migration_.proxy->port()).Call({"SET", "one", "key"});
  migration_.ExpectEqualWhenDrained();
}

TEST_P(Refusals, OfBytesInATransaction) {
  ASSERT_TRUE(migration_.StartLive());
  RedisClient bystander(migration_.proxy->port());
  for (const char* bytes : kMalformed) {
    EXPECT_EQ(Answers(migration_.proxy->port(), bytes), Answers(plain_.port(), bytes))
        << Render(Args{bytes});
    EXPECT_EQ(bystander.Call({"EXISTS", "never"}).integer, 0) << Render(Args{bytes});
  }
}

}  // namespace
}  // namespace crossfade::test
