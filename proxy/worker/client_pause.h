// ClientPause: what CLIENT PAUSE has asked for, of all workers. Thread-safe; each
// worker keeps a copy that it looks at for every command.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

namespace crossfade::proxy {

enum class PauseMode : uint8_t { kNone, kWrites, kAll };

struct PauseState {
  PauseMode mode = PauseMode::kNone;
  int64_t until_us = 0;
};

class ClientPause {
 public:
  // On top of one that has not ended the longer and the stricter wins, as in Redis.
  void Begin(PauseMode mode, int64_t until_us, int64_t now_us) {
    const std::lock_guard lock(mutex_);
    if (state_.until_us <= now_us) state_ = {};
    state_ = {std::max(state_.mode, mode), std::max(state_.until_us, until_us)};
  }
  void End() {
    const std::lock_guard lock(mutex_);
    state_ = {};
  }
  PauseState state() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  mutable std::mutex mutex_;
  PauseState state_;
};

}  // namespace crossfade::proxy
