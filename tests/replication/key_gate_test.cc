#include "replication/key_gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <iostream>
#include <list>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace crossfade::replication {
namespace {

using Keys = std::vector<uint64_t>;

class Granted final : public GateWaiter {
 public:
  void OnGateEntered(uint64_t ticket) override { tickets.push_back(ticket); }
  std::vector<uint64_t> Take() { return std::exchange(tickets, {}); }
  std::vector<uint64_t> tickets;
};

GateKeys Of(const Keys& keys) { return {keys, false}; }
constexpr GateKeys kWhole{{}, true};

class KeyGateTest : public testing::Test {
 protected:
  uint64_t Wait(LaneId lane, GateKeys keys) {
    EXPECT_FALSE(gate_.TryEnter(lane, keys));
    return gate_.Wait(lane, keys, &granted_);
  }
  KeyGate gate_;
  Granted granted_;
};

TEST_F(KeyGateTest, OneLaneNeverWaits) {
  const Keys a{1}, b{2}, both{1, 2};
  ASSERT_TRUE(gate_.TryEnter(0, Of(a)));
  ASSERT_TRUE(gate_.TryEnter(0, Of(a)));
  ASSERT_TRUE(gate_.TryEnter(0, Of(both)));
  ASSERT_TRUE(gate_.TryEnter(0, kWhole));
  ASSERT_TRUE(gate_.TryEnter(0, Of(b)));
  EXPECT_EQ(gate_.in_flight(), 5u);
  for (const GateKeys& keys : {Of(a), Of(a), Of(both), kWhole, Of(b)}) gate_.Leave(0, keys);
  EXPECT_EQ(gate_.in_flight(), 0u);
}

TEST_F(KeyGateTest, AKeyIsOnOneLaneAtATime) {
  const Keys a{1}, b{2};
  ASSERT_TRUE(gate_.TryEnter(0, Of(a)));
  ASSERT_TRUE(gate_.TryEnter(0, Of(a)));
  EXPECT_TRUE(gate_.TryEnter(1, Of(b)));
  const uint64_t ticket = Wait(1, Of(a));
  gate_.Leave(0, Of(a));
  EXPECT_TRUE(granted_.Take().empty()) << "one of lane 0 is still inside";
  gate_.Leave(0, Of(a));
  EXPECT_EQ(granted_.Take(), std::vector{ticket});
  EXPECT_EQ(gate_.waiting(), 0u);
  EXPECT_FALSE(gate_.TryEnter(0, Of(a))) << "now it is lane 1's";
}

TEST_F(KeyGateTest, NobodyOvertakesOnAKeyNotEvenTheLaneThatHoldsIt) {
  const Keys a{1};
  ASSERT_TRUE(gate_.TryEnter(0, Of(a)));
  const uint64_t first = Wait(1, Of(a));
  const uint64_t second = Wait(0, Of(a));
  const uint64_t third = Wait(1, Of(a));
  gate_.Leave(0, Of(a));
  EXPECT_EQ(granted_.Take(), std::vector{first}) << "the third is behind lane 0's second";
  gate_.Leave(1, Of(a));
  EXPECT_EQ(granted_.Take(), std::vector{second});
  gate_.Leave(0, Of(a));
  EXPECT_EQ(granted_.Take(), std::vector{third});
}

TEST_F(KeyGateTest, EntersForAllItsKeysOrForNone) {
  const Keys a{1}, b{2}, both{1, 2};
  ASSERT_TRUE(gate_.TryEnter(0, Of(a)));
  const uint64_t ticket = Wait(1, Of(both));
  EXPECT_FALSE(gate_.TryEnter(2, Of(b))) << "the waiter comes first on b too";
  gate_.Leave(0, Of(a));
  EXPECT_EQ(granted_.Take(), std::vector{ticket});
}

TEST_F(KeyGateTest, WhoCannotEnterHoldsItsKeysAgainstThoseBehindOnly) {
  const Keys a{1}, ab{1, 2}, bc{2, 3}, d{4};
  ASSERT_TRUE(gate_.TryEnter(0, Of(a)));
  ASSERT_TRUE(gate_.TryEnter(0, Of(d)));
  const uint64_t first = Wait(1, Of(ab));
  const uint64_t second = Wait(2, Of(bc));
  const uint64_t third = Wait(3, Of(d));
  gate_.Leave(0, Of(d));
  EXPECT_EQ(granted_.Take(), std::vector{third}) << "d is of no concern to those before it";
  gate_.Leave(0, Of(a));
  EXPECT_EQ(granted_.Take(), std::vector{first});
  gate_.Leave(1, Of(ab));
  EXPECT_EQ(granted_.Take(), std::vector{second});
}

TEST_F(KeyGateTest, TheWholeGateExcludesEveryOtherLane) {
  const Keys a{1}, none;
  ASSERT_TRUE(gate_.TryEnter(0, kWhole));
  const uint64_t waits = Wait(1, Of(a));
  const uint64_t keyless = Wait(1, Of(none));
  gate_.Leave(0, kWhole);
  EXPECT_EQ(granted_.Take(), (std::vector{waits, keyless}));
  const uint64_t whole = Wait(2, kWhole);
  EXPECT_FALSE(gate_.TryEnter(1, Of(none))) << "nothing overtakes who waits for the whole gate";
  gate_.Leave(1, Of(a));
  EXPECT_TRUE(granted_.Take().empty()) << "a command without keys is still inside";
  gate_.Leave(1, Of(none));
  EXPECT_EQ(granted_.Take(), std::vector{whole});
}

TEST_F(KeyGateTest, TheWholeGateDoesNotOvertakeACommandWithoutKeys) {
  const Keys none;
  ASSERT_TRUE(gate_.TryEnter(0, kWhole));
  const uint64_t keyless = Wait(1, Of(none));
  const uint64_t whole = Wait(0, kWhole);
  EXPECT_TRUE(gate_.Cancel(Wait(2, kWhole)));
  EXPECT_TRUE(granted_.Take().empty());
  gate_.Leave(0, kWhole);
  EXPECT_EQ(granted_.Take(), std::vector{keyless});
  gate_.Leave(1, Of(none));
  EXPECT_EQ(granted_.Take(), std::vector{whole});
}

TEST_F(KeyGateTest, CancelLetsThoseBehindPass) {
  const Keys a{1}, b{2};
  ASSERT_TRUE(gate_.TryEnter(0, Of(a)));
  const uint64_t whole = Wait(1, kWhole);
  const uint64_t behind = Wait(2, Of(b));
  EXPECT_TRUE(gate_.Cancel(whole));
  EXPECT_EQ(granted_.Take(), std::vector{behind});
  EXPECT_FALSE(gate_.Cancel(behind)) << "it has entered";
  EXPECT_FALSE(gate_.Cancel(whole)) << "it is gone";
  gate_.Leave(2, Of(b));
  gate_.Leave(0, Of(a));
  EXPECT_TRUE(gate_.TryEnter(3, kWhole)) << "nothing is left behind";
}

TEST_F(KeyGateTest, DuplicatesOfAKeyCountAsOftenWhenItLeaves) {
  const Keys twice{7, 7, 7}, once{7};
  ASSERT_TRUE(gate_.TryEnter(0, Of(twice)));
  ASSERT_TRUE(gate_.TryEnter(0, Of(once)));
  const uint64_t ticket = Wait(1, Of(twice));
  gate_.Leave(0, Of(twice));
  EXPECT_TRUE(granted_.Take().empty());
  gate_.Leave(0, Of(once));
  EXPECT_EQ(granted_.Take(), std::vector{ticket});
  gate_.Leave(1, Of(twice));
  EXPECT_TRUE(gate_.TryEnter(2, Of(once)));
}

TEST_F(KeyGateTest, HashZeroIsAKeyAsAnyOther) {
  // The others have their home at the same place, so that they lie around it.
  const Keys zero{0}, next{1024}, last{2048}, all{1024, 0, 2048};
  ASSERT_TRUE(gate_.TryEnter(0, Of(all)));
  EXPECT_FALSE(gate_.TryEnter(1, Of(zero)));
  gate_.Leave(0, Of(all));
  for (const Keys& keys : {last, zero, next}) ASSERT_TRUE(gate_.TryEnter(0, Of(keys)));
  gate_.Leave(0, Of(last));
  EXPECT_FALSE(gate_.TryEnter(1, Of(zero)));
  EXPECT_FALSE(gate_.TryEnter(1, Of(next)));
  gate_.Leave(0, Of(zero));
  EXPECT_TRUE(gate_.TryEnter(1, Of(zero)));
  EXPECT_FALSE(gate_.TryEnter(1, Of(next)));
}

TEST_F(KeyGateTest, ManyKeysAreHeldAndForgottenOneByOne) {
  std::mt19937_64 random(5);
  std::vector<Keys> held;
  for (int i = 0; i < 5000; ++i) held.push_back({random() % 3 == 0 ? random() % 8192 : random()});
  std::map<uint64_t, int> count;
  for (const Keys& keys : held) {
    ASSERT_TRUE(gate_.TryEnter(0, Of(keys)));
    ++count[keys[0]];
  }
  std::shuffle(held.begin(), held.end(), random);
  for (const Keys& keys : held) {
    ASSERT_FALSE(gate_.TryEnter(1, Of(keys)));
    gate_.Leave(0, Of(keys));
    const bool free = --count[keys[0]] == 0;
    ASSERT_EQ(gate_.TryEnter(1, Of(keys)), free);
    if (free) gate_.Leave(1, Of(keys));
  }
  EXPECT_EQ(gate_.in_flight(), 0u);
}

// ---- Against a model that keeps lists, and compares each with each.

struct Command {
  LaneId lane = 0;
  Keys keys;
  bool all = false;
  uint64_t ticket = 0;
};

bool Conflict(const Command& a, const Command& b) {
  if (a.all || b.all) return true;
  return std::any_of(a.keys.begin(), a.keys.end(), [&b](uint64_t key) {
    return std::find(b.keys.begin(), b.keys.end(), key) != b.keys.end();
  });
}

struct Model {
  bool Fits(const Command& c) const {
    return std::none_of(inside.begin(), inside.end(), [&c](const Command& other) {
      return other.lane != c.lane && Conflict(c, other);
    });
  }
  bool MayEnter(const Command& c) const {
    return Fits(c) && std::none_of(waiting.begin(), waiting.end(),
                                   [&c](const Command& other) { return Conflict(c, other); });
  }
  // The tickets of those that enter now, in order.
  std::vector<uint64_t> Grant() {
    std::vector<uint64_t> granted;
    std::deque<Command> still;
    for (const Command& c : waiting) {
      const bool first = std::none_of(still.begin(), still.end(),
                                      [&c](const Command& other) { return Conflict(c, other); });
      if (first && Fits(c)) {
        inside.push_back(c);
        granted.push_back(c.ticket);
      } else {
        still.push_back(c);
      }
    }
    waiting = std::move(still);
    return granted;
  }
  std::vector<Command> inside;
  std::deque<Command> waiting;
};

class KeyGateRandomTest : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t Below(uint64_t n) { return random_() % n; }
  Command RandomCommand() {
    static const Keys kKeys{0, 1, 2, 1024, 1025, 2048, 1023, 2047, UINT64_MAX, 77, 78, 4096};
    Command command{static_cast<LaneId>(Below(4)), {}, Below(25) == 0, 0};
    const uint64_t count = command.all && Below(2) == 0 ? 0 : Below(4);
    for (uint64_t i = 0; i < count; ++i) command.keys.push_back(kKeys[Below(kKeys.size())]);
    return command;
  }
  void Arrive() {
    Command command = RandomCommand();
    const GateKeys keys{command.keys, command.all};
    const bool enters = gate_.TryEnter(command.lane, keys);
    ASSERT_EQ(enters, model_.MayEnter(command));
    if (enters) {
      model_.inside.push_back(command);
    } else {
      command.ticket = gate_.Wait(command.lane, keys, &granted_);
      model_.waiting.push_back(command);
    }
  }
  void Leave() {
    if (model_.inside.empty()) return;
    const size_t at = Below(model_.inside.size());
    const Command command = model_.inside[at];
    model_.inside.erase(model_.inside.begin() + static_cast<long>(at));
    gate_.Leave(command.lane, {command.keys, command.all});
  }
  void Cancel() {
    if (model_.waiting.empty()) return;
    const size_t at = Below(model_.waiting.size());
    ASSERT_TRUE(gate_.Cancel(model_.waiting[at].ticket));
    model_.waiting.erase(model_.waiting.begin() + static_cast<long>(at));
  }
  void Compare() {
    ASSERT_EQ(granted_.Take(), model_.Grant());
    ASSERT_EQ(gate_.in_flight(), model_.inside.size());
    ASSERT_EQ(gate_.waiting(), model_.waiting.size());
    for (const Command& a : model_.inside) {
      for (const Command& b : model_.inside) ASSERT_TRUE(a.lane == b.lane || !Conflict(a, b));
    }
  }

  std::mt19937_64 random_{GetParam()};
  KeyGate gate_;
  Granted granted_;
  Model model_;
};

TEST_P(KeyGateRandomTest, DoesAsTheModelDoes) {
  std::cout << "seed " << GetParam() << "\n";
  for (int i = 0; i < 3000; ++i) {
    const uint64_t dice = Below(20);
    const uint64_t arrivals = i / 300 % 2 == 0 ? 11 : 8;  // it fills, and it empties
    if (dice < arrivals) {
      Arrive();
    } else if (dice < 19) {
      Leave();
    } else {
      Cancel();
    }
    Compare();
    if (HasFatalFailure()) return;
  }
  while (!model_.inside.empty()) {
    Leave();
    Compare();
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(gate_.waiting(), 0u) << "who waits is never forgotten";
}

INSTANTIATE_TEST_SUITE_P(Seeds, KeyGateRandomTest, testing::Range<uint64_t>(1, 21));

}  // namespace
}  // namespace crossfade::replication
