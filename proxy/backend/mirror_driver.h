// MirrorDriver: the background thread that brings the follower into step and
// keeps an eye on both stores. Looks their addresses up, reads the authority's
// COMMAND table, decides by what the follower holds whether it may be written
// to, and enumerates keys for the copy. Blocking work, so it has its own thread;
// it takes the replication lock for short moments.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "proxy/active_plan.h"
#include "proxy/backend/store_client.h"
#include "proxy/backfill/backfiller.h"
#include "proxy/core.h"

namespace crossfade::proxy {

class MirrorDriver {
 public:
  MirrorDriver(Core& core, ActivePlanPtr plan);
  ~MirrorDriver();

  // What a former process left behind: the backfill's files, then what the intent
  // journal says of the follower. Before Start; the latter with the replication lock.
  Status Open() { return backfiller_.Open(*plan_->plan); }
  void AdoptFormer(const replication::Recovered& former);
  void Start();
  void Stop();
  void SetPlan(ActivePlanPtr plan);
  // Clients may write while nothing is mirrored: the follower can't be trusted.
  void NoteServedUnmirrored() { served_unmirrored_.store(true); }

  // It refuses to copy, since the authority has lost its data; an operator takes
  // the authority as it is.
  bool loss_refused() const { return loss_refused_.load(); }
  void AcceptLoss() { loss_accepted_.store(true); }

  struct Progress {
    std::string state;   // "off", "connecting", "refused", "copying", "live"
    std::string detail;  // one sentence for the operator, may be empty
  };
  Progress progress() const;
  Backfiller& backfiller() { return backfiller_; }
  const Backfiller& backfiller() const { return backfiller_; }
  // From any thread. What was done, or why it can't be.
  Result<std::string> Order(const BackfillOrder& order);

 private:
  static constexpr std::string_view kScanPage = "1000";  // keys, about
  using Counts = std::map<uint32_t, uint64_t>;
  void Run();
  // True when there is more to do at once.
  bool Step(const ActivePlan& plan);
  bool MayGoOn(const ActivePlan& plan, replication::MirrorState& state);
  void Learn(const ActivePlan& plan);
  void LookUpAddresses();
  Result<StoreClient> Connect(const StoreLink& link);
  void LearnCommands(StoreClient& authority);
  void LearnMissingCommands(const std::string& follower_run_id);
  // Whether this proxy owns the stores; else says why not.
  bool Owns(bool live);
  void StartMirroring(const ActivePlan& plan);
  bool IsMaster(StoreClient& store, const StoreLink& link, const char* role);
  bool MayBeWritten(const ActivePlan& plan, StoreClient& follower, const Counts& authority_counts,
                    const Counts& follower_counts, bool& trusted);
  bool MayRemove(const Counts& authority_counts, const Counts& follower_counts);
  // What the follower holds is compared first, instead of being copied over.
  bool ComparesFirst(const ActivePlan& plan, uint64_t wanted, uint64_t held) const;
  static bool KeepsEqual(const ActivePlan& plan);
  bool HoldsNoExtras(StoreClient& follower, const Counts& follower_counts);
  std::optional<replication::PartitionSet> FormerlyFinished(const replication::Recovered& former);
  void LearnExpiries(const ActivePlan& plan);
  // Given to the follower, too, unless it is nullptr.
  Status LearnLibraries(StoreClient& authority, StoreClient* follower);
  bool FinishResuming();
  bool Settled(const ActivePlan& plan) const;
  // No other one has been published; asked with the replication lock held.
  bool InForce(const ActivePlan& plan) const;
  void SetProgress(std::string state, std::string detail);
  bool Sleep(std::chrono::milliseconds time);  // false: stop

  Core& core_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  Interrupt interrupt_;
  Backfiller backfiller_;
  ActivePlanPtr plan_;
  Progress progress_;
  std::thread thread_;

  std::atomic<bool> served_unmirrored_{false};
  std::atomic<bool> loss_refused_{false}, loss_accepted_{false};
  std::atomic<bool> start_wanted_{false};

  // Of the thread alone.
  std::string former_follower_;  // run id of what a former process has written to
  std::string copied_from_;      // run id of the authority when a copy last began
  std::string lost_in_;          // of one that came without most of the keys
  bool begun_ = false;           // the follower was written to since the start
  bool resumed_ = false;         // live from the start, but not all is learnt that it takes
  bool journal_failed_ = false;  // there was a journal, which could not be relied on
  std::string commands_of_;      // run id of the store whose COMMAND is in force
  std::string commands_;         // that reply, in RESP2
  std::string lacks_of_;         // run id of the follower that was compared with it
  uint64_t round_ = 0;           // of the ownership
  std::vector<std::unique_ptr<routing::CommandSet>> missing_;
  std::vector<std::unique_ptr<routing::CommandTable>> tables_;
  std::chrono::steady_clock::time_point next_check_{};
};

}  // namespace crossfade::proxy
