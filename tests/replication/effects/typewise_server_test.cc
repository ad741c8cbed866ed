// Type-wise copies and digests of states on two real servers that store what they
// hold in different encodings. The comparison of tests/support, which shares no code
// with them, says what is equal. CROSSFADE_SEED repeats a run, CROSSFADE_COMMANDS
// makes it longer.
#include <gtest/gtest.h>

#include <random>

#include "replication/effects/typewise.h"
#include "replication/sync_read.h"
#include "tests/replication/effects/command_lines.h"
#include "tests/replication/effects/store.h"
#include "tests/support/random_commands.h"
#include "tests/support/redis_server.h"
#include "tests/support/store_compare.h"

namespace crossfade::replication {
namespace {

using test::Args;
using test::RedisClient;
using test::RedisServer;
using test::Store;
using test::Value;
using test::Words;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct State {
  KeyType type = KeyType::kNone;
  std::string replies;
  std::string expiry;

  std::optional<uint64_t> Digest() const { return StateDigest(type, replies); }
};

class Typewise : public ::testing::Test {
 protected:
  static State Read(Store& store, std::string_view key) {
    State state;
    state.type = ParseKeyType(store.Call({"TYPE", key}));
    std::string reads;
    const uint32_t count = AppendStateReads(state.type, key, reads);
    for (const std::string& frame : store.Exchange(reads, count)) state.replies += frame;
    state.expiry = store.Call({"PEXPIRETIME", key});
    return state;
  }
  // From the authority to the follower.
  void Copy(std::string_view key) {
    const State state = Read(authority_, key);
    const char* const why =
        DeriveTypewiseSync(state.type, key, state.replies, state.expiry, {}, effect_);
    ASSERT_EQ(why, nullptr) << key << ": " << why;
    const std::string reply = follower_.Exchange(effect_.bytes, effect_.commands).back();
    EXPECT_FALSE(AnyError(reply)) << key << ": " << reply;
  }
  static bool AnyError(std::string_view reply) {
    const char* p = reply.data();
    const char* const end = p + reply.size();
    while (p < end) {
      if (routing::ReadHead(p, end).IsError()) return true;
    }
    return false;
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    for (const Value& key : RedisClient(authority_server_.port()).Call({"KEYS", "*"}).elements) {
      keys.push_back(key.text);
    }
    return keys;
  }
  void CopyAll() {
    follower_.Call({"FLUSHALL"});
    for (const std::string& key : Keys()) Copy(key);
  }
  void ExpectEqual() {
    const test::StoreComparison comparison =
        test::CompareStores(authority_server_.port(), follower_server_.port());
    EXPECT_TRUE(comparison.differences.empty()) << test::Describe(comparison);
    for (const std::string& key : Keys()) {
      const auto digest = Read(authority_, key).Digest();
      EXPECT_TRUE(digest) << key;
      EXPECT_EQ(digest, Read(follower_, key).Digest()) << key;
    }
  }

  RedisServer authority_server_{{"--proto-max-bulk-len", "64mb"}};
  RedisServer follower_server_{{"--hash-max-listpack-entries", "1", "--zset-max-listpack-entries",
                                "1", "--set-max-intset-entries", "1", "--list-max-listpack-size",
                                "1", "--stream-node-max-entries", "2", "--hll-sparse-max-bytes",
                                "0"}};
  Store authority_{authority_server_.port()};
  Store follower_{follower_server_.port()};
  Effect effect_;
};

constexpr std::string_view kMore[] = {"SETBIT bits 100000 1",
                                      "PFADD hll a",
                                      "PFCOUNT hll",
                                      "ZADD z inf a -inf b -0 c 0.1 d 1e300 e 5e-324 f 3 g",
                                      "RPUSH long '' '' a",
                                      "HSET odd '' '' a ''",
                                      "XADD trimmed MAXLEN 1 1-1 a 1",
                                      "XADD trimmed MAXLEN 1 2-1 a 1",
                                      "XADD empty MAXLEN 0 3-3 a 1",
                                      "XGROUP CREATE fresh g $ MKSTREAM",
                                      "XADD gone 1-1 a 1",
                                      "XADD gone 2-1 a 2",
                                      "XADD gone 3-1 a 3",
                                      "XADD gone 4-1 a 4",
                                      "XGROUP CREATE gone g 0",
                                      "XGROUP CREATE gone '' 2-1 ENTRIESREAD 2",
                                      "XREADGROUP GROUP g c COUNT 3 STREAMS gone >",
                                      "XREADGROUP GROUP '' '' COUNT 3 STREAMS gone >",
                                      "XCLAIM gone g d 0 2-1 RETRYCOUNT 7 TIME 1600000000000",
                                      "XDEL gone 1-1 3-1",
                                      "XADD ghosts 5-5 a 1",
                                      "XGROUP CREATE ghosts g 0",
                                      "XREADGROUP GROUP g c STREAMS ghosts >",
                                      "XDEL ghosts 5-5",
                                      "XADD reset 1-1 a 1",
                                      "XDEL reset 1-1",
                                      "XSETID reset 9-9 ENTRIESADDED 20 MAXDELETEDID 8-8"};

TEST_F(Typewise, RebuildsEveryKindOfState) {
  for (const std::string_view line : test::kFixture) authority_.CallLine(line);
  for (const std::string_view line : kMore) {
    ASSERT_NE(authority_.CallLine(line).front(), '-') << line;
  }
  std::string large = "SADD many";
  for (int i = 0; i < 3000; ++i) large += " " + std::to_string(i * 7);
  authority_.CallLine(large);
  CopyAll();
  ExpectEqual();
  RedisClient follower(follower_server_.port());
  EXPECT_EQ(follower.Call({"OBJECT", "ENCODING", "h1"}).text, "hashtable");
  EXPECT_EQ(follower.Call({"OBJECT", "ENCODING", "z1"}).text, "skiplist");
  // Once more, over what is there.
  for (const std::string& key : Keys()) Copy(key);
  ExpectEqual();
}

TEST_F(Typewise, RebuildsWhatRandomCommandsLeave) {
  const uint64_t seed = FromEnvironment("CROSSFADE_SEED", std::random_device{}());
  const uint64_t rounds = FromEnvironment("CROSSFADE_COMMANDS", 6000) / 300;
  std::printf("CROSSFADE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  RecordProperty("seed", std::to_string(seed));
  RedisClient client(authority_server_.port());
  test::RandomOptions options;
  options.expiries = options.transactions = options.flushes = false;
  options.databases = 1;
  options.payloads = test::MakePayloads(client);
  test::RandomCommands commands(seed, options);
  for (uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    for (int i = 0; i < 300; ++i) client.Call(commands.Next().args);
    client.Call({"SELECT", "0"});
    for (const std::string& key : Keys()) Copy(key);
    for (const Value& key : RedisClient(follower_server_.port()).Call({"KEYS", "*"}).elements) {
      Copy(key.text);  // those that are gone
    }
    ExpectEqual();
  }
}

// ---- What differs has another digest

struct Corruption {
  std::string_view key;
  std::string_view line;  // run on the follower's copy
};

constexpr Corruption kCorruptions[] = {{"s1", "SETRANGE s1 4 O"},
                                       {"s1", "APPEND s1 ' '"},
                                       {"s1", "SETBIT s1 87 1"},
                                       {"s1", "DEL s1"},
                                       {"n1", "INCR n1"},
                                       {"p1", "PFADD p1 other"},
                                       {"bits", "SETBIT bits 99999 1"},
                                       {"l1", "LSET l1 2 C"},
                                       {"l1", "RPOPLPUSH l1 l1"},
                                       {"l1", "LINSERT l1 BEFORE b ''"},
                                       {"l1", "LREM l1 -1 b"},
                                       {"a1", "SADD a1 e"},
                                       {"a1", "SREM a1 a"},
                                       {"ai", "SADD ai 4"},
                                       {"h1", "HSET h1 f1 v2"},
                                       {"h1", "HSET h1 f1 ''"},
                                       {"h1", "HDEL h1 n"},
                                       {"h1", "HSET h1 f3 v3"},
                                       {"z1", "ZINCRBY z1 4.4408920985006262e-16 a"},
                                       {"z1", "ZADD z1 inf d"},
                                       {"z1", "ZREM z1 b"},
                                       {"z1", "ZADD z1 1 A"},
                                       {"x1", "XDEL x1 3-1"},
                                       {"x1", "XADD x1 6-1 a 1"},
                                       {"x1", "XTRIM x1 MAXLEN 4"},
                                       {"x1", "XSETID x1 5-2"},
                                       {"x1", "XGROUP SETID x1 g 1-1"},
                                       {"x1", "XGROUP DESTROY x1 g2"},
                                       {"x1", "XGROUP CREATE x1 g3 0"},
                                       {"x1", "XACK x1 g 1-1"},
                                       {"x1", "XCLAIM x1 g c2 0 2-1 JUSTID"},
                                       {"x1", "XCLAIM x1 g2 c1 0 3-1 FORCE JUSTID"},
                                       {"x1", "XREADGROUP GROUP g c1 COUNT 1 STREAMS x1 >"},
                                       {"ghosts", "XACK ghosts g 5-5"},
                                       {"ghosts", "XADD ghosts 5-6 a 1"},
                                       {"empty", "XSETID empty 3-4"}};

TEST_F(Typewise, EveryCorruptionShows) {
  for (const std::string_view line : test::kFixture) authority_.CallLine(line);
  for (const std::string_view line : kMore) authority_.CallLine(line);
  RedisClient left(authority_server_.port());
  RedisClient right(follower_server_.port());
  for (const auto& [key, line] : kCorruptions) {
    const std::string name(key);
    Copy(key);
    const auto digest = Read(authority_, key).Digest();
    ASSERT_TRUE(digest) << key;
    ASSERT_EQ(Read(follower_, key).Digest(), digest) << key;
    ASSERT_NE(follower_.CallLine(line).front(), '-') << line;
    ASSERT_FALSE(test::CanonicalValue(left, name) == test::CanonicalValue(right, name)) << line;
    const auto corrupted = Read(follower_, key).Digest();
    EXPECT_TRUE(corrupted) << line;
    EXPECT_NE(corrupted, digest) << line;
  }
}

TEST_F(Typewise, TheSameElementsInAnotherTypeShow) {
  const char* const kForms[] = {"SADD k a 1", "RPUSH k a 1", "HSET k a 1",
                                "ZADD k 1 a", "SET k a",     "XADD k 1-1 a 1"};
  std::set<std::optional<uint64_t>> digests;
  for (const char* form : kForms) {
    authority_.Call({"DEL", "k"});
    authority_.CallLine(form);
    digests.insert(Read(authority_, "k").Digest());
  }
  EXPECT_EQ(digests.size(), std::size(kForms));
}

// What reads leave behind is no difference.
TEST_F(Typewise, WhatReadsChangeDoesNotShow) {
  for (const std::string_view line : test::kFixture) authority_.CallLine(line);
  authority_.CallLine("PFADD hll a b c");
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"x1", "XREADGROUP GROUP g c1 STREAMS x1 0"},
      {"x1", "XCLAIM x1 g c1 0 1-1 RETRYCOUNT 50"},
      {"x1", "XGROUP CREATECONSUMER x1 g nobody"},
      {"x1", "XSETID x1 5-1 ENTRIESADDED 50 MAXDELETEDID 4-4"},
      {"x1", "XGROUP SETID x1 g2 3-0 ENTRIESREAD 1"},
      {"hll", "PFCOUNT hll"},
      {"s1", "PEXPIREAT s1 33000000000000"}};
  for (const auto& [key, line] : rows) {
    Copy(key);
    ASSERT_NE(follower_.CallLine(line).front(), '-') << line;
    EXPECT_EQ(Read(follower_, key).Digest(), Read(authority_, key).Digest()) << line;
  }
}

// A server that knows field expiries, as far as is asked: what it says of a field's is
// the field's value.
TEST(TypewiseFields, AScriptTellsOfThoseThatExpire) {
  RedisServer server({"--rename-command", "HMGET", "HPEXPIRETIME"});
  Store store(server.port());
  KeyToSync key;
  key.name = "h";
  key.form = SyncForm::kTypewise;
  key.type = KeyType::kHash;
  key.asks_fields = true;
  const auto why_not = [&]() -> std::string {
    std::string question;
    EXPECT_EQ(AppendSyncRead(key, question), 0u);
    const std::string frame = store.Exchange(question, 1).front();
    const char* p = frame.data();
    const char* const end = p + frame.size();
    EXPECT_EQ(routing::ReadHead(p, end).elements, 2) << frame.substr(0, 200);
    const std::string_view value = routing::FirstValue({p, static_cast<size_t>(end - p)});
    const std::string_view expiry(value.end(), static_cast<size_t>(end - value.end()));
    Effect effect;
    const char* const why = DeriveTypewiseSync(key.type, "h", value, expiry, {}, effect);
    EXPECT_EQ(effect.bytes.empty(), why != nullptr);
    return why == nullptr ? "" : why;
  };
  for (int i = 0; i < 2'500; ++i) store.Call({"HSET", "h", "f" + std::to_string(i), "-1"});
  store.Call({"PEXPIREAT", "h", "33000000000000"});
  EXPECT_EQ(why_not(), "");
  store.Call({"HSET", "h", "f2499", "1900000000000"});
  EXPECT_NE(why_not().find("fields of the hash have expiries"), std::string::npos);
}

}  // namespace
}  // namespace crossfade::replication
