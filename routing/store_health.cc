#include "routing/store_health.h"

#include <charconv>
#include <utility>

namespace crossfade::routing {
namespace {

constexpr int64_t kSlowUs = 250'000;
// So long after the last sign of it a state is over.
constexpr int64_t kErrorHoldsUs = 3'000'000;
constexpr int64_t kEvictingHoldsUs = 10'000'000;
// Long enough to be seen; and where nothing follows from it.
constexpr int64_t kOtherSeenUs = 5'000'000;
constexpr int64_t kOtherHoldsUs = 60'000'000;

constexpr StoreState kIdentities[] = {StoreState::kRestarted, StoreState::kRestartedEmpty,
                                      StoreState::kFailedOver};

std::string_view Field(std::string_view info, std::string_view name) {
  for (size_t at = info.find(name); at != info.npos; at = info.find(name, at + 1)) {
    if (at > 0 && info[at - 1] != '\n') continue;
    const std::string_view rest = info.substr(at + name.size());
    if (!rest.starts_with(':')) continue;
    return rest.substr(1, rest.find_first_of("\r\n") - 1);
  }
  return {};
}

uint64_t Number(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

uint64_t CountKeys(std::string_view info) {
  uint64_t keys = 0;
  for (size_t at = info.find("\ndb"); at != info.npos; at = info.find("\ndb", at + 1)) {
    const std::string_view line = info.substr(at + 1, info.find('\n', at + 1) - at - 1);
    const size_t count = line.find(":keys=");
    if (count != line.npos) keys += Number(line.substr(count + 6));
  }
  return keys;
}

bool WasReplica(const StoreReport& report) {
  return report.former_replid.find_first_not_of('0') != std::string::npos;
}

}  // namespace

const char* Name(StoreState state) {
  static constexpr const char* kNames[] = {"up",         "down",      "slow",
                                           "loading",    "read_only", "out_of_memory",
                                           "evicting",   "restarted", "restarted_empty",
                                           "failed_over"};
  return state < StoreState::kCount ? kNames[static_cast<size_t>(state)] : "unknown";
}

StoreState Worst(StoreStates states) {
  for (const StoreState state :
       {StoreState::kDown, StoreState::kLoading, StoreState::kRestartedEmpty,
        StoreState::kFailedOver, StoreState::kReadOnly, StoreState::kOutOfMemory,
        StoreState::kEvicting, StoreState::kRestarted, StoreState::kSlow, StoreState::kUp}) {
    if ((states & Bit(state)) != 0) return state;
  }
  return StoreState::kCount;
}

StoreError ClassifyError(std::string_view frame) {
  static constexpr std::pair<std::string_view, StoreError> kErrors[] = {
      {"-LOADING ", StoreError::kLoading},     {"-MASTERDOWN ", StoreError::kLoading},
      {"-READONLY ", StoreError::kReadOnly},   {"-MISCONF ", StoreError::kReadOnly},
      {"-NOREPLICAS ", StoreError::kReadOnly}, {"-OOM ", StoreError::kOutOfMemory},
      {"-BUSY ", StoreError::kOther},          {"-NOAUTH ", StoreError::kOther},
      {"-NOPERM ", StoreError::kOther},        {"-CLUSTERDOWN ", StoreError::kOther}};
  const bool of_key = frame.find(" key") != std::string_view::npos &&
                      frame.find("command") == std::string_view::npos;
  for (const auto& [prefix, error] : kErrors) {
    if (!frame.starts_with(prefix)) continue;
    // No right to a key says nothing of the others; none to a command does.
    return of_key && prefix == "-NOPERM " ? StoreError::kNone : error;
  }
  return StoreError::kNone;
}

StoreReport ParseStoreReport(std::string_view info) {
  StoreReport report;
  report.run_id = Field(info, "run_id");
  report.replid = Field(info, "master_replid");
  report.former_replid = Field(info, "master_replid2");
  report.replica = Field(info, "role") == "slave";
  if (report.replica) {
    report.master =
        std::string(Field(info, "master_host")) + ":" + std::string(Field(info, "master_port"));
  }
  report.loading = Field(info, "loading") == "1" || Field(info, "master_sync_in_progress") == "1";
  report.used_memory = Number(Field(info, "used_memory"));
  report.max_memory = Number(Field(info, "maxmemory"));
  const std::string_view policy = Field(info, "maxmemory_policy");
  report.evicts = report.max_memory > 0 && !policy.empty() && policy != "noeviction";
  report.evicted_keys = Number(Field(info, "evicted_keys"));
  report.keys = CountKeys(info);
  report.uptime_s = Number(Field(info, "uptime_in_seconds"));
  return report;
}

void StoreHealth::Set(StoreState state, bool holds, std::string detail) {
  const StoreStates before = states_;
  states_ = holds ? states_ | Bit(state) : states_ & ~Bit(state);
  if (holds) details_[static_cast<size_t>(state)] = std::move(detail);
  if (states_ != before && holds) ++entries_[static_cast<size_t>(state)];
}

// Whether it is the server that it was before, with the data of before.
void StoreHealth::Compare(const StoreReport& report, int64_t now_us, Finding& finding) {
  if (report_.run_id.empty()) return;
  const std::string held =
      "it held " + std::to_string(report_.keys) + " keys, now " + std::to_string(report.keys);
  if (report.run_id != report_.run_id) {
    other_since_us_ = now_us;
    // It was running already when the former one was last heard of.
    const int64_t unheard_s = (now_us - reported_us_) / 1'000'000;
    const bool other_server =
        report.replica || static_cast<int64_t>(report.uptime_s) > unheard_s + 1;
    for (const StoreState state : kIdentities) Set(state, false);
    if (other_server) {
      Set(StoreState::kFailedOver, true, "another server answers at its address; " + held);
    } else if (report.keys == 0 && report_.keys > 0) {
      Set(StoreState::kRestartedEmpty, true, held);
    } else {
      Set(StoreState::kRestarted, true, held);
    }
    finding.other_history = other_server ? "another server answers at its address; " + held
                                         : "it was restarted; " + held;
    return;
  }
  finding.evicted = report.evicted_keys > report_.evicted_keys;
  // An id also changes when the last replica has long gone: then nothing else does.
  if (report.replid != report_.replid && !report_.replid.empty() &&
      (report.replica || (WasReplica(report) && report.former_replid != report_.former_replid))) {
    other_since_us_ = now_us;
    const std::string what = report.replica ? "it became a replica of " + report.master
                                            : "it was a replica and was promoted";
    Set(StoreState::kFailedOver, true, what + "; " + held);
    finding.other_history = what;
  }
}

StoreHealth::Finding StoreHealth::OnReport(const StoreReport& report, int64_t took_us, bool settled,
                                           int64_t now_us) {
  Finding finding;
  Compare(report, now_us, finding);
  Set(StoreState::kDown, false);
  Set(StoreState::kUp, !report.loading);
  Set(StoreState::kLoading, report.loading, "it is loading its data");
  Set(StoreState::kSlow, took_us > kSlowUs,
      "it took " + std::to_string(took_us / 1000) + " ms to answer");
  if (report.replica) {
    Set(StoreState::kReadOnly, true, "it is a replica of " + report.master);
  } else if (error_us_[static_cast<size_t>(StoreError::kReadOnly)] == 0) {
    Set(StoreState::kReadOnly, false);
  }
  const std::string memory = "it uses " + std::to_string(report.used_memory) +
                             " bytes, maxmemory is " + std::to_string(report.max_memory);
  if (report.max_memory > 0 && !report.evicts && report.used_memory >= report.max_memory) {
    Set(StoreState::kOutOfMemory, true, memory);
  } else if (error_us_[static_cast<size_t>(StoreError::kOutOfMemory)] == 0) {
    Set(StoreState::kOutOfMemory, false);
  }
  if (finding.evicted) {
    evicted_us_ = now_us;
    Set(StoreState::kEvicting, true,
        memory + ", keys evicted: " + std::to_string(report.evicted_keys));
  }
  report_ = report;
  reported_us_ = now_us;
  Expire(settled, now_us);
  return finding;
}

void StoreHealth::OnLate(int64_t waits_us) {
  if (waits_us <= kSlowUs || Is(StoreState::kSlow)) return;
  Set(StoreState::kSlow, true,
      "it has not answered for " + std::to_string(waits_us / 1000) + " ms");
}

void StoreHealth::OnUnreachable(std::string_view reason) {
  const bool loading =
      reason.find("LOADING") != reason.npos || reason.find("MASTERDOWN") != reason.npos;
  Set(StoreState::kUp, false);
  Set(StoreState::kSlow, false);
  Set(StoreState::kLoading, loading, std::string(reason));
  Set(StoreState::kDown, !loading, std::string(reason));
}

void StoreHealth::OnError(StoreError error, int64_t now_us) {
  error_us_[static_cast<size_t>(error)] = now_us;
  if (error == StoreError::kLoading) Set(StoreState::kLoading, true, "it says that it is loading");
  if (error == StoreError::kReadOnly && !report_.replica) {
    Set(StoreState::kReadOnly, true, "it refuses writes");
  }
  if (error == StoreError::kOutOfMemory) Set(StoreState::kOutOfMemory, true, "it refuses writes");
}

void StoreHealth::Expire(bool settled, int64_t now_us) {
  const auto over = [&](StoreError error) {
    int64_t& since = error_us_[static_cast<size_t>(error)];
    if (since == 0 || now_us - since <= kErrorHoldsUs) return false;
    since = 0;
    return true;
  };
  if (over(StoreError::kLoading) && !report_.loading) Set(StoreState::kLoading, false);
  if (over(StoreError::kReadOnly) && !report_.replica) Set(StoreState::kReadOnly, false);
  const bool full =
      report_.max_memory > 0 && !report_.evicts && report_.used_memory >= report_.max_memory;
  if (over(StoreError::kOutOfMemory) && !full) Set(StoreState::kOutOfMemory, false);
  if (Is(StoreState::kEvicting) && now_us - evicted_us_ > kEvictingHoldsUs) {
    Set(StoreState::kEvicting, false);
  }
  if (now_us - other_since_us_ <= (settled ? kOtherSeenUs : kOtherHoldsUs)) return;
  for (const StoreState state : kIdentities) Set(state, false);
}

}  // namespace crossfade::routing
