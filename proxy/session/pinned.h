// Pinned: a session's own connection to the authority, while it has a state
// there that must not be shared (WATCH, subscriptions, MONITOR, WAIT, tracking).
// All its commands go there then (design R1). Part of the session.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "proxy/lane/lane.h"

namespace crossfade::proxy {

struct Pinned {
  enum Reason : uint8_t {
    kWatch = 1,
    kSubscribed = 2,
    kMonitor = 4,
    kTracking = 8,
    kCommand = 16,  // one command that is being run there
  };
  // What the reply that is awaited changes, if it says OK.
  enum class Awaited : uint8_t { kNothing, kSelect, kTracking, kWaitWrite, kWait, kLogin, kReset };

  Pinned() = default;
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() { CountNoMonitor(); }
  void CountNoMonitor() {
    if (monitors != nullptr) monitors->fetch_sub(1, std::memory_order_relaxed);
    monitors = nullptr;
  }

  std::unique_ptr<Lane> lane;
  std::atomic<uint32_t>* monitors = nullptr;  // in which it is counted
  uint8_t reasons = 0;
  bool watch_lost = false;  // the connection was: EXEC must not run
  Awaited awaited = Awaited::kNothing;
  uint32_t wanted_db = 0;
  uint32_t wanted_user = 0;
  bool reset = false;  // the store has seen RESET, which is being run
  bool wait_written = false;
  bool wait_refused = false;
  bool soiled = false;  // given up with a state of its own
  struct Tracking {
    bool on = false;
    int64_t redirect = 0;  // the client to whom invalidations go
    bool bcast = false;
  };
  Tracking tracking, wanted_tracking;
  using Names = std::set<std::string, std::less<>>;
  Names channels, patterns, shards;

  size_t subscriptions() const { return channels.size() + patterns.size() + shards.size(); }
};

// What a frame is that the store sent unasked.
enum class PushKind : uint8_t { kNone, kMessage, kConfirmation };

}  // namespace crossfade::proxy
