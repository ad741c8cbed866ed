// Server: the data plane as the control side sees it. Start, Publish,
// TakeSnapshot and Stop are called from the control thread (or any one thread
// at a time); what runs behind them are the workers' threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/plan.h"
#include "config/result.h"
#include "proxy/backend/key_order.h"
#include "proxy/backend/recent_deltas.h"
#include "proxy/backfill/backfill_order.h"
#include "proxy/snapshot.h"

namespace crossfade::proxy {

struct StopReport {
  bool drained = false;  // the mirror log is applied and no key is dirty
  uint64_t entries_left = 0;
  uint64_t dirty_keys_left = 0;
  uint64_t clients_closed = 0;  // that still had commands unanswered at the deadline
};

class Server {
 public:
  explicit Server(config::PlanPtr plan);
  ~Server();  // stops without draining, if Stop was not called

  // Fails when an address can't be bound.
  Status Listen();
  // Starts the workers. Stores need not be reachable. Fails when the intent journal
  // can't be used.
  Status Start();
  // The port that listener `index` got (for port 0 in the configuration).
  uint16_t BoundPort(size_t index) const;
  // Puts a plan in force in every worker; returns when all route by it.
  void Publish(config::PlanPtr plan);
  Snapshot TakeSnapshot() const;
  // Whether clients can be served: the authority is connected. `why` gets the
  // reason when they can't.
  bool Ready(std::string& why) const;
  // Reads that were suspended because of keys that were evicted: the follower is
  // copied again, then they go on. What is done, for the operator.
  std::string Resume(const std::string& reason);
  Result<std::string> Order(const BackfillOrder& order);
  Result<std::string> Order(const KeyOrder& order);
  // So many of them at most.
  QuarantineList Quarantined(size_t at_most) const;
  // Comparing the keys of both stores; see Verifier.
  Result<uint64_t> BeginVerify(const VerifyOptions& options);
  bool CancelVerify();
  std::vector<VerifyReport> VerifyReports() const;
  RecentDeltas::Listing VerifyDeltas() const;
  // Stops accepting, answers what is in flight, drains the mirror log up to the
  // deadline, ends the workers.
  StopReport Stop(std::chrono::milliseconds deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crossfade::proxy
