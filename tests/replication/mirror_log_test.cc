#include "replication/mirror_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "config/limits.h"

namespace crossfade::replication {
namespace {

std::string_view Head(const LogEntry& entry) { return {entry.head, entry.head_size}; }

TEST(MirrorLogTest, NumbersRunOnAndEntriesLeaveInOrder) {
  MirrorLog log;
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.head_seq(), 0u);
  log.Append(EntryKind::kEffect, "", "one", "", nullptr);
  EXPECT_EQ(log.head_seq(), 1u);
  log.Append(EntryKind::kSync, "", "two", "", nullptr);
  EXPECT_EQ(log.head_seq(), 2u);
  EXPECT_EQ(log.applied_seq(), 0u);
  EXPECT_EQ(Head(log.At(1)), "one");
  EXPECT_EQ(Head(log.At(2)), "two");
  log.Pop();
  EXPECT_EQ(log.applied_seq(), 1u);
  EXPECT_EQ(log.size(), 1u);
  log.Pop();
  log.Shrink();
  log.Append(EntryKind::kFlush, "", "three", "", nullptr);
  EXPECT_EQ(log.head_seq(), 3u) << "numbers are never restarted";
  EXPECT_EQ(Head(log.At(3)), "three");
}

TEST(MirrorLogTest, GuardsStandBeforeTheEffect) {
  MirrorLog log;
  LogEntry& entry = log.Append(EntryKind::kEffect, "PTTL", "HSET", "", nullptr);
  EXPECT_EQ(Head(entry), "PTTLHSET");
  EXPECT_EQ(entry.Effect(), "HSET");
  EXPECT_EQ(entry.size(), 8u);
}

TEST(MirrorLogTest, ASharedEffectIsKeptByReferenceAndGivenBack) {
  MirrorLog log;
  const BlockRef block(Block::Make(100));
  std::memcpy(block->data(), "effect", 6);
  {
    LogEntry& entry = log.Append(EntryKind::kEffect, "PTTL", "", {block->data(), 6}, block.get());
    EXPECT_EQ(Head(entry), "PTTL");
    EXPECT_EQ(entry.Effect(), "effect");
    EXPECT_EQ(entry.Effect().data(), block->data());
    EXPECT_EQ(entry.size(), 10u);
  }
  EXPECT_FALSE(block->Unshared());
  log.Pop();
  EXPECT_TRUE(block->Unshared());
}

TEST(MirrorLogTest, AnEntryBringsNothingOfTheOneBeforeInItsPlace) {
  MirrorLog log;
  for (int i = 0; i < 1024; ++i) {
    LogEntry& entry = log.Append(EntryKind::kShadow, "g", "e", "", nullptr);
    entry.sent = true;
    entry.db = entry.guards = entry.route = 7;
    entry.intent = entry.expected = 7;
    entry.replies = 7;
    entry.authority_deadline_ms = 7;
    log.Pop();
  }
  const LogEntry& entry = log.Append(EntryKind::kEffect, "", "e", "", nullptr);
  EXPECT_FALSE(entry.sent);
  EXPECT_EQ(entry.db + entry.guards + entry.route + entry.guard_size + entry.shared_size, 0u);
  EXPECT_EQ(entry.intent + entry.expected, 0u);
  EXPECT_EQ(entry.replies, 1u);
  EXPECT_EQ(entry.authority_deadline_ms, -1);
  EXPECT_EQ(entry.shared, nullptr);
}

TEST(MirrorLogTest, AChunkIsUsedAgainUnlessAPieceOfItIsStillToBeSent) {
  MirrorLog log;
  const char* first = log.Append(EntryKind::kEffect, "", "one", "", nullptr).head;
  log.Pop();
  LogEntry& again = log.Append(EntryKind::kEffect, "", "two", "", nullptr);
  EXPECT_EQ(again.head, first);
  const BlockRef held = BlockRef::Share(again.head_block);
  log.Pop();
  log.Append(EntryKind::kEffect, "", "xxx", "", nullptr);
  EXPECT_EQ(std::string_view(first, 3), "two") << "the connection has yet to send it";
  EXPECT_TRUE(held->Unshared()) << "the log has let go of it";
}

// A huge entry behind a chunk that had become empty must not stay in memory.
TEST(MirrorLogTest, AHugeEntryIsFreedWhenItIsPopped) {
  MirrorLog log;
  log.Append(EntryKind::kEffect, "", "small", "", nullptr);
  log.Pop();
  const std::string huge(limits::kBlockBytes * 3, 'x');
  const BlockRef held =
      BlockRef::Share(log.Append(EntryKind::kEffect, "", huge, "", nullptr).head_block);
  EXPECT_FALSE(held->Unshared());
  log.Pop();
  EXPECT_TRUE(held->Unshared());
  EXPECT_EQ(log.bytes(), 0u);
}

class MirrorLogRandomTest : public testing::TestWithParam<uint64_t> {
 protected:
  struct Copy {
    std::string guards, effect;
  };
  uint64_t Below(uint64_t n) { return random_() % n; }
  std::string RandomBytes() {
    static constexpr size_t kMost[] = {10, 100, 2'000, limits::kBlockBytes,
                                       limits::kBlockBytes * 3};
    const uint64_t dice = Below(100);
    const size_t most = kMost[dice < 50 ? 0 : dice < 80 ? 1 : dice < 97 ? 2 : dice < 99 ? 3 : 4];
    return std::string(Below(most + 1), static_cast<char>('a' + Below(26)));
  }
  void Append() {
    Copy copy{Below(3) == 0 ? RandomBytes().substr(0, 60) : "", RandomBytes()};
    if (Below(10) == 0 && !copy.effect.empty()) {
      const BlockRef block(Block::Make(copy.effect.size()));
      std::memcpy(block->data(), copy.effect.data(), copy.effect.size());
      log_.Append(EntryKind::kEffect, copy.guards, "", {block->data(), copy.effect.size()},
                  block.get());
    } else {
      log_.Append(EntryKind::kEffect, copy.guards, copy.effect, "", nullptr);
    }
    copies_.push_back(std::move(copy));
  }
  // As the connection does with what it has to send.
  void Retain() {
    if (copies_.empty()) return;
    const LogEntry& entry = log_.At(log_.applied_seq() + 1 + Below(copies_.size()));
    held_.push_back({BlockRef::Share(entry.head_block), Head(entry), std::string(Head(entry))});
    if (entry.shared_size > 0) {
      held_.push_back(
          {BlockRef::Share(entry.shared_block.get()), entry.Effect(), std::string(entry.Effect())});
    }
  }
  void LetGo() {
    if (held_.empty()) return;
    ASSERT_EQ(held_.front().bytes, held_.front().copy);
    held_.pop_front();
  }
  void Compare() {
    ASSERT_EQ(log_.size(), copies_.size());
    size_t bytes = copies_.size() * sizeof(LogEntry);
    for (const Copy& copy : copies_) bytes += copy.guards.size() + copy.effect.size();
    ASSERT_EQ(log_.bytes(), bytes);
    if (copies_.empty()) return;
    const size_t at = Below(copies_.size());
    const LogEntry& entry = log_.At(log_.applied_seq() + 1 + at);
    ASSERT_EQ(std::string_view(entry.head, entry.guard_size), copies_[at].guards);
    ASSERT_EQ(entry.Effect(), copies_[at].effect);
  }

  struct Held {
    BlockRef block;
    std::string_view bytes;
    std::string copy;
  };
  std::mt19937_64 random_{GetParam()};
  MirrorLog log_;
  std::deque<Copy> copies_;
  std::deque<Held> held_;
};

TEST_P(MirrorLogRandomTest, HoldsWhatWasAppendedAndCountsItsBytes) {
  std::cout << "seed " << GetParam() << "\n";
  for (int i = 0; i < 6000; ++i) {
    const uint64_t appends = i / 1500 % 2 == 0 ? 6 : 3;  // over the ring's first size, and empty
    const uint64_t dice = Below(10);
    if (dice < appends) {
      Append();
    } else if (dice < 9 && !copies_.empty()) {
      log_.Pop();
      copies_.pop_front();
    } else {
      Retain();
    }
    if (held_.size() > 20 || Below(30) == 0) LetGo();
    if (copies_.empty() && Below(10) == 0) log_.Shrink();
    Compare();
    if (HasFatalFailure()) return;
  }
  for (; !copies_.empty(); copies_.pop_front()) log_.Pop();
  EXPECT_EQ(log_.bytes(), 0u);
  EXPECT_EQ(log_.applied_seq(), log_.head_seq());
  while (!held_.empty()) LetGo();
}

INSTANTIATE_TEST_SUITE_P(Seeds, MirrorLogRandomTest, testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace crossfade::replication
