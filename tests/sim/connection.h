// Connection: a pipelined connection to a model store. Commands arrive in order
// after random delays, are executed as they arrive, and the replies come back in
// order. When it is cut, some of what was on its way arrives all the same, and
// may do so late: until the store is told to close it (design R8).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "tests/sim/store.h"

namespace crossfade::sim {

class ConnectionUser {
 public:
  // `stamp`: when in the store's order it was executed.
  virtual void OnReply(std::string_view frame, uint64_t stamp) = 0;
  virtual void OnReset() = 0;  // the other side has closed it

 protected:
  ~ConnectionUser() = default;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Env& env, Store& store, ConnectionUser& user, int64_t slow_us, uint32_t db);
  ~Connection();

  void Send(std::string_view command, uint64_t tag);
  // The proxy's side is gone: by a fault, or because it was given up.
  void Cut();
  bool orphaned() const { return user_ == nullptr; }
  // The store's side: nothing more is executed.
  void Kill();
  // The store is gone: nothing more is executed, and the proxy's side sees it.
  void Reset();

 private:
  struct Command {
    std::string bytes;
    uint64_t tag;
  };
  void Arrive(bool late);
  void Forget();

  Env& env_;
  Store* store_;
  ConnectionUser* user_;
  const int64_t slow_us_;
  ClientState state_;
  std::deque<Command> on_the_way_;
  int64_t last_arrival_us_ = 0, last_reply_us_ = 0, last_late_us_ = 0;
  // Cut: so many of what is on the way will arrive, so much later.
  size_t to_arrive_ = 0;
  int64_t later_us_ = 0;
};

}  // namespace crossfade::sim
