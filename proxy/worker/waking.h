// Waking: makes attempts for clients that wait in blocking commands: in the
// batch of a write that may serve them, behind it on its lane; on their own lane
// where it can't answer them; and goes on while more may be found. One per
// worker, used in its thread; all but RunQueued and OnTicket need the
// replication lock. A waiter's session may live on another worker: it gets its
// reply by mail, and may be gone by then.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/lane/attempt.h"
#include "replication/waiting_table.h"
#include "routing/commands/blocking.h"
#include "routing/resp/request.h"

namespace crossfade::proxy {

class Lane;
class Worker;

class Waking {
 public:
  explicit Waking(Worker& worker);

  // ---- Behind a write that has entered the gate on the lane and will be sent
  // before SendPlanned is called. What is planned has entered the gate.
  void PlanBehind(Lane& lane, const routing::CommandSpec& spec, routing::Args args, bool all);
  void PlanBehindTransaction(Lane& lane, std::string_view bytes);  // MULTI …, EXEC or not
  bool planned() const { return !planned_.empty(); }
  void SendPlanned(Lane& lane);

  // ---- For one waiter.
  // Its first attempt, which has entered the gate with these keys if it is
  // recorded. `given`: the command as it came, when it was not understood.
  void SendFirst(Lane& lane, replication::Waiter& waiter, std::string_view given,
                 std::span<const uint64_t> hashes, bool all, bool recorded);
  // An attempt on its own lane, for the keys that it wants, once the gate lets it in.
  void Queue(replication::Waiter& waiter);
  void RunQueued(replication::WaiterId id);
  void OnTicket(uint64_t ticket);
  // It waits no more; no attempt may be in flight.
  void Withdraw(replication::Waiter& waiter);

  // ---- From lanes.
  void Finish(Lane& lane, const Attempt& attempt, std::string_view exec);
  void Lost(const Attempt& attempt, std::string_view error_frame);
  void FinishPoll(std::span<const replication::WaiterId> waiters, bool found);

 private:
  struct Planned {
    replication::WaiterId id;
    bool changes, recorded;
    bool all;
    uint32_t questions;
    size_t bytes_end, hashes_end;  // from the one before
  };
  struct Answer {
    std::string_view frame;
    uint64_t seq = 0;  // of the entry in the mirror log
    uint64_t head = 0;
  };
  void AddReady(uint32_t db, std::string_view key, const routing::Readied& readied, bool sum);
  void AddReadied(uint32_t db, const routing::CommandSpec& spec, routing::Args args, bool sum);
  void BeginPlan();
  void PlanRounds(Lane& lane);
  void Start(Lane& lane, replication::Waiter& waiter);
  void PlanAttempt(Lane& lane, replication::Waiter& waiter, bool recorded);
  bool Serves(const Lane& lane, const replication::Waiter& waiter) const;
  std::string_view ReplyOf(const Attempt& attempt, std::string_view exec);
  bool Judge(const replication::Waiter& waiter, std::string_view& reply);
  void ResolveLastIds(replication::Waiter& waiter);
  void PlanNext(Lane& lane, replication::Waiter& waiter, bool served, bool error);
  void Stay(replication::Waiter& waiter, bool recorded);
  void HandOver(uint32_t worker, replication::WaiterId id, const Answer& answer);
  void TellOver(const replication::Waiter& waiter);

  Worker& worker_;
  // Of the plan in hand.
  std::vector<replication::ReadyKey> ready_;
  std::vector<replication::Waiter*> chosen_;
  std::vector<Planned> planned_;
  bool queued_ = false;  // one of it has to take another lane
  std::string bytes_;
  std::vector<uint64_t> hashes_;
  // Scratch.
  std::vector<routing::KeyPosition> positions_;
  std::vector<routing::Readied> readied_;
  std::vector<uint64_t> keys_;
  std::vector<std::string_view> answers_;  // to the questions of an attempt
  routing::RequestDecoder decoder_;
};

}  // namespace crossfade::proxy
