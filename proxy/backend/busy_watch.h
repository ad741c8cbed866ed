// BusyWatch: whether the authority answers BUSY, because a script has run there
// for too long. A lane can't see that behind its own script, so it is asked on a
// connection beside. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "proxy/backend/side_commands.h"

namespace crossfade::proxy {

class BusyWatch {
 public:
  // Unless it is being asked, or was a moment ago. `answer` gets the store's error,
  // empty when it is not busy or not reached, and the time; from another thread.
  void Ask(const StoreLink& store, int64_t now_us, std::function<void(std::string)> answer);
  void Stop() { side_.Stop(); }

 private:
  std::atomic<int64_t> not_before_us_{0};
  std::atomic<bool> asking_{false};
  SideCommands side_;
};

}  // namespace crossfade::proxy
