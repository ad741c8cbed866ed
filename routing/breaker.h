// Breaker: keeps reads off a store that fails. LatencyTracker: how fast a store
// answers, for `prefer: fastest`. Both are pure: the time is passed in
// (microseconds, never going back), no clock, no timer. One per worker and
// store; not thread-safe. Neither can fail nor allocates.
#pragma once

#include <cstdint>

namespace crossfade::routing {

struct BreakerSettings {
  uint32_t failures_to_open = 5;    // consecutive; a lost connection opens at once
  uint32_t successes_to_close = 3;  // probes
  int64_t backoff_us = 100'000;
  int64_t backoff_max_us = 10'000'000;
  uint32_t jitter = 2'000;  // up to this share of a backoff, in 1/10,000, is taken off it
};

class Breaker {
 public:
  enum class State : uint8_t { kClosed, kOpen, kHalfOpen };

  // What Admit says of one request, and what its outcome is reported with, so
  // that a late answer to an earlier state is not taken for a probe's.
  struct Permit {
    bool allowed = false;
    uint32_t round = 0;
    bool probe = false;
    explicit operator bool() const { return allowed; }
  };

  Breaker(const BreakerSettings& settings, uint64_t seed);

  // Closed: everyone. Open: nobody before the next probe's time. Half-open: one
  // probe at a time, whose outcome must be reported (or Abandoned).
  Permit Admit(int64_t now_us) {
    if (state_ == State::kClosed) [[likely]]
      return {true, round_, false};
    return AdmitProbe(now_us);
  }
  void Succeeded(Permit permit);
  void Failed(Permit permit, int64_t now_us);  // an error of the store's, or a timeout
  void Abandoned(Permit permit);               // it was never sent
  void ConnectionLost(int64_t now_us);

  State state(int64_t now_us) const {
    return state_ == State::kOpen && now_us >= next_probe_us_ ? State::kHalfOpen : state_;
  }
  bool closed() const { return state_ == State::kClosed; }
  uint64_t trips() const { return trips_; }
  // While open: when the first probe may go. 0 otherwise.
  int64_t next_probe_us() const { return state_ == State::kOpen ? next_probe_us_ : 0; }

 private:
  Permit AdmitProbe(int64_t now_us);
  void Open(int64_t now_us);

  BreakerSettings settings_;
  uint64_t random_;
  State state_ = State::kClosed;
  bool probing_ = false;
  uint32_t round_ = 0;  // one more with every change of state
  uint32_t failures_ = 0;
  uint32_t successes_ = 0;
  int64_t backoff_us_;  // of the next opening, before jitter
  int64_t next_probe_us_ = 0;
  uint64_t trips_ = 0;
};

const char* Name(Breaker::State state);

// The mean latency, where a sample's weight falls by e with every time constant.
class LatencyTracker {
 public:
  explicit LatencyTracker(int64_t time_constant_us) : time_constant_us_(time_constant_us) {}

  void Add(int64_t latency_us, int64_t now_us);
  // 0 before the first sample.
  double mean_us() const { return weight_ > 0 ? sum_ / weight_ : 0; }
  // How many samples' worth is still remembered: below 1 the mean says little.
  double Weight(int64_t now_us) const;

 private:
  int64_t time_constant_us_;
  int64_t last_us_ = 0;
  double sum_ = 0;
  double weight_ = 0;
};

}  // namespace crossfade::routing
