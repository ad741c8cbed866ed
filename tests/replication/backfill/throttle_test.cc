#include "replication/backfill/throttle.h"

#include <gtest/gtest.h>

namespace crossfade::replication {
namespace {

constexpr int64_t kMs = 1'000;

// How many keys go through in a second of steps, each with so many bytes.
uint64_t KeysIn(Throttle& throttle, int64_t& now_us, int64_t ms, uint64_t bytes_a_key = 0) {
  uint64_t all = 0;
  for (int64_t i = 0; i < ms; ++i) {
    now_us += kMs;
    const uint64_t keys = throttle.Allowed(now_us);
    throttle.Began(keys);
    throttle.Copied(keys * bytes_a_key);
    all += keys;
  }
  return all;
}

TEST(Throttle, LetsSoManyKeysThrough) {
  Throttle throttle;
  int64_t now_us = kMs;
  throttle.SetBounds({.keys_per_second = 20'000});
  EXPECT_NEAR(static_cast<double>(KeysIn(throttle, now_us, 1'000)), 20'000, 100);
  now_us += 10'000 * kMs;  // what was not used is not saved up
  EXPECT_LE(throttle.Allowed(now_us), 1'000u);
  throttle.SetBounds({.keys_per_second = 1});
  EXPECT_LE(KeysIn(throttle, now_us, 3'000), 4u);
  EXPECT_GE(KeysIn(throttle, now_us, 3'000), 2u);
}

TEST(Throttle, WhatWasCopiedUnderAnotherBoundIsNotOwed) {
  Throttle throttle;
  int64_t now_us = kMs;
  throttle.SetBounds({});
  KeysIn(throttle, now_us, 1'000, 10'000);
  throttle.SetBounds({.bytes_per_second = 1'000'000});
  EXPECT_GT(KeysIn(throttle, now_us, 10), 0u);
  throttle.Copied(1'000'000'000);
  EXPECT_EQ(KeysIn(throttle, now_us, 1'000), 0u);
  throttle.SetBounds({.bytes_per_second = 2'000'000});
  EXPECT_GT(KeysIn(throttle, now_us, 10), 0u);
}

TEST(Throttle, BytesAreOwedUntilTheyAreThere) {
  Throttle throttle;
  int64_t now_us = kMs;
  throttle.SetBounds({.bytes_per_second = 1'000'000});
  EXPECT_EQ(throttle.Allowed(now_us), 0u);  // time begins here
  EXPECT_GT(throttle.Allowed(now_us += kMs), 0u);
  throttle.Copied(2'000'000);
  EXPECT_EQ(KeysIn(throttle, now_us, 1'900), 0u);
  EXPECT_GT(KeysIn(throttle, now_us, 200, 1), 0u);
}

TEST(Throttle, FallsWithTheAuthoritysLatencyAndRecovers) {
  Throttle throttle;
  int64_t now_us = kMs;
  throttle.SetBounds({.keys_per_second = 20'000, .max_authority_p99_us = 5 * kMs});
  for (int i = 0; i < 20; ++i) throttle.OnLatency(6 * kMs);
  EXPECT_TRUE(throttle.held_back());
  EXPECT_TRUE(throttle.overloaded());
  const uint64_t slow = KeysIn(throttle, now_us, 1'000);
  EXPECT_GT(slow, 100u);  // it never starves
  EXPECT_LT(slow, 1'000u);
  for (int i = 0; i < 50; ++i)
    throttle.OnLatency(i % 2 == 0 ? std::optional<int64_t>(kMs) : std::nullopt);
  EXPECT_FALSE(throttle.held_back());
  EXPECT_FALSE(throttle.overloaded());
  EXPECT_NEAR(static_cast<double>(KeysIn(throttle, now_us, 1'000)), 20'000, 1'100);
}

TEST(Throttle, WithoutABoundLatencyDoesNotCount) {
  Throttle throttle;
  throttle.SetBounds({.keys_per_second = 100});
  for (int i = 0; i < 20; ++i) throttle.OnLatency(1'000 * kMs);
  EXPECT_FALSE(throttle.held_back());
  EXPECT_EQ(throttle.rate(), 100u);
}

}  // namespace
}  // namespace crossfade::replication
