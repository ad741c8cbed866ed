#include "routing/resp/number.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

namespace crossfade::routing {
namespace {

TEST(NumberTest, ParsesAllOfInt64AndNothingElse) {
  int64_t value = 0;
  for (const int64_t number :
       {int64_t{0}, int64_t{-1}, int64_t{42}, std::numeric_limits<int64_t>::max(),
        std::numeric_limits<int64_t>::min()}) {
    EXPECT_TRUE(ParseInteger(std::to_string(number), value));
    EXPECT_EQ(value, number);
    EXPECT_TRUE(ParseRedisInteger(std::to_string(number), value));
    EXPECT_EQ(value, number);
  }
  for (const char* text : {"", "-", "+1", " 1", "1 ", "1x", "0x1", "9223372036854775808",
                           "-9223372036854775809", "99999999999999999999", "--1", "1-"}) {
    EXPECT_FALSE(ParseInteger(text, value)) << text;
    EXPECT_FALSE(ParseRedisInteger(text, value)) << text;
  }
  for (const char* text : {"01", "-0", "00", "-01"}) {
    EXPECT_TRUE(ParseInteger(text, value)) << text;
    EXPECT_FALSE(ParseRedisInteger(text, value)) << text;
  }
}

TEST(NumberTest, CommonLengthsAreReadOrLeftToOthers) {
  for (uint64_t number : {1ull, 9ull, 10ull, 99ull, 100ull, 12345678ull, 999999999ull}) {
    const std::string text = std::to_string(number) + "\r\n??";
    const char* p = text.data();
    uint64_t length = 0;
    ASSERT_TRUE(ReadCommonLength(p, text.data() + text.size(), length)) << number;
    EXPECT_EQ(length, number);
    EXPECT_EQ(std::string(p), "??");
  }
  for (const char* text : {"0\r\nxx", "01\r\nx", "-1\r\nx", "\r\nxxx", "1\rxxx", "1x\r\nx",
                           "12x\r\n", "12345", "123\rx", "1234567890123\r\n", "9999999999\r\n"}) {
    const std::string copy = text;
    const char* p = copy.data();
    uint64_t length = 0;
    EXPECT_FALSE(ReadCommonLength(p, copy.data() + copy.size(), length)) << text;
    EXPECT_EQ(p, copy.data());
  }
}

}  // namespace
}  // namespace crossfade::routing
