#include "routing/policy/acl.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"

namespace crossfade::routing {
namespace {

using test::Value;
using Verdict = Acl::Verdict;
using Words = std::vector<std::string>;

config::User UserWith(Words commands, std::vector<config::KeyRule> keys = {{"*", true, true}},
                      Words channels = {"*"}) {
  config::User user;
  user.name = "u";
  user.commands = std::move(commands);
  user.keys = std::move(keys);
  user.channels = std::move(channels);
  return user;
}

Verdict Check(const Acl& acl, const Words& words) {
  const std::vector<std::string_view> args(words.begin(), words.end());
  const CommandSpec* spec = CommandTable::Redis70().Find(args);
  EXPECT_NE(spec, nullptr) << words[0];
  std::vector<KeyPosition> scratch;
  return acl.Check(*spec, args, scratch);
}

TEST(Acl, RulesAreTakenInOrder) {
  const Acl acl(UserWith({"+@all", "-@dangerous", "+get", "-client|kill", "+config|get"}));
  EXPECT_FALSE(acl.unrestricted());
  EXPECT_EQ(Check(acl, {"GET", "k"}), Verdict::kAllowed);
  EXPECT_EQ(Check(acl, {"FLUSHALL"}), Verdict::kCommand);
  EXPECT_EQ(Check(acl, {"CONFIG", "GET", "*"}), Verdict::kAllowed);
  EXPECT_EQ(Check(acl, {"CONFIG", "SET", "a", "b"}), Verdict::kCommand);
  EXPECT_EQ(Check(acl, {"CLIENT", "KILL", "1.2.3.4:5"}), Verdict::kCommand);
  EXPECT_EQ(Check(acl, {"CLIENT", "SETNAME", "x"}), Verdict::kAllowed);
}

TEST(Acl, WhatNeedsNoAuthenticationIsAlwaysAllowed) {
  const Acl acl(UserWith({}));
  EXPECT_EQ(Check(acl, {"AUTH", "a"}), Verdict::kAllowed);
  EXPECT_EQ(Check(acl, {"HELLO", "3"}), Verdict::kAllowed);
  EXPECT_EQ(Check(acl, {"RESET"}), Verdict::kAllowed);
  EXPECT_EQ(Check(acl, {"QUIT"}), Verdict::kAllowed);
  EXPECT_EQ(Check(acl, {"PING"}), Verdict::kCommand);
}

TEST(Acl, OnlyWhoMayDoEverythingNeedsNoChecks) {
  EXPECT_TRUE(Acl(UserWith({"+@all"})).unrestricted());
  EXPECT_FALSE(Acl(UserWith({"+@all", "-debug"})).unrestricted());
  EXPECT_TRUE(Acl(UserWith({"-debug", "+@all"})).unrestricted());
  EXPECT_FALSE(Acl(UserWith({"+@all"}, {{"*", true, false}})).unrestricted());
  EXPECT_FALSE(Acl(UserWith({"+@all"}, {})).unrestricted());
  EXPECT_FALSE(Acl(UserWith({"+@all"}, {{"*", true, true}}, {"a"})).unrestricted());
}

TEST(Acl, KeysThatCantBeKnownAreRefused) {
  const Acl acl(UserWith({"+@all"}, {{"a*", true, true}}));
  EXPECT_EQ(Check(acl, {"EVAL", "return 1", "x", "b"}), Verdict::kKey);
  EXPECT_EQ(Check(acl, {"EVAL", "return 1", "0"}), Verdict::kAllowed);
  CommandSpec unknown;
  unknown.name = "module.cmd";
  unknown.arity = -1;
  unknown.flags = kMovableKeys;
  const std::vector<std::string_view> args = {"module.cmd", "a"};
  std::vector<KeyPosition> scratch;
  EXPECT_EQ(acl.Check(unknown, args, scratch), Verdict::kKey);
}

TEST(Acl, CommandsOfModulesGoByTheRulesToo) {
  CommandSpec set;
  set.name = "json.set";
  set.arity = -2;
  set.categories = category::kWrite;
  const std::vector<std::string_view> args = {"json.set", "a"};
  std::vector<KeyPosition> scratch;
  const auto check = [&](Words rules) {
    return Acl(UserWith(std::move(rules))).Check(set, args, scratch);
  };
  EXPECT_EQ(check({"+json.set"}), Verdict::kAllowed);
  EXPECT_EQ(check({"+@write"}), Verdict::kAllowed);
  EXPECT_EQ(check({"+@all", "-json.set"}), Verdict::kCommand);
  EXPECT_EQ(check({"+@read"}), Verdict::kCommand);
  EXPECT_EQ(check({"+json.set|a"}), Verdict::kAllowed);
  EXPECT_EQ(check({"+json.set|b"}), Verdict::kCommand);
}

TEST(Acl, SortByPatternNeedsEveryKey) {
  const Acl some(UserWith({"+@all"}, {{"a*", true, true}}));
  EXPECT_EQ(Check(some, {"SORT", "a1", "BY", "w_*"}), Verdict::kSortBy);
  EXPECT_EQ(Check(some, {"SORT", "a1", "BY", "nosort"}), Verdict::kAllowed);
  EXPECT_EQ(Check(some, {"SORT", "a1", "LIMIT", "0", "1", "GET", "#"}), Verdict::kSortGet);
  EXPECT_EQ(Check(some, {"SORT", "a1", "STORE", "GET"}), Verdict::kKey);
  EXPECT_EQ(Check(some, {"SORT", "a1", "STORE", "aGET"}), Verdict::kAllowed);
  const Acl all(UserWith({"+@all"}, {{"*", true, false}, {"a*", true, true}}));
  EXPECT_EQ(Check(all, {"SORT", "a1", "BY", "w_*", "GET", "#"}), Verdict::kAllowed);
}

TEST(Acl, NamesThatRedisDoesNotKnowAreTold) {
  EXPECT_EQ(UnknownCommands(UserWith({"+@all", "-debgu", "+get", "-client|kill", "+select|0",
                                      "-config|sett", "-select|0", "+json.get"})),
            (Words{"debgu", "config|sett", "select|0", "json.get"}));
}

// Against a real server's own judgement: random rules, and many commands.
class AclServer : public testing::Test {
 protected:
  AclServer() : client_(server_.port()) {}

  Words Pick(std::mt19937& random, const Words& from, size_t most) {
    Words some;
    for (size_t n = random() % (most + 1); n > 0; --n) some.push_back(from[random() % from.size()]);
    return some;
  }

  Verdict Theirs(const Words& words) {
    Words dry = {"ACL", "DRYRUN", "u"};
    dry.insert(dry.end(), words.begin(), words.end());
    const Value reply = client_.Call(dry);
    if (reply.text == "OK") return Verdict::kAllowed;
    if (reply.text.find("to run the") != reply.text.npos) return Verdict::kCommand;
    if (reply.text.ends_with(" key")) return Verdict::kKey;
    EXPECT_TRUE(reply.text.ends_with(" channel")) << reply.text;
    return Verdict::kChannel;
  }

  test::RedisServer server_;
  test::RedisClient client_;
};

const Words kRules = {
    "+@all",        "-@all",    "+@read",      "-@read",        "+@write",     "-@write",
    "-@dangerous",  "+@fast",   "-@slow",      "+@keyspace",    "+get",        "-get",
    "+set",         "+config",  "-config",     "+config|get",   "-config|set", "+client|id",
    "-client|kill", "+@admin",  "+select|0",   "+@connection",  "-select",     "+@pubsub",
    "-publish",     "+@stream", "+@scripting", "-@transaction", "+xgroup",     "-xgroup|create",
    "+@list",       "+@string", "-@blocking",  "+object",       "+@sortedset"};
const Words kKeyRules = {"~a*", "%R~b*", "%W~c*", "%R~a*", "~?x*", "%R~*", "%W~*", "~k[a-c]*"};
const Words kChannels = {"ch*", "a?", "news.*", "x"};

const std::vector<Words> kCommands = {{"GET", "a1"},
                                      {"GET", "b1"},
                                      {"SET", "c1", "v"},
                                      {"SET", "c1", "v", "GET"},
                                      {"SET", "b1", "v", "EX", "9"},
                                      {"APPEND", "c1", "x"},
                                      {"EXISTS", "b1", "c1"},
                                      {"STRLEN", "c1"},
                                      {"TYPE", "c1"},
                                      {"DEL", "c1", "a1"},
                                      {"MSET", "a1", "1", "c2", "2"},
                                      {"MGET", "a1", "b2"},
                                      {"COPY", "b1", "c1"},
                                      {"COPY", "c1", "b1"},
                                      {"RENAME", "a1", "c1"},
                                      {"LMOVE", "a1", "c1", "LEFT", "LEFT"},
                                      {"BLPOP", "a1", "c1", "0"},
                                      {"LPUSH", "c1", "v"},
                                      {"SUNIONSTORE", "c1", "b1", "a1"},
                                      {"ZUNIONSTORE", "c1", "2", "b1", "b2"},
                                      {"ZUNION", "1", "b1"},
                                      {"EVAL", "return 1", "2", "a1", "b1"},
                                      {"EVAL_RO", "return 1", "1", "b1"},
                                      {"FCALL", "f", "1", "c1"},
                                      {"XREAD", "STREAMS", "b1", "0"},
                                      {"BITFIELD", "b1", "GET", "u8", "0"},
                                      {"BITFIELD", "b1", "SET", "u8", "0", "1"},
                                      {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "b1", ">"},
                                      {"SORT", "b1"},
                                      {"SORT", "b1", "STORE", "c1"},
                                      {"SORT_RO", "b1"},
                                      {"MOVE", "a1", "1"},
                                      {"GEORADIUS", "b1", "1", "1", "1", "km"},
                                      {"GEORADIUS", "b1", "1", "1", "1", "km", "STORE", "c1"},
                                      {"EXPIRE", "c1", "9"},
                                      {"TTL", "b1"},
                                      {"PERSIST", "c1"},
                                      {"DUMP", "b1"},
                                      {"OBJECT", "ENCODING", "b1"},
                                      {"CONFIG", "GET", "*"},
                                      {"CONFIG", "SET", "a", "b"},
                                      {"CLIENT", "ID"},
                                      {"CLIENT", "KILL", "x"},
                                      {"CLIENT", "LIST"},
                                      {"SELECT", "0"},
                                      {"SELECT", "1"},
                                      {"PING"},
                                      {"ECHO", "a"},
                                      {"FLUSHALL"},
                                      {"KEYS", "*"},
                                      {"SCAN", "0"},
                                      {"DBSIZE"},
                                      {"DEBUG", "SLEEP", "0"},
                                      {"INFO"},
                                      {"MULTI"},
                                      {"EXEC"},
                                      {"WATCH", "b1"},
                                      {"UNWATCH"},
                                      {"PUBLISH", "ch1", "m"},
                                      {"PUBLISH", "y", "m"},
                                      {"SPUBLISH", "ab", "m"},
                                      {"SUBSCRIBE", "ch1", "ab"},
                                      {"SUBSCRIBE", "zz"},
                                      {"PSUBSCRIBE", "ch*"},
                                      {"PSUBSCRIBE", "ch1"},
                                      {"UNSUBSCRIBE", "zz"},
                                      {"SSUBSCRIBE", "x"},
                                      {"XGROUP", "CREATE", "c1", "g", "$"},
                                      {"XGROUP", "DESTROY", "c1", "g"},
                                      {"XADD", "c1", "*", "f", "v"},
                                      {"XTRIM", "c1", "MAXLEN", "1"},
                                      {"PFCOUNT", "b1"},
                                      {"PFMERGE", "a1", "b1"},
                                      {"GETDEL", "a1"},
                                      {"GETEX", "b1"},
                                      {"INCR", "c1"},
                                      {"ZADD", "c1", "1", "m"},
                                      {"ZRANGE", "b1", "0", "1"},
                                      {"ZRANGESTORE", "c1", "b1", "0", "1"},
                                      {"BZPOPMIN", "a1", "0"},
                                      {"LMPOP", "1", "a1", "LEFT"},
                                      {"SINTERCARD", "2", "b1", "a1"},
                                      {"HSET", "c1", "f", "v"},
                                      {"HGETALL", "b1"},
                                      {"SMOVE", "a1", "c1", "m"},
                                      {"ACL", "WHOAMI"},
                                      {"ACL", "LIST"},
                                      {"SCRIPT", "LOAD", "x"},
                                      {"FUNCTION", "LIST"},
                                      {"MEMORY", "USAGE", "b1"},
                                      {"AUTH", "x"},
                                      {"HELLO"},
                                      {"RESET"},
                                      {"QUIT"},
                                      {"WAIT", "0", "0"},
                                      {"LATENCY", "DOCTOR"},
                                      {"SLOWLOG", "GET"},
                                      {"CLUSTER", "INFO"},
                                      {"REPLICAOF", "a", "1"},
                                      {"SWAPDB", "0", "1"},
                                      {"TOUCH", "b1"},
                                      {"UNLINK", "a1"},
                                      {"RESTORE", "c1", "0", "x"},
                                      {"LCS", "a1", "b1"},
                                      {"BITOP", "AND", "c1", "a1", "b1"},
                                      {"SETRANGE", "c1", "0", "v"},
                                      {"MIGRATE", "h", "1", "a1", "0", "1"},
                                      {"LINSERT", "kax", "BEFORE", "a", "b"},
                                      {"SADD", "ax", "1"},
                                      {"GETSET", "kc", "v"}};

TEST_F(AclServer, JudgesAsTheServerDoes) {
  if (client_.Call({"INFO", "server"}).text.find("redis_version:7.0.") == std::string::npos) {
    GTEST_SKIP() << "the redis-server here is not 7.0";
  }
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::array<int, 6> seen{};
  for (int round = 0; round < 120; ++round) {
    config::User user = UserWith(Pick(random, kRules, 6), {}, Pick(random, kChannels, 2));
    Words set = {"ACL", "SETUSER", "u", "reset", "resetchannels"};
    set.insert(set.end(), user.commands.begin(), user.commands.end());
    const Words keys = random() % 4 == 0 ? Words{"~*"} : Pick(random, kKeyRules, 3);
    for (const std::string& key : keys) {
      set.push_back(key);
      const size_t tilde = key.find('~');
      user.keys.push_back(
          {key.substr(tilde + 1), key[1] != 'W' || tilde == 0, key[1] != 'R' || tilde == 0});
    }
    for (const std::string& channel : user.channels) set.push_back("&" + channel);
    ASSERT_EQ(client_.Call(set).text, "OK") << test::Render(set);
    const Acl acl(user);
    for (const Words& command : kCommands) {
      const Verdict theirs = Theirs(command);
      ++seen[static_cast<size_t>(theirs)];
      ASSERT_EQ(Check(acl, command), theirs) << test::Render(set) << "\n" << test::Render(command);
    }
  }
  for (const Verdict verdict :
       {Verdict::kAllowed, Verdict::kCommand, Verdict::kKey, Verdict::kChannel}) {
    EXPECT_GT(seen[static_cast<size_t>(verdict)], 20) << static_cast<int>(verdict);
  }
}

TEST_F(AclServer, HasTheServersCategories) {
  if (client_.Call({"INFO", "server"}).text.find("redis_version:7.0.") == std::string::npos) {
    GTEST_SKIP() << "the redis-server here is not 7.0";
  }
  for (const std::string_view name : config::kCommandCategories) {
    Words theirs;
    for (const Value& command : client_.Call({"ACL", "CAT", std::string(name)}).elements) {
      theirs.push_back(command.text);
    }
    Words ours;
    for (const CommandSpec* spec : CommandTable::Redis70().All()) {
      if ((spec->categories & category::ByName(name)) != 0) ours.push_back(spec->name);
    }
    std::sort(theirs.begin(), theirs.end());
    std::sort(ours.begin(), ours.end());
    EXPECT_EQ(ours, theirs) << name;
  }
}

}  // namespace
}  // namespace crossfade::routing
