#include "proxy/backfill/trouble.h"

#include <gtest/gtest.h>

namespace crossfade::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000;

TEST(Trouble, IsLoggedOnceAMinuteThoughReasonsAlternate) {
  Trouble trouble;
  int logged = 0;
  for (int i = 0; i < 120; ++i) {
    const std::string reason = i % 3 == 2 ? "" : i % 3 == 0 ? "no room for names" : "no room";
    logged += trouble.Note(reason, kSecond + i * kSecond / 2);
  }
  EXPECT_EQ(logged, 2);
  EXPECT_TRUE(trouble.Note("no room", 62 * kSecond));
  EXPECT_TRUE(trouble.Note("another", 62 * kSecond));
}

TEST(Trouble, OneReasonIsShownUntilItHasNotComeForAWhile) {
  Trouble trouble;
  trouble.Note("a", kSecond);
  trouble.Note("b", 2 * kSecond);
  EXPECT_EQ(trouble.shown(), "a");
  trouble.Note("", 3 * kSecond);
  EXPECT_EQ(trouble.shown(), "a");
  trouble.Note("b", 5 * kSecond);
  EXPECT_EQ(trouble.shown(), "b");
  trouble.Note("", 8 * kSecond);
  EXPECT_EQ(trouble.shown(), "b");
  trouble.Note("", 8 * kSecond + 1);
  EXPECT_EQ(trouble.shown(), "");
}

TEST(Trouble, WhatIsRememberedIsBounded) {
  Trouble trouble;
  int logged = 0;
  for (int i = 0; i < 1'000; ++i) logged += trouble.Note(std::to_string(i), kSecond);
  EXPECT_EQ(logged, 16);
}

}  // namespace
}  // namespace crossfade::proxy
