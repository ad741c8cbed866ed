// A snapshot's bytes, as FORMAT.md describes them: all keys of a store as portable
// dumps. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "replication/framed_file.h"

namespace crossfade::replication {

inline constexpr FileKind kSnapshotFile{"CFSNAPSH", 1, "a snapshot"};
inline constexpr uint32_t kSnapshotBlockMagic = 0x4B4C4253;  // "SBLK"
inline constexpr uint32_t kSnapshotEndMagic = 0x444E4553;    // "SEND"
// From so many bytes of records on a block is written.
inline constexpr size_t kSnapshotBlockBytes = size_t{1} << 20;
// A key whose name and dump are larger is no part of a snapshot.
inline constexpr size_t kSnapshotKeyMax = kFrameContentMax - 4 * kSnapshotBlockBytes;

struct SnapshotHeader {
  int64_t created_unix_ms = 0;
  std::string run_id;   // of the store's process
  std::string version;  // of its software
  std::string role;     // "legacy", "new", or empty: not of a configuration
  std::string address;
  bool operator==(const SnapshotHeader&) const = default;
};

// Where the enumeration goes on.
struct SnapshotPosition {
  uint32_t db = 0;
  uint64_t cursor = 0;
  bool operator==(const SnapshotPosition&) const = default;
};

struct SnapshotTotals {
  uint64_t blocks = 0;
  uint64_t keys = 0;
  uint64_t refused = 0;
  uint64_t payload_bytes = 0;
  bool operator==(const SnapshotTotals&) const = default;
};

enum class SnapshotTag : uint8_t { kKey = 1, kRefused = 2, kFunctions = 3 };

struct SnapshotRecord {
  SnapshotTag tag{};
  uint32_t db = 0;
  int64_t deadline_ms = 0;   // since 1970; 0: none
  std::string_view name;     // of a key
  std::string_view payload;  // why, of a refused one
};

// Four numbers behind each frame's lengths.
using SnapshotFields = std::array<uint64_t, 4>;

std::string EncodeSnapshotHeader(const SnapshotHeader& header);
// Of what the header holds; false when they are no such texts.
bool ParseSnapshotTexts(std::string_view bytes, SnapshotHeader& header);

void AppendSnapshotRecord(const SnapshotRecord& record, std::string& out);
void AppendSnapshotBlock(uint64_t number, SnapshotPosition position, uint64_t keys,
                         std::string_view records, std::string& out);
void AppendSnapshotEnd(const SnapshotTotals& totals, std::string& out);

// Reads a block's records one by one.
class SnapshotRecords {
 public:
  explicit SnapshotRecords(std::string_view bytes) : bytes_(bytes) {}
  // False at the end, and when what follows is no record.
  bool Next(SnapshotRecord& record);
  bool malformed() const { return malformed_; }

 private:
  bool ReadBody(SnapshotRecord& record);

  std::string_view bytes_;
  bool malformed_ = false;
};

// How far a restoration has come.
struct RestoreMark {
  uint64_t snapshot = 0;  // SnapshotReader::id
  uint64_t blocks = 0;    // that are restored
  uint64_t restored = 0;
  uint64_t expired = 0;
  uint64_t refused = 0;
  std::string run_id;  // of the store
  bool operator==(const RestoreMark&) const = default;
};
std::string EncodeRestoreMark(const RestoreMark& mark);
// Nothing when the bytes are no such mark.
std::optional<RestoreMark> ParseRestoreMark(std::string_view bytes);

}  // namespace crossfade::replication
