#include "proxy/worker/blocked_sessions.h"

#include <algorithm>

#include "config/check.h"
#include "config/limits.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {

void BlockedSessions::Add(Session* session, uint64_t id) {
  const bool added = entries_.try_emplace(id, Entry{session, list_.size(), {}}).second;
  CROSSFADE_CHECK(added);
  list_.push_back(id);
}

void BlockedSessions::Remove(uint64_t id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  if (it->second.timed) timers_.erase(it->second.timer);
  const size_t at = it->second.at;
  list_[at] = list_.back();
  entries_.at(list_[at]).at = at;
  list_.pop_back();
  entries_.erase(it);
}

Session* BlockedSessions::Find(uint64_t id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : it->second.session;
}

void BlockedSessions::SetTimer(uint64_t id, int64_t at_us) {
  Entry& entry = entries_.at(id);
  if (entry.timed) timers_.erase(entry.timer);
  entry.timer = timers_.emplace(at_us, entry.session);
  entry.timed = true;
}

void BlockedSessions::RunTimers(int64_t now_us) {
  while (!timers_.empty() && timers_.begin()->first <= now_us) {
    Session* session = timers_.begin()->second;
    entries_.at(session->id()).timed = false;
    timers_.erase(timers_.begin());
    session->OnWaitTimer(now_us);
  }
}

// A list or a sorted set that is there at all may serve; of the others' streams
// only an attempt tells.
void BlockedSessions::Poll() {
  due_ += list_.size();
  const size_t turns = due_ / limits::kBlockedPollParts;
  due_ %= limits::kBlockedPollParts;
  if (turns == 0) return;
  Core& core = worker_.core();
  std::vector<uint64_t> asked;
  std::string keys;
  const std::lock_guard lock(core.mutex);
  Lane* lane = nullptr;
  int64_t names = 0;
  const auto ask = [&] {
    if (asked.empty()) return;
    std::string request;
    routing::AppendHead(request, '*', names + 1);
    routing::AppendBulk(request, "EXISTS");
    lane->SendPoll(request + keys, std::move(asked));
    asked.clear();
    keys.clear();
    names = 0;
  };
  for (size_t i = 0; i < turns; ++i) {
    cursor_ = cursor_ + 1 < list_.size() ? cursor_ + 1 : 0;
    const Entry& entry = entries_.at(list_[cursor_]);
    replication::Waiter* waiter = core.waiting.Find(list_[cursor_]);
    if (waiter == nullptr || waiter->state != replication::Waiter::State::kIdle) continue;
    Lane& own = entry.session->LaneOfWait();
    if (!own.ready() || own.full()) continue;
    waiter->lane = own.id();
    if (!waiter->blocked || !core.waiting.WantWhereFirst(*waiter)) continue;
    if (waiter->request.kind == routing::kWaitsForStream) {
      worker_.waking().Queue(*waiter);
      continue;
    }
    if (&own != lane || asked.size() >= limits::kBlockedPollAtOnce) ask();
    lane = &own;
    asked.push_back(waiter->id);
    for (const uint32_t key : waiter->next) {
      routing::AppendBulk(keys, waiter->request.keys[key]);
      ++names;
    }
  }
  ask();
}

}  // namespace crossfade::proxy
