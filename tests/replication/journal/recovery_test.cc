#include "replication/journal/recovery.h"

#include <gtest/gtest.h>

#include "replication/journal/intent_journal.h"

namespace crossfade::replication {
namespace {

constexpr const char* kPair = "legacy a, new b";

BootId Boot(uint8_t first) {
  BootId boot{};
  boot[0] = first;
  return boot;
}

// A journal, and the files that its blocks make.
class Written {
 public:
  explicit Written(uint64_t generation = 1, IntentJournal::Sizes sizes = {})
      : journal(generation, 1, sizes), generation_(generation) {}

  IntentJournal journal;
  JournalMode mode = JournalMode::kProcess;
  std::vector<std::string> segments;
  uint64_t first = 0;  // index of segments[0]

  void Live() { journal.SetState({FollowerClaim::kLive, false, 5, "authority", "follower"}); }
  void Flush(uint64_t low_water) {
    JournalBlock block;
    if (!journal.Take(low_water, 1000, block)) return;
    if (block.begins_segment) {
      segments.push_back(
          EncodeSegmentHeader({mode, generation_, block.segment, Boot(1), 1000, kPair}));
    }
    AppendBlock(block.header, block.records, segments.back());
    while (first < block.remove_below) {
      segments.erase(segments.begin());
      ++first;
    }
  }
  void ReadInto(Recovery& recovery) const {
    for (size_t i = 0; i < segments.size(); ++i) {
      recovery.Read(segments[i], i + 1 == segments.size());
    }
  }
  Recovered Recover(uint8_t boot = 1) const {
    Recovery recovery(kPair, Boot(boot));
    ReadInto(recovery);
    return recovery.Finish();
  }

 private:
  uint64_t generation_;
};

std::vector<std::string> Names(const Recovered& recovered) {
  std::vector<std::string> names;
  for (const RecoveredKey& key : recovered.dirty) {
    names.push_back(std::to_string(key.db) + ":" + key.name);
  }
  return names;
}

using Strings = std::vector<std::string>;

TEST(Recovery, NoJournalSaysNothing) {
  Recovery recovery(kPair, Boot(1));
  const Recovered recovered = recovery.Finish();
  EXPECT_EQ(recovered.claim, FollowerClaim::kNothing);
  EXPECT_EQ(recovered.reason, "");
}

TEST(Recovery, WritesAboveTheLowWaterMarkAreOpen) {
  Written written;
  written.Live();
  written.journal.Write(1, JournalKey{0, "a"});
  written.journal.Write(2, {{0, "b"}, {3, "c"}});
  written.Flush(0);
  written.journal.Write(3, JournalKey{0, "d"});
  written.Flush(1);
  const Recovered recovered = written.Recover();
  EXPECT_EQ(recovered.claim, FollowerClaim::kLive);
  EXPECT_EQ(recovered.reason, "");
  EXPECT_EQ(recovered.state.clock_offset_ms, 5);
  EXPECT_EQ(Names(recovered), (Strings{"0:b", "0:d", "3:c"}));
}

TEST(Recovery, NumbersThatWereGivenToNoIntentAreSkipped) {
  Written written;
  written.Live();
  written.journal.Write(5, JournalKey{0, "a"});
  written.journal.Write(9, JournalKey{0, "b"});
  written.Flush(8);
  EXPECT_EQ(Names(written.Recover()), Strings{"0:b"});
}

TEST(Recovery, DirtinessStaysUntilItIsCleaned) {
  Written written;
  written.Live();
  const uint64_t of_a = written.journal.Dirty({0, "a"});
  written.journal.Dirty({0, "b"});
  written.Flush(0);
  written.journal.Clean({0, "a"}, of_a);
  written.Flush(0);
  EXPECT_EQ(Names(written.Recover()), Strings{"0:b"});
}

TEST(Recovery, AFollowerThatIsNotLiveIsOursAtMost) {
  Written written;
  written.Live();
  written.journal.Dirty({0, "a"});
  written.journal.SetState({FollowerClaim::kOurs, false, 0, "authority", "follower"});
  written.Flush(0);
  EXPECT_EQ(written.Recover().claim, FollowerClaim::kOurs);
  EXPECT_NE(written.Recover().reason, "");
}

TEST(Recovery, AnOpenCommandOnAllKeysMakesItOurs) {
  Written written;
  written.Live();
  written.journal.WriteAll(1);
  written.Flush(0);
  EXPECT_EQ(written.Recover().claim, FollowerClaim::kOurs);
  written.Flush(1);
  EXPECT_EQ(written.Recover().claim, FollowerClaim::kLive);
}

TEST(Recovery, AnotherBootIsOnlyGoodEnoughInModeDiskOrWhenItEndedInOrder) {
  for (const auto mode : {JournalMode::kProcess, JournalMode::kDisk}) {
    Written written;
    written.mode = mode;
    written.Live();
    written.Flush(0);
    EXPECT_EQ(written.Recover(2).claim,
              mode == JournalMode::kDisk ? FollowerClaim::kLive : FollowerClaim::kOurs);
    written.journal.RecordClosed();
    written.Flush(0);
    EXPECT_EQ(written.Recover(2).claim, FollowerClaim::kLive);
    written.journal.Write(1, JournalKey{0, "a"});  // it did not end after all
    written.Flush(0);
    EXPECT_EQ(written.Recover(2).claim,
              mode == JournalMode::kDisk ? FollowerClaim::kLive : FollowerClaim::kOurs);
  }
}

// It may have been restarted.
TEST(Recovery, AMachineThatDoesNotSayItsBootIsAnother) {
  Written written;
  written.Live();
  written.Flush(0);
  Recovery recovery(kPair, BootId{});
  std::string segment = EncodeSegmentHeader({JournalMode::kProcess, 1, 0, {}, 1000, kPair});
  std::string records;
  AppendState({FollowerClaim::kLive, false, 0, "authority", "follower"}, records);
  AppendBlock({}, records, segment);
  recovery.Read(segment, true);
  EXPECT_EQ(recovery.Finish().claim, FollowerClaim::kOurs);
}

TEST(Recovery, WhatIsMarkedAsIncompleteIsOurs) {
  Written written;
  written.Live();
  written.Flush(0);
  Recovery recovery(kPair, Boot(1));
  written.ReadInto(recovery);
  recovery.Suspect();
  EXPECT_EQ(recovery.Finish().claim, FollowerClaim::kOurs);
  Recovery nothing(kPair, Boot(1));
  nothing.Suspect();
  EXPECT_EQ(nothing.Finish().claim, FollowerClaim::kOurs);
}

TEST(Recovery, OfAKeyThatIsWrittenOftenTheLastWriteCounts) {
  Written written;
  written.Live();
  for (uint64_t i = 1; i <= 300'000; ++i) {
    written.journal.Write(i, JournalKey{0, "key " + std::to_string(i % 150'000)});
  }
  written.Flush(0);
  written.Flush(299'990);
  EXPECT_EQ(written.Recover().dirty.size(), 10u);
}

// What it had written may have been lost, but it was there.
TEST(Recovery, AnotherBootWithoutAStateTellsThatNothingMayBeBelieved) {
  Written written;
  written.journal.Write(1, JournalKey{0, "a"});
  written.Flush(0);
  EXPECT_EQ(written.Recover(1).reason, "");
  const Recovered recovered = written.Recover(2);
  EXPECT_EQ(recovered.claim, FollowerClaim::kNothing);
  EXPECT_NE(recovered.reason, "");
}

TEST(Recovery, AGenerationWithoutAStateAddsToTheOneBefore) {
  Written former(1);
  former.Live();
  former.journal.Dirty({0, "a"});
  former.Flush(0);
  Written next(2);
  next.journal.Write(1, JournalKey{0, "b"});
  next.Flush(0);
  Recovery recovery(kPair, Boot(1));
  former.ReadInto(recovery);
  next.ReadInto(recovery);
  const Recovered recovered = recovery.Finish();
  EXPECT_EQ(recovered.claim, FollowerClaim::kLive);
  EXPECT_EQ(recovered.generation, 2u);
  EXPECT_EQ(Names(recovered), (Strings{"0:a", "0:b"}));
}

// Whatever bit is changed in whatever segment: never live. The very last block may
// be taken for torn when its end is missing, not when its bits are.
TEST(Recovery, DamageIsNeverTakenForLive) {
  Written written(1, {.segment_bytes = 100});
  written.Live();
  for (uint64_t i = 1; i <= 12; ++i) {
    written.journal.Write(i, JournalKey{0, "some key " + std::to_string(i)});
    written.Flush(0);
  }
  ASSERT_GT(written.segments.size(), 2u);
  ASSERT_EQ(written.Recover().claim, FollowerClaim::kLive);
  for (std::string& segment : written.segments) {
    for (size_t at = 0; at < segment.size(); ++at) {
      segment[at] = static_cast<char>(segment[at] ^ 4);
      Recovery recovery(kPair, Boot(1));
      written.ReadInto(recovery);
      EXPECT_NE(recovery.Finish().claim, FollowerClaim::kLive) << at;
      segment[at] = static_cast<char>(segment[at] ^ 4);
    }
  }
}

TEST(Recovery, AMissingOrShortSegmentIsDamage) {
  Written written(1, {.segment_bytes = 100});
  written.Live();
  for (uint64_t i = 1; i <= 12; ++i) {
    written.journal.Write(i, JournalKey{0, "some key " + std::to_string(i)});
    written.Flush(0);
  }
  Written missing = written;
  missing.segments.erase(missing.segments.begin() + 1);
  EXPECT_EQ(missing.Recover().claim, FollowerClaim::kOurs);
  Written first = written;
  first.segments.erase(first.segments.begin());
  EXPECT_EQ(first.Recover().reason, "a segment is missing");
  EXPECT_EQ(first.Recover().claim, FollowerClaim::kOurs);
  Written cut = written;
  cut.segments[0].resize(cut.segments[0].size() - 3);
  EXPECT_EQ(cut.Recover().claim, FollowerClaim::kOurs);
  Written torn = written;
  torn.segments.back().resize(torn.segments.back().size() - 3);
  EXPECT_EQ(torn.Recover().claim, FollowerClaim::kLive);
}

TEST(Recovery, AJournalOfOtherStoresIsNamed) {
  Written written;
  written.Live();
  written.Flush(0);
  Recovery recovery("legacy c, new d", Boot(1));
  written.ReadInto(recovery);
  EXPECT_EQ(recovery.other_pair(), kPair);
}

TEST(IntentJournal, SegmentsGoOnceAllInThemIsDone) {
  Written written(1, {.segment_bytes = 200, .total_bytes = 1 << 20});
  written.Live();
  for (uint64_t i = 1; i <= 100; ++i) {
    written.journal.Write(i, JournalKey{0, "key"});
    written.Flush(i - 1);
  }
  EXPECT_LE(written.segments.size(), 3u);
  EXPECT_GT(written.first, 10u);
  EXPECT_EQ(Names(written.Recover()), Strings{"0:key"});
  EXPECT_LT(written.journal.bytes(), 1000u);
}

TEST(IntentJournal, WhatIsDirtyForLongIsSaidAgain) {
  Written written(1, {.segment_bytes = 200, .total_bytes = 4000});
  written.Live();
  uint64_t segment = written.journal.Dirty({0, "long"});
  for (uint64_t i = 1; i <= 500; ++i) {
    written.journal.Write(i, JournalKey{0, "key"});
    if (const uint64_t below = written.journal.RecordAgainBelow(); segment < below) {
      segment = written.journal.DirtyStill({0, "long"}, segment);
      written.journal.RecordedAgain();
    }
    written.Flush(i);
    ASSERT_FALSE(written.journal.OverBound());
  }
  EXPECT_EQ(Names(written.Recover()), Strings{"0:long"});
}

TEST(IntentJournal, SaysNothingTwice) {
  Written written;
  JournalBlock block;
  EXPECT_TRUE(written.journal.Take(0, 1, block));  // the first
  EXPECT_FALSE(written.journal.Take(0, 1, block));
  written.journal.Write(1, JournalKey{0, "a"});
  EXPECT_TRUE(written.journal.Take(0, 1, block));
  EXPECT_FALSE(written.journal.Take(0, 1, block));
  EXPECT_TRUE(written.journal.Take(1, 1, block));  // a greater mark
}

}  // namespace
}  // namespace crossfade::replication
