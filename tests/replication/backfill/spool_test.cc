#include "replication/backfill/spool.h"

#include <gtest/gtest.h>

#include "replication/backfill/partitions.h"
#include "tests/support/memory_spool.h"

namespace crossfade::replication {
namespace {

using test::MemorySpool;
using Keys = std::vector<RecoveredKey>;

void AddKey(Spool& spool, uint32_t db, const std::string& name) {
  spool.Add(PartitionOf(name), db, name);
}

Keys All(Spool& spool) {
  Keys all;
  for (uint32_t partition = 0; partition < limits::kPartitions; ++partition) {
    const auto keys = spool.Read(partition);
    EXPECT_TRUE(keys.has_value());
    if (!keys) continue;
    EXPECT_EQ(keys->empty(), spool.Empty(partition));
    for (const RecoveredKey& key : *keys) {
      EXPECT_EQ(PartitionOf(key.name), partition);
      all.push_back(key);
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

TEST(Spool, IsWrittenAnewWithEachNameOnce) {
  MemorySpool file;
  Spool spool(file, "a -> b");
  spool.set_compact_from(8'000);
  ASSERT_TRUE(spool.Begin(5));
  const auto add_all = [&spool] {
    for (int i = 0; i < 40; ++i) AddKey(spool, i % 2, "k" + std::to_string(i));
    ASSERT_TRUE(spool.Flush());
  };
  add_all();
  const Keys keys = All(spool);
  while (!spool.WantsCompaction()) add_all();
  const uint64_t before = spool.bytes();
  file.room_left = 0;
  EXPECT_FALSE(spool.Compact({}));
  EXPECT_EQ(spool.bytes(), before);
  EXPECT_EQ(All(spool), keys);
  EXPECT_FALSE(spool.WantsCompaction()) << "not before it has grown";
  file.room_left = SIZE_MAX;
  ASSERT_TRUE(spool.Compact({}));
  EXPECT_LT(spool.bytes() * 2, before);
  EXPECT_EQ(file.Size(), spool.bytes());
  EXPECT_EQ(All(spool), keys);
  AddKey(spool, 9, "later");
  ASSERT_TRUE(spool.Flush());
  PartitionSet done;
  done.set(PartitionOf("k0"));
  ASSERT_TRUE(spool.Compact(done));
  Spool again(file, "a -> b");
  ASSERT_TRUE(again.Resume(5));
  Keys left = All(again);
  EXPECT_EQ(left, All(spool));
  EXPECT_EQ(std::count(left.begin(), left.end(), RecoveredKey{9, "later"}), 1);
  EXPECT_EQ(std::count(left.begin(), left.end(), RecoveredKey{0, "k0"}), 0);
}

// However long a backfill is paused.
TEST(Spool, ItsLengthIsBoundedByTheKeysThatThereAre) {
  MemorySpool file;
  Spool spool(file, "a -> b");
  spool.set_compact_from(20'000);
  ASSERT_TRUE(spool.Begin());
  size_t longest = 0;
  for (int i = 0; i < 3'000; ++i) {
    AddKey(spool, 0, "k" + std::to_string(i % 100));
    ASSERT_TRUE(spool.Flush());
    if (spool.WantsCompaction()) {
      ASSERT_TRUE(spool.Compact({}));
    }
    longest = std::max(longest, file.bytes.size());
  }
  EXPECT_EQ(All(spool).size(), 100u);
  EXPECT_LT(longest, 21'000u);
}

TEST(Spool, GivesEachNameOnceWhetherOnTheDiskOrNot) {
  MemorySpool file;
  Spool spool(file, "a -> b");
  ASSERT_TRUE(spool.Begin());
  AddKey(spool, 0, "k");
  AddKey(spool, 3, "k");
  AddKey(spool, 0, std::string("\0\r\n", 3));
  ASSERT_TRUE(spool.Flush());
  EXPECT_TRUE(spool.flushed());
  AddKey(spool, 0, "k");
  AddKey(spool, 0, "");
  const Keys expected = {{0, ""}, {0, std::string("\0\r\n", 3)}, {0, "k"}, {3, "k"}};
  EXPECT_EQ(All(spool), expected);
  ASSERT_TRUE(spool.Flush());
  EXPECT_EQ(All(spool), expected);
}

TEST(Spool, GoesOnWhereAFormerProcessWas) {
  MemorySpool file;
  Keys expected;
  for (int round = 0; round < 3; ++round) {
    Spool spool(file, "a -> b");
    ASSERT_TRUE(round == 0 ? spool.Begin() : spool.Resume());
    for (int i = 0; i < 5'000; ++i) {
      const std::string name = "key:" + std::to_string(round) + ":" + std::to_string(i);
      AddKey(spool, 0, name);
      expected.push_back({0, name});
    }
    ASSERT_TRUE(spool.Flush());
    AddKey(spool, 0, "not flushed");
  }
  std::sort(expected.begin(), expected.end());
  Spool spool(file, "a -> b");
  ASSERT_TRUE(spool.Resume());
  EXPECT_EQ(All(spool), expected);
}

TEST(Spool, ATornEndIsCutOffAndAChangedByteIsNoticed) {
  MemorySpool file;
  Spool spool(file, "a -> b");
  ASSERT_TRUE(spool.Begin());
  const size_t header = file.bytes.size();
  AddKey(spool, 0, "first");
  ASSERT_TRUE(spool.Flush());
  const size_t first = file.bytes.size();
  AddKey(spool, 0, "second");
  ASSERT_TRUE(spool.Flush());
  const std::string whole = file.bytes;
  for (size_t size = 0; size <= whole.size(); ++size) {
    file.bytes = whole.substr(0, size);
    Spool again(file, "a -> b");
    ASSERT_EQ(again.Resume().has_value(), size >= header) << size;
    if (size < header) continue;
    EXPECT_EQ(All(again).size(), size == whole.size() ? 2u : size >= first ? 1u : 0u) << size;
    AddKey(again, 0, "third");
    ASSERT_TRUE(again.Flush());
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    file.bytes = whole;
    file.bytes[at] ^= 0x10;
    Spool again(file, "a -> b");
    EXPECT_FALSE(again.Resume()) << at;
  }
}

TEST(Spool, AnotherPairsIsRefused) {
  MemorySpool file;
  Spool spool(file, "a -> b");
  ASSERT_TRUE(spool.Begin());
  const Status resumed = Spool(file, "a -> c").Resume();
  ASSERT_FALSE(resumed);
  EXPECT_NE(resumed.error().message.find("a -> b"), std::string::npos);
}

TEST(Spool, WhatAFullDiskDidNotTakeIsWrittenLater) {
  MemorySpool file;
  Spool spool(file, "a -> b");
  ASSERT_TRUE(spool.Begin());
  for (int i = 0; i < 100; ++i) AddKey(spool, 0, "k" + std::to_string(i));
  file.room_left = 700;
  EXPECT_FALSE(spool.Flush());
  EXPECT_FALSE(spool.flushed());
  EXPECT_EQ(All(spool).size(), 100u);
  file.room_left = SIZE_MAX;
  AddKey(spool, 0, "late");
  ASSERT_TRUE(spool.Flush());
  Spool again(file, "a -> b");
  ASSERT_TRUE(again.Resume());
  EXPECT_EQ(All(again).size(), 101u);
}

}  // namespace
}  // namespace crossfade::replication
