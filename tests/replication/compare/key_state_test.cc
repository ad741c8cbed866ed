#include "replication/compare/key_state.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "routing/resp/encode.h"

namespace crossfade::replication {
namespace {

using Digest = std::optional<uint64_t>;

std::string Bulk(std::string_view text) {
  std::string frame;
  routing::AppendBulk(frame, text);
  return frame;
}

std::string Array(const std::vector<std::string>& frames) {
  std::string frame;
  routing::AppendHead(frame, '*', static_cast<int64_t>(frames.size()));
  for (const std::string& element : frames) frame += element;
  return frame;
}

std::string Bulks(const std::vector<std::string>& texts) {
  std::vector<std::string> frames;
  for (const std::string& text : texts) frames.push_back(Bulk(text));
  return Array(frames);
}

std::string Number(int64_t number) { return ":" + std::to_string(number) + "\r\n"; }

Digest Of(KeyType type, const std::vector<std::string>& texts) {
  return StateDigest(type, Bulks(texts));
}

// ---- Reading

TEST(KeyType, IsWhatTypeReplies) {
  const std::pair<const char*, KeyType> rows[] = {
      {"+none\r\n", KeyType::kNone},          {"+string\r\n", KeyType::kString},
      {"+list\r\n", KeyType::kList},          {"+set\r\n", KeyType::kSet},
      {"+zset\r\n", KeyType::kZset},          {"+hash\r\n", KeyType::kHash},
      {"+stream\r\n", KeyType::kStream},      {"+ReJSON-RL\r\n", KeyType::kOther},
      {"-NOPERM no\r\n", KeyType::kOther},    {"$6\r\nstring\r\n", KeyType::kOther},
      {"+string\r\n+x\r\n", KeyType::kOther}, {"", KeyType::kOther}};
  for (const auto& [reply, type] : rows) EXPECT_EQ(ParseKeyType(reply), type) << reply;
}

TEST(AppendStateReads, AppendsWhatReadsTheType) {
  const std::pair<KeyType, std::vector<std::string>> rows[] = {
      {KeyType::kString, {"GET", "k y"}},
      {KeyType::kList, {"LRANGE", "k y", "0", "-1"}},
      {KeyType::kSet, {"SMEMBERS", "k y"}},
      {KeyType::kZset, {"ZRANGE", "k y", "0", "-1", "WITHSCORES"}},
      {KeyType::kHash, {"HGETALL", "k y"}},
      {KeyType::kStream, {"XINFO", "STREAM", "k y", "FULL", "COUNT", "0"}}};
  for (const auto& [type, command] : rows) {
    std::string out = "before";
    EXPECT_EQ(AppendStateReads(type, "k y", out), 1u);
    EXPECT_EQ(out, "before" + Bulks(command));
  }
  std::string out;
  EXPECT_EQ(AppendStateReads(KeyType::kNone, "k", out), 0u);
  EXPECT_EQ(AppendStateReads(KeyType::kOther, "k", out), 0u);
  EXPECT_EQ(out, "");
}

// ---- Plain values

TEST(StateDigest, AKeyThatIsGoneIsOfNoType) {
  const Digest none = StateDigest(KeyType::kNone, "");
  ASSERT_TRUE(none);
  EXPECT_EQ(StateDigest(KeyType::kString, "$-1\r\n"), none);
  for (const KeyType type : {KeyType::kList, KeyType::kSet, KeyType::kZset, KeyType::kHash}) {
    EXPECT_EQ(StateDigest(type, "*0\r\n"), none);
  }
  EXPECT_EQ(StateDigest(KeyType::kStream, "-ERR no such key\r\n"), none);
}

TEST(StateDigest, TellsValuesTypesAndWhereElementsEndApart) {
  std::set<Digest> all = {StateDigest(KeyType::kNone, "")};
  size_t count = all.size();
  const auto differs = [&](Digest digest) {
    EXPECT_TRUE(digest);
    EXPECT_TRUE(all.insert(digest).second) << "the digest number " << count << " is not new";
    ++count;
  };
  for (const char* value : {"", "a", "b", "aa", "A", "0", "HYLL", "HYLL\1"}) {
    differs(StateDigest(KeyType::kString, Bulk(value)));
  }
  using Texts = std::vector<std::string>;
  for (const KeyType type : {KeyType::kList, KeyType::kSet, KeyType::kHash}) {
    for (const Texts& texts : {Texts{"a", "b"}, Texts{"ab", ""}, Texts{"a", "c"},
                               Texts{"a", "b", "c", "d"}, Texts{"a", "b", "c", ""}}) {
      differs(Of(type, texts));
    }
  }
  differs(Of(KeyType::kList, {"b", "a"}));
  differs(Of(KeyType::kList, {"a", "b", "b"}));
  differs(Of(KeyType::kHash, {"b", "a"}));
  differs(Of(KeyType::kHash, {"a", "d", "c", "b"}));
  differs(Of(KeyType::kZset, {"a", "1"}));
  differs(Of(KeyType::kZset, {"1", "1"}));
  differs(Of(KeyType::kZset, {"a", "1.0000000000000002"}));
  differs(Of(KeyType::kZset, {"a", "inf"}));
  differs(Of(KeyType::kZset, {"a", "-inf"}));
  differs(Of(KeyType::kZset, {"a", "0"}));
  differs(Of(KeyType::kZset, {"a", "1", "b", "2"}));
  differs(Of(KeyType::kZset, {"a", "2", "b", "1"}));
}

TEST(StateDigest, TheOrderOfASetAHashAndASortedSetDoesNotCount) {
  EXPECT_EQ(Of(KeyType::kSet, {"a", "b", "c"}), Of(KeyType::kSet, {"c", "a", "b"}));
  EXPECT_EQ(Of(KeyType::kHash, {"a", "1", "b", "2"}), Of(KeyType::kHash, {"b", "2", "a", "1"}));
  EXPECT_EQ(Of(KeyType::kZset, {"a", "1", "b", "1"}), Of(KeyType::kZset, {"b", "1", "a", "1"}));
}

TEST(StateDigest, AScoreIsADouble) {
  const std::pair<const char*, const char*> rows[] = {{"0.1", "0.10000000000000001"},
                                                      {"3", "3.0"},
                                                      {"1e3", "1000"},
                                                      {"-0", "0"},
                                                      {"inf", "+inf"},
                                                      {"17179869184", "1.7179869184e+10"},
                                                      {"5e-324", "4.9406564584124654e-324"}};
  for (const auto& [a, b] : rows) {
    EXPECT_EQ(Of(KeyType::kZset, {"m", a}), Of(KeyType::kZset, {"m", b})) << a;
    EXPECT_NE(Of(KeyType::kHash, {"m", a}), Of(KeyType::kHash, {"m", b})) << a;
  }
}

TEST(StateDigest, WhatIsNoStateHasNone) {
  const std::pair<KeyType, std::string> rows[] = {
      {KeyType::kNone, "$-1\r\n"},
      {KeyType::kOther, ""},
      {KeyType::kString, ""},
      {KeyType::kString, "-WRONGTYPE no\r\n"},
      {KeyType::kString, ":1\r\n"},
      {KeyType::kString, Bulk("a") + Bulk("b")},
      {KeyType::kString, "$3\r\nab"},
      {KeyType::kList, "-WRONGTYPE no\r\n"},
      {KeyType::kList, "*-1\r\n"},
      {KeyType::kList, "*1\r\n:1\r\n"},
      {KeyType::kList, "*2\r\n$1\r\na\r\n"},
      {KeyType::kList, "*1\r\n$1\r\na\r\n$1\r\nb\r\n"},
      {KeyType::kSet, "*1\r\n*0\r\n"},
      {KeyType::kSet, "~1\r\n"},
      {KeyType::kHash, Bulks({"a", "1", "b"})},
      {KeyType::kZset, Bulks({"a"})},
      {KeyType::kZset, Bulks({"a", "nan"})},
      {KeyType::kZset, Bulks({"a", "one"})},
      {KeyType::kZset, Bulks({"a", ""})},
      {KeyType::kStream, "-ERR Unknown XINFO subcommand\r\n"},
      {KeyType::kStream, "*0\r\n"},
      {KeyType::kStream, ""}};
  for (const auto& [type, replies] : rows) EXPECT_FALSE(StateDigest(type, replies)) << replies;
}

// ---- HyperLogLog

std::string Hll(char encoding, std::string_view registers, std::string_view cache = "",
                std::string_view reserved = {"\0\0\0", 3}) {
  std::string value = "HYLL";
  value += encoding;
  value += reserved;
  value += cache;
  value.resize(16);
  value += registers;
  return value;
}

Digest OfString(std::string_view value) { return StateDigest(KeyType::kString, Bulk(value)); }

TEST(StateDigest, OfAHyperLogLogTheRegistersCount) {
  // Register 0 is 1, 5 to 6 are 32, the last one is 3.
  const std::string sparse = Hll(1, "\x80\x03\xfd\x7f\xf7\x88");
  std::string registers(12288, '\0');
  registers[0] = 1;
  registers[3] = char(32 << 6 & 0xff);  // of 5, the lower two bits
  registers[4] = char(32 >> 2 | (32 << 4 & 0xff));
  registers[5] = 32 >> 4;
  registers[12287] = 3 << 2;
  const Digest digest = OfString(sparse);
  EXPECT_EQ(OfString(Hll(0, registers)), digest);
  EXPECT_EQ(OfString(Hll(0, registers, "\1\2\3\4\5\6\7\x80")), digest);
  EXPECT_EQ(OfString(Hll(1, {"\x80\x02\x00\xfd\x7f\xf7\x88", 7})), digest) << "runs that are cut";

  std::set<Digest> all = {digest};
  all.insert(OfString(Hll(1, "\x84\x03\xfd\x7f\xf7\x88")));
  all.insert(OfString(Hll(1, "\x80\x03\xfd\x7f\xf7\x8c")));
  all.insert(OfString(Hll(1, "\x7f\xff")));
  all.insert(OfString(Hll(0, registers, "", {"\0\1\0", 3})));
  all.insert(OfString(Hll(2, registers)));
  registers[6000] = 1;
  all.insert(OfString(Hll(0, registers)));
  EXPECT_EQ(all.size(), 7u);
}

TEST(StateDigest, WhatOnlyLooksLikeAHyperLogLogIsAString) {
  for (const std::string& registers :
       {std::string(12287, '\0'), std::string("\x7f"), std::string("\x7f\xfe"),
        std::string("\x7f\xff\x00", 3), std::string()}) {
    for (const char encoding : {'\0', '\1'}) {
      const std::string value = Hll(encoding, registers);
      EXPECT_NE(OfString(value), OfString(Hll(encoding, registers, "\1")));
    }
  }
  EXPECT_NE(OfString("HYLL"), OfString("HYLLL"));
}

// ---- Streams, as Redis 7.0 replies

struct Group {
  std::string name = "g", last = "2-0";
  std::vector<std::pair<std::string, std::string>> pending = {{"1-0", "c"}, {"2-0", "d"}};
  std::vector<std::string> idle = {};
  int64_t delivered_ms = 1700000000000, deliveries = 1;
  std::string read = ":2\r\n";
};

std::string FrameOf(const Group& group) {
  std::vector<std::string> pending, consumers;
  std::set<std::string> names(group.idle.begin(), group.idle.end());
  for (const auto& [id, consumer] : group.pending) {
    pending.push_back(
        Array({Bulk(id), Bulk(consumer), Number(group.delivered_ms), Number(group.deliveries)}));
    names.insert(consumer);
  }
  for (const std::string& name : names) {
    consumers.push_back(
        Array({Bulk("name"), Bulk(name), Bulk("seen-time"), Number(group.delivered_ms),
               Bulk("pel-count"), Number(0), Bulk("pending"), "*0\r\n"}));
  }
  return Array({Bulk("name"), Bulk(group.name), Bulk("last-delivered-id"), Bulk(group.last),
                Bulk("entries-read"), group.read, Bulk("lag"), "$-1\r\n", Bulk("pel-count"),
                Number(int64_t(group.pending.size())), Bulk("pending"), Array(pending),
                Bulk("consumers"), Array(consumers)});
}

struct Stream {
  std::vector<std::pair<std::string, std::vector<std::string>>> entries = {
      {"1-0", {"a", "1"}}, {"2-0", {"a", "1", "b", "2"}}};
  std::string last = "2-0";
  std::vector<Group> groups = {Group{}, Group{"h", "0-0", {}, {"e"}}};
  int64_t length = -1;
  bool counters = true;  // before 7.0 there are none
};

Digest OfStream(const Stream& stream) {
  std::vector<std::string> entries, groups;
  for (const auto& [id, fields] : stream.entries)
    entries.push_back(Array({Bulk(id), Bulks(fields)}));
  for (const Group& group : stream.groups) groups.push_back(FrameOf(group));
  std::vector<std::string> map = {
      Bulk("length"),
      Number(stream.length < 0 ? int64_t(stream.entries.size()) : stream.length),
      Bulk("radix-tree-keys"),
      Number(1),
      Bulk("radix-tree-nodes"),
      Number(2),
      Bulk("last-generated-id"),
      Bulk(stream.last)};
  if (stream.counters) {
    for (const std::string& frame :
         {Bulk("max-deleted-entry-id"), Bulk("0-0"), Bulk("entries-added"), Number(7)}) {
      map.push_back(frame);
    }
  }
  for (const std::string& frame :
       {Bulk("entries"), Array(entries), Bulk("groups"), Array(groups)}) {
    map.push_back(frame);
  }
  return StateDigest(KeyType::kStream, Array(map));
}

template <class F>
Digest Changed(F change) {
  Stream stream;
  change(stream);
  return OfStream(stream);
}

TEST(StateDigest, OfAStreamClientsSeeTheSame) {
  const Digest digest = OfStream({});
  ASSERT_TRUE(digest);
  EXPECT_EQ(Changed([](Stream& s) { s.counters = false; }), digest);
  EXPECT_EQ(Changed([](Stream& s) { s.groups[0].delivered_ms = 5; }), digest);
  EXPECT_EQ(Changed([](Stream& s) { s.groups[0].deliveries = 9; }), digest);
  EXPECT_EQ(Changed([](Stream& s) { s.groups[0].read = "$-1\r\n"; }), digest);
  EXPECT_EQ(Changed([](Stream& s) { s.groups[0].idle = {"nobody"}; }), digest);
  EXPECT_EQ(Changed([](Stream& s) { s.groups[1].idle = {}; }), digest);
  EXPECT_EQ(Changed([](Stream& s) { std::swap(s.groups[0], s.groups[1]); }), digest);
}

TEST(StateDigest, EveryChangeOfAStreamShows) {
  const std::vector<Digest> changes = {
      OfStream({}),
      Changed([](Stream& s) { s.entries[0].first = "1-1"; }),
      Changed([](Stream& s) { s.entries[0].second[1] = "2"; }),
      Changed([](Stream& s) { s.entries[0].second[0] = "b"; }),
      Changed([](Stream& s) {
        s.entries[1].second = {"b", "2", "a", "1"};
      }),
      Changed([](Stream& s) { s.entries.pop_back(); }),
      Changed([](Stream& s) { s.entries.clear(); }),
      Changed([](Stream& s) { s.last = "3-0"; }),
      Changed([](Stream& s) { s.groups[0].name = "G"; }),
      Changed([](Stream& s) { s.groups[0].last = "1-0"; }),
      Changed([](Stream& s) { s.groups[0].pending.pop_back(); }),
      Changed([](Stream& s) { s.groups[0].pending.clear(); }),
      Changed([](Stream& s) { s.groups[0].pending[0].second = "d"; }),
      Changed([](Stream& s) { s.groups[0].pending[0].first = "1-1"; }),
      Changed([](Stream& s) {
        std::swap(s.groups[0].pending[0].second, s.groups[0].pending[1].second);
      }),
      Changed([](Stream& s) { std::swap(s.groups[0].pending, s.groups[1].pending); }),
      Changed([](Stream& s) { s.groups.pop_back(); }),
      Changed([](Stream& s) { s.groups.clear(); })};
  for (const Digest& digest : changes) EXPECT_TRUE(digest);
  EXPECT_EQ(std::set<Digest>(changes.begin(), changes.end()).size(), changes.size());
}

TEST(StateDigest, AStreamOfWhichEntriesWereLeftOutHasNone) {
  EXPECT_FALSE(Changed([](Stream& s) { s.length = 10; }));
  EXPECT_FALSE(Changed([](Stream& s) { s.last = ""; }));
  EXPECT_FALSE(Changed([](Stream& s) {
    s.entries[0].second.clear();
    s.entries[0].first = "";
    s.length = 3;
  }));
}

// ---- Bad input

TEST(StateDigest, ABrokenReplyIsNoState) {
  const std::string whole =
      Array({Bulk("length"), Number(0), Bulk("last-generated-id"), Bulk("1-1"), Bulk("entries"),
             "*0\r\n", Bulk("groups"), Array({FrameOf(Group{})})});
  ASSERT_TRUE(StateDigest(KeyType::kStream, whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(StateDigest(KeyType::kStream, std::string_view(whole).substr(0, size))) << size;
  }
  EXPECT_FALSE(StateDigest(KeyType::kStream, whole + "+OK\r\n"));
  const KeyType types[] = {KeyType::kString, KeyType::kList, KeyType::kSet,
                           KeyType::kZset,   KeyType::kHash, KeyType::kStream};
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char c : {'*', '$', ':', '-', '9', '\r', '\0'}) {
      std::string broken = whole;
      broken[i] = c;
      for (const KeyType type : types) StateDigest(type, broken);  // whatever, but no crash
    }
  }
}

}  // namespace
}  // namespace crossfade::replication
