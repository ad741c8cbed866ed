#include "routing/policy/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace crossfade::routing {
namespace {

TEST(SamplingTest, TakesItsShare) {
  for (const uint32_t share : {1u, 100u, 2'500u, 9'999u}) {
    Sampler sampler(42);
    constexpr int kEvents = 1'000'000;
    int taken = 0;
    for (int i = 0; i < kEvents; ++i) taken += sampler.Take(share) ? 1 : 0;
    const double p = share / 10'000.0;
    EXPECT_NEAR(taken, kEvents * p, 6 * std::sqrt(kEvents * p * (1 - p))) << share;
  }
}

TEST(SamplingTest, NoneIsNoneAndAllIsAll) {
  Sampler sampler(1);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(sampler.Take(0));
    EXPECT_TRUE(sampler.Take(10'000));
  }
}

TEST(SamplingTest, TheSeedDecides) {
  const auto draw = [](uint64_t seed) {
    Sampler sampler(seed);
    std::vector<bool> taken;
    for (int i = 0; i < 200; ++i) taken.push_back(sampler.Take(5'000));
    return taken;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

}  // namespace
}  // namespace crossfade::routing
