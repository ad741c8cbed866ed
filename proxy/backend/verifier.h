// Verifier: the background thread that has all keys of both stores compared, as an
// operator asks or as verify.* of the configuration says. It walks the authority with
// SCAN and hands every key in; then the follower, and hands in what an EXISTS on the
// authority does not find. What the keys' results are comes from Verification, which
// compares them at positions of the mirror log; this only paces, counts and repairs.
//
// One pass at a time; an operator's interrupts a scheduled one, which goes on behind
// it where it was. While the mirror is not live nothing is handed in. Begin, Cancel,
// SetPlan, Reports and Deltas may be called from any thread. Takes its own mutex
// and the replication lock, never one inside the other.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/active_plan.h"
#include "proxy/backend/delta_sink.h"
#include "proxy/backend/store_client.h"
#include "proxy/backend/verify_report.h"
#include "proxy/core.h"

namespace crossfade::proxy {

class Verifier {
 public:
  Verifier(Core& core, ActivePlanPtr plan);
  ~Verifier();

  void Start();
  void Stop();  // at once; what was handed in and is not under way is given up
  void SetPlan(ActivePlanPtr plan);
  // Told of every difference, in this class's thread. Before Start; must outlive it.
  void AddSink(DeltaSink& sink) { sinks_.push_back(&sink); }

  // The pass's number, or why it can't begin.
  Result<uint64_t> Begin(const VerifyOptions& options);
  // Ends the operator's pass; false when there is none.
  bool Cancel();
  std::vector<VerifyReport> Reports() const;  // newest first

 private:
  using Clock = std::chrono::steady_clock;
  // What is known of a pass in this thread alone.
  struct Pass {
    VerifyReport report;
    uint64_t seed = 0;
    uint64_t doubts = 0;  // of the mirror's exactness, when it began
    std::string authority_run_id, follower_run_id;
    std::vector<replication::Difference> found;               // bounded; to be repaired
    bool again = false;                                       // what was repaired is compared again
    std::set<std::pair<uint32_t, std::string>> differ_again;  // of the last few
    uint32_t failures = 0;                                    // to walk on, one behind the other
    Clock::time_point due{};         // of the next key, where they are paced
    Clock::time_point clocks_due{};  // of another look at the stores' clocks
  };

  struct Stores {
    StoreClient authority, follower;
  };

  void Run();
  bool ScheduleIsDue();
  bool OutsideOfWindow() const;
  void RunPass(const VerifyOptions& options, uint64_t id);
  Status Carry(Pass& pass);
  void Conclude(Pass& pass, const Status& carried);
  std::optional<VerifyOptions> TakeRequest(uint64_t& id);
  VerifyOptions Scheduled() const;

  // verify_walk.cc
  Status Walk(Pass& pass, Stores& stores, bool follower);
  Status WalkDb(Pass& pass, Stores& stores, uint32_t db, bool follower);
  Result<Stores> Connect();
  // Both, in this db again; fails when that was tried too often, because of `error`.
  Status Reconnect(Pass& pass, Stores& stores, uint32_t db, const Error& error);
  Status KeepUnknown(StoreClient& authority, std::vector<std::string_view>& names);
  bool Selected(const Pass& pass, uint32_t db, std::string_view name) const;
  Status HandInOldSuspects(Pass& pass);

  // verify_repair.cc
  Status Repair(Pass& pass);
  Status SyncSome(Pass& pass, std::vector<replication::Difference>& some);
  void Tell(const Pass& pass, DeltaAction action, const replication::Difference& difference);

  // All of these are errors when the pass is to end.
  Status HandIn(Pass& pass, uint32_t db, const std::vector<std::string_view>& names);
  Status MayGoOn(Pass& pass);
  Status Settle(Pass& pass);
  Status Pace(Pass& pass, size_t keys, uint64_t keys_per_second);
  std::string WhyPaused(const Pass& pass) const;
  void SetState(Pass& pass, PassState state, const std::string& step);
  void LookAtClocks(Pass& pass, Stores& stores);
  // What Verification has found since the last time is this pass's.
  void Account(Pass& pass);
  void Publish(const Pass& pass);
  void Put(const VerifyReport& report);  // needs the mutex
  void GiveUpKeys(Pass& pass);
  bool Sleep(std::chrono::milliseconds time);  // false: stop
  bool Ending(const Pass& pass) const;

  Core& core_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  ActivePlanPtr plan_;
  std::optional<VerifyOptions> request_;
  uint64_t request_id_ = 0;
  bool operators_ = false;  // an operator's pass is asked for or under way
  bool cancelled_ = false;
  uint64_t next_id_ = 1;
  std::deque<VerifyReport> reports_;  // newest first, bounded
  Interrupt interrupt_;
  std::thread thread_;

  // Of the thread alone.
  std::vector<DeltaSink*> sinks_;
  replication::VerifyCounters seen_;
  Clock::time_point next_scheduled_{};
};

}  // namespace crossfade::proxy
