// BlockedSessions: a worker's sessions that wait in blocking commands: finds
// them by id, ends their waiting in time, and asks now and then whether
// something is there that came past the proxy. For the worker's thread; takes
// the replication lock by itself.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace crossfade::proxy {

class Session;
class Worker;

class BlockedSessions {
 public:
  using Timers = std::multimap<int64_t, Session*>;

  explicit BlockedSessions(Worker& worker) : worker_(worker) {}

  void Add(Session* session, uint64_t id);
  void Remove(uint64_t id);
  Session* Find(uint64_t id) const;
  size_t size() const { return list_.size(); }

  // Session::OnWaitTimer is called then; one timer for each.
  void SetTimer(uint64_t id, int64_t at_us);
  int64_t next_timer_us() const { return timers_.empty() ? INT64_MAX : timers_.begin()->first; }
  void RunTimers(int64_t now_us);
  // Every few milliseconds; each session's turn comes about once a second.
  void Poll();

 private:
  struct Entry {
    Session* session;
    size_t at;  // in list_
    Timers::iterator timer;
    bool timed = false;
  };

  Worker& worker_;
  std::unordered_map<uint64_t, Entry> entries_;
  std::vector<uint64_t> list_;
  size_t cursor_ = 0;
  size_t due_ = 0;  // parts of a turn
  Timers timers_;
};

}  // namespace crossfade::proxy
