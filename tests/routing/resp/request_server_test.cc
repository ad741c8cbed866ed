// Requests, right and wrong, as a real server reads and refuses them.
#include <gtest/gtest.h>

#include <random>

#include "config/limits.h"
#include "routing/resp/encode.h"
#include "routing/resp/request.h"
#include "tests/fuzz/split_check.h"
#include "tests/routing/raw_client.h"
#include "tests/support/redis_server.h"

namespace crossfade::routing {
namespace {

using Words = std::vector<std::string>;

constexpr int64_t kMaxBytes = 512ll << 20;

class RequestServerTest : public testing::Test {
 protected:
  // All that the server says to `input` until the connection ends.
  std::string Ask(const std::string& input) {
    test::RawClient client(server_.port());
    client.Send(input);
    client.FinishSending();
    return client.ReadToEnd();
  }

  static std::vector<std::string> Frames(const std::string& bytes) {
    std::vector<std::string> frames;
    ReplyScanner scanner;
    size_t at = 0;
    while (at < bytes.size()) {
      const int64_t length = scanner.Scan(bytes.data() + at, bytes.data() + bytes.size());
      if (length <= 0) {
        ADD_FAILURE() << testing::PrintToString(bytes);
        break;
      }
      frames.push_back(bytes.substr(at, static_cast<size_t>(length)));
      at += static_cast<size_t>(length);
    }
    return frames;
  }

  test::RedisServer server_;
};

TEST_F(RequestServerTest, MalformedInputGetsTheServersError) {
  const std::string many(limits::kInlineMax + 1, '1');
  const std::string kTable[] = {
      "*x\r\n",
      "*2147483648\r\n",
      "*\r\n",
      "*01\r\n$4\r\nPING\r\n",
      "*+1\r\n",
      "*-0\r\n",
      "* 1\r\n",
      "*1 \r\n",
      "*99999999999999999999\r\n",
      "*-9223372036854775809\r\n",
      "*1\r\n$\r\n",
      "*1\r\n$-1\r\n",
      "*1\r\n$04\r\nPING\r\n",
      "*1\r\n$-0\r\n",
      "*1\r\n$536870913\r\n",
      "*1\r\n$4x\r\nPING\r\n",
      "*1\r\n$9223372036854775807\r\n",
      "*1\r\n$99999999999999999999\r\n",
      "*1\r\nPING\r\n",
      "*2\r\n$4\r\nPING\r\n:1\r\n",
      "*1\r\n\r\n",
      "*1\r\n\n\r\n",
      "get \"a\r\n",
      "get 'a\r\n",
      "get \"a\"b\r\n",
      "get 'a'b\r\n",
      "get \"a\\\r\n",
      "x" + many,
      "*" + many,
      "*1\r\n$" + many,
  };
  for (const std::string& input : kTable) {
    const test::Requests ours = test::DecodeInPieces(input, {}, kMaxBytes);
    EXPECT_EQ("-" + ours.error + "\r\n", Ask(input)) << testing::PrintToString(input.substr(0, 80));
  }
}

TEST_F(RequestServerTest, WhatIsNoErrorToTheServerIsNoneHere) {
  const std::string kTable[] = {
      "*0\r\n",
      "*2147483647\r\n",
      "*-1\r\n",
      "\r\n",
      "\n",
      "   \r\n",
      "*-9223372036854775808\r\n",
      "*1",
      "*1\r\n$4",
      "*1\r\n$4\r\nPIN",
      "*1\r\n$536870912\r\n",
      "x" + std::string(limits::kInlineMax - 1, 'x'),
      std::string("get \0 k\r\nPING\r\n", 15),
  };
  for (const std::string& input : kTable) {
    const test::Requests ours = test::DecodeInPieces(input, {}, kMaxBytes);
    EXPECT_EQ(ours.error, "");
    EXPECT_TRUE(ours.requests.empty());
    EXPECT_EQ(Ask(input), "") << testing::PrintToString(input.substr(0, 80));
  }
}

// EVAL replies with its arguments as the server has split them.
TEST_F(RequestServerTest, InlineQuotingIsTheServers) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string letters = "\"\"'' \\\\xab0n4r\t\v\f\r\xff";
  size_t split = 0, refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string line = "EVAL \"return ARGV\" 0 ";
    for (unsigned n = random() % 14; n > 0; --n) line += letters[random() % letters.size()];
    line += random() % 2 == 0 ? "\r\n" : "\n";
    const test::Requests ours = test::DecodeInPieces(line, {}, kMaxBytes);
    std::string expected;
    if (!ours.error.empty()) {
      expected = "-" + ours.error + "\r\n";
      ++refused;
    } else {
      ASSERT_EQ(ours.requests.size(), 1u);
      const Words& words = ours.requests[0];
      AppendHead(expected, '*', static_cast<int64_t>(words.size()) - 3);
      for (size_t word = 3; word < words.size(); ++word) AppendBulk(expected, words[word]);
      ++split;
    }
    ASSERT_EQ(expected, Ask(line)) << testing::PrintToString(line);
  }
  EXPECT_GT(split, 100u);
  EXPECT_GT(refused, 100u);
}

// Not compared, as we are stricter on purpose: a CR without its LF, and bulk
// strings that end in something else.
bool Stricter(const std::string& input, const test::Requests& ours) {
  for (size_t i = 0; i + 1 < input.size(); ++i) {
    if (input[i] == '\r' && input[i + 1] != '\n') return true;
  }
  return ours.error == "ERR Protocol error: expected CRLF after a bulk string";
}

TEST_F(RequestServerTest, AlteredPipelinesAreReadAsTheServerReadsThem) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string base =
      "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nECHO 'in line'\r\n*0\r\n"
      "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n\r\n*2\r\n$4\r\nECHO\r\n$12\r\nabcdefghijkl\r\n";
  const std::string letters = "*$0123456789-+\r\n '\"E";
  size_t compared = 0, refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string input = base;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      const size_t at = random() % input.size();
      switch (random() % 3) {
        case 0:
          input[at] = letters[random() % letters.size()];
          break;
        case 1:
          input.erase(at, 1 + random() % 3);
          break;
        default:
          input.insert(at, 1, letters[random() % letters.size()]);
      }
    }
    input += "\r\n";  // an error that we see at once the server sees when the line ends
    const test::Requests ours = test::DecodeInPieces(input, {}, kMaxBytes);
    if (Stricter(input, ours)) continue;
    const std::vector<std::string> theirs = Frames(Ask(input));
    ASSERT_EQ(theirs.size(), ours.requests.size() + (ours.error.empty() ? 0 : 1))
        << testing::PrintToString(input);
    for (size_t k = 0; k < ours.requests.size(); ++k) {
      const Words& words = ours.requests[k];
      if (words.size() != 2 || words[0] != "ECHO") continue;
      std::string expected;
      AppendBulk(expected, words[1]);
      ASSERT_EQ(theirs[k], expected) << testing::PrintToString(input);
    }
    if (!ours.error.empty()) {
      ASSERT_EQ(theirs.back(), "-" + ours.error + "\r\n") << testing::PrintToString(input);
      ++refused;
    }
    ++compared;
  }
  EXPECT_GT(compared, 500u);
  EXPECT_GT(refused, 150u);
}

}  // namespace
}  // namespace crossfade::routing
