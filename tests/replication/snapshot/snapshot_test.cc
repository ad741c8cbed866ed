#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "replication/bytes.h"
#include "replication/snapshot/reader.h"
#include "replication/snapshot/writer.h"
#include "tests/replication/snapshot/memory_file.h"

namespace crossfade::replication {
namespace {

const SnapshotHeader kHeader{1'700'000'000'123, "0123456789abcdef", "7.0.15", "legacy",
                             "127.0.0.1:7001"};

SnapshotRecord Key(uint32_t db, std::string_view name, std::string_view payload,
                   int64_t deadline_ms = 0) {
  return {SnapshotTag::kKey, db, deadline_ms, name, payload};
}

// A block that is compressed and one that is not, small enough to try every byte.
std::string Small() {
  std::string bytes = EncodeSnapshotHeader(kHeader);
  std::string records;
  for (int i = 0; i < 200; ++i) AppendSnapshotRecord(Key(0, "key", "some payload of it"), records);
  AppendSnapshotBlock(0, {0, 9}, 200, records, bytes);
  records.clear();
  AppendSnapshotRecord(Key(1, "k", "v", 5), records);
  AppendSnapshotBlock(1, {2, 0}, 1, records, bytes);
  AppendSnapshotEnd({2, 201, 0, 200 * 18 + 1}, bytes);
  return bytes;
}

std::string Written() {
  MemoryFile file;
  SnapshotWriter writer(file);
  EXPECT_TRUE(writer.Begin(kHeader));
  EXPECT_TRUE(writer.Add({SnapshotTag::kFunctions, 0, 0, "", "library"}));
  EXPECT_TRUE(writer.Add(Key(0, std::string_view("a\0b", 3), "payload", 1'800'000'000'000)));
  const std::string long_payload(kSnapshotBlockBytes, 'x');
  EXPECT_TRUE(writer.Add(Key(0, "long", long_payload)));
  writer.Reached({0, 42});
  EXPECT_TRUE(writer.Add(Key(300, "", "")));
  EXPECT_TRUE(writer.Add({SnapshotTag::kRefused, 7, 0, "secret", "NOPERM"}));
  writer.Reached({301, 0});
  EXPECT_TRUE(writer.Finish());
  EXPECT_EQ(file.synced, file.bytes.size());
  return file.bytes;
}

struct Read {
  std::vector<std::string> records;  // as text
  std::string problem;               // empty: whole
  SnapshotPosition position;
  SnapshotTotals totals;
  uint64_t offset = 0;
};

Read ReadAll(MemoryFile& file) {
  Read read;
  SnapshotReader reader(file);
  const Status header = reader.ReadHeader();
  if (!header) {
    read.problem = header.error().message;
    return read;
  }
  EXPECT_EQ(reader.header(), kHeader);
  SnapshotBlock block;
  while (true) {
    const Result<bool> next = reader.Next(block);
    if (!next) read.problem = next.error().message;
    if (!next || !*next) break;
    read.position = block.position;
    SnapshotRecords records(block.records);
    SnapshotRecord record;
    while (records.Next(record)) {
      read.records.push_back(std::to_string(static_cast<int>(record.tag)) + " " +
                             std::to_string(record.db) + " " + std::to_string(record.deadline_ms) +
                             " " + std::string(record.name) + " " +
                             std::string(record.payload.substr(0, 10)));
    }
  }
  read.totals = reader.totals();
  read.offset = reader.offset();
  return read;
}

Read ReadAll(std::string bytes) {
  MemoryFile file(std::move(bytes));
  return ReadAll(file);
}

TEST(Snapshot, ComesBackAsItWasWritten) {
  const std::string bytes = Written();
  const Read read = ReadAll(bytes);
  EXPECT_EQ(read.problem, "");
  const std::string binary("1 0 1800000000000 a\0b payload", 29);
  EXPECT_EQ(read.records,
            (std::vector<std::string>{"3 0 0  library", binary, "1 0 0 long xxxxxxxxxx",
                                      "1 300 0  ", "2 7 0 secret NOPERM"}));
  EXPECT_EQ(read.totals, (SnapshotTotals{2, 3, 1, 7 + kSnapshotBlockBytes}));
  EXPECT_EQ(read.position, (SnapshotPosition{301, 0}));
  EXPECT_EQ(read.offset, bytes.size());
}

TEST(Snapshot, IsTheSameHoweverLittleIsReadAtATime) {
  for (const size_t step : {1, 7, 4096}) {
    MemoryFile file(Written());
    file.step = step;
    EXPECT_EQ(ReadAll(file).problem, "") << step;
  }
}

TEST(Snapshot, CutAnywhereItIsCutShortAndWhatCameBeforeIsThere) {
  const std::string bytes = Small();
  const size_t head = EncodeSnapshotHeader(kHeader).size();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Read read = ReadAll(bytes.substr(0, size));
    EXPECT_TRUE(read.problem.starts_with("cut short at byte ")) << size << ": " << read.problem;
    EXPECT_LE(read.offset, size);
    EXPECT_EQ(read.offset == 0, size < head) << size;
  }
}

TEST(Snapshot, NoFlippedBitGoesUnnoticed) {
  const std::string bytes = Small();
  ASSERT_EQ(ReadAll(bytes).problem, "");
  ASSERT_LT(bytes.size(), 200u * 18u) << "nothing is compressed";
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const Read read = ReadAll(std::move(flipped));
      EXPECT_NE(read.problem, "") << at << " " << bit;
      const bool told = read.problem.starts_with("damaged at byte ") ||
                        read.problem.starts_with("cut short at byte ") ||
                        read.problem.starts_with("not a snapshot");
      EXPECT_TRUE(told) << at << " " << bit << ": " << read.problem;
    }
  }
}

TEST(Snapshot, BlocksThatAreMissingDoubledOrBehindTheEndAreDamage) {
  const std::string header = EncodeSnapshotHeader(kHeader);
  std::string first, second, end, records;
  AppendSnapshotRecord(Key(0, "k", "v"), records);
  AppendSnapshotBlock(0, {0, 9}, 1, records, first);
  AppendSnapshotBlock(1, {1, 0}, 1, records, second);
  AppendSnapshotEnd({2, 2, 0, 2}, end);
  EXPECT_EQ(ReadAll(header + first + second + end).problem, "");
  const std::map<std::string, std::string> wrong = {
      {header + second + end, "block 1 where block 0 is expected"},
      {header + first + first + second + end, "block 0 where block 1 is expected"},
      {header + second + first + end, "block 1 where block 0 is expected"},
      {header + first + end, "the end record tells of 2 keys in 2 blocks, there are 1 in 1"},
      {header + first + second + end + "x", "something follows the end record"},
      {header + first + second + end + end, "something follows the end record"},
      {header + header + first + second + end, "another checksum"}};
  for (const auto& [bytes, problem] : wrong) {
    EXPECT_NE(ReadAll(bytes).problem.find(problem), std::string::npos) << ReadAll(bytes).problem;
  }
}

TEST(Snapshot, RecordsThatDoNotFitTheirBlockAreDamage) {
  const std::string header = EncodeSnapshotHeader(kHeader);
  std::string records;
  AppendSnapshotRecord(Key(5, "key", "value", 77), records);
  for (size_t size = 1; size < records.size(); ++size) {
    std::string block;
    AppendSnapshotBlock(0, {}, 1, records.substr(0, size), block);
    EXPECT_NE(ReadAll(header + block).problem.find("not understood"), std::string::npos) << size;
  }
  std::string miscounted;
  AppendSnapshotBlock(0, {}, 2, records, miscounted);
  EXPECT_NE(ReadAll(header + miscounted).problem.find("not understood"), std::string::npos);
}

TEST(Snapshot, OfAnotherVersionOrNoSnapshotAtAll) {
  std::string later = EncodeSnapshotHeader(kHeader);
  later[8] = 2;
  later.resize(later.size() - kFileChecksumBytes);
  AppendFixed(Checksum32(later), later);
  EXPECT_EQ(ReadAll(later).problem, "of version 2; this crossfade reads version 1");
  for (const char* foreign : {"REDIS0010 and more of it", "REDIS", "C0"}) {
    EXPECT_TRUE(ReadAll(foreign).problem.starts_with("not a snapshot")) << foreign;
  }
}

TEST(Snapshot, AFileThatCanNotBeReadIsNoDamage) {
  const std::string bytes = Written();
  for (const size_t from : {size_t{0}, size_t{20}, bytes.size() - 60, bytes.size()}) {
    MemoryFile file(bytes);
    file.unreadable_from = from;
    EXPECT_EQ(ReadAll(file).problem, "the disk is broken") << from;
    file.at = 0;
    EXPECT_FALSE(ReadPart(file)) << from;
  }
}

// ---- Going on

// Pages of keys as a store would list them; a page may fill several blocks.
struct Pages {
  explicit Pages(uint64_t seed) {
    std::mt19937_64 random(seed);
    for (uint64_t page = 0; page < 12; ++page) {
      for (uint64_t key = random() % 6; key > 0; --key) {
        const size_t size = random() % 3 == 0 ? kSnapshotBlockBytes / 2 : random() % 100;
        std::string payload(size, ' ');
        // Not to be compressed: the file's size then tells how far it is.
        for (char& c : payload) c = static_cast<char>(random());
        keys.emplace_back(page, std::to_string(page) + ":" + std::to_string(key), payload);
      }
    }
  }
  std::vector<std::tuple<uint64_t, std::string, std::string>> keys;
};

// Writes what follows the position, until the sink fails.
Status WriteFrom(SnapshotWriter& writer, const Pages& pages, SnapshotPosition from) {
  uint64_t page = from.cursor;
  for (const auto& [of, name, payload] : pages.keys) {
    if (of < from.cursor) continue;
    if (of != page) writer.Reached({0, of});
    page = of;
    if (const Status added = writer.Add(Key(0, name, payload)); !added) return added;
  }
  writer.Reached({1, 0});
  return writer.Finish();
}

std::map<std::string, std::string> KeysOf(const std::string& bytes) {
  MemoryFile file(bytes);
  SnapshotReader reader(file);
  EXPECT_TRUE(reader.ReadHeader());
  std::map<std::string, std::string> keys;
  SnapshotBlock block;
  while (true) {
    const Result<bool> next = reader.Next(block);
    EXPECT_TRUE(next) << next.error().message;
    if (!next || !*next) return keys;
    SnapshotRecords records(block.records);
    SnapshotRecord record;
    while (records.Next(record)) keys[std::string(record.name)] = record.payload;
  }
}

// However often it is interrupted, and wherever: by a disk that is full, or by a
// crash that left any part of what was written last.
TEST(Snapshot, GoesOnBehindItsLastWholeBlock) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    const Pages pages(seed);
    std::map<std::string, std::string> all;
    for (const auto& [page, name, payload] : pages.keys) all[name] = payload;
    MemoryFile file;
    SnapshotWriter first(file);
    ASSERT_TRUE(first.Begin(kHeader));
    file.room = file.bytes.size() + random() % (8 * kSnapshotBlockBytes);
    bool whole = WriteFrom(first, pages, {}).has_value();
    for (int again = 0; !whole; ++again) {
      ASSERT_LT(again, 100) << "seed " << seed;
      file.at = 0;
      const Result<SnapshotPart> part = ReadPart(file);
      ASSERT_TRUE(part) << part.error().message;
      ASSERT_FALSE(part->whole);
      EXPECT_LE(part->good_bytes, file.bytes.size());
      file.bytes.resize(part->good_bytes);
      SnapshotWriter writer(file);
      writer.GoOn(part->totals, part->position);
      file.room = file.bytes.size() + random() % (8 * kSnapshotBlockBytes);
      whole = WriteFrom(writer, pages, part->position).has_value();
    }
    EXPECT_EQ(KeysOf(file.bytes), all) << "seed " << seed;
    file.at = 0;
    EXPECT_TRUE(ReadPart(file)->whole);
  }
}

TEST(Snapshot, WhatIsDamagedInAnUnfinishedFileIsReadAgain) {
  const std::string bytes = Written();
  const size_t head = EncodeSnapshotHeader(kHeader).size();
  std::string damaged = bytes;
  damaged[damaged.size() - 100] ^= 1;  // in the last block
  MemoryFile file(damaged);
  const Result<SnapshotPart> part = ReadPart(file);
  ASSERT_TRUE(part);
  EXPECT_FALSE(part->whole);
  EXPECT_EQ(part->totals.blocks, 1u);
  EXPECT_TRUE(part->has_functions);
  EXPECT_EQ(part->position, SnapshotPosition{}) << "its page was not behind it yet";
  EXPECT_GT(part->good_bytes, head);
  EXPECT_NE(part->rest.find("damaged at byte " + std::to_string(part->good_bytes)),
            std::string::npos);
}

TEST(RestoreMark, ComesBackAsItWasWrittenOrNotAtAll) {
  const RestoreMark mark{0xABCD, 12, 1'000, 2, 3, "0123456789abcdef"};
  const std::string bytes = EncodeRestoreMark(mark);
  EXPECT_EQ(ParseRestoreMark(bytes), mark);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseRestoreMark(bytes.substr(0, size)).has_value()) << size;
    std::string flipped = bytes;
    flipped[size] = static_cast<char>(flipped[size] ^ 0x10);
    EXPECT_FALSE(ParseRestoreMark(flipped).has_value()) << size;
  }
  EXPECT_FALSE(ParseRestoreMark(bytes + "x").has_value());
}

}  // namespace
}  // namespace crossfade::replication
