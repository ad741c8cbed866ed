// Relay: a TCP relay on a loopback port towards another, on one thread of its
// own, that can delay what clients send, hold everything back, or reset all
// connections. Its methods may be called from any thread and take effect within
// a millisecond or so. When the target refuses, the client is reset.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/free_port.h"

namespace crossfade::test {

class Relay {
 public:
  // With a marker, only connections whose client has sent it are delayed or paused:
  // writes can be made late while reads are not.
  explicit Relay(uint16_t target_port, std::string marker = "");
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  uint16_t port() const { return lease_.port(); }
  // Bytes towards the target are held this long; order is kept.
  void SetDelay(std::chrono::milliseconds delay) { delay_ms_ = static_cast<int>(delay.count()); }
  void Pause() { paused_ = true; }
  void Resume() { paused_ = false; }
  void ResetConnections() { ++resets_wanted_; }
  // Of the connections to come.
  void SetTarget(uint16_t port) { target_port_ = port; }
  uint64_t accepted() const { return accepted_; }

 private:
  struct Link;
  void Run();
  void Accept();
  void ResetAll();
  bool IsPaused(const Link& link) const;
  bool Serve(Link& link, short client_events, short target_events);

  PortLease lease_;
  std::atomic<uint16_t> target_port_;
  const std::string marker_;
  int listener_ = -1;
  std::atomic<int> delay_ms_{0};
  std::atomic<bool> paused_{false};
  std::atomic<uint32_t> resets_wanted_{0};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> accepted_{0};
  uint32_t resets_done_ = 0;
  std::list<std::unique_ptr<Link>> links_;
  std::thread thread_;
};

}  // namespace crossfade::test
