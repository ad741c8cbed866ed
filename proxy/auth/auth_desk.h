// AuthDesk: a worker's place for authentications that take time: those that the
// authority checks, on a connection of their own, and those that are made to
// wait. It also finds out whether a client that has not authenticated may run
// commands there. Owned by its worker, used in its thread alone.
//
// The connection is reset behind every check, so that no check sees another's
// user; what is sent on it changes nothing at the store.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/connection_holder.h"

namespace crossfade::proxy {

class Session;
class Worker;

class AuthDesk final : public ConnectionHolder {
 public:
  explicit AuthDesk(Worker& worker);

  // ---- For sessions, which are paused meanwhile.
  // Has the authority run `request` (an AUTH); OnAuthChecked gets its reply.
  void Check(Session* session, std::string request);
  // OnAuthDue is called at that time.
  void Delay(Session* session, int64_t due_us);
  bool Delays(const Session* session) const;

  enum class Anonymous : uint8_t { kUnknown, kOpen, kClosed };
  Anonymous anonymous() const { return anonymous_; }
  const std::string& error() const { return connection_.error(); }  // why nothing is known
  // Asks again, soon. A session that waits hears OnAnonymousKnown.
  void Probe() { probe_wanted_ = true; }
  void AwaitAnonymous(Session* session) { waiting_.push_back(session); }
  // The session waits for nothing any more.
  void Forget(Session* session);

  // ---- For the worker.
  void Tick(int64_t now_us);
  void Flush() { connection_.Flush(); }

  void OnStoreReady() override;
  void OnStoreBytes() override;
  void OnStoreLost(std::string_view reason) override;
  void OnStoreUnreachable(std::string_view reason) override;

 private:
  enum class Sent : uint8_t { kCheck, kReset, kPing };
  struct Question {
    Session* session;  // nullptr: it has gone
    std::string request;
    int64_t asked_us;
  };
  struct Delayed {
    Session* session;
    int64_t due_us;
  };
  void Send(Sent what, std::string_view request);
  void SendProbe();
  void TakeReply(Sent what, std::string_view frame);
  void Decide(Anonymous now);
  void Answer(std::string_view reply);

  std::deque<Question> questions_;  // unanswered, in order
  std::deque<Sent> sent_;
  std::vector<Delayed> delayed_;
  std::vector<Session*> waiting_;
  Anonymous anonymous_;
  bool probe_wanted_ = true;
  bool probing_ = false;
  bool can_probe_ = true;  // RESET is known since 6.2
  int64_t next_probe_us_ = 0;
  uint64_t probed_sessions_ = 0;    // those with lesser ids were there when it was sent
  uint64_t verified_sessions_ = 0;  // those with lesser ids came while it was open
};

}  // namespace crossfade::proxy
