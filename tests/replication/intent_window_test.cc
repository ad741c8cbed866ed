#include "replication/intent_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>

#include "replication/key_stripes.h"

namespace crossfade::replication {
namespace {

TEST(IntentWindowTest, AnEmptyOneHasNoLag) {
  IntentWindow window;
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.last(), 0u);
  EXPECT_EQ(window.low_water(), 0u);
  EXPECT_EQ(window.oldest_us(), 0);
  EXPECT_EQ(window.LagUs(1'000), 0);
}

TEST(IntentWindowTest, TheLowWaterMarkWaitsForTheOldest) {
  IntentWindow window;
  EXPECT_EQ(window.Open(100), 1u);
  EXPECT_EQ(window.Open(200), 2u);
  EXPECT_EQ(window.Open(300), 3u);
  window.Close(2);
  EXPECT_EQ(window.low_water(), 0u);
  EXPECT_EQ(window.oldest_us(), 100);
  window.Close(1);
  EXPECT_EQ(window.low_water(), 2u);
  EXPECT_EQ(window.oldest_us(), 300);
  window.Close(3);
  EXPECT_EQ(window.low_water(), 3u);
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.Open(400), 4u) << "numbers are never restarted";
}

TEST(IntentWindowTest, LagCountsFromTheSendingOfTheOldest) {
  IntentWindow window;
  window.Open(1'000);
  window.Open(5'000);
  EXPECT_EQ(window.LagUs(6'000), 5'000);
  EXPECT_EQ(window.LagUs(1'000), 1) << "something is under way, so there is a lag";
  EXPECT_EQ(window.LagUs(900), 1) << "another thread's clock may be a little behind";
  window.Close(1);
  EXPECT_EQ(window.LagUs(6'000), 1'000);
}

TEST(IntentWindowDeathTest, ClosingWhatIsNotOpenIsABug) {
  IntentWindow window;
  window.Open(1);
  window.Open(2);
  window.Open(3);
  window.Close(2);
  EXPECT_DEATH(window.Close(4), "internal error");
  EXPECT_DEATH(window.Close(2), "internal error") << "it is closed already";
  window.Close(1);
  EXPECT_DEATH(window.Close(1), "internal error");
}

class IntentWindowRandomTest : public testing::TestWithParam<uint64_t> {};

TEST_P(IntentWindowRandomTest, DoesAsAMapDoes) {
  std::cout << "seed " << GetParam() << "\n";
  std::mt19937_64 random(GetParam());
  IntentWindow window;
  std::map<uint64_t, int64_t> open;
  uint64_t last = 0;
  int64_t now = 1;
  for (int i = 0; i < 20'000; ++i) {
    now += static_cast<int64_t>(random() % 3);
    // Grows over the ring's first size, and shrinks again.
    const uint64_t share = i % 10'000 < 5'000 ? 7 : 3;
    if (open.empty() || random() % 10 < share) {
      ASSERT_EQ(window.Open(now), ++last);
      open[last] = now;
    } else {
      auto it = open.begin();
      std::advance(it, static_cast<long>(random() % std::min<size_t>(open.size(), 50)));
      window.Close(it->first);
      open.erase(it);
    }
    const uint64_t low = open.empty() ? last : open.begin()->first - 1;
    ASSERT_EQ(window.low_water(), low);
    ASSERT_EQ(window.empty(), open.empty());
    ASSERT_EQ(window.oldest_us(), open.empty() ? 0 : open.begin()->second);
    const int64_t lag = open.empty() ? 0 : std::max<int64_t>(1, now - open.begin()->second);
    ASSERT_EQ(window.LagUs(now), lag);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, IntentWindowRandomTest, testing::Range<uint64_t>(1, 6));

TEST(KeyStripesTest, KeysShareAStripeByTheirHashAndAllHasItsOwn) {
  KeyStripes stripes;
  EXPECT_TRUE(stripes.Quiet());
  stripes.Of(5).pending = 1;
  EXPECT_EQ(stripes.Of(5 + (uint64_t{1} << 40)).pending, 1u);
  EXPECT_EQ(stripes.Of(6).pending, 0u);
  EXPECT_EQ(stripes.all().pending, 0u);
  EXPECT_FALSE(stripes.Quiet());
  stripes.Of(5).pending = 0;
  stripes.Of(5).last_sent = 9;
  EXPECT_TRUE(stripes.Quiet()) << "what was is of no concern";
  stripes.all().unanswered = 1;
  EXPECT_FALSE(stripes.Quiet());
}

}  // namespace
}  // namespace crossfade::replication
