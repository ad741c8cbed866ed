#include "replication/reply_digest.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace crossfade::replication {
namespace {

TEST(ReplyDigestTest, EqualFramesHaveEqualDigests) {
  for (const std::string frame : {":1\r\n", "+OK\r\n", "$-1\r\n", "*3\r\n:1\r\n:2\r\n:3\r\n"}) {
    EXPECT_EQ(ReplyDigest(frame), ReplyDigest(std::string(frame)));
  }
}

TEST(ReplyDigestTest, IsNeverZero) {
  EXPECT_NE(ReplyDigest(""), 0u);
  EXPECT_NE(ReplyDigest(std::string(1, '\0')), 0u);
  EXPECT_NE(ReplyDigest(std::string(7, '\0')), 0u);
  for (int i = 0; i < 1000; ++i) ASSERT_NE(ReplyDigest("$" + std::to_string(100'000'000 + i)), 0u);
}

// The common replies, every length from none to past where hashing begins.
TEST(ReplyDigestTest, DifferentFramesHaveDifferentDigests) {
  std::map<uint64_t, std::string> seen;
  const auto add = [&seen](const std::string& frame) {
    const auto [it, fresh] = seen.emplace(ReplyDigest(frame), frame);
    ASSERT_TRUE(fresh) << frame << " and " << it->second;
  };
  add("+OK\r\n");
  add("$-1\r\n");
  add("*-1\r\n");
  add("*0\r\n");
  for (int i = -1000; i < 100'000; ++i) add(":" + std::to_string(i) + "\r\n");
  for (size_t length = 0; length <= 20; ++length) {
    add(std::string(length, 'a'));
    if (length > 0) add(std::string(length, '\0'));
  }
}

TEST(ReplyDigestTest, LongFramesDifferInAnyByte) {
  const std::string frame(5'000, 'x');
  for (size_t i = 0; i < frame.size(); i += 7) {
    std::string other = frame;
    other[i] = 'y';
    ASSERT_NE(ReplyDigest(other), ReplyDigest(frame)) << i;
  }
}

}  // namespace
}  // namespace crossfade::replication
