// Long random sequences, single commands and transactions, through the effects;
// the follower must be equal after every one of them. CROSSFADE_SEED repeats a
// run, CROSSFADE_COMMANDS makes it longer.
#include <gtest/gtest.h>

#include <strings.h>

#include <random>

#include "tests/replication/effects/command_lines.h"
#include "tests/replication/effects/pair.h"
#include "tests/support/random_commands.h"

namespace crossfade::replication {
namespace {

using test::Line;
using test::Pair;
using test::Words;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

uint64_t Seed() {
  const uint64_t seed = FromEnvironment("CROSSFADE_SEED", std::random_device{}());
  std::printf("CROSSFADE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  return seed;
}

size_t Commands(size_t otherwise) {
  return static_cast<size_t>(FromEnvironment("CROSSFADE_COMMANDS", otherwise));
}

std::string Text(const Line& line) {
  std::string text;
  for (const std::string& word : line) text += word.substr(0, 60) + " ";
  return text;
}

Line LineOf(std::string_view text) {
  const Words words(text);
  return Line(words.args().begin(), words.args().end());
}

class RandomEffects : public ::testing::Test {
 protected:
  void LoadFixture() {
    std::string bytes;
    for (const std::string_view line : test::kFixture) {
      routing::AppendCommand(bytes, Words(line).args());
    }
    pair_.Reset(bytes, test::kFixture.size());
  }
  // False when the test has failed.
  bool Step(const std::vector<Line>& lines, bool transaction) {
    const std::vector<std::string_view> views(lines[0].begin(), lines[0].end());
    const Pair::Outcome outcome =
        transaction ? pair_.RunTransaction(lines) : pair_.Run(std::span(views));
    ++kinds_[static_cast<size_t>(outcome.effect.kind)];
    const ::testing::AssertionResult equal = pair_.Equal();
    EXPECT_TRUE(equal);
    EXPECT_FALSE(outcome.reply_differs)
        << "follower: " << outcome.follower_reply << "\nexpected: " << outcome.effect.expected
        << "\nauthority: " << outcome.reply << "\neffect: " << outcome.effect.bytes;
    if (!HasFailure()) return true;
    for (const Line& line : lines) ADD_FAILURE() << "after: " << Text(line);
    return false;
  }
  void TearDown() override {
    std::printf("nothing %zu, replay %zu, rewritten %zu, sync %zu, flush %zu, swap %zu\n",
                kinds_[0], kinds_[1], kinds_[2], kinds_[3], kinds_[4], kinds_[5]);
  }

  Pair pair_;
  size_t kinds_[6] = {};
};

TEST_F(RandomEffects, SequencesOfTheTablesLinesLeaveTheFollowerEqual) {
  std::mt19937_64 random(Seed());
  const std::vector<std::string> table = test::ExpandedLines();
  for (size_t i = 0, commands = Commands(1500); i < commands; ++i) {
    if (i % 150 == 0) LoadFixture();
    if (!Step({LineOf(table[random() % table.size()])}, false)) return;
  }
}

TEST_F(RandomEffects, TransactionsOfTheTablesLinesLeaveTheFollowerEqual) {
  std::mt19937_64 random(Seed());
  const std::vector<std::string> table = test::ExpandedLines();
  // Refused when queued, which makes the whole transaction fail: too often so.
  std::vector<Line> lines;
  for (const std::string& line : table) {
    const Words words(line);
    const routing::CommandSpec* spec = routing::CommandTable::Redis70().Find(words.args());
    if (spec != nullptr && spec->ArityFits(words.args().size()) && words.args()[0] != "DEBUG" &&
        (spec->flags & routing::kNoMulti) == 0) {
      lines.push_back(LineOf(line));
    }
  }
  for (size_t i = 0, transactions = Commands(1500) / 2; i < transactions; ++i) {
    if (i % 30 == 0) LoadFixture();
    std::vector<Line> chosen;
    for (size_t k = 1 + random() % 6; k > 0; --k) chosen.push_back(lines[random() % lines.size()]);
    if (!Step(chosen, true)) return;
  }
}

TEST_F(RandomEffects, TransactionsAroundExpiriesLeaveTheFollowerEqual) {
  std::mt19937_64 random(Seed());
  const char* const lines[] = {"SET @ v EX 1000",
                               "SET @ v",
                               "SET @ v PX 1",
                               "SET @ v PXAT 1000",
                               "SET @ v KEEPTTL",
                               "EXPIRE @ 1000",
                               "EXPIRE @ 1000 NX",
                               "EXPIRE @ -1",
                               "PEXPIRE @ 1",
                               "EXPIREAT @ 1000",
                               "PEXPIREAT @ 33000000000000",
                               "PERSIST @",
                               "GETEX @ PERSIST",
                               "GETEX @ EX 500",
                               "DEL @",
                               "GETEX @ PXAT 5",
                               "RENAME @ %",
                               "COPY @ % REPLACE",
                               "APPEND @ x",
                               "GETDEL @",
                               "SETNX @ v",
                               "HSET @ f v",
                               "TTL @",
                               "SADD @ m",
                               "SETEX @ 9 v",
                               "MOVE @ 1",
                               "INCR @",
                               "FLUSHDB"};
  for (size_t i = 0, transactions = Commands(1500) / 2; i < transactions; ++i) {
    if (i % 100 == 0) LoadFixture();
    std::vector<Line> chosen;
    for (size_t k = 1 + random() % 7; k > 0; --k) {
      std::string line = lines[random() % (std::size(lines) - (random() % 20 == 0 ? 0 : 1))];
      for (char& c : line) {
        if (c == '@' || c == '%') c = static_cast<char>('q' + random() % 3);
      }
      chosen.push_back(LineOf(line));
    }
    if (!Step(chosen, true)) return;
  }
}

// The values and mistakes of the generator that the whole-system tests use.
TEST_F(RandomEffects, StreamsOfGeneratedCommandsLeaveTheFollowerEqual) {
  test::RandomOptions options;
  options.expiries = false;  // deadlines that pass in between are for the guards
  options.databases = 1;
  test::RandomCommands generator(Seed(), options);
  std::vector<Line> queued;
  bool in_transaction = false;
  for (size_t i = 0, commands = Commands(1500); i < commands; ++i) {
    const Line line = generator.Next().args;
    const std::string name = line.empty() ? "" : line[0];
    const bool multi = strcasecmp(name.c_str(), "MULTI") == 0;
    const bool exec = strcasecmp(name.c_str(), "EXEC") == 0;
    const bool discard = strcasecmp(name.c_str(), "DISCARD") == 0;
    if (exec && in_transaction && !queued.empty()) {
      if (!Step(queued, true)) return;
    } else if (!multi && !exec && !discard) {
      if (in_transaction) {
        queued.push_back(line);
        continue;
      }
      if (!Step({line}, false)) return;
    }
    in_transaction = multi || (in_transaction && !exec && !discard);
    if (!in_transaction || multi) queued.clear();
  }
}

}  // namespace
}  // namespace crossfade::replication
