// Backfiller: carries a backfill out: scans the stores, keeps to the bounds of the
// plan and to what the authority bears, and has the catalog and the spool on disk.
// Belongs to the mirror driver and runs on its thread; figures and controls may be
// used from any. What fails is tried again a second later, and says why meanwhile.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "config/rollout/catalog.h"
#include "proxy/active_plan.h"
#include "proxy/backend/store_client.h"
#include "proxy/backfill/authority_latency.h"
#include "proxy/backfill/backfill_order.h"
#include "proxy/backfill/backfill_report.h"
#include "proxy/backfill/file_spool.h"
#include "proxy/backfill/trouble.h"
#include "proxy/core.h"
#include "replication/backfill/backfill.h"
#include "replication/backfill/throttle.h"

namespace crossfade::proxy {

class Backfiller : public replication::BackfillPorts {
 public:
  struct Progress {
    replication::BackfillPhase phase = replication::BackfillPhase::kNone;
    bool paused = false;
    uint64_t names = 0;      // found so far
    uint64_t copied = 0;     // begun to be copied
    uint64_t kept = 0;       // of them: equal on the follower already, when
    uint64_t kept_seen = 0;  // the replicator had counted so many
    uint64_t total = 0;      // an estimate; 0 when unknown
    uint32_t partition = 0;  // being copied; limits::kPartitions: none
    uint64_t finished = 0;   // partitions
    uint64_t keys_per_second = 0;
    uint64_t rate_limit = 0;  // keys a second that it allows itself
    bool held_back = false;   // by the authority's latency
    uint64_t spool_bytes = 0;
    std::string error;  // why it does not get on, may be empty
  };

  Backfiller(Core& core, const Interrupt& interrupt) : core_(core), interrupt_(interrupt) {}

  // Told of every backfill. Before anything else; must outlive it.
  void SetSink(BackfillSink& sink) { sink_ = &sink; }
  // Before anything that follows; refused when what is on the disk is another migration's.
  Status Open(const config::Plan& plan);
  // What the catalog says is finished; nothing when no backfill was under way.
  std::optional<replication::PartitionSet> Former();

  // The replicator has begun to copy. Keys of both stores are enumerated.
  Status Begin(const ActivePlan& plan, StoreClient& authority, StoreClient& follower);
  // The replicator resumes in the partitions that Former told. Goes on once the stores
  // are connected: Measure.
  Status Resume(const replication::Recovered& former);
  Status Measure(StoreClient& authority, StoreClient& follower);
  // The replicator copies partitions again of which it has the keys' names.
  void Reopen();
  // The journal says that all keys are copied.
  void NoteFormerlyDone();
  // Nothing is known of any key any more.
  void Abandon();
  // The thread that drives it has ended.
  void Stopped() { EndRun("stopped", ""); }
  bool active() const { return active_.load(); }
  // Some milliseconds of work. True when there is more to do at once.
  bool Step(const ActivePlan& plan);

  // What of the quarantine a former process has told; with the replication lock.
  void RememberQuarantine();
  // What was accepted of it is in the catalog; from any thread but the driver's.
  Status AwaitQuarantineSaved();

  void Pause(bool pause);
  bool paused() const { return paused_.load(); }
  // Until the proxy ends or is told otherwise. Says what holds now.
  std::string SetBounds(const BackfillBounds& bounds);
  Progress progress() const;

 private:
  struct Target {
    bool follower;
    uint32_t db;
    auto operator<=>(const Target&) const = default;
  };
  void WithReplicator(const std::function<void(replication::Replicator&)>& f) override;
  Status Save(const replication::BackfillRecord& record) override;
  bool WriteJournal() override;
  Result<bool> Work(const ActivePlan& plan, int64_t now_us);
  Status ScanPage();
  Status Pump(int64_t now_us);
  Result<StoreClient*> ClientOf(const Target& target);
  void Adapt(const ActivePlan& plan, int64_t now_us);
  void SaveOrders();
  Status SaveQuarantine();
  // backfill_runs.cc
  void BeginRun(bool resumed);
  void EndRun(const char* state, const std::string& reason);
  bool Waits() const { return paused() || !measured_; }
  void Publish();
  void SetError(const std::string& error);

  Core& core_;
  const Interrupt& interrupt_;
  std::string plan_digest_;                   // of the plan that the backfill was begun under
  std::unique_ptr<config::Catalog> catalog_;  // null: nothing outlasts the process
  std::unique_ptr<FileSpool> file_;
  std::unique_ptr<replication::Backfill> backfill_;
  std::vector<Target> targets_;
  std::optional<StoreClient> scanned_;  // the store that is being enumerated
  bool scanned_follower_ = false;
  int64_t selected_db_ = -1;
  uint64_t total_ = 0;
  replication::Throttle throttle_;
  AuthorityLatency latency_;
  uint64_t synced_bytes_ = 0;
  int64_t rated_us_ = 0;
  uint64_t rated_copied_ = 0;
  int64_t retry_us_ = 0;
  int64_t scanned_us_ = 0;

  bool measured_ = false;  // it is known what to enumerate
  bool resumed_ = false;   // and not begun to go on
  bool paused_saved_ = false;
  int64_t quarantine_saved_us_ = 0;
  BackfillSink* sink_ = nullptr;
  BackfillReport run_;  // ended, or not begun: its state is empty
  uint64_t bytes_before_run_ = 0;

  std::atomic<bool> active_{false}, paused_{false}, save_now_{false};
  std::atomic<uint64_t> quarantine_saved_{0};  // its changes
  mutable std::mutex mutex_;
  Progress progress_;
  Trouble trouble_;
  BackfillBounds bounds_;  // the operator's
};

}  // namespace crossfade::proxy
