// The proxy's own keys on the stores, which clients neither see nor remove.
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

class ReservedKeys : public OneClient {
 protected:
  bool Kept(const RedisServer& store) {
    RedisClient direct(store.port());
    return direct.Call({"EXISTS", "crossfade:owner", "crossfade:tenure"}).integer == 2;
  }
  void ExpectKept() {
    EXPECT_TRUE(Kept(migration_.legacy));
    EXPECT_TRUE(Await([this] { return Kept(migration_.fresh); })) << "written again, or kept";
    EXPECT_EQ(migration_.Status()["ownership"].value("epoch", 0), 1);
    EXPECT_EQ(migration_.Status()["ownership"].value("losses", 9), 0);
  }
};

TEST_P(ReservedKeys, AreNotListedNorCounted) {
  EXPECT_EQ(Call({"DBSIZE"}).integer, 0);
  EXPECT_EQ(Render(Call({"KEYS", "*"})), "[]");
  EXPECT_EQ(Render(Call({"SCAN", "0", "COUNT", "100"})), "[\"0\" []]");
  EXPECT_EQ(Call({"RANDOMKEY"}).kind, Value::Kind::kNil);
  EXPECT_EQ(Call({"INFO", "keyspace"}).text.find("db0"), std::string::npos);
  EXPECT_EQ(Call({"SET", "crossfade:mine", "v", "EX", "100"}).text, "OK");
  EXPECT_EQ(Call({"DBSIZE"}).integer, 1);
  EXPECT_EQ(Render(Call({"KEYS", "crossfade:*"})), "[\"crossfade:mine\"]");
  EXPECT_EQ(Render(Call({"SCAN", "0", "COUNT", "100"})), "[\"0\" [\"crossfade:mine\"]]");
  EXPECT_NE(Call({"INFO", "keyspace"}).text.find("db0:keys=1,expires=1"), std::string::npos);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Call({"RANDOMKEY"}).text, "crossfade:mine");
  EXPECT_EQ(Call({"MULTI"}).text, "OK");
  for (const Args& args : {Args{"DBSIZE"}, {"KEYS", "*"}, {"SCAN", "0", "COUNT", "100"}}) {
    EXPECT_EQ(Call(args).text, "QUEUED");
  }
  EXPECT_EQ(Render(Call({"EXEC"})), "[:1 [\"crossfade:mine\"] [\"0\" [\"crossfade:mine\"]]]");
  EXPECT_EQ(Call({"SELECT", "3"}).text, "OK");
  EXPECT_EQ(Call({"DBSIZE"}).integer, 0);
  EXPECT_EQ(Call({"SET", "k", "v"}).text, "OK");
  EXPECT_EQ(Call({"DBSIZE"}).integer, 1);
  migration_.ExpectEqualWhenDrained();
}

TEST_P(ReservedKeys, AreNotToldOfToWhoTracksEveryKey) {
  RawClient tracker(migration_.proxy->port());
  tracker.Call({"HELLO", "3"});
  ASSERT_EQ(tracker.Call({"CLIENT", "TRACKING", "ON", "BCAST"}), "+OK\r\n");
  // As the lease is renewed, at any time.
  RedisClient direct(migration_.legacy.port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(direct.Call({"SET", "crossfade:wait", "1"}).ok());
    ASSERT_TRUE(direct.Call({"DEL", "crossfade:wait"}).ok());
    ASSERT_TRUE(Call({"SET", "k", "v"}).ok());
    EXPECT_EQ(tracker.Read(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
  }
}

// They are in the new store before the copy, which finds it empty all the same.
TEST_P(ReservedKeys, AreNotCopiedAndHaveNothingCopiedTwice) {
  constexpr int kKeys = 3'000;
  migration_.proxy.reset();
  RedisClient legacy(migration_.legacy.port());
  for (int i = 0; i < kKeys; ++i) legacy.Send({"SET", "k" + std::to_string(i), "v"});
  for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(legacy.Read().ok());
  ASSERT_TRUE(migration_.StartLive());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, static_cast<uint64_t>(kKeys));
  const nlohmann::json status = migration_.Status();
  EXPECT_EQ(status["effects"].value("sync", 0), kKeys);
  EXPECT_EQ(status["backfill"].value("keys_total", 0), kKeys);
  EXPECT_EQ(status["backfill"].value("keys_copied", 0), kKeys);
}

TEST_P(ReservedKeys, CantBeNamed) {
  for (const Args& args : {Args{"GET", "crossfade:owner"},
                           {"SET", "crossfade:tenure", "x"},
                           {"DEL", "a", "crossfade:owner"},
                           {"EXISTS", "crossfade:wait"},
                           {"MGET", "a", "crossfade:tenure", "b"},
                           {"RENAME", "a", "crossfade:owner"},
                           {"EVAL", "return 1", "1", "crossfade:owner"},
                           {"COPY", "crossfade:owner", "a"},
                           {"OBJECT", "ENCODING", "crossfade:owner"},
                           {"BLPOP", "crossfade:owner", "1"},
                           {"WATCH", "crossfade:owner"}}) {
    const Value refused = Call(args);
    EXPECT_EQ(refused.kind, Value::Kind::kError) << args[0];
    EXPECT_NE(refused.text.find("the proxy's own"), std::string::npos) << args[0] << refused.text;
  }
  EXPECT_EQ(Call({"MULTI"}).text, "OK");
  EXPECT_EQ(Call({"DEL", "crossfade:owner"}).kind, Value::Kind::kError);
  EXPECT_TRUE(Call({"EXEC"}).text.starts_with("EXECABORT"));
  EXPECT_EQ(Call({"SET", "k", "crossfade:owner"}).text, "OK") << "a value is no key";
  EXPECT_EQ(Call({"ECHO", "crossfade:owner"}).text, "crossfade:owner");
  EXPECT_EQ(Call({"MSET", "k", "crossfade:owner", "l", "crossfade:tenure"}).text, "OK");
  EXPECT_EQ(Call({"WAIT", "0", "0"}).kind, Value::Kind::kInteger);
  ExpectKept();
  migration_.ExpectEqualWhenDrained();
}

TEST_P(ReservedKeys, AreThereAfterAFlush) {
  for (const Args& flush : {Args{"FLUSHALL"},
                            {"FLUSHALL", "ASYNC"},
                            {"FLUSHDB"},
                            {"SWAPDB", "0", "1"},
                            {"SWAPDB", "1", "0"}}) {
    EXPECT_EQ(Call({"SET", "k", "v"}).text, "OK");
    client_->Send({"INCR", "n"});
    client_->Send(flush);
    client_->Send({"INCR", "n"});
    EXPECT_TRUE(client_->Read().ok());
    EXPECT_EQ(client_->Read().text, "OK") << flush[0];
    const int64_t counted = client_->Read().integer;
    if (flush[0] != "SWAPDB") {
      EXPECT_EQ(counted, 1) << flush[0];
    }
    ExpectKept();
    migration_.ExpectEqualWhenDrained();
  }
  EXPECT_EQ(Call({"SELECT", "5"}).text, "OK");
  EXPECT_EQ(Call({"SET", "k", "in 5"}).text, "OK");
  EXPECT_EQ(Call({"SWAPDB", "0", "2"}).text, "OK");
  EXPECT_EQ(Call({"GET", "k"}).text, "in 5") << "the connection is in db 5 as before";
  EXPECT_EQ(Call({"FLUSHALL", "nonsense"}).kind, Value::Kind::kError);
  EXPECT_EQ(Call({"SWAPDB", "0", "100000"}).kind, Value::Kind::kError);
  EXPECT_EQ(Call({"GET", "k"}).text, "in 5");
  ExpectKept();
  migration_.ExpectEqualWhenDrained();
}

TEST_P(ReservedKeys, AFlushUnderAWatchIsSeenByIt) {
  EXPECT_EQ(Call({"SET", "k", "v"}).text, "OK");
  EXPECT_EQ(Call({"WATCH", "k"}).text, "OK");
  EXPECT_EQ(Call({"FLUSHALL"}).text, "OK");
  EXPECT_EQ(Call({"MULTI"}).text, "OK");
  EXPECT_EQ(Call({"PING"}).text, "QUEUED");
  EXPECT_EQ(Call({"EXEC"}).kind, Value::Kind::kNil);
  EXPECT_TRUE(Await([this] { return Kept(migration_.legacy); }));
  ExpectKept();
}

TEST_P(ReservedKeys, AreWrittenAgainBehindAScriptOrATransactionThatFlushes) {
  EXPECT_EQ(Call({"EVAL", "return redis.call('FLUSHALL')", "0"}).text, "OK");
  EXPECT_TRUE(Await([this] { return Kept(migration_.legacy); }));
  EXPECT_EQ(Call({"MULTI"}).text, "OK");
  EXPECT_EQ(Call({"SWAPDB", "0", "7"}).text, "QUEUED");
  EXPECT_EQ(Render(Call({"EXEC"})), "[+OK]");
  EXPECT_TRUE(Await([this] { return Kept(migration_.legacy); }));
  ExpectKept();
  EXPECT_EQ(Call({"SET", "k", "v"}).text, "OK");
  for (const RedisServer* store : {&migration_.legacy, &migration_.fresh}) {
    RedisClient direct(store->port());
    direct.Call({"SELECT", "7"});
    EXPECT_TRUE(Await([&] { return direct.Call({"EXISTS", "crossfade:owner"}).integer == 0; }));
  }
  migration_.ExpectEqualWhenDrained();
}

INSTANTIATE_TEST_SUITE_P(Workers, ReservedKeys, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
