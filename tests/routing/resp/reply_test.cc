#include "routing/resp/reply.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/fuzz/split_check.h"
#include "tests/routing/raw_client.h"
#include "tests/support/redis_server.h"

namespace crossfade::routing {
namespace {

using test::ScanInPieces;

// Scanned at once, and checked to be the same from any pieces.
test::Frames Scan(std::string_view input) {
  const auto scan = [&](std::span<const size_t> ends) { return ScanInPieces(input, ends); };
  const test::Frames whole = scan({});
  test::CheckEverySplit(input.size(), whole, scan);
  return whole;
}

const std::vector<std::string>& EveryKindOfFrame() {
  static const std::vector<std::string> frames = {
      "+OK\r\n",
      "+\r\n",
      "+PONG\r\n",
      "+O\r\n",
      "+OK\r\r\n",
      "+a\rb\r\n",
      "-ERR no\r\n",
      "-\r\n",
      ":0\r\n",
      ":-1\r\n",
      ":9223372036854775807\r\n",
      "$-1\r\n",
      "$0\r\n\r\n",
      "$1\r\nx\r\n",
      "$2\r\n\r\n\r\n",
      "$10\r\n0123456789\r\n",
      "$100\r\n" + std::string(100, '\r') + "\r\n",
      "*-1\r\n",
      "*0\r\n",
      "*1\r\n$-1\r\n",
      "*3\r\n:1\r\n+OK\r\n$1\r\nx\r\n",
      "*2\r\n*2\r\n:1\r\n:2\r\n*0\r\n",
      "*1\r\n*1\r\n*1\r\n*1\r\n_\r\n",
      "_\r\n",
      "#t\r\n",
      "#f\r\n",
      ",1.5\r\n",
      ",inf\r\n",
      ",-1.7976931348623157e+308\r\n",
      "(" + std::string(100, '7') + "\r\n",
      "!5\r\nERR x\r\n",
      "=7\r\ntxt:abc\r\n",
      "%0\r\n",
      "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
      "~2\r\n+a\r\n+b\r\n",
      ">3\r\n+message\r\n+c\r\n+m\r\n",
      "|1\r\n+ttl\r\n:9\r\n$1\r\nx\r\n",
      "|1\r\n+a\r\n%1\r\n+b\r\n:1\r\n*1\r\n:3\r\n",
      "|0\r\n+OK\r\n",
      "*2\r\n|1\r\n+k\r\n+v\r\n:1\r\n:2\r\n",
      "-" + std::string(300, 'e') + "\r\n",
      "+" + std::string(31, 's') + "\r\n",
      "+" + std::string(40, 's') + "\r\n",
  };
  return frames;
}

TEST(ReplyTest, FindsTheEndOfEveryKindOfFrame) {
  std::string all;
  std::vector<int64_t> lengths;
  for (const std::string& frame : EveryKindOfFrame()) {
    EXPECT_EQ(Scan(frame).lengths, std::vector<int64_t>{static_cast<int64_t>(frame.size())})
        << testing::PrintToString(frame);
    test::WalkFrame(frame);
    EXPECT_EQ(FirstValue(frame + "+more\r\n"), frame);
    all += frame;
    lengths.push_back(static_cast<int64_t>(frame.size()));
  }
  const test::Frames scanned = Scan(all);
  EXPECT_EQ(scanned.lengths, lengths);
  EXPECT_FALSE(scanned.malformed);
}

TEST(ReplyTest, WaitsForWhatIsMissing) {
  for (const std::string& frame : EveryKindOfFrame()) {
    for (size_t size = 0; size < frame.size(); ++size) {
      ReplyScanner scanner;
      ASSERT_EQ(scanner.Scan(frame.data(), frame.data() + size), ReplyScanner::kIncomplete)
          << testing::PrintToString(frame.substr(0, size));
    }
  }
}

TEST(ReplyTest, WhatIsNoReplyIsMalformed) {
  for (const std::string& input : {
           std::string("x\r\n"),
           std::string("\r\n"),
           std::string("$x\r\n"),
           std::string("$-2\r\n"),
           std::string("$9223372036854775807\r\n"),
           std::string("$99999999999999999999\r\n"),
           std::string("*-2\r\n"),
           std::string("*1\r\nx\r\n"),
           std::string("%\r\n"),
           std::string("*9223372036854775807\r\n"),
           ":" + std::string(80, '1') + "\r\n",
           ":" + std::string(80, '1'),
           "$" + std::string(80, '1'),
           "x" + std::string(80, 'x'),
       }) {
    EXPECT_TRUE(Scan(input).malformed) << testing::PrintToString(input);
  }
}

TEST(ReplyTest, ReadsHeads) {
  const auto read = [](std::string_view frame) {
    const char* p = frame.data();
    const ReplyHead head = ReadHead(p, p + frame.size());
    EXPECT_LE(p, frame.data() + frame.size());
    return head;
  };
  EXPECT_EQ(read("+OK\r\n").text, "OK");
  EXPECT_TRUE(read("-ERR no\r\n").IsError());
  EXPECT_EQ(read("-ERR no\r\n").text, "ERR no");
  EXPECT_EQ(read(":-42\r\n").number, -42);
  EXPECT_EQ(read("$5\r\nhe\r\nx\r\n").text, "he\r\nx");
  EXPECT_FALSE(read("$0\r\n\r\n").nil);
  EXPECT_TRUE(read("$-1\r\n").nil);
  EXPECT_TRUE(read("*-1\r\n").nil);
  EXPECT_TRUE(read("*-1\r\n").IsAggregate());
  EXPECT_TRUE(read("_\r\n").nil);
  EXPECT_EQ(read("*3\r\n:1\r\n:2\r\n:3\r\n").elements, 3);
  EXPECT_EQ(read("%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n").elements, 4);
  EXPECT_EQ(read("|1\r\n+k\r\n+v\r\n:1\r\n").elements, 2);
  EXPECT_EQ(read("#t\r\n").number, 1);
  EXPECT_EQ(read("#f\r\n").number, 0);
  EXPECT_EQ(read(",3.25\r\n").text, "3.25");
  EXPECT_TRUE(read("!3\r\nERR\r\n").IsError());
  EXPECT_EQ(read("=7\r\ntxt:abc\r\n").text, "txt:abc");
}

TEST(ReplyTest, KnowsWhatAMissingKeyReplies) {
  for (const char* frame : {"$-1\r\n", "*-1\r\n", "_\r\n", "*0\r\n", "%0\r\n", "~0\r\n", ":0\r\n",
                            ":-2\r\n", "$0\r\n\r\n", "+none\r\n", "*1\r\n$-1\r\n",
                            "*2\r\n$-1\r\n_\r\n", "*2\r\n:0\r\n:0\r\n", "*1\r\n*-1\r\n"}) {
    EXPECT_TRUE(IsEmptyReply(frame)) << frame;
  }
  for (const char* frame : {"+OK\r\n", ":1\r\n", "$1\r\nx\r\n", "*2\r\n$-1\r\n$1\r\nx\r\n",
                            "%1\r\n+a\r\n:1\r\n", "-ERR no\r\n", "#f\r\n", ",0\r\n"}) {
    EXPECT_FALSE(IsEmptyReply(frame)) << frame;
  }
}

// One buffer that fills as a connection's does.
TEST(ReplyTest, BigPipelinesInReadsOfAnySize) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::string input;
  std::vector<int64_t> lengths;
  for (int i = 0; i < 20'000; ++i) {
    const std::string& frame = EveryKindOfFrame()[random() % EveryKindOfFrame().size()];
    input += frame;
    lengths.push_back(static_cast<int64_t>(frame.size()));
  }
  ReplyScanner scanner;
  std::vector<int64_t> scanned;
  size_t begin = 0, end = 0;
  while (end < input.size()) {
    end = std::min(input.size(), end + 1 + random() % 4096);
    while (begin < end) {
      const int64_t length = scanner.Scan(input.data() + begin, input.data() + end);
      ASSERT_NE(length, ReplyScanner::kMalformed);
      if (length == ReplyScanner::kIncomplete) break;
      scanned.push_back(length);
      begin += static_cast<size_t>(length);
    }
  }
  EXPECT_EQ(scanned, lengths);
}

TEST(ReplyTest, ReadsARealServersRepliesInBothProtocols) {
  test::RedisServer server;
  for (const char* hello : {"HELLO 2", "HELLO 3"}) {
    test::RawClient client(server.port());
    const std::vector<std::string> commands = {
        hello,
        "DEL h s z l",
        "HSET h f 1 g 2",
        "SADD s a b",
        "ZADD z 1.5 a 2 b",
        "RPUSH l x y",
        "HGETALL h",
        "SMEMBERS s",
        "ZRANGE z 0 -1 WITHSCORES",
        "ZSCORE z a",
        "LRANGE l 0 -1",
        "GET nosuch",
        "LPOP nosuch 3",
        "GET h",
        "nosuchcommand",
        "COMMAND DOCS",
        "INFO",
        "CONFIG GET *",
        "EVAL \"return {1,{ok='x'},false,redis.error_reply('e')}\" 0",
        "XADD st 1-1 f v",
        "XRANGE st - +",
        "CLIENT TRACKING on",
        "SUBSCRIBE c",
        "UNSUBSCRIBE c",
        "PING"};
    std::string pipeline;
    for (const std::string& command : commands) pipeline += command + "\r\n";
    client.Send(pipeline);
    std::string frame;
    for (size_t i = 0; i < commands.size(); ++i) {
      frame = client.ReadFrame();
      ASSERT_FALSE(frame.empty()) << commands[i];
      test::WalkFrame(frame);
      if (frame.size() < 400) {
        EXPECT_EQ(Scan(frame).lengths.size(), 1u);
      }
    }
    EXPECT_EQ(frame, "+PONG\r\n") << "a reply for every command, and the last one last";
  }
}

}  // namespace
}  // namespace crossfade::routing
