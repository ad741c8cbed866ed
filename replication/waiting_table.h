// WaitingTable: the clients that wait in blocking commands, by key and in the
// order in which they came (design §4). Pure: it decides whose turn it is when a
// key may be ready, and knows of every waiter whether an attempt is under way;
// lanes make the attempts. Keys are known by their hash: two that collide cost an
// attempt that finds nothing. Guarded by the replication lock, but for empty().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "replication/key_gate.h"
#include "routing/commands/blocking.h"

namespace crossfade::replication {

using WaiterId = uint64_t;  // its session's: a client waits in one command at a time

struct Waiter {
  enum class State : uint8_t {
    kIdle,
    kQueued,    // an attempt is to be made on its own lane, and may wait at the gate
    kInFlight,  // an attempt has been sent
  };
  struct Queue;
  struct Place {
    Waiter* waiter = nullptr;
    Queue* queue = nullptr;
    Place* previous = nullptr;
    Place* next = nullptr;
    uint32_t key = 0;  // index into the request's
  };

  WaiterId id = 0;
  uint32_t worker = 0;  // whose session it is
  LaneId lane = 0;      // of its session
  uint64_t manner = 0;  // of the lanes that can answer it: protocol and user
  uint32_t db = 0;
  State state = State::kIdle;
  bool blocked = false;  // its first attempt found nothing
  bool ending = false;   // its session wants to hear when the attempt is over
  bool entered = false;  // kQueued: it is inside the gate
  bool chosen = false;   // by Choose, and not begun
  routing::Certainty certainty = routing::Certainty::kOpen;
  uint64_t ticket = 0;  // kQueued, waiting at the gate
  routing::BlockingRequest request;
  uint64_t destination = 0;
  std::vector<uint32_t> attempt;  // keys (indexes) of the attempt under way
  std::vector<uint32_t> next;     // of the next one; what became ready meanwhile
  std::vector<Place> places;      // one per distinct key

  // Every key once, those of the attempt, and what it writes to besides.
  void AppendHashes(std::vector<uint64_t>& out) const;
};

struct Waiter::Queue {
  uint64_t hash = 0;
  Place* first = nullptr;
  Place* last = nullptr;
  uint32_t open = 0;       // attempts in flight behind which more may be found
  uint32_t unsettled = 0;  // attempts in flight that may find nothing
  LaneId lane = 0;         // of those
};

// A key that may serve somebody.
struct ReadyKey {
  uint64_t hash = 0;
  uint8_t kinds = routing::kWaitsForAny;
  routing::Certainty certainty = routing::Certainty::kOpen;
  uint32_t elements = 0;  // kOpen: a batch, if 0
  // Of an attempt that has yet to find what it would put there: those who have an
  // attempt under way need not hear of it.
  bool perhaps = false;
};

class WaitingTable {
 public:
  // So many are tried at once where it is not known how many can be served.
  static constexpr uint32_t kBatch = 16;

  WaitingTable() = default;
  WaitingTable(const WaitingTable&) = delete;
  WaitingTable& operator=(const WaitingTable&) = delete;

  // From any thread without the lock: what has not been added by then need not be heard of.
  bool empty() const { return size_.load(std::memory_order_relaxed) == 0; }
  size_t size() const { return size_.load(std::memory_order_relaxed); }
  // Those whose first attempt found nothing.
  size_t blocked() const { return blocked_.load(std::memory_order_relaxed); }

  // At the end of the queues of its keys, with its first attempt in flight.
  Waiter& Add(WaiterId id, uint32_t db, routing::BlockingRequest request);
  void Remove(Waiter& waiter);
  Waiter* Find(WaiterId id);
  void MarkBlocked(Waiter& waiter);

  bool Wanted(uint64_t hash) const { return queues_.contains(hash); }
  // Whether a write to these keys may concern somebody.
  bool WantsAny(std::span<const uint64_t> hashes, bool all) const;
  // Whether attempts that may find nothing are in flight on the lane for one of
  // the keys: a write to it must not come between them and those who are next.
  bool Unsettled(LaneId lane, std::span<const uint64_t> hashes) const;

  // Appends those whose turn it is, in order; each only once until it is begun.
  // Those with an attempt under way will try the key again if they find nothing.
  // True: among them are some whose attempt is yet to be sent, and comes first.
  bool Choose(const ReadyKey& ready, std::vector<Waiter*>& out);
  // The first alone: it tries the key again if it has an attempt under way.
  void ChooseFirst(uint64_t hash, uint8_t kinds, std::vector<Waiter*>& out);
  // The first of every key's queue.
  void ChooseEveryFirst(std::vector<Waiter*>& out);
  // Wants an attempt for the keys where it is the first of its kind; false: nowhere.
  bool WantWhereFirst(Waiter& waiter);
  void WantAll(Waiter& waiter);

  // The attempt for `next` is queued; is sent; has been answered.
  void Queue(Waiter& waiter);
  void Begin(Waiter& waiter, LaneId lane);
  // `found`: it was served. Appends the keys that may serve more than were tried.
  void End(Waiter& waiter, bool found, std::vector<ReadyKey>& more);

  void SetTicket(Waiter& waiter, uint64_t ticket);
  // Whoever has entered the gate with this ticket, or null.
  Waiter* TakeTicket(uint64_t ticket);
  void DropTicket(Waiter& waiter);

 private:
  static void Want(Waiter& waiter, uint32_t key);
  void Unlink(Waiter::Place& place);
  void CountAttempt(Waiter& waiter, uint32_t change);

  std::unordered_map<WaiterId, Waiter> waiters_;  // addresses last until removal
  std::unordered_map<uint64_t, Waiter::Queue> queues_;
  std::unordered_map<uint64_t, WaiterId> tickets_;
  std::atomic<size_t> size_{0};
  std::atomic<size_t> blocked_{0};
};

}  // namespace crossfade::replication
