#include "replication/journal/format.h"

#include <gtest/gtest.h>

namespace crossfade::replication {
namespace {

SegmentHeader Header() {
  SegmentHeader header;
  header.mode = JournalMode::kDisk;
  header.generation = 7;
  header.index = 3;
  header.boot[0] = 0xAB;
  header.created_unix_ms = 1'700'000'000'123;
  header.pair = "legacy 127.0.0.1:1, new 127.0.0.1:2";
  return header;
}

std::string Records(int keys) {
  std::string records;
  for (int i = 0; i < keys; ++i) AppendWrite({1, "key:" + std::to_string(i)}, records);
  return records;
}

std::string Segment(int blocks) {
  std::string bytes = EncodeSegmentHeader(Header());
  for (int i = 0; i < blocks; ++i) {
    AppendBlock({static_cast<uint64_t>(i), static_cast<uint64_t>(i) * 500 + 1, 0, 5},
                Records(i % 2 == 0 ? 2 : 500), bytes);
  }
  return bytes;
}

// Blocks that were read, and how it ended.
std::pair<int, SegmentEnd> ReadAll(std::string_view bytes) {
  SegmentReader reader(bytes);
  if (!reader.ReadHeader()) return {-1, reader.end()};
  ReadBlock block;
  int blocks = 0;
  while (reader.Next(block)) {
    RecordReader records(block.records);
    Record record;
    while (records.Next(record)) {
    }
    EXPECT_FALSE(records.malformed());
    ++blocks;
  }
  return {blocks, reader.end()};
}

TEST(JournalFormat, ARecordComesBackAsItWasWritten) {
  std::string bytes;
  const std::string binary("a\0b", 3);
  AppendWrite({0, binary}, bytes);
  AppendWriteMany({{3, "x"}, {200, ""}}, bytes);
  AppendTag(RecordTag::kWriteAll, bytes);
  AppendSkip(300, bytes);
  AppendKey(RecordTag::kDirty, {1, "d"}, bytes);
  AppendKey(RecordTag::kClean, {1, "d"}, bytes);
  const JournalState state{FollowerClaim::kLive, true, -250, "aa", "bb"};
  AppendState(state, bytes);
  AppendTag(RecordTag::kClosed, bytes);

  RecordReader reader(bytes);
  Record record;
  ASSERT_TRUE(reader.Next(record));
  EXPECT_EQ(record.tag, RecordTag::kWrite);
  EXPECT_EQ(record.keys[0].name, binary);
  ASSERT_TRUE(reader.Next(record));
  ASSERT_EQ(record.keys.size(), 2u);
  EXPECT_EQ(record.keys[1].db, 200u);
  EXPECT_EQ(record.keys[1].name, "");
  ASSERT_TRUE(reader.Next(record));
  EXPECT_EQ(record.tag, RecordTag::kWriteAll);
  ASSERT_TRUE(reader.Next(record));
  EXPECT_EQ(record.count, 300u);
  ASSERT_TRUE(reader.Next(record));
  EXPECT_EQ(record.tag, RecordTag::kDirty);
  ASSERT_TRUE(reader.Next(record));
  EXPECT_EQ(record.tag, RecordTag::kClean);
  ASSERT_TRUE(reader.Next(record));
  EXPECT_EQ(record.state, state);
  ASSERT_TRUE(reader.Next(record));
  EXPECT_EQ(record.tag, RecordTag::kClosed);
  EXPECT_FALSE(reader.Next(record));
  EXPECT_FALSE(reader.malformed());
}

TEST(JournalFormat, RecordsThatEndTooEarlyAreMalformed) {
  std::string bytes;
  AppendWriteMany({{3, "first"}, {200, "second"}}, bytes);
  AppendState({FollowerClaim::kOurs, false, 1, "aa", "bb"}, bytes);
  int whole = 0;
  for (size_t size = 1; size < bytes.size(); ++size) {
    RecordReader reader(std::string_view(bytes).substr(0, size));
    Record record;
    while (reader.Next(record)) {
    }
    whole += reader.malformed() ? 0 : 1;
  }
  EXPECT_EQ(whole, 1);  // where the first one ends
  RecordReader unknown("\x63");
  Record record;
  EXPECT_FALSE(unknown.Next(record));
  EXPECT_TRUE(unknown.malformed());
}

TEST(JournalFormat, ASegmentComesBackAsItWasWritten) {
  const std::string bytes = Segment(4);
  SegmentReader reader(bytes);
  const std::optional<SegmentHeader> header = reader.ReadHeader();
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->mode, JournalMode::kDisk);
  EXPECT_EQ(header->generation, 7u);
  EXPECT_EQ(header->index, 3u);
  EXPECT_EQ(header->boot, Header().boot);
  EXPECT_EQ(header->created_unix_ms, Header().created_unix_ms);
  EXPECT_EQ(header->pair, Header().pair);
  EXPECT_EQ(ReadAll(bytes), std::make_pair(4, SegmentEnd::kWhole));
}

TEST(JournalFormat, ManyRecordsAreCompressed) {
  std::string bytes;
  const std::string records = Records(1000);
  AppendBlock({}, records, bytes);
  EXPECT_LT(bytes.size(), records.size());
}

// Cut anywhere, it is torn, and the blocks before the cut are there.
TEST(JournalFormat, ACutTailIsTorn) {
  const std::string bytes = Segment(3);
  const size_t head = EncodeSegmentHeader(Header()).size();
  int whole = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto [blocks, end] = ReadAll(std::string_view(bytes).substr(0, size));
    whole += end == SegmentEnd::kWhole ? 1 : 0;
    EXPECT_NE(end, SegmentEnd::kDamaged) << size;
    EXPECT_EQ(blocks == -1, size < head) << size;
  }
  EXPECT_EQ(whole, 3);  // behind the header, the first block, the second
}

// A disk that has the length but not the bytes.
TEST(JournalFormat, ATailOfZerosIsTorn) {
  const std::string bytes = Segment(3);
  for (size_t size = EncodeSegmentHeader(Header()).size() + 1; size < bytes.size(); ++size) {
    std::string zeroed = bytes;
    std::fill(zeroed.begin() + static_cast<std::ptrdiff_t>(size), zeroed.end(), '\0');
    const auto [blocks, end] = ReadAll(zeroed);
    // Where a block's header is cut short it can't be told from one that was changed.
    EXPECT_NE(end, SegmentEnd::kWhole) << size;
    EXPECT_LT(blocks, 3) << size;
  }
}

TEST(JournalFormat, NoFlippedBitGoesUnnoticed) {
  const std::string bytes = Segment(2);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      EXPECT_EQ(ReadAll(flipped).second, SegmentEnd::kDamaged) << at << " " << bit;
    }
  }
}

}  // namespace
}  // namespace crossfade::replication
