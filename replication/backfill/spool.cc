#include "replication/backfill/spool.h"

#include <algorithm>
#include <memory>

#include "config/check.h"
#include "replication/journal/format.h"

namespace crossfade::replication {
namespace {

// Read at once while taking up a file.
constexpr size_t kReadBytes = 16 << 20;
constexpr size_t kReadBytesMax = size_t{1} << 32;

}  // namespace

Status Spool::Begin(uint64_t mark) {
  for (Part& part : parts_) part = {};
  buffered_bytes_ = 0;
  blocks_ = 0;
  mark_ = mark;
  compacted_bytes_ = 0;
  const std::string header = EncodeSegmentHeader({.generation = mark, .pair = pair_});
  if (const Status emptied = file_.Truncate(0); !emptied) return emptied;
  if (const Status written = file_.Write(0, header); !written) return written;
  end_ = header.size();
  return file_.Sync();
}

Status Spool::Resume(uint64_t mark) {
  const uint64_t size = file_.Size();
  std::string bytes;
  mark_ = mark;
  end_ = 0;
  uint64_t wanted = kReadBytes;
  while (end_ < size) {
    Result<std::string> read = file_.Read(end_, std::min<uint64_t>(wanted, size - end_));
    if (!read) return tl::unexpected(read.error());
    const bool to_the_end = end_ + read->size() == size;
    SegmentReader reader(*read);
    if (end_ == 0) {
      const auto header = reader.ReadHeader();
      if (!header) return Fail("the backfill's spool has no header");
      if (header->pair != pair_) return Fail("the backfill's spool is of " + header->pair);
      if (header->generation != mark) {
        return Fail("the backfill's spool and its catalog are of two different backfills");
      }
    }
    ReadBlock block;
    size_t whole = reader.offset();
    while (reader.Next(block)) {
      if (block.header.first_intent >= parts_.size() || block.header.number != blocks_) {
        return Fail("the backfill's spool is damaged at byte " +
                    std::to_string(end_ + block.offset));
      }
      ++blocks_;
      parts_[block.header.first_intent].blocks.push_back(
          {end_ + block.offset, static_cast<uint32_t>(reader.offset() - block.offset)});
      whole = reader.offset();
    }
    end_ += whole;
    if (reader.end() == SegmentEnd::kDamaged) {
      return Fail("the backfill's spool is damaged at byte " + std::to_string(end_));
    }
    if (to_the_end) break;
    if (whole > 0) {
      wanted = kReadBytes;
    } else if ((wanted *= 2) > kReadBytesMax) {
      return Fail("the backfill's spool is damaged at byte " + std::to_string(end_));
    }
  }
  if (end_ == 0) return Fail("the backfill's spool is empty");
  return file_.Truncate(end_);
}

void Spool::Add(uint32_t partition, uint32_t db, std::string_view name) {
  std::string& records = parts_[partition].records;
  const size_t before = records.size();
  AppendWrite({db, name}, records);
  buffered_bytes_ += records.size() - before;
}

// In one write, unless that is much.
Status Spool::Flush() {
  if (buffered_bytes_ == 0) return {};
  std::string bytes;
  std::vector<std::pair<Part*, Extent>> placed;
  for (uint32_t partition = 0; partition < parts_.size(); ++partition) {
    Part& part = parts_[partition];
    if (part.records.empty()) continue;
    const size_t before = bytes.size();
    AppendBlock({.number = blocks_ + placed.size(), .first_intent = partition}, part.records,
                bytes);
    placed.push_back({&part, {end_ + before, static_cast<uint32_t>(bytes.size() - before)}});
  }
  if (const Status written = file_.Write(end_, bytes); !written) return written;
  if (const Status synced = file_.Sync(); !synced) return synced;
  for (auto& [part, extent] : placed) {
    part->blocks.push_back(extent);
    std::string().swap(part->records);
  }
  blocks_ += placed.size();
  end_ += bytes.size();
  buffered_bytes_ = 0;
  return {};
}

Status Spool::WriteOther(const PartitionSet& done, std::array<Part, limits::kPartitions>& parts,
                         uint64_t& end, uint64_t& blocks) {
  std::string bytes = EncodeSegmentHeader({.generation = mark_, .pair = pair_});
  for (uint32_t partition = 0; partition < parts.size(); ++partition) {
    if (done[partition]) continue;
    const Result<std::vector<RecoveredKey>> keys = Read(partition);
    if (!keys) return tl::unexpected(keys.error());
    std::string records;
    for (const RecoveredKey& key : *keys) AppendWrite({key.db, key.name}, records);
    const size_t before = bytes.size();
    if (!records.empty()) {
      AppendBlock({.number = blocks++, .first_intent = partition}, records, bytes);
      parts[partition].blocks.push_back(
          {end + before, static_cast<uint32_t>(bytes.size() - before)});
    }
    if (bytes.size() < limits::kSpoolBufferBytes && partition + 1 < parts.size()) continue;
    if (const Status written = file_.AppendOther(bytes); !written) return written;
    end += bytes.size();
    bytes.clear();
  }
  if (const Status written = file_.AppendOther(bytes); !written) return written;
  end += bytes.size();
  return file_.TakeOther();
}

Status Spool::Compact(const PartitionSet& done) {
  CROSSFADE_CHECK(flushed());
  // Should it fail it is not tried again before there is as much more.
  compacted_bytes_ = std::max(compacted_bytes_, end_ / 2 + limits::kSpoolBufferBytes);
  if (const Status begun = file_.BeginOther(); !begun) return begun;
  auto parts = std::make_unique<std::array<Part, limits::kPartitions>>();
  uint64_t end = 0, blocks = 0;
  if (const Status written = WriteOther(done, *parts, end, blocks); !written) return written;
  parts_ = std::move(*parts);
  end_ = compacted_bytes_ = end;
  blocks_ = blocks;
  return {};
}

bool Spool::Collect(std::string_view records, std::vector<RecoveredKey>& keys) {
  RecordReader reader(records);
  Record record;
  while (reader.Next(record)) {
    for (const JournalKey& key : record.keys) keys.push_back({key.db, std::string(key.name)});
  }
  return !reader.malformed();
}

Result<std::vector<RecoveredKey>> Spool::Read(uint32_t partition) {
  std::vector<RecoveredKey> keys;
  const Part& part = parts_[partition];
  for (const Extent& extent : part.blocks) {
    Result<std::string> bytes = file_.Read(extent.offset, extent.size);
    if (!bytes) return tl::unexpected(bytes.error());
    SegmentReader reader(*bytes);
    ReadBlock block;
    if (!reader.Next(block) || !Collect(block.records, keys)) {
      return Fail("the backfill's spool is damaged at byte " + std::to_string(extent.offset));
    }
  }
  CROSSFADE_CHECK(Collect(part.records, keys));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

}  // namespace crossfade::replication
