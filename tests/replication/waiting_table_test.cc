// Whose turn it is among those who wait.
#include "replication/waiting_table.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

#include "routing/slot.h"

namespace crossfade::replication {
namespace {

using routing::BlockingRequest;
using routing::Certainty;

uint64_t Hash(const std::string& key) { return routing::KeyHash(0, key); }

BlockingRequest Pop(std::vector<std::string> keys) {
  BlockingRequest request;
  request.keys = std::move(keys);
  return request;
}

class WaitingTableTest : public ::testing::Test {
 protected:
  // Waits, its first attempt having found nothing.
  Waiter& Wait(WaiterId id, BlockingRequest request) {
    Waiter& waiter = table_.Add(id, 0, std::move(request));
    std::vector<ReadyKey> more;
    table_.End(waiter, false, more);
    table_.MarkBlocked(waiter);
    EXPECT_TRUE(more.empty());
    return waiter;
  }
  std::vector<WaiterId> Choose(const std::string& key, Certainty certainty, uint32_t elements,
                               uint8_t kinds = routing::kWaitsForAny) {
    std::vector<Waiter*> chosen;
    table_.Choose({Hash(key), kinds, certainty, elements}, chosen);
    std::vector<WaiterId> ids;
    for (Waiter* waiter : chosen) {
      ids.push_back(waiter->id);
      table_.Begin(*waiter, 1);
    }
    return ids;
  }
  std::vector<ReadyKey> End(WaiterId id, bool found) {
    std::vector<ReadyKey> more;
    Waiter& waiter = *table_.Find(id);
    table_.End(waiter, found, more);
    if (found) table_.Remove(waiter);
    return more;
  }

  WaitingTable table_;
};

TEST_F(WaitingTableTest, FirstComeFirstServed) {
  for (WaiterId id = 1; id <= 5; ++id) Wait(id, Pop({"k"}));
  EXPECT_EQ(Choose("k", Certainty::kExact, 2), (std::vector<WaiterId>{1, 2}));
  EXPECT_EQ(Choose("k", Certainty::kExact, 1), (std::vector<WaiterId>{3}));
  EXPECT_TRUE(Choose("other", Certainty::kExact, 1).empty());
}

TEST_F(WaitingTableTest, WhoWasNotServedKeepsItsPlace) {
  for (WaiterId id = 1; id <= 3; ++id) Wait(id, Pop({"k"}));
  EXPECT_EQ(Choose("k", Certainty::kExact, 1), (std::vector<WaiterId>{1}));
  End(1, false);
  EXPECT_EQ(Choose("k", Certainty::kExact, 1), (std::vector<WaiterId>{1}));
  End(1, true);
  EXPECT_EQ(Choose("k", Certainty::kExact, 1), (std::vector<WaiterId>{2}));
}

TEST_F(WaitingTableTest, OneWhoIsServedLeavesAllItsKeys) {
  Wait(1, Pop({"a", "b", "a"}));
  Wait(2, Pop({"b"}));
  EXPECT_EQ(Choose("a", Certainty::kExact, 1), (std::vector<WaiterId>{1}));
  End(1, true);
  EXPECT_FALSE(table_.Wanted(Hash("a")));
  EXPECT_EQ(Choose("b", Certainty::kExact, 9), (std::vector<WaiterId>{2}));
  End(2, true);
  EXPECT_TRUE(table_.empty());
  EXPECT_EQ(table_.blocked(), 0u);
  EXPECT_FALSE(table_.Wanted(Hash("b")));
}

// One attempt at a time; what became ready meanwhile is tried after it.
TEST_F(WaitingTableTest, OneAttemptAtATime) {
  Waiter& waiter = Wait(1, Pop({"a", "b"}));
  EXPECT_EQ(Choose("a", Certainty::kExact, 1), (std::vector<WaiterId>{1}));
  EXPECT_TRUE(Choose("b", Certainty::kExact, 1).empty());
  EXPECT_EQ(waiter.attempt, (std::vector<uint32_t>{0}));
  End(1, false);
  EXPECT_EQ(waiter.next, (std::vector<uint32_t>{1}));
  table_.Queue(waiter);
  EXPECT_EQ(waiter.attempt, (std::vector<uint32_t>{1}));
  std::vector<uint64_t> hashes;
  waiter.AppendHashes(hashes);
  EXPECT_EQ(hashes, (std::vector<uint64_t>{Hash("b")}));
}

// Somebody whose first attempt is in flight is no reason to keep writers waiting.
TEST_F(WaitingTableTest, OnlyAttemptsThatMayFindNothingAreUnsettled) {
  const uint64_t hash = Hash("k");
  const auto unsettled = [&](LaneId lane) { return table_.Unsettled(lane, std::span(&hash, 1)); };
  table_.Add(1, 0, Pop({"k"}));
  EXPECT_FALSE(unsettled(1));
  End(1, false);
  EXPECT_EQ(Choose("k", Certainty::kExact, 1).size(), 1u);
  EXPECT_FALSE(unsettled(1));
  End(1, false);
  for (const Certainty certainty : {Certainty::kBounded, Certainty::kOpen}) {
    EXPECT_EQ(Choose("k", certainty, 1).size(), 1u);
    EXPECT_TRUE(unsettled(1));
    EXPECT_FALSE(unsettled(2));
    End(1, false);
    EXPECT_FALSE(unsettled(1));
  }
}

// Where it is not known how many were added, it goes on until one finds nothing.
TEST_F(WaitingTableTest, GoesOnWhileThereIsMore) {
  const WaiterId last = WaitingTable::kBatch + 3;
  for (WaiterId id = 1; id <= last; ++id) Wait(id, Pop({"k"}));
  const std::vector<WaiterId> batch = Choose("k", Certainty::kOpen, 0);
  ASSERT_EQ(batch.size(), WaitingTable::kBatch);
  for (const WaiterId id : batch) {
    const std::vector<ReadyKey> more = End(id, true);
    EXPECT_EQ(more.size(), id == batch.back() ? 1u : 0u) << id;
  }
  EXPECT_EQ(Choose("k", Certainty::kOpen, 0).size(), 3u);
  EXPECT_TRUE(End(last - 2, true).empty());
  EXPECT_TRUE(End(last - 1, false).empty());
  EXPECT_TRUE(End(last, false).empty());
}

TEST_F(WaitingTableTest, OfAStreamEverybodyIsServedAndOthersAreNot) {
  BlockingRequest stream = Pop({"k"});
  stream.kind = routing::kWaitsForStream;
  for (WaiterId id = 1; id <= 40; ++id) Wait(id, id % 2 == 0 ? stream : Pop({"k"}));
  EXPECT_EQ(Choose("k", Certainty::kExact, 1, routing::kWaitsForStream).size(), 20u);
  EXPECT_EQ(Choose("k", Certainty::kExact, 1, routing::kWaitsForList), (std::vector<WaiterId>{1}));
  EXPECT_TRUE(Choose("k", Certainty::kExact, 1, routing::kWaitsForSortedSet).empty());
}

TEST_F(WaitingTableTest, APollIsForWhoeverIsFirst) {
  Waiter& first = Wait(1, Pop({"a", "b"}));
  Waiter& second = Wait(2, Pop({"b", "c"}));
  Waiter& third = Wait(3, Pop({"c"}));
  EXPECT_TRUE(table_.WantWhereFirst(first));
  EXPECT_EQ(first.next, (std::vector<uint32_t>{0, 1}));
  EXPECT_TRUE(table_.WantWhereFirst(second));
  EXPECT_EQ(second.next, (std::vector<uint32_t>{1}));
  EXPECT_FALSE(table_.WantWhereFirst(third));
}

// It will be sent behind the write, so that nobody behind it may have its element.
TEST_F(WaitingTableTest, OneWhoseAttemptIsQueuedTakesItsPart) {
  for (WaiterId id = 1; id <= 3; ++id) Wait(id, Pop({"k"}));
  table_.WantAll(*table_.Find(1));
  table_.Queue(*table_.Find(1));
  EXPECT_TRUE(Choose("k", Certainty::kExact, 1).empty());
  EXPECT_EQ(Choose("k", Certainty::kExact, 2), (std::vector<WaiterId>{2}));
}

// What may never be there is no reason to try again.
TEST_F(WaitingTableTest, WhatIsReadyPerhapsIsNotTriedAgain) {
  Waiter& waiter = Wait(1, Pop({"a", "b"}));
  EXPECT_EQ(Choose("a", Certainty::kExact, 1).size(), 1u);
  std::vector<Waiter*> chosen;
  table_.Choose({Hash("b"), routing::kWaitsForAny, Certainty::kBounded, 1, true}, chosen);
  EXPECT_TRUE(chosen.empty());
  EXPECT_TRUE(waiter.next.empty());
  table_.ChooseFirst(Hash("b"), routing::kWaitsForList, chosen);
  EXPECT_TRUE(chosen.empty());
  EXPECT_EQ(waiter.next, (std::vector<uint32_t>{1}));
}

TEST_F(WaitingTableTest, TicketsAreForgottenWithTheirWaiter) {
  Waiter& waiter = Wait(1, Pop({"a"}));
  table_.WantAll(waiter);
  table_.Queue(waiter);
  table_.SetTicket(waiter, 7);
  table_.Remove(waiter);
  EXPECT_EQ(table_.TakeTicket(7), nullptr);
  Waiter& again = Wait(1, Pop({"a"}));
  table_.WantAll(again);
  table_.Queue(again);
  table_.SetTicket(again, 8);
  EXPECT_EQ(table_.TakeTicket(8), &again);
  EXPECT_TRUE(again.entered);
  EXPECT_EQ(table_.TakeTicket(8), nullptr);
}

// Against the plainest model: a list of waiters per key.
TEST_F(WaitingTableTest, AgreesWithQueuesInAList) {
  const uint64_t seed = 20240917;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::string> names{"a", "b", "c", "d"};
  std::map<std::string, std::deque<WaiterId>> model;
  WaiterId next = 1;
  for (int step = 0; step < 20'000; ++step) {
    const std::string& key = names[random() % names.size()];
    if (random() % 2 == 0 && table_.size() < 50) {
      std::vector<std::string> keys{key};
      const std::string& other = names[random() % names.size()];
      if (other != key) keys.push_back(other);
      for (const std::string& name : keys) model[name].push_back(next);
      Wait(next++, Pop(keys));
      continue;
    }
    const auto elements = static_cast<uint32_t>(1 + random() % 3);
    const std::vector<WaiterId> chosen = Choose(key, Certainty::kExact, elements);
    std::vector<WaiterId> expected;
    for (const WaiterId id : model[key]) {
      if (expected.size() < elements) expected.push_back(id);
    }
    ASSERT_EQ(chosen, expected) << "step " << step;
    for (const WaiterId id : chosen) {
      const bool served = random() % 3 != 0;
      End(id, served);
      if (!served) continue;
      for (auto& [name, queue] : model) std::erase(queue, id);
    }
    for (const std::string& name : names) {
      ASSERT_EQ(table_.Wanted(Hash(name)), !model[name].empty());
    }
  }
}

}  // namespace
}  // namespace crossfade::replication
