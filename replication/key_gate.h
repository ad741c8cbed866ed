// KeyGate: per-key order of what is in flight to the authority (design R2). At
// any moment the commands in flight for one key are on one lane only; those of
// other lanes wait here, first come first served. A command enters for all its
// keys in one step. Keys are known by their 64-bit hash: two that collide wait
// for each other, nothing worse. Guarded by the replication lock.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

namespace crossfade::replication {

using LaneId = uint32_t;

struct GateKeys {
  std::span<const uint64_t> hashes;
  bool all = false;  // the whole gate: nothing of another lane may be in flight
};

// Told when what waited has entered. Called with the replication lock held: it
// may only take a note.
class GateWaiter {
 public:
  virtual void OnGateEntered(uint64_t ticket) = 0;

 protected:
  ~GateWaiter() = default;
};

class KeyGate {
 public:
  KeyGate();

  // Enters at once, or returns false and changes nothing.
  bool TryEnter(LaneId lane, GateKeys keys);
  // As TryEnter, but ahead of those that wait: for what must follow on the lane
  // directly behind a command that is inside with the same keys.
  bool TryEnterBehind(LaneId lane, GateKeys keys);
  // Queues behind those that wait; returns a ticket that OnGateEntered gets.
  uint64_t Wait(LaneId lane, GateKeys keys, GateWaiter* waiter);
  // Whoever waited is gone. False when it has entered already (then it must leave).
  bool Cancel(uint64_t ticket);
  // Leaves with the keys that it entered with; those that can, enter.
  void Leave(LaneId lane, GateKeys keys);

  size_t waiting() const { return waiters_.size(); }
  uint64_t in_flight() const { return total_; }

 private:
  struct Holder {
    uint64_t hash = 0;
    LaneId lane = 0;
    uint32_t count = 0;  // 0: a free place
  };
  struct Waiting {
    uint64_t ticket;
    LaneId lane;
    bool all;
    std::vector<uint64_t> hashes;
    GateWaiter* waiter;
  };
  bool Fits(LaneId lane, GateKeys keys) const;
  bool SomeoneWaitsFor(GateKeys keys) const;
  void Enter(LaneId lane, GateKeys keys);
  void CountWaiting(const Waiting& waiting, int change);
  void GrantWaiting();
  const Holder* Find(uint64_t hash) const;
  Holder& FindOrInsert(uint64_t hash);
  void Erase(uint64_t hash);
  void Grow();
  uint64_t& InLane(LaneId lane);

  std::vector<Holder> table_;  // open addressing, linear probing
  size_t used_ = 0;
  uint64_t total_ = 0;             // commands inside
  std::vector<uint64_t> in_lane_;  // of each lane
  uint64_t all_inside_ = 0;        // of those, with the whole gate
  LaneId all_lane_ = 0;
  uint64_t next_ticket_ = 1;
  std::list<Waiting> waiters_;
  uint64_t waiting_for_all_ = 0;
  std::unordered_map<uint64_t, uint32_t> waited_for_;
};

}  // namespace crossfade::replication
