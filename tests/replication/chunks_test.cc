// What big keys are copied by, and what may be applied to one that is half copied.
#include "replication/effects/chunks.h"

#include <gtest/gtest.h>

#include "replication/dirty_keys.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Bulk;
using test::Lines;

std::string Frame(std::string_view cursor, const Lines& elements) {
  std::string frame = "*2\r\n" + Bulk(cursor) + "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) frame += Bulk(element);
  return frame;
}

TEST(Chunks, TheFirstDeletesAndTheLastBringsTheExpiry) {
  Chunk chunk;
  Effect effect;
  std::string scanned;
  const auto derive = [&](KeyType type, bool first, std::string reply, std::string_view expiry) {
    scanned = std::move(reply);  // what the chunk's cursor shows
    EXPECT_TRUE(DeriveChunk(type, "k", first, scanned, expiry, chunk, effect));
    return test::Decoded(effect.bytes);
  };
  EXPECT_EQ(derive(KeyType::kZset, true, Frame("17", {"a", "1.5", "b", "inf"}), ":9000\r\n"),
            (Lines{"DEL k", "ZADD k 1.5 a inf b"}));
  EXPECT_EQ(effect.commands, 2u);
  EXPECT_EQ(chunk.cursor, "17");
  EXPECT_FALSE(chunk.last());
  EXPECT_FALSE(effect.may_set_expiry);
  EXPECT_EQ(derive(KeyType::kHash, false, Frame("0", {"f", "v"}), ":9000\r\n"),
            (Lines{"MULTI", "HSET k f v", "PEXPIREAT k 9000", "EXEC"}));
  EXPECT_TRUE(chunk.last());
  EXPECT_TRUE(effect.may_set_expiry);
  EXPECT_EQ(derive(KeyType::kSet, false, Frame("0", {}), ":-1\r\n"),
            (Lines{"MULTI", "PERSIST k", "EXEC"}));
  derive(KeyType::kSet, false, Frame("5", {}), ":-1\r\n");
  EXPECT_EQ(effect.commands, 0u);
  derive(KeyType::kSet, false, Frame("0", {}), ":-2\r\n");
  EXPECT_EQ(chunk.deadline_ms, -2);
}

TEST(Chunks, OfWhatAStoreDoesNotReplyThereAreNone) {
  const std::pair<std::string, std::string> rows[] = {{"-WRONGTYPE Operation\r\n", ":-1\r\n"},
                                                      {Frame("0", {"field alone"}), ":-1\r\n"},
                                                      {Frame("0", {"f", "v"}), "-ERR no\r\n"},
                                                      {Frame("0", {"f", "v"}), ":-3\r\n"},
                                                      {"*2\r\n$1\r\n0\r\n:1\r\n", ":-1\r\n"},
                                                      {"*1\r\n$1\r\n0\r\n", ":-1\r\n"},
                                                      {"$-1\r\n", ":-2\r\n"}};
  for (const auto& [scanned, expiry] : rows) {
    Chunk chunk;
    Effect effect;
    EXPECT_FALSE(DeriveChunk(KeyType::kHash, "k", true, scanned, expiry, chunk, effect)) << scanned;
  }
}

// The effect on a half copied key of this type; "-": there is none by value.
std::string ByValue(const std::string& line, const std::string& reply, KeyType type) {
  const Lines words = test::Words(line);
  const std::vector<std::string_view> args(words.begin(), words.end());
  const routing::CommandSpec* spec = routing::CommandTable::Redis70().Find(args);
  Effect effect;
  DeriveEffect(*spec, args, reply, std::nullopt, effect);
  if (!MakeByValue(*spec, args, reply, type, effect)) return "-";
  EXPECT_FALSE(effect.guard);
  if (effect.kind == Effect::Kind::kReplay) return line;
  EXPECT_EQ(effect.commands, 1u);
  return test::Decoded(effect.bytes).front();
}

TEST(ByValue, IsWhatIsRightWhateverIsThere) {
  struct Row {
    const char *line, *reply;
    KeyType type;
    const char* effect;
  };
  const Row rows[] = {{"HSET k f v", ":1\r\n", KeyType::kHash, "HSET k f v"},
                      {"HSET k f v", ":1\r\n", KeyType::kSet, "-"},
                      {"HMSET k f v", "+OK\r\n", KeyType::kHash, "HMSET k f v"},
                      {"HSETNX k f v", ":1\r\n", KeyType::kHash, "HSET k f v"},
                      {"HINCRBY k f 2", ":7\r\n", KeyType::kHash, "HSET k f 7"},
                      {"HINCRBYFLOAT k f 0.5", "$3\r\n1.5\r\n", KeyType::kHash, "HMSET k f 1.5"},
                      {"HDEL k f g", ":1\r\n", KeyType::kHash, "HDEL k f g"},
                      {"SADD k a", ":1\r\n", KeyType::kSet, "SADD k a"},
                      {"SREM k a", ":1\r\n", KeyType::kSet, "SREM k a"},
                      {"SPOP k", "$1\r\na\r\n", KeyType::kSet, "SREM k a"},
                      {"SPOP k 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", KeyType::kSet, "SREM k a b"},
                      {"SMOVE k l a", ":1\r\n", KeyType::kSet, "-"},
                      {"SUNIONSTORE k l", ":1\r\n", KeyType::kSet, "-"},
                      {"ZADD k 1 a inf b", ":1\r\n", KeyType::kZset, "ZADD k 1 a inf b"},
                      {"ZADD k CH 1 a", ":1\r\n", KeyType::kZset, "ZADD k CH 1 a"},
                      {"ZADD k NX 1 a", ":1\r\n", KeyType::kZset, "-"},
                      {"ZADD k GT 1 a", ":0\r\n", KeyType::kZset, "-"},
                      {"ZADD k XX INCR 1 a", "$1\r\n2\r\n", KeyType::kZset, "-"},
                      {"ZINCRBY k 1 a", "$3\r\n3.5\r\n", KeyType::kZset, "ZADD k 3.5 a"},
                      {"ZREM k a", ":1\r\n", KeyType::kZset, "ZREM k a"},
                      {"ZPOPMIN k", "*2\r\n$1\r\na\r\n$1\r\n1\r\n", KeyType::kZset, "ZREM k a"},
                      {"ZREMRANGEBYRANK k 0 1", ":2\r\n", KeyType::kZset, "-"},
                      {"GEOADD k 1 2 a", ":1\r\n", KeyType::kZset, "-"},
                      {"PEXPIRE k 5", ":1\r\n", KeyType::kHash, "-"},
                      {"DEL k", ":1\r\n", KeyType::kHash, "-"},
                      {"HSET k f v", "-ERR odd\r\n", KeyType::kHash, "-"},
                      {"SADD k a", ":0\r\n", KeyType::kSet, "-"}};
  for (const Row& row : rows)
    EXPECT_EQ(ByValue(row.line, row.reply, row.type), row.effect) << row.line;
}

class DirtyInChunks : public ::testing::Test {
 protected:
  // Dirty because of 5, its copy begun with 10.
  DirtyInChunks() {
    dirty_.Mark(0, "k", 5);
    KeyToSync key;
    EXPECT_TRUE(dirty_.NextToSync(0, key, SyncForm::kDump, 100));
    EXPECT_EQ(key.chunk_above, 100u);
    dirty_.ChunksBegun(0, "k", KeyType::kHash, 10);
  }
  DirtyKeys dirty_;
};

TEST_F(DirtyInChunks, EffectsByValueAreAppliedFromItsBeginningOn) {
  EXPECT_EQ(dirty_.InChunks(0, "k"), KeyType::kHash);
  EXPECT_TRUE(dirty_.Suspends(0, "k", 12));
  EXPECT_FALSE(dirty_.Suspends(0, "k", 12, true));
  EXPECT_TRUE(dirty_.Suspends(0, "k", 9, true));
  dirty_.SyncLogged(0, "k", 20);
  EXPECT_EQ(dirty_.InChunks(0, "k"), KeyType::kNone);
  EXPECT_EQ(dirty_.in_chunks(), 0u);
  EXPECT_TRUE(dirty_.SyncApplied(0, "k", 20));
}

TEST_F(DirtyInChunks, DirtinessFromBeforeDoesNotBreakIt) {
  dirty_.Mark(0, "k", 9);
  EXPECT_TRUE(dirty_.ChunkCounts(0, "k", 11));
  dirty_.SyncLogged(0, "k", 20);
  EXPECT_TRUE(dirty_.SyncApplied(0, "k", 20));
}

TEST_F(DirtyInChunks, DirtinessSinceBreaksIt) {
  dirty_.Mark(0, "k", 10);
  EXPECT_EQ(dirty_.InChunks(0, "k"), KeyType::kNone);
  EXPECT_EQ(dirty_.in_chunks(), 0u);
  EXPECT_FALSE(dirty_.ChunkCounts(0, "k", 11));
  EXPECT_TRUE(dirty_.Suspends(0, "k", 12, true));
}

TEST_F(DirtyInChunks, DirtinessSinceBreaksItWhenItsEndIsLoggedToo) {
  dirty_.SyncLogged(0, "k", 20);
  dirty_.SyncSent(0, "k", 20);
  EXPECT_FALSE(dirty_.Suspends(0, "k", 21));
  dirty_.Mark(0, "k", 15);
  EXPECT_TRUE(dirty_.Suspends(0, "k", 21));
  EXPECT_FALSE(dirty_.SyncApplied(0, "k", 20));
  KeyToSync key;
  EXPECT_TRUE(dirty_.NextToSync(0, key));
}

TEST_F(DirtyInChunks, BrokenTooOftenItIsCopiedWhole) {
  KeyToSync key;
  for (uint64_t i = 1; i <= limits::kChunkedCopiesMax; ++i) {
    EXPECT_EQ(dirty_.InChunks(0, "k"), KeyType::kHash);
    dirty_.Mark(0, "k", 10 * i);
    dirty_.SyncReadFailed(0, "k");
    ASSERT_TRUE(dirty_.NextToSync(0, key, SyncForm::kDump, 100));
    if (i < limits::kChunkedCopiesMax) {
      EXPECT_EQ(key.chunk_above, 100u) << i;
      dirty_.ChunksBegun(0, "k", KeyType::kHash, 10 * (i + 1));
    }
  }
  EXPECT_EQ(key.chunk_above, 0u);
}

}  // namespace
}  // namespace crossfade::replication
