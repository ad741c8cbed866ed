// Env: what every part of a simulation shares: chance, virtual time, the trace,
// and the violations found. One per seed; everything in it ends with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/random.h"

namespace crossfade::sim {

// Events in the order of their time; of one time in the order in which they were
// asked for. Times are microseconds since the beginning.
class Scheduler {
 public:
  int64_t now_us() const { return now_us_; }
  uint64_t events() const { return events_; }
  void At(int64_t time_us, std::function<void()> f) {
    queue_.push_back({std::max(time_us, now_us_), next_++, std::move(f)});
    std::push_heap(queue_.begin(), queue_.end());
  }
  void After(int64_t delay_us, std::function<void()> f) { At(now_us_ + delay_us, std::move(f)); }
  // All events up to then; the time is that afterwards.
  void RunUntil(int64_t time_us) {
    while (!queue_.empty() && queue_.front().time_us <= time_us) {
      std::pop_heap(queue_.begin(), queue_.end());
      const Event event = std::move(queue_.back());
      queue_.pop_back();
      now_us_ = event.time_us;
      ++events_;
      event.run();
    }
    now_us_ = std::max(now_us_, time_us);
  }

 private:
  struct Event {
    int64_t time_us;
    uint64_t number;
    std::function<void()> run;
    bool operator<(const Event& other) const {  // the top of the heap is the earliest
      return time_us != other.time_us ? time_us > other.time_us : number > other.number;
    }
  };
  std::vector<Event> queue_;
  int64_t now_us_ = 0;
  uint64_t next_ = 0;
  uint64_t events_ = 0;
};

struct Env {
  explicit Env(uint64_t seed, bool traced) : random(seed), tracing(traced) {}

  Random random;
  Scheduler scheduler;
  const bool tracing;
  std::vector<std::string> violations;
  // Whatever a violation is about can be found in the trace.
  void Violation(std::string text);
  void Trace(const std::string& text);  // call only when tracing

  static constexpr int64_t kUnixMs = 1'700'000'000'000;  // at the beginning
  int64_t UnixMs() const { return kUnixMs + scheduler.now_us() / 1'000; }

  // Mostly short, now and then as long as a slow network has it.
  int64_t Delay(int64_t slow_us) {
    return random.Percent(75) ? random.Between(20, 200) : random.Between(20, slow_us);
  }
};

// Bytes for the trace: short, on one line.
std::string Printable(std::string_view bytes);

}  // namespace crossfade::sim
