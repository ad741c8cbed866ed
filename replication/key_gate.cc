#include "replication/key_gate.h"

#include <unordered_set>

#include "config/check.h"

namespace crossfade::replication {
namespace {

constexpr size_t kInitialPlaces = 1024;

}  // namespace

KeyGate::KeyGate() : table_(kInitialPlaces) {}

uint64_t& KeyGate::InLane(LaneId lane) {
  if (lane >= in_lane_.size()) in_lane_.resize(lane + 1);
  return in_lane_[lane];
}

bool KeyGate::TryEnter(LaneId lane, GateKeys keys) {
  if (!waiters_.empty() && SomeoneWaitsFor(keys)) return false;
  if (!Fits(lane, keys)) return false;
  Enter(lane, keys);
  return true;
}

bool KeyGate::TryEnterBehind(LaneId lane, GateKeys keys) {
  if (!Fits(lane, keys)) return false;
  Enter(lane, keys);
  return true;
}

bool KeyGate::Fits(LaneId lane, GateKeys keys) const {
  if (all_inside_ > 0 && all_lane_ != lane) return false;
  if (keys.all) return total_ == (lane < in_lane_.size() ? in_lane_[lane] : 0);
  for (const uint64_t hash : keys.hashes) {
    const Holder* holder = Find(hash);
    if (holder != nullptr && holder->lane != lane) return false;
  }
  return true;
}

bool KeyGate::SomeoneWaitsFor(GateKeys keys) const {
  if (keys.all || waiting_for_all_ > 0) return true;
  for (const uint64_t hash : keys.hashes) {
    if (waited_for_.contains(hash)) return true;
  }
  return false;
}

void KeyGate::Enter(LaneId lane, GateKeys keys) {
  ++total_;
  ++InLane(lane);
  if (keys.all) {
    ++all_inside_;
    all_lane_ = lane;
    return;
  }
  for (const uint64_t hash : keys.hashes) {
    Holder& holder = FindOrInsert(hash);
    holder.lane = lane;
    ++holder.count;
  }
}

uint64_t KeyGate::Wait(LaneId lane, GateKeys keys, GateWaiter* waiter) {
  waiters_.push_back(
      {next_ticket_++, lane, keys.all, {keys.hashes.begin(), keys.hashes.end()}, waiter});
  CountWaiting(waiters_.back(), 1);
  return waiters_.back().ticket;
}

void KeyGate::CountWaiting(const Waiting& waiting, int change) {
  if (waiting.all) waiting_for_all_ += static_cast<uint64_t>(static_cast<int64_t>(change));
  for (const uint64_t hash : waiting.hashes) {
    const auto it = waited_for_.try_emplace(hash, 0).first;
    it->second += static_cast<uint32_t>(change);
    if (it->second == 0) waited_for_.erase(it);
  }
}

bool KeyGate::Cancel(uint64_t ticket) {
  for (auto it = waiters_.begin(); it != waiters_.end(); ++it) {
    if (it->ticket != ticket) continue;
    CountWaiting(*it, -1);
    waiters_.erase(it);
    GrantWaiting();
    return true;
  }
  return false;
}

void KeyGate::Leave(LaneId lane, GateKeys keys) {
  CROSSFADE_CHECK(total_ > 0 && InLane(lane) > 0);
  --total_;
  --InLane(lane);
  if (keys.all) {
    --all_inside_;  // it holds no key by itself
    if (!waiters_.empty()) GrantWaiting();
    return;
  }
  for (const uint64_t hash : keys.hashes) {
    Holder& holder = FindOrInsert(hash);
    CROSSFADE_CHECK(holder.count > 0 && holder.lane == lane);
    if (--holder.count == 0) Erase(hash);
  }
  if (!waiters_.empty()) GrantWaiting();
}

// In order of arrival; who can't enter holds its keys against those behind it.
void KeyGate::GrantWaiting() {
  std::unordered_set<uint64_t> held;
  bool someone_waits = false;  // it may be for no key at all
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    const GateKeys keys{it->hashes, it->all};
    bool passes = !someone_waits || !it->all;
    for (const uint64_t hash : it->hashes) passes = passes && !held.contains(hash);
    if (passes && Fits(it->lane, keys)) {
      Enter(it->lane, keys);
      CountWaiting(*it, -1);
      it->waiter->OnGateEntered(it->ticket);
      it = waiters_.erase(it);
      continue;
    }
    if (it->all) return;
    someone_waits = true;
    held.insert(it->hashes.begin(), it->hashes.end());
    ++it;
  }
}

const KeyGate::Holder* KeyGate::Find(uint64_t hash) const {
  const size_t mask = table_.size() - 1;
  for (size_t i = hash & mask; table_[i].count != 0; i = (i + 1) & mask) {
    if (table_[i].hash == hash) return &table_[i];
  }
  return nullptr;
}

KeyGate::Holder& KeyGate::FindOrInsert(uint64_t hash) {
  if (used_ * 2 >= table_.size()) Grow();
  const size_t mask = table_.size() - 1;
  size_t i = hash & mask;
  for (; table_[i].count != 0; i = (i + 1) & mask) {
    if (table_[i].hash == hash) return table_[i];
  }
  ++used_;
  table_[i] = {hash, 0, 0};
  return table_[i];
}

// Knuth 6.4 R: the places behind move up, so that no probe ends too early.
void KeyGate::Erase(uint64_t hash) {
  const size_t mask = table_.size() - 1;
  size_t hole = hash & mask;
  while (table_[hole].hash != hash) hole = (hole + 1) & mask;
  for (size_t i = (hole + 1) & mask; table_[i].count != 0; i = (i + 1) & mask) {
    const size_t home = table_[i].hash & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      table_[hole] = table_[i];
      hole = i;
    }
  }
  table_[hole] = {};
  --used_;
}

void KeyGate::Grow() {
  std::vector<Holder> old(table_.size() * 2);
  old.swap(table_);
  const size_t mask = table_.size() - 1;
  for (const Holder& holder : old) {
    if (holder.count == 0) continue;
    size_t i = holder.hash & mask;
    while (table_[i].count != 0) i = (i + 1) & mask;
    table_[i] = holder;
  }
}

}  // namespace crossfade::replication
