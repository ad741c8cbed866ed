#include "replication/compare/reads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "routing/commands/command_id.h"
#include "tests/replication/effects/store.h"

namespace crossfade::replication {
namespace {

using test::Words;

const routing::CommandSpec& SpecOf(const Words& words) {
  const routing::CommandSpec* spec = routing::CommandTable::Redis70().Find(words.args());
  static const routing::CommandSpec kNone;
  EXPECT_NE(spec, nullptr);
  return spec == nullptr ? kNone : *spec;
}

std::string Why(std::string_view line) {
  const Words words(line);
  const char* why = WhyIgnored(SpecOf(words), words.args());
  return why == nullptr ? "" : why;
}

uint64_t Digest(std::string_view line, std::string_view reply) {
  const Words words(line);
  return CanonicalDigest(SpecOf(words), words.args(), reply);
}

std::string Bulks(const std::vector<std::string>& texts) {
  std::string reply;
  routing::AppendHead(reply, '*', static_cast<int64_t>(texts.size()));
  for (const std::string& text : texts) routing::AppendBulk(reply, text);
  return reply;
}

TEST(WhyIgnored, NamesTheReason) {
  const std::pair<const char*, const char*> rows[] = {{"TTL k", "time"},
                                                      {"PTTL k", "time"},
                                                      {"TOUCH k", "time"},
                                                      {"XINFO STREAM k", "time"},
                                                      {"XPENDING k g - + 10", "time"},
                                                      {"OBJECT ENCODING k", "encoding"},
                                                      {"OBJECT FREQ k", "encoding"},
                                                      {"MEMORY USAGE k", "encoding"},
                                                      {"DUMP k", "encoding"},
                                                      {"SRANDMEMBER k", "random"},
                                                      {"HRANDFIELD k 3", "random"},
                                                      {"ZRANDMEMBER k", "random"},
                                                      {"RANDOMKEY", "random"},
                                                      {"SCAN 0", "cursor"},
                                                      {"HSCAN k 0", "cursor"},
                                                      {"SSCAN k 0", "cursor"},
                                                      {"ZSCAN k 0", "cursor"},
                                                      {"TIME", "keyspace"},
                                                      {"INFO", "keyspace"},
                                                      {"DBSIZE", "keyspace"},
                                                      {"KEYS *", "keyspace"},
                                                      {"COMMAND", "keyspace"},
                                                      {"PING", "keyspace"},
                                                      {"LOLWUT", "keyspace"},
                                                      {"OBJECT HELP", "keyspace"},
                                                      {"CONFIG GET x", "keyspace"},
                                                      {"EVAL_RO s 1 k", "script"},
                                                      {"SORT k BY w_*", "pattern"},
                                                      {"SORT_RO k GET w_*", "pattern"},
                                                      {"SORT k STORE l", "write"},
                                                      {"SORT k BY nosort LIMIT 0 1", "random"},
                                                      {"XREAD BLOCK 0 STREAMS k 0", "blocking"},
                                                      {"BLPOP k 0", "blocking"},
                                                      {"SET k v", "write"},
                                                      {"GETEX k", "write"},
                                                      {"SPOP k", "write"},
                                                      {"GEORADIUS k 1 1 1 m STORE l", "write"},
                                                      {"FLUSHALL", "write"}};
  for (const auto& [line, why] : rows) EXPECT_EQ(Why(line), why) << line;
  for (const char* line : {"GET k",
                           "MGET k l",
                           "HGETALL k",
                           "SMEMBERS k",
                           "ZRANGE k 0 -1",
                           "LRANGE k 0 -1",
                           "XRANGE k - +",
                           "XREAD STREAMS k 0",
                           "EXISTS k",
                           "TYPE k",
                           "STRLEN k",
                           "EXPIRETIME k",
                           "PEXPIRETIME k",
                           "SORT k",
                           "SORT_RO k ALPHA",
                           "XPENDING k g",
                           "LCS k l",
                           "GEORADIUS k 1 1 1 m",
                           "GEOSEARCH k FROMMEMBER m BYRADIUS 1 m",
                           "BITCOUNT k",
                           "SORT k BY nosort GET #"}) {
    EXPECT_EQ(Why(line), "") << line;
  }
}

TEST(WhyIgnored, CommandsThatOnlyAStoreKnowsAreNotCompared) {
  routing::CommandSpec spec;
  spec.name = "json.get";
  spec.flags = routing::kReadonly;
  spec.first_key = spec.last_key = spec.key_step = 1;
  const Words words("JSON.GET k");
  EXPECT_STREQ(WhyIgnored(spec, words.args()), "unknown");
}

TEST(CanonicalDigest, OrderCountsWhereItIsDefined) {
  const std::string ab = Bulks({"a", "b"});
  const std::string ba = Bulks({"b", "a"});
  for (const char* line : {"LRANGE k 0 -1", "MGET k l", "ZRANGE k 0 -1", "HMGET k a b", "SORT k",
                           "GEOSEARCH k FROMMEMBER a BYRADIUS 9 m ASC"}) {
    EXPECT_NE(Digest(line, ab), Digest(line, ba)) << line;
  }
  for (const char* line :
       {"SMEMBERS k", "SINTER k l", "SUNION k l", "SDIFF k l", "HKEYS k", "HVALS k",
        "SORT k BY nosort", "GEOSEARCH k FROMMEMBER a BYRADIUS 9 m"}) {
    EXPECT_EQ(Digest(line, ab), Digest(line, ba)) << line;
    EXPECT_NE(Digest(line, ab), Digest(line, Bulks({"a", "c"}))) << line;
    EXPECT_NE(Digest(line, ab), Digest(line, Bulks({"a"}))) << line;
    EXPECT_NE(Digest(line, ab), Digest(line, Bulks({"a", "b", "b"}))) << line;
    EXPECT_NE(Digest(line, ab), Digest(line, Bulks({"ab", ""}))) << line;
  }
  EXPECT_NE(Digest("HVALS k", Bulks({"a", "a", "b"})), Digest("HVALS k", Bulks({"a", "b", "b"})));
  EXPECT_NE(Digest("HVALS k", Bulks({"a", "a"})), Digest("HVALS k", Bulks({"b", "b"})))
      << "equal elements do not cancel out";
}

TEST(CanonicalDigest, APairStaysAPair) {
  const char* line = "HGETALL k";
  EXPECT_EQ(Digest(line, Bulks({"f", "1", "g", "2"})), Digest(line, Bulks({"g", "2", "f", "1"})));
  EXPECT_NE(Digest(line, Bulks({"f", "1", "g", "2"})), Digest(line, Bulks({"f", "2", "g", "1"})));
  EXPECT_NE(Digest(line, Bulks({"f", "1"})), Digest(line, Bulks({"1", "f"})));
  const char* sorted = "SORT k BY nosort GET # GET #";
  EXPECT_EQ(Digest(sorted, Bulks({"a", "1", "b", "2"})),
            Digest(sorted, Bulks({"b", "2", "a", "1"})));
}

TEST(CanonicalDigest, ScoresAreNumbersAndNothingElseIs) {
  EXPECT_EQ(Digest("ZSCORE k m", "$3\r\n3.1\r\n"),
            Digest("ZSCORE k m", "$18\r\n3.1000000000000001\r\n"));
  EXPECT_EQ(Digest("ZSCORE k m", "$1\r\n0\r\n"), Digest("ZSCORE k m", "$2\r\n-0\r\n"));
  EXPECT_EQ(Digest("ZSCORE k m", "$4\r\n1e20\r\n"),
            Digest("ZSCORE k m", "$21\r\n100000000000000000000\r\n"));
  EXPECT_NE(Digest("ZSCORE k m", "$1\r\n3\r\n"),
            Digest("ZSCORE k m", "$18\r\n3.0000000000000004\r\n"));
  EXPECT_NE(Digest("ZSCORE k m", "$3\r\ninf\r\n"), Digest("ZSCORE k m", "$4\r\n-inf\r\n"));
  EXPECT_EQ(Digest("ZMSCORE k m n", "*2\r\n$1\r\n1\r\n$-1\r\n"),
            Digest("ZMSCORE k m n", "*2\r\n$3\r\n1.0\r\n$-1\r\n"));
  const char* range = "ZRANGE k 0 -1 WITHSCORES";
  EXPECT_EQ(Digest(range, Bulks({"1", "2"})), Digest(range, Bulks({"1", "2.0"})));
  EXPECT_NE(Digest(range, Bulks({"1", "2"})), Digest(range, Bulks({"1.0", "2"})));
  EXPECT_NE(Digest(range, Bulks({"1", "2", "3", "4"})), Digest(range, Bulks({"3", "4", "1", "2"})));
  EXPECT_NE(Digest("GET k", "$1\r\n1\r\n"), Digest("GET k", "$3\r\n1.0\r\n"));
  const char* geo = "GEOSEARCH k FROMMEMBER a BYRADIUS 9 m WITHDIST";
  const auto element = [](const char* name, const char* dist) { return Bulks({name, dist}); };
  EXPECT_EQ(Digest(geo, "*2\r\n" + element("1", "2.0") + element("b", "3")),
            Digest(geo, "*2\r\n" + element("b", "3.0") + element("1", "2")));
  EXPECT_NE(Digest(geo, "*1\r\n" + element("1", "2")), Digest(geo, "*1\r\n" + element("1.0", "2")));
}

TEST(CanonicalDigest, TypesNilAndEmptyAreDistinct) {
  std::set<uint64_t> digests;
  const char* const replies[] = {
      "$-1\r\n",     "$0\r\n\r\n",        "*-1\r\n",      "*0\r\n",        ":0\r\n",      "+0\r\n",
      "$1\r\n0\r\n", "*1\r\n$1\r\n0\r\n", "*1\r\n:0\r\n", "*1\r\n$-1\r\n", "*1\r\n*0\r\n"};
  for (const char* line : {"GET k", "SMEMBERS k", "HGETALL k", "ZSCORE k m"}) {
    digests.clear();
    for (const char* reply : replies) digests.insert(Digest(line, reply));
    EXPECT_EQ(digests.size(), std::size(replies)) << line;
  }
}

TEST(CanonicalDigest, OfAnErrorTheCodeCounts) {
  EXPECT_EQ(Digest("GET k", "-WRONGTYPE Operation\r\n"),
            Digest("GET k", "-WRONGTYPE other words\r\n"));
  EXPECT_NE(Digest("GET k", "-WRONGTYPE x\r\n"), Digest("GET k", "-ERR x\r\n"));
  EXPECT_NE(Digest("GET k", "-ERR x\r\n"), Digest("GET k", "$3\r\nERR\r\n"));
}

TEST(CanonicalDigest, AnyOrderOfAMultisetIsTheSame) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> texts(1 + random() % 40);
    for (std::string& text : texts) text = std::to_string(random() % 20);
    std::vector<std::string> shuffled = texts;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    EXPECT_EQ(Digest("SMEMBERS k", Bulks(texts)), Digest("SMEMBERS k", Bulks(shuffled)));
    shuffled[random() % shuffled.size()] += "x";
    EXPECT_NE(Digest("SMEMBERS k", Bulks(texts)), Digest("SMEMBERS k", Bulks(shuffled)));
  }
}

}  // namespace
}  // namespace crossfade::replication
