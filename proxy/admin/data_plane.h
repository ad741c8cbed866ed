// DataPlane: what the control side needs of the proxy, so that admin and control
// run in tests without sockets. ServerDataPlane is the real one. Every function
// may be called from any thread; implementations serialise.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "config/plan.h"
#include "proxy/backend/recent_deltas.h"
#include "proxy/backfill/backfill_order.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"

namespace crossfade::proxy {

class DataPlane {
 public:
  virtual ~DataPlane() = default;

  // Returns when every worker routes by the plan. Ignored once stopping.
  virtual void Publish(config::PlanPtr plan) = 0;
  // While stopping: the last snapshot before it.
  virtual Snapshot TakeSnapshot() = 0;
  virtual bool Ready(std::string& why) = 0;
  // Has the follower copied again, so that reads which were suspended may go on;
  // what is done about it, for the operator.
  virtual std::string Resume(const std::string& reason) = 0;
  // What was done, for the operator; an error says why it can't be.
  virtual Result<std::string> Order(const BackfillOrder& order) = 0;
  virtual Result<std::string> Order(const KeyOrder& order) = 0;
  virtual QuarantineList Quarantined(size_t at_most) = 0;
  // Comparing the keys of both stores: the pass's number, or why it can't begin.
  virtual Result<uint64_t> BeginVerify(const VerifyOptions& options) = 0;
  virtual bool CancelVerify() = 0;                        // false: none is under way
  virtual std::vector<VerifyReport> VerifyReports() = 0;  // newest first
  virtual RecentDeltas::Listing VerifyDeltas() = 0;
  // Blocks up to the deadline; called once.
  virtual StopReport Stop(std::chrono::milliseconds deadline) = 0;
};

}  // namespace crossfade::proxy
