// What a real server can't be asked about; the rest is in keys_server_test.cc.
#include "routing/commands/keys.h"

#include <gtest/gtest.h>

namespace crossfade::routing {
namespace {

using Words = std::vector<std::string_view>;

bool operator==(const KeyPosition& a, const KeyPosition& b) {
  return a.arg == b.arg && a.access == b.access && a.db == b.db;
}

Keys Extract(const Words& words, std::vector<KeyPosition>& out) {
  const CommandSpec* spec = CommandTable::Redis70().Find(words);
  EXPECT_NE(spec, nullptr);
  return ExtractKeys(*spec, words, out);
}

TEST(KeysTest, MoveAndCopyNameTheDestinationsDb) {
  std::vector<KeyPosition> keys;
  ASSERT_EQ(Extract({"MOVE", "k", "3"}, keys), Keys::kKnown);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_TRUE((keys[0] == KeyPosition{1, Access::kReadWrite, kSameDb}));
  EXPECT_TRUE((keys[1] == KeyPosition{1, Access::kWrite, 3}));

  ASSERT_EQ(Extract({"COPY", "a", "b", "REPLACE", "db", "0"}, keys), Keys::kKnown);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_TRUE((keys[0] == KeyPosition{1, Access::kRead, kSameDb}));
  EXPECT_TRUE((keys[1] == KeyPosition{2, Access::kWrite, 0}));

  ASSERT_EQ(Extract({"COPY", "a", "b", "DB", "1", "DB", "2"}, keys), Keys::kKnown);
  EXPECT_EQ(keys[1].db, 2);
  ASSERT_EQ(Extract({"COPY", "a", "b"}, keys), Keys::kKnown);
  EXPECT_EQ(keys[1].db, kSameDb);
}

TEST(KeysTest, DbsThatNoStoreTakesAreMalformed) {
  std::vector<KeyPosition> keys;
  for (const char* db : {"-1", "x", "", "01", "2147483648", "99999999999999999999", "1 "}) {
    EXPECT_EQ(Extract({"MOVE", "k", db}, keys), Keys::kMalformed) << db;
    EXPECT_TRUE(keys.empty());
    EXPECT_EQ(Extract({"COPY", "a", "b", "DB", db}, keys), Keys::kMalformed) << db;
    EXPECT_TRUE(keys.empty());
  }
}

TEST(KeysTest, WholeKeyspaceCommandsSaySo) {
  std::vector<KeyPosition> keys = {{7, Access::kRead}};
  EXPECT_EQ(Extract({"FLUSHALL"}, keys), Keys::kAll);
  EXPECT_TRUE(keys.empty());
  EXPECT_EQ(Extract({"flushdb", "SYNC"}, keys), Keys::kAll);
  EXPECT_EQ(Extract({"SwapDb", "0", "1"}, keys), Keys::kAll);
}

TEST(KeysTest, ChannelsAreNoKeys) {
  std::vector<KeyPosition> keys;
  for (const Words& words : std::initializer_list<Words>{{"PUBLISH", "c", "m"},
                                                         {"SPUBLISH", "c", "m"},
                                                         {"SSUBSCRIBE", "a", "b"},
                                                         {"SUNSUBSCRIBE"}}) {
    EXPECT_EQ(Extract(words, keys), Keys::kKnown);
    EXPECT_TRUE(keys.empty());
  }
}

TEST(KeysTest, ReadingAGroupIsAWrite) {
  std::vector<KeyPosition> keys;
  ASSERT_EQ(Extract({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"}, keys), Keys::kKnown);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_TRUE((keys[0] == KeyPosition{5, Access::kReadWrite, kSameDb}));
}

// Some keys only of commands that may turn out to write nothing.
TEST(KeysTest, WriteCommandsWriteAKey) {
  std::vector<KeyPosition> keys;
  size_t looked_at = 0;
  for (const CommandSpec* spec : CommandTable::Redis70().All()) {
    if ((spec->flags & kWrite) == 0 || spec->key_specs.empty() || spec->id == CommandId::kSort ||
        spec->id == CommandId::kGeoradius || spec->id == CommandId::kGeoradiusbymember) {
      continue;
    }
    Words words(static_cast<size_t>(std::abs(spec->arity)) + 3, "1");
    if (spec->id == CommandId::kXreadgroup) words[words.size() - 3] = "STREAMS";
    if (spec->arity > 0) words.resize(static_cast<size_t>(spec->arity));
    ASSERT_EQ(ExtractKeys(*spec, words, keys), Keys::kKnown) << spec->name;
    bool writes = false;
    for (const KeyPosition& key : keys) writes |= key.access != Access::kRead;
    EXPECT_TRUE(writes) << spec->name;
    ++looked_at;
  }
  EXPECT_GT(looked_at, 90u);
}

TEST(KeysTest, ArgumentsThatDontFitTheArityAreMalformed) {
  std::vector<KeyPosition> keys;
  EXPECT_EQ(Extract({"GET"}, keys), Keys::kMalformed);
  EXPECT_EQ(Extract({"GET", "a", "b"}, keys), Keys::kMalformed);
  EXPECT_EQ(Extract({"MOVE", "a"}, keys), Keys::kMalformed);
  EXPECT_EQ(Extract({"MIGRATE"}, keys), Keys::kMalformed);
}

}  // namespace
}  // namespace crossfade::routing
