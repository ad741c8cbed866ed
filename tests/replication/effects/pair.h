// Pair: an authority and a follower, both real servers, and the way of a write
// between them: run it, ask behind, derive its effect, apply it, compare.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "replication/effects.h"
#include "routing/commands/keys.h"
#include "tests/replication/effects/dump.h"
#include "tests/replication/effects/store.h"
#include "tests/support/redis_server.h"

namespace crossfade::test {

using replication::Effect;
using Line = std::vector<std::string>;

class Pair {
 public:
  struct Outcome {
    Effect effect;
    bool whole_keyspace = false;
    std::string reply;           // the authority's
    std::string follower_reply;  // to the last command of the effect
    bool reply_differs = false;  // from what the effect expects
  };

  Store& authority() { return authority_; }
  Store& follower() { return follower_; }

  // Both empty, then both through `bytes` of `commands` commands.
  void Reset(std::string_view bytes, size_t commands) {
    for (Store* store : {&authority_, &follower_}) {
      store->Call({"FLUSHALL"});
      store->Exchange(bytes, commands);
    }
  }

  Outcome Run(std::span<const std::string_view> args) {
    Outcome outcome;
    const routing::CommandSpec* spec = routing::CommandTable::Redis70().Find(args);
    if (spec == nullptr) return outcome;
    const replication::AskBehind ask = replication::WhatToAskBehind(*spec, args);
    outcome.reply = authority_.Call(args);
    std::optional<replication::Deadline> deadline;
    std::optional<replication::StreamLength> length;
    const std::string_view key = ask ? args[ask.key_arg] : std::string_view();
    if (ask.deadline) deadline = replication::Deadline{key, authority_.PexpireTime(key)};
    if (ask.length) length = LengthOf(key);
    replication::DeriveEffect(*spec, args, outcome.reply, deadline, outcome.effect, length);
    const std::vector<replication::QueuedCommand> one = {{spec, args}};
    Apply(one, outcome);
    return outcome;
  }

  // Commands that are refused when they are queued make EXEC refuse all of them.
  Outcome RunTransaction(const std::vector<Line>& lines) {
    Outcome outcome;
    std::vector<std::vector<std::string_view>> args;
    for (const Line& line : lines) args.emplace_back(line.begin(), line.end());
    std::vector<replication::QueuedCommand> queued;
    std::vector<std::string_view> asked;
    std::vector<std::string_view> streams;
    authority_.Call({"MULTI"});
    for (const auto& command : args) {
      const routing::CommandSpec* spec = routing::CommandTable::Redis70().Find(command);
      if (!authority_.Call(command).starts_with("+QUEUED") || spec == nullptr) continue;
      queued.push_back({spec, command});
      const replication::AskBehind ask = replication::WhatToAskBehind(*spec, command);
      if (ask.deadline) asked.push_back(command[ask.key_arg]);
      if (ask.length) streams.push_back(command[ask.key_arg]);
    }
    outcome.reply = authority_.Call({"EXEC"});
    std::sort(asked.begin(), asked.end());
    asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
    std::vector<replication::Deadline> deadlines;
    for (const std::string_view key : asked) {
      deadlines.push_back({key, authority_.PexpireTime(key)});
    }
    std::vector<replication::StreamLength> lengths;
    for (const std::string_view key : streams) {
      if (const auto length = LengthOf(key)) lengths.push_back(*length);
    }
    replication::DeriveTransaction(queued, outcome.reply, deadlines, NowMs(), outcome.effect,
                                   outcome.whole_keyspace, lengths);
    Apply(queued, outcome);
    return outcome;
  }

  // The two servers' states, when no deadline is about to pass.
  void TakeStates(Dumper::State& authority, Dumper::State& follower) {
    for (;;) {
      authority = authority_dumper_.Take();
      follower = follower_dumper_.Take();
      if (!ExpiresSoon(authority) && !ExpiresSoon(follower)) return;
      ::poll(nullptr, 0, 2);  // until it has passed
    }
  }
  ::testing::AssertionResult Equal() {
    Dumper::State a;
    Dumper::State b;
    TakeStates(a, b);
    return Compare(a, b);
  }
  static ::testing::AssertionResult Compare(const Dumper::State& a, const Dumper::State& b) {
    if (a == b) return ::testing::AssertionSuccess();
    ::testing::AssertionResult result = ::testing::AssertionFailure();
    std::set<std::string> names;
    for (const auto& [name, key] : a) names.insert(name);
    for (const auto& [name, key] : b) names.insert(name);
    for (const std::string& name : names) {
      const auto in_a = a.find(name);
      const auto in_b = b.find(name);
      if (in_a != a.end() && in_b != b.end() && in_a->second == in_b->second) continue;
      result << "\n  " << name << " authority: " << Describe(a, in_a) << "\n  " << name
             << " follower:  " << Describe(b, in_b);
    }
    return result;
  }

  // Every key of the authority, and none else.
  void SyncAll() {
    follower_.Call({"FLUSHALL"});
    for (const auto& [name, key] : authority_dumper_.Take()) {
      const size_t slash = name.find('/');
      Both({"SELECT", std::string_view(name).substr(0, slash)});
      SyncKey(std::string_view(name).substr(slash + 1));
    }
    Both({"SELECT", "0"});
  }

 private:
  static bool ExpiresSoon(const Dumper::State& state) {
    const int64_t now = NowMs();
    return std::any_of(state.begin(), state.end(), [now](const auto& entry) {
      return entry.second.expires_ms >= 0 && entry.second.expires_ms < now + 100;
    });
  }
  static std::string Describe(const Dumper::State& state, Dumper::State::const_iterator key) {
    if (key == state.end()) return "(none)";
    return key->second.state + " expires " + std::to_string(key->second.expires_ms);
  }
  void Both(std::initializer_list<std::string_view> args) {
    authority_.Call(args);
    follower_.Call(args);
  }

  // None where the key is no stream (any more).
  std::optional<replication::StreamLength> LengthOf(std::string_view key) {
    const std::string reply = authority_.Call({"XLEN", key});
    int64_t entries = 0;
    if (reply.front() != ':' ||
        !routing::ParseInteger(std::string_view(reply).substr(1, reply.size() - 3), entries)) {
      return std::nullopt;
    }
    return replication::StreamLength{key, entries};
  }

  void SyncKey(std::string_view key) {
    Effect effect;
    ASSERT_TRUE(replication::DeriveSync(key, authority_.Call({"DUMP", key}),
                                        authority_.Call({"PEXPIRETIME", key}), effect));
    const std::string reply = follower_.Exchange(effect.bytes, effect.commands).back();
    if (!effect.expected.empty()) {
      EXPECT_EQ(reply, effect.expected);
    }
  }

  void Apply(std::span<const replication::QueuedCommand> commands, Outcome& outcome) {
    const Effect& effect = outcome.effect;
    switch (effect.kind) {
      case Effect::Kind::kNothing:
        return;
      case Effect::Kind::kReplay:
      case Effect::Kind::kFlush:
      case Effect::Kind::kSwap:
        outcome.follower_reply = follower_.Call(commands.front().args);
        outcome.reply_differs = outcome.follower_reply != outcome.reply;
        return;
      case Effect::Kind::kRewritten:
        outcome.follower_reply = follower_.Exchange(effect.bytes, effect.commands).back();
        outcome.reply_differs = effect.expected.empty() ? outcome.follower_reply.starts_with('-')
                                                        : outcome.follower_reply != effect.expected;
        return;
      case Effect::Kind::kSync:
        break;
    }
    if (outcome.whole_keyspace) return SyncAll();
    std::vector<routing::KeyPosition> keys;
    for (const replication::QueuedCommand& command : commands) {
      if (command.spec->ReadOnly()) continue;
      const routing::Keys known = routing::ExtractKeys(*command.spec, command.args, keys);
      ASSERT_NE(known, routing::Keys::kUnknown) << command.spec->name;
      for (const routing::KeyPosition& key : keys) {
        if (key.access == routing::Access::kRead) continue;
        const bool other_db = key.db != routing::kSameDb;
        if (other_db) Both({"SELECT", std::to_string(key.db)});
        SyncKey(command.args[key.arg]);
        if (other_db) Both({"SELECT", "0"});
      }
    }
  }

  RedisServer authority_server_;
  RedisServer follower_server_;
  Store authority_{authority_server_.port()};
  Store follower_{follower_server_.port()};
  Dumper authority_dumper_{authority_server_.port()};
  Dumper follower_dumper_{follower_server_.port()};
};

}  // namespace crossfade::test
