#include "routing/slot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"

namespace crossfade::routing {
namespace {

TEST(SlotTest, SlotsAreThoseOfAClusterNode) {
  test::RedisServer server({"--cluster-enabled", "yes"});
  test::RedisClient client(server.port());
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<std::string> keys = {"",
                                   "a",
                                   "123456789",
                                   "{}",
                                   "{}a",
                                   "a{}b",
                                   "{a}",
                                   "x{a}y",
                                   "x{a",
                                   "x}a{b}",
                                   "{{a}}",
                                   "{a}{b}",
                                   "}{",
                                   "{",
                                   "}",
                                   "foo{}{bar}",
                                   "foo{{bar}}zap",
                                   "user:{42}:name",
                                   std::string("a\0{b\0}c", 7),
                                   std::string("{\0}", 3),
                                   std::string(1000, '{') + "}",
                                   std::string(100'000, 'x')};
  for (int i = 0; i < 20'000; ++i) {
    std::string key(random() % (i % 10 == 0 ? 200 : 20), '\0');
    const bool binary = random() % 2 == 0;
    for (char& c : key) {
      c = binary ? static_cast<char>(random()) : "abcxyz0123{}{}:"[random() % 15];
    }
    keys.push_back(std::move(key));
  }
  std::vector<test::Args> questions;
  for (const std::string& key : keys) questions.push_back({"CLUSTER", "KEYSLOT", key});
  const std::vector<test::Value> replies = client.Pipeline(questions);
  std::set<uint16_t> seen;
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(replies[i].kind, test::Value::Kind::kInteger) << test::Render(replies[i]);
    ASSERT_EQ(HashSlot(keys[i]), replies[i].integer) << testing::PrintToString(keys[i]);
    seen.insert(HashSlot(keys[i]));
  }
  EXPECT_GT(seen.size(), 8000u);
}

TEST(SlotTest, KeyHashesTellDbsAndKeysApart) {
  std::set<uint64_t> hashes;
  for (uint32_t db = 0; db < 16; ++db) {
    for (int i = 0; i < 5000; ++i) hashes.insert(KeyHash(db, "key:" + std::to_string(i)));
    hashes.insert(KeyHash(db, ""));
  }
  EXPECT_EQ(hashes.size(), 16u * 5001u);
  const std::string key = "key:7";
  EXPECT_EQ(KeyHash(3, key), KeyHash(3, std::string(key)));
}

// Proxies of different builds must agree: these may never change.
TEST(SlotTest, BucketsAreTheSameForEver) {
  EXPECT_EQ(Bucket(""), 1210u);
  EXPECT_EQ(Bucket("a"), 9742u);
  EXPECT_EQ(Bucket("user:{42}:name"), 7885u);
}

TEST(SlotTest, BucketsAreEvenAndNotTheSlots) {
  constexpr int kKeys = 200'000, kGroups = 100;
  std::vector<int> counts(kGroups);
  std::vector<int> of_one_slot(kGroups);
  for (int i = 0; i < kKeys; ++i) {
    const uint32_t bucket = Bucket("key:" + std::to_string(i));
    ASSERT_LT(bucket, 10'000u);
    ++counts[bucket / (10'000 / kGroups)];
    ++of_one_slot[Bucket("{tag}" + std::to_string(i)) / (10'000 / kGroups)];
  }
  const double expected = kKeys / kGroups, tolerated = 6 * std::sqrt(expected);
  for (int group = 0; group < kGroups; ++group) {
    EXPECT_NEAR(counts[group], expected, tolerated);
    EXPECT_NEAR(of_one_slot[group], expected, tolerated);
  }
}

}  // namespace
}  // namespace crossfade::routing
