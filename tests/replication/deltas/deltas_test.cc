#include <gtest/gtest.h>

#include <vector>

#include "replication/bytes.h"
#include "replication/deltas/reader.h"
#include "replication/deltas/writer.h"
#include "tests/replication/snapshot/memory_file.h"

namespace crossfade::replication {
namespace {

const DeltaHeader kHeader{1'700'000'000'123, "verify", std::string(64, 'd'), "a:1 run", "b:2 run"};

DeltaRecord Sample(int i) {
  DeltaRecord record;
  record.difference.db = static_cast<uint32_t>(i % 3);
  record.difference.key = std::string("k\0\xff\n", 4) + std::to_string(i);
  record.difference.kind = static_cast<DifferenceKind>(i % 5);
  record.found_unix_ms = 1'700'000'000'200 + i;
  record.outcome = static_cast<DeltaOutcome>(i % 6);
  record.outcome_unix_ms = i % 2 == 0 ? 0 : record.found_unix_ms + 5;
  KeySide& authority = record.difference.authority;
  authority.exists = record.difference.kind != DifferenceKind::kExtra;
  if (authority.exists) {
    authority.type = static_cast<KeyType>(i % 8);
    authority.digest = 0x0123456789abcdef + static_cast<uint64_t>(i);
    authority.bytes = static_cast<uint64_t>(i) * 1000;
    authority.deadline_ms = i % 2 == 0 ? -1 : 1'800'000'000'000 + i;
  }
  KeySide& follower = record.difference.follower;
  follower.exists = record.difference.kind != DifferenceKind::kMissing;
  if (follower.exists) {
    follower.type = KeyType::kNone;
    follower.digest = UINT64_MAX;
    follower.deadline_ms = i % 3 == 0 ? 0 : -1;
  }
  return record;
}

// As text, all of it.
std::string TextOf(const DeltaRecord& record) {
  const auto side = [](const KeySide& s) {
    return std::to_string(s.exists) + "," + std::to_string(static_cast<int>(s.type)) + "," +
           std::to_string(s.digest) + "," + std::to_string(s.bytes) + "," +
           std::to_string(s.deadline_ms);
  };
  const Difference& d = record.difference;
  return std::to_string(d.db) + " " + d.key + " " + Name(d.kind) + " " + Name(record.outcome) +
         " " + std::to_string(record.found_unix_ms) + " " + std::to_string(record.outcome_unix_ms) +
         " " + side(d.authority) + " " + side(d.follower);
}

std::string Written(int records) {
  MemoryFile file;
  DeltaWriter writer(file);
  EXPECT_TRUE(writer.Begin(kHeader));
  for (int i = 0; i < records; ++i) EXPECT_TRUE(writer.Add(Sample(i)));
  EXPECT_TRUE(writer.Finish());
  return file.bytes;
}

struct Read {
  std::vector<std::string> records;
  std::string problem;  // empty: whole
  uint64_t dropped = 0;
};

Read ReadAll(std::string bytes, size_t step = SIZE_MAX) {
  MemoryFile file(std::move(bytes));
  file.step = step;
  DeltaReader reader(file);
  Read read;
  const Status header = reader.ReadHeader();
  if (!header) {
    read.problem = header.error().message;
    return read;
  }
  EXPECT_EQ(reader.header(), kHeader);
  DeltaRecord record;
  while (true) {
    const Result<bool> next = reader.Next(record);
    if (!next) read.problem = next.error().message;
    if (!next || !*next) break;
    read.records.push_back(TextOf(record));
  }
  EXPECT_EQ(reader.records(), read.records.size());
  read.dropped = reader.dropped();
  return read;
}

TEST(Deltas, ComeBackAsTheyWereWritten) {
  // The larger one has several blocks.
  for (const int count : {0, 1, 7, 20'000}) {
    std::vector<std::string> expected;
    for (int i = 0; i < count; ++i) expected.push_back(TextOf(Sample(i)));
    const std::string bytes = Written(count);
    for (const size_t step : {size_t{7}, SIZE_MAX}) {
      const Read read = ReadAll(bytes, step);
      EXPECT_EQ(read.problem, "");
      EXPECT_EQ(read.records, expected) << count;
      EXPECT_EQ(read.dropped, 0u);
    }
    if (count == 20'000) {
      EXPECT_LT(bytes.size(), 700'000u) << "it is compressed";
    }
  }
}

TEST(Deltas, CutAnywhereTheyAreCutShort) {
  const std::string bytes = Written(60);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Read read = ReadAll(bytes.substr(0, size));
    EXPECT_TRUE(read.problem.starts_with("cut short at byte ")) << size << ": " << read.problem;
  }
}

TEST(Deltas, NoFlippedBitGoesUnnoticed) {
  const std::string bytes = Written(60);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      EXPECT_NE(ReadAll(std::move(flipped)).problem, "") << at << " " << bit;
    }
  }
}

TEST(Deltas, OfAnUnfinishedLogWhatWasFlushedIsThere) {
  MemoryFile file;
  DeltaWriter writer(file);
  ASSERT_TRUE(writer.Begin(kHeader));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(writer.Add(Sample(i)));
  ASSERT_TRUE(writer.Flush());
  ASSERT_TRUE(writer.Add(Sample(5)));
  const Read read = ReadAll(file.bytes);
  EXPECT_EQ(read.records.size(), 5u);
  EXPECT_TRUE(read.problem.starts_with("cut short")) << read.problem;
}

TEST(Deltas, OverABoundTheFirstAreKeptAndTheOthersCounted) {
  for (const DeltaWriter::Bounds bounds :
       {DeltaWriter::Bounds{10, 1 << 20}, DeltaWriter::Bounds{100, 600}}) {
    MemoryFile file;
    DeltaWriter writer(file, bounds);
    ASSERT_TRUE(writer.Begin(kHeader));
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(writer.Add(Sample(i)));
    const uint64_t kept = writer.records();
    EXPECT_EQ(kept + writer.dropped(), 50u);
    EXPECT_GT(kept, 5u);
    EXPECT_LE(kept, 15u);
    ASSERT_TRUE(writer.Finish(1'000));
    const Read read = ReadAll(file.bytes);
    EXPECT_EQ(read.problem, "");
    ASSERT_EQ(read.records.size(), kept);
    EXPECT_EQ(read.records.back(), TextOf(Sample(static_cast<int>(kept) - 1)));
    EXPECT_EQ(read.dropped, 1'050 - kept);
  }
}

TEST(Deltas, BlocksThatAreMissingDoubledOrBehindTheEndAreDamage) {
  const std::string header = EncodeDeltaHeader(kHeader);
  std::string record, two;
  AppendDeltaRecord(Sample(1), record);
  two = record + record;
  const auto frame = [](uint32_t magic, const DeltaFields& fields, const std::string& content) {
    std::string bytes;
    AppendFrame(magic, fields, content, bytes);
    return bytes;
  };
  const std::string first = frame(kDeltaBlockMagic, {0, 1, 0}, record);
  const std::string second = frame(kDeltaBlockMagic, {1, 2, 0}, two);
  const std::string end = frame(kDeltaEndMagic, {2, 3, 9}, "");
  EXPECT_EQ(ReadAll(header + first + second + end).problem, "");
  EXPECT_EQ(ReadAll(header + first + second + end).dropped, 9u);
  for (const std::string& wrong :
       {second + end, first + first + end, first + end, first + second + end + "x",
        frame(kDeltaBlockMagic, {0, 2, 0}, record), frame(kDeltaBlockMagic, {0, 1, 0}, two),
        frame(kDeltaBlockMagic, {0, 0, 0}, ""), frame(7, {0, 1, 0}, record)}) {
    const std::string problem = ReadAll(header + wrong).problem;
    EXPECT_TRUE(problem.starts_with("damaged at byte ")) << problem;
  }
}

TEST(Deltas, RecordsThatAreNoneAreDamage) {
  std::string record;
  AppendDeltaRecord(Sample(3), record);
  for (size_t size = 0; size < record.size(); ++size) {
    std::string_view bytes = std::string_view(record).substr(0, size);
    DeltaRecord taken;
    EXPECT_FALSE(TakeDeltaRecord(bytes, taken)) << size;
  }
  // A kind and an outcome that there are not.
  const size_t kind_at = 2 + Sample(3).difference.key.size();
  for (const size_t at : {kind_at, kind_at + 1}) {
    std::string wrong = record;
    wrong[at] = 99;
    std::string_view bytes = wrong;
    DeltaRecord taken;
    EXPECT_FALSE(TakeDeltaRecord(bytes, taken)) << at;
  }
}

TEST(Deltas, AnActionFollowsFromTheKindAndTheOutcome) {
  EXPECT_STREQ(ActionOf(DifferenceKind::kExtra, DeltaOutcome::kLeft), "none");
  EXPECT_STREQ(ActionOf(DifferenceKind::kExtra, DeltaOutcome::kDeleted), "delete");
  EXPECT_STREQ(ActionOf(DifferenceKind::kValue, DeltaOutcome::kNotReached), "copy");
  EXPECT_STREQ(ActionOf(DifferenceKind::kMissing, DeltaOutcome::kRepaired), "copy");
}

}  // namespace
}  // namespace crossfade::replication
