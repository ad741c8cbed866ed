#include "routing/resp/request.h"

#include <gtest/gtest.h>

#include <random>

#include "config/limits.h"
#include "routing/resp/encode.h"
#include "tests/fuzz/split_check.h"

namespace crossfade::routing {
namespace {

using test::DecodeInPieces;
using test::Requests;
using Words = std::vector<std::string>;
using Outcome = RequestDecoder::Outcome;

constexpr int64_t kMaxBytes = 512ll << 20;

// Decoded at once, and checked to be the same from any pieces.
Requests Decode(const std::string& input) {
  const auto decode = [&](std::span<const size_t> ends) {
    return DecodeInPieces(input, ends, kMaxBytes);
  };
  const Requests whole = decode({});
  test::CheckEverySplit(input.size(), whole, decode);
  return whole;
}

std::string Encode(const Words& words) {
  const std::vector<std::string_view> args(words.begin(), words.end());
  std::string out;
  AppendCommand(out, args);
  return out;
}

TEST(RequestTest, DecodesWhatIsEncoded) {
  const std::vector<Words> commands = {
      {"PING"},
      {"GET", "k"},
      {"SET", "", std::string("\r\n\0*1\r\n", 7)},
      {"", ""},
      {"MSET", "a", std::string(9, '1'), "b", std::string(10, '2'), "c", std::string(99, '3')},
      {"MGET", std::string(100, 'x'), std::string(1000, 'y'), "1", "2", "3", "4", "5", "6", "7"},
      Words(200, "many"),
  };
  std::string input;
  for (const Words& words : commands) input += Encode(words);
  const Requests all = Decode(input);
  EXPECT_EQ(all.requests, commands);
  EXPECT_EQ(all.error, "");
  EXPECT_EQ(all.passed_over, input.size());
}

TEST(RequestTest, PassesOverEmptyRequests) {
  const Requests all = Decode("*0\r\n\r\n\n  \t \r\n*-1\r\nPING\r\n*-9223372036854775808\r\n\r\n");
  EXPECT_EQ(all.requests, std::vector<Words>{{"PING"}});
  EXPECT_EQ(all.error, "");
}

TEST(RequestTest, SplitsInlineRequests) {
  const struct {
    std::string line;
    Words words;
  } kTable[] = {
      {"get k\r\n", {"get", "k"}},
      {"get k\n", {"get", "k"}},
      {"  get \t k  \r\n", {"get", "k"}},
      {"get \"a b\" 'c d'\r\n", {"get", "a b", "c d"}},
      {"get ab\"c d\" x'y'\r\n", {"get", "abc d", "xy"}},
      {"get \"\" ''\r\n", {"get", "", ""}},
      {"get \"\\x41\\xZZ\\n\\r\\t\\b\\a\\\"\\q\\x4\"\r\n", {"get", "AxZZ\n\r\t\b\a\"qx4"}},
      {"get 'a\\'b\\n'\r\n", {"get", "a'b\\n"}},
      {"get a\\nb\r\n", {"get", "a\\nb"}},
      {"get a\vb\fc\r\n", {"get", "a\vb\fc"}},
      {"get \v\f'a'\vb\r\n", {"get", "a", "b"}},
      {"get a\rb\r\n", {"get", "a", "b"}},
      {"get \xff\x80\r\n", {"get", "\xff\x80"}},
      {"$5\r\n", {"$5"}},
  };
  for (const auto& row : kTable) {
    const Requests all = Decode(row.line);
    EXPECT_EQ(all.requests, std::vector<Words>{row.words}) << testing::PrintToString(row.line);
    EXPECT_EQ(all.error, "") << testing::PrintToString(row.line);
  }
}

TEST(RequestTest, RefusesWithRedissOwnTexts) {
  const std::string kCount = "ERR Protocol error: invalid multibulk length";
  const std::string kBulk = "ERR Protocol error: invalid bulk length";
  const std::string kQuotes = "ERR Protocol error: unbalanced quotes in request";
  const struct {
    std::string input, error;
  } kTable[] = {
      {"*x\r\n", kCount},
      {"*\r\n", kCount},
      {"*01\r\n$4\r\nPING\r\n", kCount},
      {"*+1\r\n", kCount},
      {"*-0\r\n", kCount},
      {"* 1\r\n", kCount},
      {"*1 \r\n", kCount},
      {"*2147483648\r\n", kCount},
      {"*99999999999999999999\r\n", kCount},
      {"*1\rx", kCount},
      {"*1\r\n$\r\n", kBulk},
      {"*1\r\n$-1\r\n", kBulk},
      {"*1\r\n$04\r\nPING\r\n", kBulk},
      {"*1\r\n$-0\r\n", kBulk},
      {"*1\r\n$536870913\r\n", kBulk},
      {"*1\r\n$9223372036854775807\r\n", kBulk},
      {"*1\r\n$99999999999999999999\r\n", kBulk},
      {"*1\r\n$4\rxPING\r\n", kBulk},
      {"*1\r\n$4x\r\nPING\r\n", kBulk},
      {"*1\r\nPING\r\n", "ERR Protocol error: expected '$', got 'P'"},
      {"*2\r\n$4\r\nPING\r\n:1\r\n", "ERR Protocol error: expected '$', got ':'"},
      {"*1\r\n\r\n", "ERR Protocol error: expected '$', got ' '"},
      {"*1\r\n\n\r\n", "ERR Protocol error: expected '$', got ' '"},
      {"*1\r\n$4\r\nPINGxx", "ERR Protocol error: expected CRLF after a bulk string"},
      {"get \"a\r\n", kQuotes},
      {"get 'a\r\n", kQuotes},
      {"get \"a\"b\r\n", kQuotes},
      {"get 'a'b\r\n", kQuotes},
      {"get \"a\\\r\n", kQuotes},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(Decode(row.input).error, row.error) << testing::PrintToString(row.input);
    const Requests behind = Decode("PING\r\n" + row.input);
    EXPECT_EQ(behind.error, row.error);
    EXPECT_EQ(behind.requests.size() >= 1 ? behind.requests[0] : Words{}, Words{"PING"});
  }
}

TEST(RequestTest, LinesEndSomewhere) {
  const auto at_once = [](const std::string& input) {
    return DecodeInPieces(input, {}, kMaxBytes).error;
  };
  for (const size_t over : {size_t{0}, size_t{1}}) {
    const std::string text(limits::kInlineMax - 1 + over, '1');
    const std::string inline_line = "x" + text, count = "*" + text, bulk = "*1\r\n$" + text;
    EXPECT_EQ(at_once(inline_line), over ? "ERR Protocol error: too big inline request" : "");
    EXPECT_EQ(at_once(inline_line + "\r\n"), "ERR Protocol error: too big inline request");
    EXPECT_EQ(at_once(count), over ? "ERR Protocol error: too big mbulk count string" : "");
    EXPECT_EQ(at_once(count + "\r\n"), over ? "ERR Protocol error: too big mbulk count string"
                                            : "ERR Protocol error: invalid multibulk length");
    EXPECT_EQ(at_once(bulk), over ? "ERR Protocol error: too big bulk count string" : "");
    EXPECT_EQ(at_once(bulk + "\r\n"), over ? "ERR Protocol error: too big bulk count string"
                                           : "ERR Protocol error: invalid bulk length");
  }
}

TEST(RequestTest, NothingBehindANulIsALine) {
  const Requests all = Decode(std::string("get \0 k\r\nPING\r\n", 15));
  EXPECT_TRUE(all.requests.empty());
  EXPECT_EQ(all.error, "");
}

TEST(RequestTest, TheLimitOnBulksIsTheCallers) {
  RequestDecoder decoder;
  const std::string ten = Encode({"ECHO", "0123456789"});
  EXPECT_EQ(decoder.Decode(ten.data(), ten.data() + ten.size(), 10), Outcome::kRequest);
  EXPECT_EQ(decoder.Decode(ten.data(), ten.data() + ten.size(), 9), Outcome::kMalformed);
  EXPECT_EQ(decoder.error(), "ERR Protocol error: invalid bulk length");
  // What is too long is refused before it has come.
  const std::string head = "*2\r\n$4\r\nECHO\r\n$11\r\n";
  EXPECT_EQ(decoder.Decode(head.data(), head.data() + head.size(), 10), Outcome::kMalformed);
}

TEST(RequestTest, SaysWhatItNeedsAndWhetherItIsInTheMiddle) {
  RequestDecoder decoder;
  const std::string whole = Encode({"SET", "k", std::string(5000, 'x')});
  const char* p = whole.data();
  EXPECT_FALSE(decoder.in_progress());
  EXPECT_EQ(decoder.Decode(p, p, kMaxBytes), Outcome::kIncomplete);
  EXPECT_EQ(decoder.needed(), 1u);
  const size_t head = whole.size() - 5002;
  EXPECT_EQ(decoder.Decode(p, p + head, kMaxBytes), Outcome::kIncomplete);
  EXPECT_EQ(decoder.needed(), whole.size());
  EXPECT_TRUE(decoder.in_progress());
  const std::string moved = whole;
  EXPECT_EQ(decoder.Decode(moved.data(), moved.data() + moved.size(), kMaxBytes),
            Outcome::kRequest);
  EXPECT_EQ(decoder.args()[2].data(), moved.data() + head);
  EXPECT_FALSE(decoder.in_progress());
  EXPECT_FALSE(decoder.was_inline());

  EXPECT_EQ(decoder.Decode(p, p + head, kMaxBytes), Outcome::kIncomplete);
  decoder.Reset();
  const std::string ping = "PING\r\n";
  EXPECT_EQ(decoder.Decode(ping.data(), ping.data() + ping.size(), kMaxBytes), Outcome::kRequest);
  EXPECT_TRUE(decoder.was_inline());
}

TEST(RequestTest, BigPipelinesInReadsOfAnySize) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<Words> commands;
  std::string input;
  for (int i = 0; i < 5000; ++i) {
    Words words = {"SET"};
    for (unsigned n = random() % (random() % 10 == 0 ? 40 : 4); n > 0; --n) {
      words.push_back(std::string(random() % (random() % 50 == 0 ? 5000 : 30), '\r'));
    }
    input += Encode(words);
    commands.push_back(std::move(words));
  }
  // In place, as a connection does it: one buffer, decoded as it fills.
  RequestDecoder decoder;
  size_t begin = 0, end = 0, decoded = 0;
  while (end < input.size()) {
    end = std::min(input.size(), end + 1 + random() % 16384);
    while (begin < end) {
      const Outcome outcome = decoder.Decode(input.data() + begin, input.data() + end, kMaxBytes);
      if (outcome == Outcome::kIncomplete) break;
      ASSERT_EQ(outcome, Outcome::kRequest);
      ASSERT_EQ(Words(decoder.args().begin(), decoder.args().end()), commands[decoded]);
      begin += decoder.length();
      ++decoded;
    }
  }
  EXPECT_EQ(decoded, commands.size());
}

}  // namespace
}  // namespace crossfade::routing
