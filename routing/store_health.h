// StoreHealth: in which states a store is, by what it reports of itself (INFO),
// the errors it answers, and whether it answers at all. Pure: no I/O, the time is
// passed in (microseconds of one monotonic clock). Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace crossfade::routing {

// Several hold at the same time; kUp when it answers and serves.
enum class StoreState : uint8_t {
  kUp,
  kDown,            // not reachable, or it does not answer
  kSlow,            // it answers late
  kLoading,         // it reads its data from disk, or from its master
  kReadOnly,        // it refuses writes, or is a replica
  kOutOfMemory,     // it refuses what needs memory
  kEvicting,        // it removes keys to make room
  kRestarted,       // another process than before, with data
  kRestartedEmpty,  // another process, without
  kFailedOver,      // another server than before, or with another history
  kCount
};
const char* Name(StoreState state);
using StoreStates = uint32_t;  // a bit for each
constexpr StoreStates Bit(StoreState state) { return 1u << static_cast<unsigned>(state); }
// That which matters most of them.
StoreState Worst(StoreStates states);

// What an error reply says of the store, not of the command.
enum class StoreError : uint8_t { kNone, kLoading, kReadOnly, kOutOfMemory, kOther };
// Of a whole frame, which begins with '-'.
StoreError ClassifyError(std::string_view frame);

// What of INFO counts here.
struct StoreReport {
  std::string run_id, replid, former_replid;
  bool replica = false;
  std::string master;  // host:port, of a replica
  bool loading = false;
  bool evicts = false;  // its policy lets it remove keys
  uint64_t used_memory = 0, max_memory = 0, evicted_keys = 0, keys = 0, uptime_s = 0;
};
StoreReport ParseStoreReport(std::string_view info);

class StoreHealth {
 public:
  // What a report found that whoever relies on the store's data must know.
  struct Finding {
    bool evicted = false;       // keys, since the report before
    std::string other_history;  // why its data may not be what it was; empty: it is
  };
  // `settled`: what followed from the store's being another is over.
  Finding OnReport(const StoreReport& report, int64_t took_us, bool settled, int64_t now_us);
  void OnLate(int64_t waits_us);  // a report was asked for and is not there
  void OnUnreachable(std::string_view reason);
  // Errors as they are answered; the state ends when none has come for a while.
  void OnError(StoreError error, int64_t now_us);
  void Expire(bool settled, int64_t now_us);

  StoreStates states() const { return states_; }
  bool Is(StoreState state) const { return (states_ & Bit(state)) != 0; }
  uint64_t entries(StoreState state) const { return entries_[static_cast<size_t>(state)]; }
  // For the operator, may be empty.
  const std::string& detail(StoreState state) const { return details_[static_cast<size_t>(state)]; }
  const StoreReport& report() const { return report_; }

 private:
  void Set(StoreState state, bool holds, std::string detail = "");
  void Compare(const StoreReport& report, int64_t now_us, Finding& finding);

  StoreStates states_ = 0;
  std::array<uint64_t, static_cast<size_t>(StoreState::kCount)> entries_{};
  std::array<std::string, static_cast<size_t>(StoreState::kCount)> details_;
  StoreReport report_;  // the last one
  int64_t reported_us_ = 0;
  int64_t other_since_us_ = 0;
  int64_t evicted_us_ = 0;
  std::array<int64_t, 5> error_us_{};  // by StoreError
};

}  // namespace crossfade::routing
