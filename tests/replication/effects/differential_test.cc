// The acceptance test of the effects: whatever a command does to one real
// server, its effect does to another that was equal.
#include <gtest/gtest.h>

#include <set>

#include "tests/replication/effects/command_lines.h"
#include "tests/replication/effects/pair.h"

namespace crossfade::replication {
namespace {

using test::Dumper;
using test::Effect;
using test::Pair;
using test::Words;

std::string FixtureBytes() {
  std::string bytes;
  for (const std::string_view line : test::kFixture) {
    routing::AppendCommand(bytes, Words(line).args());
  }
  return bytes;
}

std::set<std::string> KeysWithExpiry(const Dumper::State& state) {
  std::set<std::string> keys;
  for (const auto& [name, key] : state) {
    if (key.expires_ms >= 0) keys.insert(name);
  }
  return keys;
}

class Differential : public ::testing::Test {
 protected:
  void Reset() {
    pair_.Reset(bytes_, test::kFixture.size());
    clean_ = true;
  }
  void SetUp() override {
    Reset();
    Dumper::State follower;
    pair_.TakeStates(fixture_, follower);
    ASSERT_TRUE(Pair::Compare(fixture_, follower));
    for (const auto& [name, key] : fixture_) {
      ASSERT_EQ(key.state.find("ERR"), std::string::npos) << name << ": " << key.state;
    }
  }

  Pair pair_;
  const std::string bytes_ = FixtureBytes();
  Dumper::State fixture_;
  bool clean_ = true;
};

TEST_F(Differential, EveryLineOfTheTableLeavesTheFollowerEqual) {
  const std::vector<std::string> lines = test::ExpandedLines();
  EXPECT_GT(lines.size(), 400u);
  size_t by_kind[6] = {};
  for (const std::string& line : lines) {
    SCOPED_TRACE(line);
    if (!clean_) Reset();
    const Words words(line);
    const Pair::Outcome outcome = pair_.Run(words.args());
    ++by_kind[static_cast<size_t>(outcome.effect.kind)];
    EXPECT_FALSE(outcome.reply_differs)
        << "authority " << outcome.reply << " follower " << outcome.follower_reply;
    Dumper::State authority;
    Dumper::State follower;
    pair_.TakeStates(authority, follower);
    EXPECT_TRUE(Pair::Compare(authority, follower));
    clean_ = authority == fixture_ && follower == fixture_;
    // What may get an expiry must say so.
    const std::set<std::string> before = KeysWithExpiry(fixture_);
    for (const std::string& key : KeysWithExpiry(follower)) {
      EXPECT_TRUE(before.contains(key) || outcome.effect.may_set_expiry ||
                  outcome.effect.passes_expiry_on || outcome.effect.kind == Effect::Kind::kSync)
          << key;
    }
  }
  std::printf("%zu lines: nothing %zu, replay %zu, rewritten %zu, sync %zu, flush %zu, swap %zu\n",
              lines.size(), by_kind[0], by_kind[1], by_kind[2], by_kind[3], by_kind[4], by_kind[5]);
}

// R5: where an effect says that it needs no guard, a key that is gone on one
// side alone shows in the reply, or does not matter.
TEST_F(Differential, KeysGoneOnOneSideShowWhereThereIsNoGuard) {
  size_t checked = 0;
  for (const std::string& line : test::ExpandedLines()) {
    const Words words(line);
    const routing::CommandSpec* spec = routing::CommandTable::Redis70().Find(words.args());
    std::vector<routing::KeyPosition> keys;
    if (spec == nullptr || spec->ReadOnly() || spec->Blocking() ||
        routing::ExtractKeys(*spec, words.args(), keys) != routing::Keys::kKnown) {
      continue;
    }
    std::set<std::string_view> names;
    for (const routing::KeyPosition& key : keys) names.insert(words.args()[key.arg]);
    for (const std::string_view gone : names) {
      for (const bool on_follower : {true, false}) {
        if (!fixture_.contains("0/" + std::string(gone))) continue;
        SCOPED_TRACE(line + (on_follower ? ", the follower's " : ", the authority's ") +
                     std::string(gone) + " gone");
        if (!clean_) Reset();
        clean_ = false;
        (on_follower ? pair_.follower() : pair_.authority()).Call({"DEL", gone});
        const Pair::Outcome outcome = pair_.Run(words.args());
        const Effect& effect = outcome.effect;
        if (effect.guard || effect.kind == Effect::Kind::kSync ||
            effect.kind == Effect::Kind::kNothing || outcome.reply_differs) {
          continue;
        }
        ++checked;
        Dumper::State authority;
        Dumper::State follower;
        pair_.TakeStates(authority, follower);
        for (const routing::KeyPosition& key : keys) {
          if (key.access == routing::Access::kRead) continue;
          const std::string name = (key.db == 1 ? "1/" : "0/") + std::string(words.args()[key.arg]);
          EXPECT_TRUE(authority.count(name) == follower.count(name) &&
                      (!authority.contains(name) || authority[name] == follower[name]))
              << name << ": " << Pair::Compare(authority, follower).message();
        }
      }
    }
  }
  std::printf("%zu effects without a guard had equal replies\n", checked);
  EXPECT_GT(checked, 50u);
}

TEST_F(Differential, RestoreKeepsItsExpiry) {
  const std::string dump = pair_.authority().Call({"DUMP", "z1"});
  const char* p = dump.data();
  const std::string payload(routing::ReadHead(p, dump.data() + dump.size()).text);
  const std::vector<std::vector<std::string_view>> commands = {
      {"RESTORE", "m1", "0", payload},
      {"RESTORE", "m1", "1000000", payload},
      {"RESTORE", "s1", "0", payload, "REPLACE"},
      {"RESTORE", "st", "1000000", payload, "REPLACE", "IDLETIME", "7"},
      {"RESTORE", "m1", "33000000000000", payload, "ABSTTL"},
      {"RESTORE", "m1", "1000", payload, "ABSTTL"},
      {"RESTORE", "st", "1000", payload, "REPLACE", "ABSTTL"},
      {"RESTORE", "s1", "0", payload},
      {"RESTORE", "m1", "-1", payload},
      {"RESTORE-ASKING", "m1", "1", payload}};
  for (const auto& command : commands) {
    SCOPED_TRACE(std::string(command[0]) + " " + std::string(command[1]) + " " +
                 std::string(command[2]));
    Reset();
    const Pair::Outcome outcome = pair_.Run(command);
    EXPECT_NE(outcome.effect.kind, Effect::Kind::kSync);
    EXPECT_FALSE(outcome.reply_differs);
    EXPECT_TRUE(pair_.Equal());
  }
}

TEST_F(Differential, FunctionLibrariesFollow) {
  const std::string_view code =
      "#!lua name=lib\nredis.register_function('f', function(keys) return 1 end)";
  const std::vector<std::vector<std::string_view>> commands = {
      {"FUNCTION", "LOAD", code},
      {"FUNCTION", "LOAD", code},
      {"FUNCTION", "LOAD", "REPLACE", code},
      {"FUNCTION", "DELETE", "lib"},
      {"FUNCTION", "DELETE", "lib"},
      {"FUNCTION", "LOAD", code},
      {"FUNCTION", "FLUSH"}};
  for (const auto& command : commands) {
    const Pair::Outcome outcome = pair_.Run(command);
    EXPECT_FALSE(outcome.reply_differs) << outcome.follower_reply;
    EXPECT_EQ(pair_.authority().Call({"FUNCTION", "DUMP"}),
              pair_.follower().Call({"FUNCTION", "DUMP"}));
  }
}

}  // namespace
}  // namespace crossfade::replication
