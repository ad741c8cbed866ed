// A delta log's bytes, as FORMAT.md describes them: what one verification found
// different, one record per key, and what became of it. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "replication/framed_file.h"
#include "replication/verification.h"

namespace crossfade::replication {

inline constexpr FileKind kDeltaFile{"CFDELTAS", 1, "a delta log"};
inline constexpr uint32_t kDeltaBlockMagic = 0x4B4C4244;  // "DBLK"
inline constexpr uint32_t kDeltaEndMagic = 0x444E4544;    // "DEND"
// From so many bytes of records on a block is written.
inline constexpr size_t kDeltaBlockBytes = size_t{256} << 10;

struct DeltaHeader {
  int64_t begun_unix_ms = 0;
  std::string kind;  // of the run
  std::string plan_digest;
  std::string authority;  // address and run id
  std::string follower;
  bool operator==(const DeltaHeader&) const = default;
};

// What became of a difference.
enum class DeltaOutcome : uint8_t {
  kLeft,            // nothing was to be done about it
  kRepaired,        // copied, and then found equal
  kDeleted,         // as kRepaired, of a key that the follower alone had
  kStillDifferent,  // copied or deleted, and then found different again
  kNotDone,         // the copy did not come to its end in time
  kNotReached,      // the run ended before, or had more than it repairs
  kCount
};
const char* Name(DeltaOutcome outcome);
// What was, or would have been, done about it: "none", "copy", "delete".
const char* ActionOf(DifferenceKind kind, DeltaOutcome outcome);

struct DeltaRecord {
  Difference difference;
  int64_t found_unix_ms = 0;
  DeltaOutcome outcome = DeltaOutcome::kLeft;
  int64_t outcome_unix_ms = 0;  // 0: of kLeft and kNotReached
};

// Behind each frame's lengths: a block's number and how many records it has; of the
// end how many blocks and records there are, and how many more were not kept.
using DeltaFields = std::array<uint64_t, 3>;

std::string EncodeDeltaHeader(const DeltaHeader& header);
bool ParseDeltaTexts(std::string_view bytes, DeltaHeader& header);

void AppendDeltaRecord(const DeltaRecord& record, std::string& out);
// From the front of `bytes`; false when what stands there is no record.
bool TakeDeltaRecord(std::string_view& bytes, DeltaRecord& record);

}  // namespace crossfade::replication
