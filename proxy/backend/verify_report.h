// What a verification pass is asked to do, and what it found: values, for the admin
// API, the command line and the metrics.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "config/settings.h"
#include "replication/verification.h"

namespace crossfade::proxy {

struct VerifyOptions {
  bool repair = false;
  bool delete_extra = false;             // with repair: keys that the follower alone has
  uint32_t sample = config::kFullShare;  // of keys, in 1/10,000
  std::string prefix;                    // of keys; empty: all
  uint64_t keys_per_second = 0;          // 0: as fast as it goes
  bool scheduled = false;                // by the configuration, not by an operator

  bool Full() const { return sample == config::kFullShare && prefix.empty(); }
};

// What became of a key that was found different.
enum class DeltaAction : uint8_t { kFound, kRepaired, kDeleted, kStillDifferent, kNotRepaired };
const char* Name(DeltaAction action);

struct Delta {
  uint64_t pass = 0;
  int64_t unix_ms = 0;
  DeltaAction action = DeltaAction::kFound;
  replication::Difference difference;
};

enum class PassState : uint8_t { kRunning, kPaused, kRepairing, kDone, kStopped, kFailed };
const char* Name(PassState state);

struct VerifyReport {
  static constexpr size_t kExamples = 20;

  uint64_t id = 0;
  VerifyOptions options;
  PassState state = PassState::kRunning;
  std::string step;   // what is being done, or why nothing is
  std::string error;  // why it failed
  int64_t started_unix_ms = 0;
  int64_t ended_unix_ms = 0;   // 0: it has not
  uint64_t keys_expected = 0;  // of both walks; a guess from the stores' counts
  uint64_t keys_walked = 0;    // names seen, on both sides
  uint64_t keys_selected = 0;  // of those, the ones handed in; keys that the follower alone has too
  replication::VerifyCounters counters;
  uint64_t repairs_wanted = 0;
  uint64_t repaired = 0;  // synced, and then found equal
  uint64_t deleted = 0;   // of those, keys that the follower alone had
  uint64_t extra_kept = 0;
  uint64_t deltas_dropped = 0;  // differences that were counted, but not kept to be repaired
  std::vector<replication::Difference> examples;
  std::string artifact;        // where its report and delta log are; empty: nowhere
  std::string artifact_error;  // why they are not there, although they should be

  bool Ended() const { return ended_unix_ms != 0; }
  uint64_t Compared() const;
  uint64_t Differences() const;
  // Nothing differs any more, and nothing was left out but what is about to expire.
  bool Clean() const;
  bool Whole() const;
};

}  // namespace crossfade::proxy
