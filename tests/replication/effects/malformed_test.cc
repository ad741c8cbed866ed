// Arguments and replies that no store would give: whatever they are, deriving
// ends, reads nothing out of range (the sanitizers tell), and gives an effect
// whose parts are well-formed.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "replication/compare/reads.h"
#include "replication/effects.h"
#include "routing/commands/command_id.h"
#include "tests/replication/effects/command_lines.h"
#include "tests/replication/effects/store.h"

namespace crossfade::replication {
namespace {

using Kind = Effect::Kind;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {
    for (const routing::CommandSpec* spec : routing::CommandTable::Redis70().All()) {
      specs_.push_back(*spec);
      // As a store that lies about arities would have it.
      specs_.push_back(*spec);
      specs_.back().arity = -1;
    }
    for (const std::string& line : test::ExpandedLines()) lines_.push_back(line);
    for (const char* name : {"hexpire", "hpexpireat", "hexpireat", "hpersist", "hgetdel", "hgetex",
                             "hsetex", "msetex", "x.y"}) {
      routing::CommandSpec spec;
      spec.name = name;
      spec.arity = random_() % 2 == 0 ? -1 : 0;
      spec.first_key = spec.last_key = spec.key_step = 1;
      specs_.push_back(spec);
    }
  }
  size_t Below(size_t n) { return random_() % n; }

  // Mostly the one that the arguments name.
  const routing::CommandSpec& Spec(std::span<const std::string_view> args) {
    const routing::CommandSpec* named = routing::CommandTable::Redis70().Find(args);
    return named != nullptr && Below(4) != 0 ? *named : specs_[Below(specs_.size())];
  }

  std::vector<std::string> Args() {
    static const char* const kWords[] = {"k",
                                         "",
                                         "1",
                                         "0",
                                         "-1",
                                         "*",
                                         "5-*",
                                         "$",
                                         "~",
                                         "=",
                                         "EX",
                                         "PX",
                                         "EXAT",
                                         "PXAT",
                                         "NX",
                                         "XX",
                                         "GET",
                                         "KEEPTTL",
                                         "CH",
                                         "INCR",
                                         "STORE",
                                         "STOREDIST",
                                         "COUNT",
                                         "BY",
                                         "LIMIT",
                                         "w_*",
                                         "#",
                                         "MAXLEN",
                                         "MINID",
                                         "NOMKSTREAM",
                                         "LEFT",
                                         "MIN",
                                         "FIELDS",
                                         "2",
                                         "9223372036854775807",
                                         "99999999999999999999",
                                         "PERSIST",
                                         "ABSTTL",
                                         "BLOCK",
                                         "STREAMS",
                                         "GROUP",
                                         "OVERFLOW"};
    std::vector<std::string> args;
    if (Below(2) == 0) {
      const test::Words words(lines_[Below(lines_.size())]);
      args.assign(words.args().begin(), words.args().end());
      if (Below(2) == 0 && !args.empty()) args.resize(Below(args.size() + 1));
    }
    while (Below(3) != 0) args.push_back(kWords[Below(std::size(kWords))]);
    return args;
  }

  std::string Value(int depth = 0) {
    switch (Below(depth > 3 ? 6 : 9)) {
      case 0:
        return "+OK\r\n";
      case 1:
        return ":" + std::to_string(static_cast<int64_t>(random_() % 5) - 1) + "\r\n";
      case 2:
        return "$-1\r\n";
      case 3:
        return "*-1\r\n";
      case 4:
        return "-ERR x\r\n";
      case 5:
        return Below(2) == 0 ? "$0\r\n\r\n" : "$3\r\n7-1\r\n";
      default:
        break;
    }
    const size_t n = Below(5);
    std::string array = "*" + std::to_string(n) + "\r\n";
    for (size_t i = 0; i < n; ++i) array += Value(depth + 1);
    return array;
  }

  std::string Reply() {
    std::string reply = Value();
    for (size_t changes = Below(4) == 0 ? 1 + Below(3) : 0; changes > 0 && !reply.empty();
         --changes) {
      const size_t at = Below(reply.size());
      switch (Below(4)) {
        case 0:
          reply.resize(at);
          break;
        case 1:
          reply[at] = static_cast<char>(random_());
          break;
        case 2:
          reply.insert(at, 1, "0123456789-*$:\r\n"[Below(16)]);
          break;
        default:
          reply.erase(at, 1);
          break;
      }
    }
    return reply;
  }

 private:
  std::mt19937_64 random_;
  std::vector<routing::CommandSpec> specs_;
  std::vector<std::string> lines_;
};

// Exactly the memory that the text needs, so that a sanitizer sees a read beyond.
struct Exact {
  explicit Exact(const std::string& text) : size(text.size()), bytes(new char[text.size()]) {
    std::copy(text.begin(), text.end(), bytes.get());
  }
  std::string_view view() const { return {bytes.get(), size}; }
  size_t size;
  std::unique_ptr<char[]> bytes;
};

size_t CountRequests(std::string_view bytes) {
  routing::RequestDecoder decoder;
  size_t count = 0;
  while (!bytes.empty()) {
    if (decoder.Decode(bytes.data(), bytes.data() + bytes.size(), 1 << 20) !=
        routing::RequestDecoder::Outcome::kRequest) {
      return SIZE_MAX;
    }
    bytes.remove_prefix(decoder.length());
    ++count;
  }
  return count;
}

void CheckWellFormed(const Effect& effect) {
  if (effect.kind == Kind::kRewritten) {
    EXPECT_GT(effect.commands, 0u);
    EXPECT_EQ(CountRequests(effect.bytes), effect.commands) << effect.bytes;
    EXPECT_EQ(routing::FirstValue(effect.expected), effect.expected);
  } else {
    EXPECT_EQ(effect.bytes, "");
    EXPECT_EQ(effect.expected, "");
    EXPECT_EQ(effect.commands, 0u);
  }
}

TEST(MalformedInput, EndsInAWellFormedEffect) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator(seed);
  Effect effect;
  size_t kinds[6] = {};
  for (int i = 0; i < 60'000 && !::testing::Test::HasFailure(); ++i) {
    std::vector<Exact> storage;
    for (const std::string& arg : generator.Args()) storage.emplace_back(arg);
    std::vector<std::string_view> args;
    for (const Exact& arg : storage) args.push_back(arg.view());
    const routing::CommandSpec& spec = generator.Spec(args);
    const Exact reply(generator.Reply());
    std::optional<Deadline> deadline;
    const int64_t times[] = {-2, -1, 0, 33'000'000'000'000};
    if (generator.Below(4) != 0) deadline = Deadline{"k", times[generator.Below(4)]};
    const AskBehind ask = WhatToAskBehind(spec, args);
    EXPECT_TRUE(!ask.deadline || ask.key_arg < args.size());
    DeriveEffect(spec, args, reply.view(), deadline, effect);
    ++kinds[static_cast<size_t>(effect.kind)];
    CheckWellFormed(effect);
    CanonicalDigest(spec, args, reply.view());
    WhyIgnored(spec, args);
    DeriveSync("k", reply.view(), generator.Reply(), effect);
    CheckWellFormed(effect);
  }
  if (HasFailure()) return;
  for (const Kind kind : {Kind::kNothing, Kind::kReplay, Kind::kRewritten, Kind::kSync}) {
    EXPECT_GT(kinds[static_cast<size_t>(kind)], 100u);
  }
}

TEST(MalformedInput, EndsInAWellFormedTransaction) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator(seed);
  Effect effect;
  size_t rewritten = 0;
  for (int i = 0; i < 20'000 && !::testing::Test::HasFailure(); ++i) {
    std::vector<std::vector<std::string>> storage(1 + generator.Below(3));
    std::vector<std::vector<std::string_view>> args;
    std::vector<QueuedCommand> commands;
    std::string reply = "*" + std::to_string(storage.size()) + "\r\n";
    args.reserve(storage.size());
    for (std::vector<std::string>& words : storage) {
      words = generator.Args();
      args.emplace_back(words.begin(), words.end());
      commands.push_back({&generator.Spec(args.back()), args.back()});
      reply += generator.Reply();
    }
    const std::vector<Deadline> deadlines = {{"k", 33'000'000'000'000}, {"s1", -2}, {"st", -1}};
    bool whole = false;
    const Exact exact(reply);
    DeriveTransaction(commands, exact.view(), deadlines, 1'700'000'000'000, effect, whole);
    CheckWellFormed(effect);
    rewritten += effect.kind == Kind::kRewritten;
  }
  EXPECT_GT(rewritten, 100u);
}

}  // namespace
}  // namespace crossfade::replication
