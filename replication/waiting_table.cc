#include "replication/waiting_table.h"

#include <algorithm>

#include "config/check.h"
#include "routing/slot.h"

namespace crossfade::replication {

using routing::Certainty;

namespace {

bool Contains(const std::vector<uint32_t>& keys, uint32_t key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

}  // namespace

void Waiter::AppendHashes(std::vector<uint64_t>& out) const {
  const std::vector<uint32_t>& keys = attempt.empty() ? next : attempt;
  for (const Place& place : places) {
    if (Contains(keys, place.key)) out.push_back(place.queue->hash);
  }
  if (request.has_destination) out.push_back(destination);
}

Waiter& WaitingTable::Add(WaiterId id, uint32_t db, routing::BlockingRequest request) {
  const auto [it, added] = waiters_.try_emplace(id);
  CROSSFADE_CHECK(added);
  Waiter& waiter = it->second;
  waiter.id = id;
  waiter.db = db;
  waiter.request = std::move(request);
  waiter.state = Waiter::State::kInFlight;
  waiter.certainty = Certainty::kExact;  // nobody is kept waiting for its first attempt
  if (waiter.request.has_destination) {
    waiter.destination = routing::KeyHash(db, waiter.request.destination);
  }
  waiter.places.reserve(waiter.request.keys.size());  // they must not move
  for (uint32_t i = 0; i < waiter.request.keys.size(); ++i) {
    const uint64_t hash = routing::KeyHash(db, waiter.request.keys[i]);
    Waiter::Queue& queue = queues_[hash];
    queue.hash = hash;
    if (queue.last != nullptr && queue.last->waiter == &waiter) continue;  // named twice
    waiter.places.push_back({&waiter, &queue, queue.last, nullptr, i});
    Waiter::Place* place = &waiter.places.back();
    (queue.last != nullptr ? queue.last->next : queue.first) = place;
    queue.last = place;
  }
  size_.store(waiters_.size(), std::memory_order_relaxed);
  return waiter;
}

void WaitingTable::Unlink(Waiter::Place& place) {
  Waiter::Queue& queue = *place.queue;
  (place.previous != nullptr ? place.previous->next : queue.first) = place.next;
  (place.next != nullptr ? place.next->previous : queue.last) = place.previous;
  if (queue.first == nullptr) queues_.erase(queue.hash);
}

void WaitingTable::Remove(Waiter& waiter) {
  if (waiter.state == Waiter::State::kInFlight) CountAttempt(waiter, ~0u);
  DropTicket(waiter);
  for (Waiter::Place& place : waiter.places) Unlink(place);
  if (waiter.blocked) blocked_.fetch_sub(1, std::memory_order_relaxed);
  const WaiterId id = waiter.id;
  waiters_.erase(id);
  size_.store(waiters_.size(), std::memory_order_relaxed);
}

Waiter* WaitingTable::Find(WaiterId id) {
  const auto it = waiters_.find(id);
  return it == waiters_.end() ? nullptr : &it->second;
}

void WaitingTable::MarkBlocked(Waiter& waiter) {
  if (waiter.blocked) return;
  waiter.blocked = true;
  blocked_.fetch_add(1, std::memory_order_relaxed);
}

bool WaitingTable::WantsAny(std::span<const uint64_t> hashes, bool all) const {
  return all || std::any_of(hashes.begin(), hashes.end(), [this](uint64_t h) { return Wanted(h); });
}

bool WaitingTable::Unsettled(LaneId lane, std::span<const uint64_t> hashes) const {
  return std::any_of(hashes.begin(), hashes.end(), [&](uint64_t hash) {
    const auto it = queues_.find(hash);
    return it != queues_.end() && it->second.unsettled > 0 && it->second.lane == lane;
  });
}

// ---- Whose turn it is

void WaitingTable::Want(Waiter& waiter, uint32_t key) {
  if (!Contains(waiter.next, key)) waiter.next.push_back(key);
}

bool WaitingTable::Choose(const ReadyKey& ready, std::vector<Waiter*>& out) {
  const auto it = queues_.find(ready.hash);
  if (it == queues_.end()) return false;
  bool behind_others = false;
  const bool open = ready.certainty == Certainty::kOpen;
  uint32_t left = open && ready.elements == 0 ? kBatch : ready.elements;
  for (Waiter::Place* place = it->second.first; place != nullptr; place = place->next) {
    Waiter& waiter = *place->waiter;
    if ((waiter.request.kind & ready.kinds) == 0) continue;
    // Of a stream everybody who waits gets what was added.
    const bool counts = waiter.request.kind != routing::kWaitsForStream;
    if (counts && left == 0) {
      if ((ready.kinds & routing::kWaitsForStream) == 0) break;
      continue;
    }
    const bool idle = waiter.state == Waiter::State::kIdle;
    if (waiter.state == Waiter::State::kQueued) {
      // It is sent behind this write, and takes its part.
      if (!Contains(waiter.attempt, place->key)) Want(waiter, place->key);
      behind_others = true;
      if (counts) --left;
      continue;
    }
    if (idle || !ready.perhaps) Want(waiter, place->key);
    if (!idle) continue;
    if (waiter.chosen) {
      waiter.certainty = std::max(waiter.certainty, ready.certainty);
      continue;
    }
    waiter.chosen = true;
    waiter.certainty = ready.certainty;
    out.push_back(&waiter);
    if (counts) --left;
  }
  return behind_others;
}

void WaitingTable::ChooseFirst(uint64_t hash, uint8_t kinds, std::vector<Waiter*>& out) {
  const auto it = queues_.find(hash);
  if (it == queues_.end()) return;
  Waiter::Place* place = it->second.first;
  while (place != nullptr && (place->waiter->request.kind & kinds) == 0) place = place->next;
  if (place == nullptr) return;
  Waiter& waiter = *place->waiter;
  Want(waiter, place->key);
  if (waiter.state != Waiter::State::kIdle || waiter.chosen) return;
  waiter.chosen = true;
  waiter.certainty = Certainty::kBounded;
  out.push_back(&waiter);
}

void WaitingTable::ChooseEveryFirst(std::vector<Waiter*>& out) {
  for (const auto& [hash, queue] : queues_) {
    Choose({hash, routing::kWaitsForAny, Certainty::kOpen, 1}, out);
  }
}

bool WaitingTable::WantWhereFirst(Waiter& waiter) {
  for (const Waiter::Place& place : waiter.places) {
    const Waiter::Place* first = place.queue->first;
    const routing::WaitKind kind = waiter.request.kind;
    while (first != &place && first->waiter->request.kind != kind) first = first->next;
    // Those who wait for a stream don't wait for each other.
    if (first == &place || kind == routing::kWaitsForStream) Want(waiter, place.key);
  }
  return !waiter.next.empty();
}

void WaitingTable::WantAll(Waiter& waiter) {
  for (const Waiter::Place& place : waiter.places) Want(waiter, place.key);
}

// ---- Attempts

void WaitingTable::CountAttempt(Waiter& waiter, uint32_t change) {
  for (Waiter::Place& place : waiter.places) {
    if (!Contains(waiter.attempt, place.key)) continue;
    if (waiter.certainty != Certainty::kExact) place.queue->unsettled += change;
    if (waiter.certainty == Certainty::kOpen) place.queue->open += change;
  }
}

void WaitingTable::Queue(Waiter& waiter) {
  CROSSFADE_CHECK(waiter.state == Waiter::State::kIdle);
  waiter.state = Waiter::State::kQueued;
  if (!waiter.chosen) waiter.certainty = Certainty::kOpen;
  waiter.chosen = false;
  waiter.entered = false;
  waiter.attempt.swap(waiter.next);
  waiter.next.clear();
}

void WaitingTable::Begin(Waiter& waiter, LaneId lane) {
  if (waiter.state == Waiter::State::kIdle) {
    waiter.attempt.swap(waiter.next);
    waiter.next.clear();
  }
  waiter.state = Waiter::State::kInFlight;
  waiter.chosen = false;
  waiter.entered = false;
  CountAttempt(waiter, 1);
  for (Waiter::Place& place : waiter.places) {
    if (Contains(waiter.attempt, place.key)) place.queue->lane = lane;
  }
}

void WaitingTable::End(Waiter& waiter, bool found, std::vector<ReadyKey>& more) {
  if (waiter.state == Waiter::State::kInFlight) CountAttempt(waiter, ~0u);
  waiter.state = Waiter::State::kIdle;
  waiter.entered = false;
  if (found && waiter.certainty == Certainty::kOpen) {
    for (const Waiter::Place& place : waiter.places) {
      const bool others = place.queue->first != place.queue->last;
      if (others && place.queue->open == 0 && Contains(waiter.attempt, place.key)) {
        more.push_back({place.queue->hash, waiter.request.kind, Certainty::kOpen, 0});
      }
    }
  }
  waiter.attempt.clear();
}

void WaitingTable::SetTicket(Waiter& waiter, uint64_t ticket) {
  waiter.ticket = ticket;
  tickets_.emplace(ticket, waiter.id);
}

Waiter* WaitingTable::TakeTicket(uint64_t ticket) {
  const auto it = tickets_.find(ticket);
  if (it == tickets_.end()) return nullptr;
  Waiter* waiter = Find(it->second);
  tickets_.erase(it);
  if (waiter == nullptr) return nullptr;
  waiter->ticket = 0;
  waiter->entered = true;
  return waiter;
}

void WaitingTable::DropTicket(Waiter& waiter) {
  if (waiter.ticket == 0) return;
  tickets_.erase(waiter.ticket);
  waiter.ticket = 0;
}

}  // namespace crossfade::replication
