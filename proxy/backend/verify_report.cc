#include "proxy/backend/verify_report.h"

#include <numeric>

namespace crossfade::proxy {

using replication::VerifyResult;

const char* Name(DeltaAction action) {
  switch (action) {
    case DeltaAction::kFound:
      return "found";
    case DeltaAction::kRepaired:
      return "repaired";
    case DeltaAction::kDeleted:
      return "deleted";
    case DeltaAction::kStillDifferent:
      return "still_different";
    case DeltaAction::kNotRepaired:
      return "not_repaired";
  }
  return "?";
}

const char* Name(PassState state) {
  switch (state) {
    case PassState::kRunning:
      return "running";
    case PassState::kPaused:
      return "paused";
    case PassState::kRepairing:
      return "repairing";
    case PassState::kDone:
      return "done";
    case PassState::kStopped:
      return "stopped";
    case PassState::kFailed:
      return "failed";
  }
  return "?";
}

uint64_t VerifyReport::Compared() const {
  return counters.Of(VerifyResult::kMatched) + counters.Of(VerifyResult::kDiffered);
}

uint64_t VerifyReport::Differences() const { return counters.Of(VerifyResult::kDiffered); }

bool VerifyReport::Clean() const { return state == PassState::kDone && Differences() <= repaired; }

bool VerifyReport::Whole() const {
  const uint64_t all =
      std::accumulate(counters.results.begin(), counters.results.end(), uint64_t{0});
  return state == PassState::kDone && options.Full() &&
         all == Compared() + counters.Of(VerifyResult::kExpiring);
}

}  // namespace crossfade::proxy
