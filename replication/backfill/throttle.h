// Throttle: how many keys the backfill may copy by now: so many a second, so many
// bytes a second, and, of those, as many as the authority bears: while its p99 is
// over the bound the rate falls by a third, else it rises by a fixed step (AIMD).
// Bytes are known only afterwards: they are owed. Not thread-safe; times are
// microseconds of one monotonic clock.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace crossfade::replication {

class Throttle {
 public:
  struct Bounds {
    uint64_t keys_per_second = 0;   // 0: as many as are possible
    uint64_t bytes_per_second = 0;  // the same
    int64_t max_authority_p99_us = 0;
    bool operator==(const Bounds&) const = default;
  };

  void SetBounds(const Bounds& bounds) {
    if (bounds == bounds_) return;
    if (bounds.bytes_per_second != bounds_.bytes_per_second) bytes_ = 0;
    bounds_ = bounds;
    rate_ = Cap();
  }
  // How many keys may be begun now.
  uint64_t Allowed(int64_t now_us) {
    const double seconds = last_us_ == 0 ? 0 : double(now_us - last_us_) / 1e6;
    last_us_ = now_us;
    keys_ = std::min(keys_ + rate_ * seconds, std::max(1.0, rate_ * kBurstSeconds));
    if (bounds_.bytes_per_second > 0) {
      const auto rate = static_cast<double>(bounds_.bytes_per_second);
      bytes_ = std::min(bytes_ + rate * seconds, rate * kBurstSeconds);
      if (bytes_ < 0) return 0;
    }
    return static_cast<uint64_t>(std::max(0.0, keys_));
  }
  void Began(uint64_t keys) { keys_ -= static_cast<double>(keys); }
  void Copied(uint64_t bytes) {
    if (bounds_.bytes_per_second > 0) bytes_ -= static_cast<double>(bytes);
  }
  // What clients saw of the authority since the last time; nothing: no request.
  void OnLatency(std::optional<int64_t> p99_us) {
    overloaded_ = false;
    if (bounds_.max_authority_p99_us <= 0) return;
    const double cap = Cap();
    overloaded_ = p99_us && *p99_us > bounds_.max_authority_p99_us;
    if (overloaded_) {
      rate_ = std::max(std::min(kLowest, cap), rate_ * 2 / 3);
    } else {
      rate_ = std::min(cap, rate_ + cap / kSteps);
    }
  }
  // Keys a second, as it stands now.
  uint64_t rate() const { return static_cast<uint64_t>(rate_); }
  bool overloaded() const { return overloaded_; }  // at the last look
  // Less than the bounds on keys would let through.
  bool held_back() const { return rate_ < Cap(); }

 private:
  static constexpr double kUnbounded = 1e6;
  static constexpr double kLowest = 500;
  static constexpr double kSteps = 40;
  static constexpr double kBurstSeconds = 0.05;
  double Cap() const {
    return bounds_.keys_per_second > 0 ? static_cast<double>(bounds_.keys_per_second) : kUnbounded;
  }

  Bounds bounds_;
  double rate_ = kUnbounded;
  double keys_ = 0;
  double bytes_ = 0;
  int64_t last_us_ = 0;
  bool overloaded_ = false;
};

}  // namespace crossfade::replication
