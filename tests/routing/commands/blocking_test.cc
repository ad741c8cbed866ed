#include "routing/commands/blocking.h"

#include <gtest/gtest.h>

#include <sstream>

#include "routing/resp/request.h"

namespace crossfade::routing {
namespace {

std::vector<std::string> Words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

struct Command {
  explicit Command(const std::string& line) : words(Words(line)) {
    args.assign(words.begin(), words.end());
    spec = CommandTable::Redis70().Find(args);
  }
  std::vector<std::string> words;
  std::vector<std::string_view> args;
  const CommandSpec* spec = nullptr;
};

std::string Plain(std::string_view request) {
  RequestDecoder decoder;
  const char* p = request.data();
  EXPECT_EQ(decoder.Decode(p, p + request.size(), INT64_MAX / 2),
            RequestDecoder::Outcome::kRequest);
  std::string line;
  for (const std::string_view arg : decoder.args()) {
    line += (line.empty() ? "" : " ") + std::string(arg);
  }
  return line;
}

struct Form {
  const char* given;
  int64_t timeout_ms;
  const char* first;
  const char* second_key;  // for the second key alone, or the first when there is one
};

const Form kForms[] = {
    {"BLPOP a b 0", 0, "BLPOP a b 0.001", "BLPOP b 0.001"},
    {"brpop a 0.5", 500, "brpop a 0.001", "brpop a 0.001"},
    {"BRPOP a 1e-9", 1, "BRPOP a 0.001", "BRPOP a 0.001"},
    {"BZPOPMIN a b 3", 3000, "BZPOPMIN a b 0.001", "BZPOPMIN b 0.001"},
    {"BZPOPMAX a 0x10", 16000, "BZPOPMAX a 0.001", "BZPOPMAX a 0.001"},
    {"BLMOVE a b left RIGHT 2", 2000, "BLMOVE a b left RIGHT 0.001", "BLMOVE a b left RIGHT 0.001"},
    {"BRPOPLPUSH a b 2", 2000, "BRPOPLPUSH a b 0.001", "BRPOPLPUSH a b 0.001"},
    {"BLMPOP 1 2 a b LEFT COUNT 7", 1000, "BLMPOP 0.001 2 a b LEFT COUNT 7",
     "BLMPOP 0.001 1 b LEFT COUNT 7"},
    {"BZMPOP 0 1 a MAX", 0, "BZMPOP 0.001 1 a MAX", "BZMPOP 0.001 1 a MAX"},
    {"XREAD BLOCK 9 STREAMS a b 1-0 $", 9, "XREAD STREAMS a b 1-0 $",
     "XREAD COUNT 1000 STREAMS b $"},
    {"XREAD COUNT 3 BLOCK 0 STREAMS a 5", 0, "XREAD COUNT 3 STREAMS a 5",
     "XREAD COUNT 3 STREAMS a 5"},
    {"XREADGROUP GROUP g c NOACK BLOCK 7 STREAMS a >", 7, "XREADGROUP GROUP g c NOACK STREAMS a >",
     "XREADGROUP GROUP g c NOACK COUNT 1000 STREAMS a >"},
};

TEST(BlockingTest, AttemptsAreTheCommandWithoutItsWaiting) {
  for (const Form& form : kForms) {
    const Command command(form.given);
    ASSERT_TRUE(MayBlock(*command.spec, command.args)) << form.given;
    BlockingRequest request;
    ASSERT_TRUE(ParseBlocking(*command.spec, command.args, request)) << form.given;
    EXPECT_EQ(request.timeout_ms, form.timeout_ms) << form.given;
    std::string bytes;
    AppendAttempt(bytes, request, {});
    EXPECT_EQ(Plain(bytes), form.first);
    const uint32_t last = static_cast<uint32_t>(request.keys.size() - 1);
    bytes.clear();
    AppendAttempt(bytes, request, std::span(&last, 1));
    EXPECT_EQ(Plain(bytes), form.second_key);
  }
}

TEST(BlockingTest, WhatTheStoreRefusesIsNotUnderstood) {
  for (const char* line :
       {"BLPOP a x", "BLPOP a -1", "BLPOP a inf", "BLPOP a nan", "BLMOVE a b LEFT UP 0",
        "BLMPOP 0 0 a LEFT", "BLMPOP 0 3 a b LEFT", "BLMPOP 0 x a LEFT", "BZMPOP -1 1 a MIN",
        "XREAD BLOCK x STREAMS a 0", "XREAD BLOCK -1 STREAMS a 0", "XREAD BLOCK 0 STREAMS a b 0",
        "XREAD BLOCK 0 NOACK STREAMS a 0", "XREADGROUP GROUP g c BLOCK 0 COUNT STREAMS a >"}) {
    const Command command(line);
    BlockingRequest request;
    EXPECT_FALSE(ParseBlocking(*command.spec, command.args, request)) << line;
  }
}

struct Push {
  const char* line;
  const char* readied;  // key:kinds:certainty:elements …
};

const Push kPushes[] = {
    {"LPUSH k a b c", "k:1:exact:3"},
    {"RPUSHX k a", "k:1:bounded:1"},
    {"LPOP k", ""},
    {"LLEN k", ""},
    {"ZADD k 1 a 2 b", "k:2:exact:2"},
    {"ZADD k NX 1 a", "k:2:bounded:1"},
    {"ZINCRBY k 1 a", "k:2:exact:1"},
    {"ZUNIONSTORE d 1 a", "d:6:open:0"},
    {"XADD k * f v", "k:4:exact:1"},
    {"XACK k g 1-1", ""},
    {"LMOVE a b LEFT LEFT", "b:1:bounded:1"},
    {"RPOPLPUSH a b", "b:1:bounded:1"},
    {"RENAME a b", "a:7:open:0 b:7:open:0"},
    {"COPY a b", "b:7:open:0"},
    {"SORT a STORE b", "b:5:open:0"},
    {"RESTORE k 0 x", "k:7:open:0"},
    {"SET k v", "k:4:open:0"},
    {"DEL a b", "a:4:open:0 b:4:open:0"},
    {"EVAL s 2 a b c", "a:7:open:0 b:7:open:0"},
};

TEST(BlockingTest, WhatEachWriteReadies) {
  static constexpr const char* kCertainties[] = {"exact", "bounded", "open"};
  std::vector<KeyPosition> positions;
  std::vector<Readied> readied;
  for (const Push& push : kPushes) {
    const Command command(push.line);
    ASSERT_EQ(ExtractKeys(*command.spec, command.args, positions), Keys::kKnown);
    KeysReadied(*command.spec, command.args, positions, readied);
    std::string text;
    for (const Readied& key : readied) {
      text += (text.empty() ? "" : " ") + std::string(command.args[key.arg]) + ":" +
              std::to_string(key.kinds) + ":" + kCertainties[static_cast<size_t>(key.certainty)] +
              ":" + std::to_string(key.elements);
    }
    EXPECT_EQ(text, push.readied) << push.line;
  }
}

}  // namespace
}  // namespace crossfade::routing
