#include "routing/breaker.h"

#include <gtest/gtest.h>

#include <random>

namespace crossfade::routing {
namespace {

using State = Breaker::State;

BreakerSettings NoJitter() {
  BreakerSettings settings;
  settings.failures_to_open = 3;
  settings.successes_to_close = 2;
  settings.backoff_us = 1000;
  settings.backoff_max_us = 5000;
  settings.jitter = 0;
  return settings;
}

void Fail(Breaker& breaker, int64_t now) { breaker.Failed(breaker.Admit(now), now); }
void Succeed(Breaker& breaker, int64_t now) { breaker.Succeeded(breaker.Admit(now)); }

TEST(BreakerTest, OpensAfterConsecutiveFailuresOnly) {
  Breaker breaker(NoJitter(), 1);
  for (int i = 0; i < 10; ++i) {
    Fail(breaker, 0);
    Fail(breaker, 0);
    Succeed(breaker, 0);
  }
  EXPECT_EQ(breaker.state(0), State::kClosed);
  Fail(breaker, 5);
  Fail(breaker, 6);
  EXPECT_TRUE(breaker.closed());
  Fail(breaker, 7);
  EXPECT_EQ(breaker.state(7), State::kOpen);
  EXPECT_EQ(breaker.trips(), 1u);
  EXPECT_EQ(breaker.next_probe_us(), 1007);
  EXPECT_FALSE(breaker.Admit(7));
  EXPECT_FALSE(breaker.Admit(1006));
}

TEST(BreakerTest, OpensAtOnceWhenTheConnectionIsLost) {
  Breaker breaker(NoJitter(), 1);
  breaker.ConnectionLost(10);
  EXPECT_EQ(breaker.state(10), State::kOpen);
  breaker.ConnectionLost(11);
  EXPECT_EQ(breaker.trips(), 1u) << "it was open already";
  EXPECT_EQ(breaker.next_probe_us(), 1010);
}

TEST(BreakerTest, LetsOneProbeThroughAtATimeAndClosesAfterEnough) {
  Breaker breaker(NoJitter(), 1);
  breaker.ConnectionLost(0);
  EXPECT_EQ(breaker.state(1000), State::kHalfOpen);
  const auto first = breaker.Admit(1000);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first.probe);
  EXPECT_FALSE(breaker.Admit(1000));
  EXPECT_FALSE(breaker.Admit(999'999)) << "a probe is out for however long";
  breaker.Succeeded(first);
  EXPECT_EQ(breaker.state(1001), State::kHalfOpen);
  const auto second = breaker.Admit(1001);
  ASSERT_TRUE(second);
  breaker.Succeeded(second);
  EXPECT_TRUE(breaker.closed());
  EXPECT_FALSE(breaker.Admit(1002).probe);
  EXPECT_EQ(breaker.next_probe_us(), 0);
}

TEST(BreakerTest, BackoffDoublesToItsCapAndStartsAnewOnceClosed) {
  Breaker breaker(NoJitter(), 1);
  breaker.ConnectionLost(0);
  int64_t now = 0;
  for (const int64_t backoff : {1000, 2000, 4000, 5000, 5000}) {
    EXPECT_EQ(breaker.next_probe_us(), now + backoff);
    now = breaker.next_probe_us();
    Fail(breaker, now);
  }
  EXPECT_EQ(breaker.trips(), 6u);
  now = breaker.next_probe_us();
  Succeed(breaker, now);
  Succeed(breaker, now);
  ASSERT_TRUE(breaker.closed());
  breaker.ConnectionLost(now);
  EXPECT_EQ(breaker.next_probe_us(), now + 1000);
}

TEST(BreakerTest, AnswersToAnEarlierStateSayNothing) {
  Breaker breaker(NoJitter(), 1);
  const auto early = breaker.Admit(0);
  breaker.ConnectionLost(0);
  breaker.Failed(early, 1);
  EXPECT_EQ(breaker.trips(), 1u);
  const auto probe = breaker.Admit(1000);
  breaker.Succeeded(early);
  breaker.Succeeded(early);
  breaker.Failed(early, 1001);
  EXPECT_EQ(breaker.state(1001), State::kHalfOpen);
  breaker.ConnectionLost(1002);  // and the probe with it
  EXPECT_EQ(breaker.trips(), 2u);
  const auto next = breaker.Admit(3002);
  ASSERT_TRUE(next);
  breaker.Failed(probe, 3003);
  breaker.Abandoned(probe);
  EXPECT_FALSE(breaker.Admit(3003)) << "the new probe is still out";
  breaker.Succeeded(next);
  Succeed(breaker, 3004);
  EXPECT_TRUE(breaker.closed());
  breaker.Failed(probe, 3005);
  breaker.Failed({}, 3005);
  EXPECT_TRUE(breaker.closed());
}

TEST(BreakerTest, AnAbandonedProbeMakesRoomForAnother) {
  Breaker breaker(NoJitter(), 1);
  breaker.ConnectionLost(0);
  breaker.Abandoned(breaker.Admit(1000));
  EXPECT_TRUE(breaker.Admit(1000));
}

TEST(BreakerTest, JitterShortensBackoffsWithinItsShareAndBySeed) {
  BreakerSettings settings = NoJitter();
  settings.jitter = 2'000;
  bool differed = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Breaker a(settings, seed), b(settings, seed);
    a.ConnectionLost(0);
    b.ConnectionLost(0);
    EXPECT_EQ(a.next_probe_us(), b.next_probe_us());
    EXPECT_GE(a.next_probe_us(), 800);
    EXPECT_LE(a.next_probe_us(), 1000);
    Breaker c(settings, seed + 1);
    c.ConnectionLost(0);
    differed |= c.next_probe_us() != a.next_probe_us();
  }
  EXPECT_TRUE(differed);
}

// Whatever happens in whatever order: nobody is admitted while it is open, and
// at most one while it is half-open.
TEST(BreakerTest, InvariantsHoldInAnyOrder) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Breaker breaker(BreakerSettings{2, 2, 100, 1000, 5'000}, seed);
  std::vector<Breaker::Permit> out;
  int64_t now = 0;
  uint64_t closed_again = 0;
  for (int i = 0; i < 100'000; ++i) {
    now += random() % 40;
    const bool was_closed = breaker.closed();
    const State state = breaker.state(now);
    switch (random() % 8) {
      case 0:
        if (random() % 50 == 0) breaker.ConnectionLost(now);
        break;
      case 1:
      case 2:
      case 3: {
        const auto permit = breaker.Admit(now);
        if (state == State::kOpen) {
          ASSERT_FALSE(permit);
        }
        if (state == State::kClosed) {
          ASSERT_TRUE(permit);
        }
        ASSERT_EQ(permit.probe, permit && state == State::kHalfOpen);
        if (permit) out.push_back(permit);
        if (permit.probe) {
          ASSERT_FALSE(breaker.Admit(now));
        }
        break;
      }
      default: {
        if (out.empty()) break;
        const size_t at = random() % out.size();
        const auto permit = out[at];
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
        const unsigned how = random() % 10;
        if (how < 3) breaker.Failed(permit, now);
        if (how >= 3 && how < 9) breaker.Succeeded(permit);
        if (how == 9) breaker.Abandoned(permit);
      }
    }
    if (!was_closed && breaker.closed()) ++closed_again;
  }
  EXPECT_GT(breaker.trips(), 100u);
  EXPECT_GT(closed_again, 100u);
}

TEST(LatencyTrackerTest, IsTheMeanOfWhatIsRecent) {
  LatencyTracker tracker(1'000'000);
  EXPECT_EQ(tracker.mean_us(), 0);
  EXPECT_EQ(tracker.Weight(0), 0);
  tracker.Add(100, 0);
  tracker.Add(300, 0);
  EXPECT_DOUBLE_EQ(tracker.mean_us(), 200) << "a burst in one instant counts in full";
  EXPECT_DOUBLE_EQ(tracker.Weight(0), 2);
  tracker.Add(1000, 100'000'000);
  EXPECT_NEAR(tracker.mean_us(), 1000, 0.001) << "the old ones are forgotten";
  EXPECT_NEAR(tracker.Weight(101'000'000), 0.3679, 0.001);
}

TEST(LatencyTrackerTest, FollowsAChangeWithinAFewTimeConstants) {
  LatencyTracker tracker(100'000);
  int64_t now = 0;
  for (; now < 1'000'000; now += 100) tracker.Add(200, now);
  EXPECT_NEAR(tracker.mean_us(), 200, 0.01);
  const int64_t change = now;
  for (; now < change + 100'000; now += 100) tracker.Add(800, now);
  EXPECT_NEAR(tracker.mean_us(), 200 + 600 * (1 - 0.3679), 5);
  for (; now < change + 1'000'000; now += 100) tracker.Add(800, now);
  EXPECT_NEAR(tracker.mean_us(), 800, 0.1);
}

}  // namespace
}  // namespace crossfade::routing
