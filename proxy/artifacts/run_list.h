// The runs in artifacts.dir: a folder each, "20260131T120000Z-verify-17": when it
// began, what it was, and a number that only rises. While a run is written the folder's
// name ends in ".unfinished" and its writer holds a lock on it; a crash leaves it so,
// without the lock. Reading needs no proxy. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace crossfade::proxy {

// A verification that an operator asked for, one that the configuration asks for, a
// backfill.
enum class RunKind : uint8_t { kVerify, kScheduled, kBackfill, kCount };
const char* Name(RunKind kind);

struct RunName {
  int64_t begun_unix_ms = 0;  // whole seconds
  RunKind kind = RunKind::kVerify;
  uint64_t number = 0;
  std::string Text() const;
};
// Nothing when it is no such name.
std::optional<RunName> ParseRunName(std::string_view text);

enum class RunState : uint8_t { kWhole, kBeingWritten, kInterrupted };
const char* Name(RunState state);

inline constexpr std::string_view kUnfinished = ".unfinished";

struct Run {
  RunName name;
  RunState state = RunState::kWhole;
  std::string path;
};

// Oldest first; what is no run's folder is passed over. No folder at all: no runs.
Result<std::vector<Run>> ListRuns(const std::string& dir);
// The run at this very path; nothing when its name is none.
std::optional<Run> RunAt(const std::string& path);

// Removes, of each kind, the oldest whole runs beyond the newest `keep`, and the same
// of interrupted ones.
Status RemoveOldRuns(const std::string& dir, size_t keep);

}  // namespace crossfade::proxy
