#include "replication/dirty_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace crossfade::replication {
namespace {

using Names = std::vector<std::string>;

Names TakeAll(DirtyKeys& dirty, int64_t now_us = 0) {
  Names names;
  KeyToSync key;
  while (dirty.NextToSync(now_us, key)) names.push_back(std::to_string(key.db) + key.name);
  return names;
}

TEST(DirtyKeysTest, AKeyIsADbAndAName) {
  DirtyKeys dirty;
  EXPECT_TRUE(dirty.Mark(0, "a", 1));
  EXPECT_FALSE(dirty.Mark(0, "a", 1)) << "it is dirty already";
  EXPECT_TRUE(dirty.Mark(1, "a", 1));
  EXPECT_EQ(dirty.size(), 2u);
  EXPECT_TRUE(dirty.Contains(1, "a"));
  EXPECT_FALSE(dirty.Contains(2, "a"));
  EXPECT_FALSE(dirty.Contains(0, "b"));
  EXPECT_EQ(TakeAll(dirty), (Names{"0a", "1a"}));
}

TEST(DirtyKeysTest, OnlyASyncWithAHigherNumberCleans) {
  struct Case {
    uint64_t marked, sync;
    bool clean;
  };
  for (const Case& c : {Case{5, 4, false}, Case{5, 5, false}, Case{5, 6, true}, Case{0, 1, true}}) {
    DirtyKeys dirty;
    dirty.Mark(0, "k", c.marked);
    TakeAll(dirty);
    dirty.SyncLogged(0, "k", c.sync);
    dirty.SyncSent(0, "k", c.sync);
    EXPECT_EQ(dirty.SyncApplied(0, "k", c.sync), c.clean) << c.marked << " " << c.sync;
    EXPECT_EQ(dirty.empty(), c.clean);
    EXPECT_EQ(TakeAll(dirty), c.clean ? Names{} : Names{"0k"}) << "else it is asked for again";
  }
}

TEST(DirtyKeysTest, AMarkAfterTheSyncAsksForAnother) {
  DirtyKeys dirty;
  dirty.Mark(0, "k", 5);
  TakeAll(dirty);
  dirty.Mark(0, "k", 6);
  EXPECT_EQ(TakeAll(dirty), Names{}) << "it is being read, and that will do";
  dirty.SyncLogged(0, "k", 7);
  dirty.Mark(0, "k", 6);
  EXPECT_EQ(TakeAll(dirty), Names{}) << "the sync in the log will do";
  dirty.Mark(0, "k", 7);
  EXPECT_EQ(TakeAll(dirty), Names{"0k"});
  EXPECT_FALSE(dirty.SyncApplied(0, "k", 7));
  dirty.Mark(0, "k", 3);
  EXPECT_FALSE(dirty.SyncApplied(0, "k", 7)) << "a lower number takes nothing back";
  dirty.SyncLogged(0, "k", 8);
  EXPECT_TRUE(dirty.SyncApplied(0, "k", 8));
}

TEST(DirtyKeysTest, EffectsAreSuspendedUntilALaterSyncIsSent) {
  DirtyKeys dirty;
  EXPECT_FALSE(dirty.Suspends(0, "k", 9));
  dirty.Mark(0, "k", 5);
  EXPECT_TRUE(dirty.Suspends(0, "k", 3)) << "sent before it was found dirty";
  EXPECT_TRUE(dirty.Suspends(0, "k", 9));
  dirty.SyncLogged(0, "k", 5);
  dirty.SyncSent(0, "k", 5);
  EXPECT_TRUE(dirty.Suspends(0, "k", 9)) << "that sync is not later than the cause";
  dirty.SyncLogged(0, "k", 7);
  EXPECT_TRUE(dirty.Suspends(0, "k", 9)) << "logged is not sent";
  dirty.SyncSent(0, "k", 7);
  EXPECT_TRUE(dirty.Suspends(0, "k", 6)) << "it stands before the sync";
  EXPECT_FALSE(dirty.Suspends(0, "k", 9));
  dirty.Mark(0, "k", 8);
  EXPECT_TRUE(dirty.Suspends(0, "k", 9)) << "dirty again";
}

TEST(DirtyKeysTest, AwaitsASyncUntilOneThatMayCleanIsLogged) {
  DirtyKeys dirty;
  EXPECT_FALSE(dirty.AwaitsSync(0, "k"));
  dirty.Mark(0, "k", 5);
  EXPECT_TRUE(dirty.AwaitsSync(0, "k"));
  dirty.SyncLogged(0, "k", 6);
  EXPECT_FALSE(dirty.AwaitsSync(0, "k"));
  dirty.Mark(0, "k", 6);
  EXPECT_TRUE(dirty.AwaitsSync(0, "k"));
}

TEST(DirtyKeysTest, AReadThatDidNotHappenIsAskedForAgain) {
  DirtyKeys dirty;
  dirty.Mark(0, "k", 5);
  TakeAll(dirty);
  dirty.SyncReadFailed(0, "k");
  EXPECT_EQ(TakeAll(dirty), Names{"0k"});
  dirty.SyncLogged(0, "k", 6);
  dirty.SyncReadFailed(0, "k");
  EXPECT_EQ(TakeAll(dirty), Names{}) << "a sync is logged by now";
  dirty.SyncReadFailed(0, "other");
  EXPECT_EQ(dirty.size(), 1u);
}

TEST(DirtyKeysTest, WhatTheFollowerRefusesIsTriedAgainLaterAndLater) {
  DirtyKeys dirty;
  dirty.Mark(0, "k", 1);
  dirty.Mark(0, "other", 1);
  TakeAll(dirty);
  int64_t now = 0;
  uint64_t seq = 1;
  for (const int64_t wait : {50'000, 100'000, 200'000, 400'000}) {
    dirty.SyncLogged(0, "k", ++seq);
    dirty.SyncRefused(0, "k", seq, now);
    EXPECT_EQ(dirty.refused(), 1u);
    EXPECT_EQ(TakeAll(dirty, now + wait - 1), Names{});
    EXPECT_EQ(TakeAll(dirty, now + wait), Names{"0k"});
    now += wait;
  }
  for (int i = 0; i < 30; ++i) {
    dirty.SyncLogged(0, "k", ++seq);
    dirty.SyncRefused(0, "k", seq, now);
    EXPECT_EQ(TakeAll(dirty, now + 60'000'000), Names{"0k"}) << "a minute is the longest";
    now += 60'000'000;
  }
  dirty.SyncLogged(0, "k", ++seq);
  EXPECT_TRUE(dirty.SyncApplied(0, "k", seq));
  EXPECT_EQ(dirty.refused(), 0u);
}

TEST(DirtyKeysTest, HeldBackKeysDoNotStopOthers) {
  DirtyKeys dirty;
  for (const char* name : {"a", "b", "c"}) dirty.Mark(0, name, 1);
  TakeAll(dirty);
  dirty.SyncLogged(0, "a", 2);
  dirty.SyncRefused(0, "a", 2, 0);
  dirty.SyncReadFailed(0, "b");
  EXPECT_EQ(TakeAll(dirty, 1), Names{"0b"});
  EXPECT_EQ(dirty.waiting(), 1u);
}

TEST(DirtyKeysTest, ClearForgetsAllAndLateNewsOfSyncsIsIgnored) {
  DirtyKeys dirty;
  dirty.Mark(0, "k", 1);
  TakeAll(dirty);
  dirty.SyncLogged(0, "k", 2);
  dirty.SyncRefused(0, "k", 2, 0);
  dirty.Clear();
  EXPECT_TRUE(dirty.empty());
  EXPECT_EQ(dirty.refused(), 0u);
  EXPECT_EQ(dirty.waiting(), 0u);
  dirty.SyncReadFailed(0, "k");
  dirty.SyncLogged(0, "k", 3);
  dirty.SyncSent(0, "k", 3);
  dirty.SyncRefused(0, "k", 3, 0);
  EXPECT_FALSE(dirty.SyncApplied(0, "k", 3));
  EXPECT_TRUE(dirty.empty());
  EXPECT_EQ(dirty.refused(), 0u);
}

// Against a model that remembers every sync, in a log whose entries are sent,
// and then answered, in order.
class DirtyKeysRandomTest : public testing::TestWithParam<uint64_t> {
 protected:
  struct Key {
    uint64_t seq = 0;
    bool reading = false;  // handed out, and not logged
    std::vector<uint64_t> logged, sent;
    int64_t held_until = 0;
  };
  struct Sync {
    uint64_t seq;
    std::string name;
  };
  uint64_t Below(uint64_t n) { return random_() % n; }
  std::string RandomName() { return "k" + std::to_string(Below(12)); }

  void Mark(uint64_t seq) {
    const std::string name = RandomName();
    ASSERT_EQ(dirty_.Mark(0, name, seq), !keys_.contains(name));
    Key& key = keys_[name];
    key.seq = std::max(key.seq, seq);
  }
  void Read() {
    KeyToSync next;
    if (!dirty_.NextToSync(now_, next)) {
      for (const auto& [name, key] : keys_) {
        const bool covered =
            key.reading || std::any_of(log_.begin(), log_.end(), [&](const Sync& sync) {
              return sync.name == name && sync.seq > key.seq;
            });
        ASSERT_TRUE(covered || key.held_until > now_) << name << " is forgotten";
      }
      return;
    }
    ASSERT_TRUE(keys_.contains(next.name)) << next.name << " is clean";
    Key& key = keys_[next.name];
    ASSERT_LE(key.held_until, now_);
    key.reading = true;
    reading_.push_back(next.name);
  }
  void FinishRead() {
    if (reading_.empty()) return;
    const size_t at = Below(reading_.size());
    const std::string name = reading_[at];
    reading_.erase(reading_.begin() + static_cast<long>(at));
    Key& key = keys_[name];
    key.reading = false;
    if (Below(5) == 0) return dirty_.SyncReadFailed(0, name);
    log_.push_back({++head_, name});
    key.logged.push_back(head_);
    dirty_.SyncLogged(0, name, head_);
  }
  void Send() {
    if (sent_ == log_.size()) return;
    const Sync& sync = log_[sent_++];
    if (keys_.contains(sync.name)) keys_[sync.name].sent.push_back(sync.seq);
    dirty_.SyncSent(0, sync.name, sync.seq);
  }
  void Answer() {
    if (sent_ == 0) return;
    const Sync sync = log_.front();
    log_.erase(log_.begin());
    --sent_;
    applied_ = sync.seq;
    const auto it = keys_.find(sync.name);
    if (refuse_ && Below(4) == 0) {
      dirty_.SyncRefused(0, sync.name, sync.seq, now_);
      if (it == keys_.end()) return;
      it->second.seq = std::max(it->second.seq, sync.seq);
      it->second.held_until = INT64_MAX;  // a while; it is asked for again below
      return;
    }
    const bool cleans = it != keys_.end() && sync.seq > it->second.seq;
    ASSERT_EQ(dirty_.SyncApplied(0, sync.name, sync.seq), cleans);
    if (cleans) keys_.erase(it);
  }
  void Compare() {
    ASSERT_EQ(dirty_.size(), keys_.size());
    for (int i = 0; i < 12; ++i) {
      const std::string name = "k" + std::to_string(i);
      const auto it = keys_.find(name);
      ASSERT_EQ(dirty_.Contains(0, name), it != keys_.end());
      const uint64_t at = applied_ + Below(head_ - applied_ + 2);
      bool suspended = it != keys_.end();
      bool awaits = suspended;
      uint64_t newest_sent = 0;
      if (suspended) {
        for (const uint64_t seq : it->second.sent) {
          suspended = suspended && !(seq > it->second.seq && seq < at);
          newest_sent = std::max(newest_sent, seq);
        }
        for (const uint64_t seq : it->second.logged) awaits = awaits && seq <= it->second.seq;
      }
      // Between two syncs it may be more careful than it must.
      ASSERT_TRUE(!suspended || dirty_.Suspends(0, name, at));
      ASSERT_TRUE(at <= newest_sent || dirty_.Suspends(0, name, at) == suspended);
      ASSERT_EQ(dirty_.AwaitsSync(0, name), awaits);
    }
  }

  std::mt19937_64 random_{GetParam()};
  DirtyKeys dirty_;
  std::map<std::string, Key> keys_;
  std::vector<std::string> reading_;
  std::vector<Sync> log_;
  size_t sent_ = 0;
  uint64_t head_ = 0, applied_ = 0;
  int64_t now_ = 0;
  bool refuse_ = true;
};

TEST_P(DirtyKeysRandomTest, DoesAsTheModelDoesAndForgetsNoKey) {
  std::cout << "seed " << GetParam() << "\n";
  for (int i = 0; i < 5000; ++i) {
    switch (Below(8)) {
      case 0:
        ++head_;
        break;  // an effect, of no concern here
      case 1:
        Mark(head_);
        break;
      case 2:
        Mark(std::min(applied_ + 1, head_));
        break;
      case 3:
        Send();
        break;
      case 4:
        Answer();
        break;
      case 5:
        FinishRead();
        break;
      default:
        Read();
        break;
    }
    if (Below(50) == 0) {
      now_ += 20'000'000;
      for (auto& [name, key] : keys_) key.held_until = 0;
    }
    Compare();
    if (HasFatalFailure()) return;
  }
  refuse_ = false;
  now_ += 20'000'000;
  for (auto& [name, key] : keys_) key.held_until = 0;
  for (int i = 0; i < 500 && !dirty_.empty(); ++i) {
    Read();
    FinishRead();
    Send();
    Answer();
    if (HasFatalFailure()) return;
  }
  EXPECT_TRUE(dirty_.empty());
  EXPECT_EQ(dirty_.refused(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DirtyKeysRandomTest, testing::Range<uint64_t>(1, 21));

}  // namespace
}  // namespace crossfade::replication
