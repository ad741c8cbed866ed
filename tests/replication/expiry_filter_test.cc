#include "replication/expiry_filter.h"

#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <vector>

namespace crossfade::replication {
namespace {

TEST(ExpiryFilterTest, KnowsNoKeyAtFirst) {
  const ExpiryFilter filter;
  EXPECT_FALSE(filter.MayHaveExpiry(0));
  EXPECT_FALSE(filter.MayHaveExpiry(UINT64_MAX));
}

TEST(ExpiryFilterTest, ForgetsNothing) {
  constexpr uint64_t kSeed = 11;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  ExpiryFilter filter;
  std::vector<uint64_t> added{0, 63, 64, UINT64_MAX, uint64_t{1} << 24, (uint64_t{1} << 24) - 1};
  for (int i = 0; i < 100'000; ++i) added.push_back(random());
  for (const uint64_t hash : added) filter.Add(hash);
  for (const uint64_t hash : added) ASSERT_TRUE(filter.MayHaveExpiry(hash)) << hash;
}

TEST(ExpiryFilterTest, HardlyEverTakesAKeyForOneThatHasAnExpiry) {
  constexpr uint64_t kSeed = 12;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  ExpiryFilter filter;
  for (int i = 0; i < 100'000; ++i) filter.Add(random());
  int wrong = 0;
  for (int i = 0; i < 100'000; ++i) wrong += filter.MayHaveExpiry(random()) ? 1 : 0;
  EXPECT_LT(wrong, 1'000) << "100,000 of 16 million places: about 600 are to be expected";
}

TEST(ExpiryFilterTest, WhileNothingIsKnownEveryKeyMayHaveOne) {
  ExpiryFilter filter;
  filter.Add(5);
  filter.AddEvery();
  EXPECT_TRUE(filter.every());
  EXPECT_TRUE(filter.MayHaveExpiry(6));
  filter.Add(7);
  filter.KnownAgain();
  EXPECT_FALSE(filter.every());
  EXPECT_TRUE(filter.MayHaveExpiry(5));
  EXPECT_TRUE(filter.MayHaveExpiry(7)) << "what was added meanwhile counts";
  EXPECT_FALSE(filter.MayHaveExpiry(6));
}

TEST(ExpiryFilterTest, ClearBeginsAnew) {
  ExpiryFilter filter;
  filter.Add(5);
  filter.AddEvery();
  filter.Clear();
  EXPECT_FALSE(filter.every());
  EXPECT_FALSE(filter.MayHaveExpiry(5));
  filter.Add(6);
  EXPECT_TRUE(filter.MayHaveExpiry(6));
}

}  // namespace
}  // namespace crossfade::replication
