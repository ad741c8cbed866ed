#include "config/values.h"

#include <gtest/gtest.h>

#include <random>

#include "config/settings.h"

namespace crossfade::config {
namespace {

using std::chrono::milliseconds;

TEST(Values, SharesAreReadInStepsOfAHundredthOfAPercent) {
  const std::pair<const char*, uint32_t> kShares[] = {
      {"0%", 0},        {"25%", 2'500},    {"100%", 10'000}, {"0.01%", 1},
      {"12.5%", 1'250}, {"99.99%", 9'999}, {"7.10%", 710},   {"5.000%", 500}};
  for (const auto& [text, share] : kShares) {
    ASSERT_TRUE(ParseShare(text)) << text;
    EXPECT_EQ(*ParseShare(text), share) << text;
  }
}

TEST(Values, SizesAreReadWithTheirUnit) {
  const std::pair<const char*, uint64_t> kSizes[] = {{"100B", 100},        {"0B", 0},
                                                     {"50KiB", 51'200},    {"64MiB", 64ull << 20},
                                                     {"1GiB", 1ull << 30}, {"1.5GiB", 3ull << 29},
                                                     {"2TiB", 2ull << 40}};
  for (const auto& [text, size] : kSizes) {
    ASSERT_TRUE(ParseSize(text)) << text;
    EXPECT_EQ(*ParseSize(text), size) << text;
  }
}

TEST(Values, TimesAreReadInWholeMilliseconds) {
  const std::pair<const char*, int64_t> kTimes[] = {
      {"0ms", 0},          {"50ms", 50},    {"5s", 5'000}, {"10m", 600'000},   {"0s", 0},
      {"24h", 86'400'000}, {"1.5s", 1'500}, {"0.001s", 1}, {"0.5h", 1'800'000}};
  for (const auto& [text, ms] : kTimes) {
    ASSERT_TRUE(ParseTime(text)) << text;
    EXPECT_EQ(ParseTime(text)->count(), ms) << text;
  }
}

TEST(Values, WhatIsNoValueIsRefused) {
  for (const char* text :
       {"", "25", "%", "-1%", "+1%", "100.01%", "101%", "0.001%", "1e1%", "25 %", " 25%", "25%%",
        "1.%", ".5%", "1.2.3%", "0x10%", "nan%", "99999999999999999999%", "0.0000000000001%"}) {
    EXPECT_FALSE(ParseShare(text)) << text;
  }
  for (const char* text : {"", "64", "MiB", "64MB", "64mib", "-1B", "0.5B", "1.0001KiB", "64 MiB",
                           "64MiB ", "999999999999TiB", "9999999999999B"}) {
    EXPECT_FALSE(ParseSize(text)) << text;
  }
  for (const char* text : {"", "5", "0", "ms", "0.5ms", "-1s", "5S", "5 s", "5sec", "1d", "1h30m",
                           "0.00001s", "inf"}) {
    EXPECT_FALSE(ParseTime(text)) << text;
  }
  for (const char* text : {"", "1.0", "-1", "+1", "0x10", "1 ", "one", "1000000000000000000000"}) {
    EXPECT_FALSE(ParseCount(text)) << text;
  }
}

TEST(Values, EveryShareIsReadBackFromItsText) {
  for (uint32_t share = 0; share <= kFullShare; ++share) {
    const Result<uint32_t> back = ParseShare(ShareText(share));
    ASSERT_TRUE(back) << ShareText(share);
    ASSERT_EQ(*back, share);
  }
}

TEST(Values, RandomSizesAndTimesAreReadBackFromTheirText) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2'000; ++i) {
    const uint64_t value = (random() % 4'096) << (random() % 28);
    ASSERT_EQ(ParseSize(SizeText(value)).value_or(~0ull), value) << SizeText(value);
    const milliseconds time(value * 1'000 % 400'000'000'000);
    ASSERT_EQ(ParseTime(TimeText(time)).value_or(milliseconds(-1)), time) << TimeText(time);
  }
}

TEST(Values, TextUsesTheLargestExactUnit) {
  EXPECT_EQ(SizeText(0), "0B");
  EXPECT_EQ(SizeText(1'025), "1025B");
  EXPECT_EQ(SizeText(512ull << 20), "512MiB");
  EXPECT_EQ(TimeText(milliseconds(0)), "0ms");
  EXPECT_EQ(TimeText(milliseconds(90'000)), "90s");
  EXPECT_EQ(TimeText(milliseconds(3'600'000)), "1h");
  EXPECT_EQ(ShareText(1), "0.01%");
  EXPECT_EQ(ShareText(10), "0.1%");
  EXPECT_EQ(ShareText(10'000), "100%");
}

TEST(Values, QuotedTextIsOneLineAndBounded) {
  EXPECT_EQ(Quote("a\nb\\\x7f\xc3"), "'a\\x0ab\\x5c\\x7f\\xc3'");
  EXPECT_EQ(Quote(std::string(64, 'x')), "'" + std::string(64, 'x') + "'");
  EXPECT_EQ(Quote(std::string(65, 'x')), "'" + std::string(64, 'x') + "...'");
}

TEST(Values, EscapedTextIsReadBack) {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  EXPECT_EQ(Unescape(Escape(every)).value_or(""), every);
  EXPECT_EQ(Unescape("plain").value_or(""), "plain");
  EXPECT_EQ(Unescape("").value_or("?"), "");
  for (const char* wrong : {"\\", "a\\x", "\\x1", "\\xg0", "\\n", "\\x+1"}) {
    EXPECT_FALSE(Unescape(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace crossfade::config
