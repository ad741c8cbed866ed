// EventLoop: readiness of many descriptors in one thread, edge-triggered, so
// that a connection is registered once and reading or writing needs no further
// system call to arm it. What the data plane runs on; behind this interface it
// is epoll. Everything but Wake is for the loop's own thread.
#pragma once

#include <cstdint>

namespace crossfade::proxy {

// Gets a descriptor's events. After an event a descriptor must be read until a
// read comes back short, since the next event tells only of new bytes.
struct Readiness {
  bool readable = false;
  bool writable = false;
  bool failed = false;       // closed both ways, or in error
  bool peer_closed = false;  // the end of the input is behind what can be read
};

class Pollable {
 public:
  virtual void OnEvents(const Readiness& ready) = 0;

 protected:
  ~Pollable() = default;
};

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Add(int fd, Pollable* target);
  // Level-triggered, reading only: for listeners.
  void AddListener(int fd, Pollable* target);
  // Asks for (or no longer for) an event when the descriptor can be written to.
  void WatchWrites(int fd, Pollable* target, bool watch);
  // Must be called before the descriptor is closed; no event of it follows,
  // not even one of the present turn.
  void Remove(int fd, Pollable* target);

  // Waits (0: not at all, -1: for ever) for events, then hands them out.
  void Wait(int timeout_ms);
  void Dispatch();
  // How often it has waited: one number per turn.
  uint64_t turn() const { return turn_; }
  // Makes Wait return; from any thread.
  void Wake();

 private:
  static constexpr int kEventsPerTurn = 512;
  int epoll_ = -1;
  int wake_ = -1;
  uint64_t turn_ = 0;
  int ready_ = 0;
  int next_ = 0;
  struct Events;
  Events* events_;
};

}  // namespace crossfade::proxy
