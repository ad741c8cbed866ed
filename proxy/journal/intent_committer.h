// IntentCommitter: writes the intent journal's blocks, before what they record
// is sent. Workers commit together: whoever comes first writes what all have
// recorded. In mode disk a thread of its own syncs, and a lane waits for it with
// its bytes in its queue; workers are woken.
//
// A journal that can't be written is given up whole: marked as incomplete and its
// segments removed, so that no start relies on it; it is begun anew as soon as that works.
// Until then writes go on (journal.on_error: suspect: after a crash the follower
// would be copied again) or are refused (refuse).
//
// Thread-safe. Takes its own mutex before the replication lock.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "config/settings.h"
#include "proxy/journal/segment_files.h"
#include "proxy/snapshot.h"
#include "replication/journal/intent_journal.h"
#include "replication/journal/recovery.h"
#include "replication/replicator.h"

namespace crossfade::proxy {

struct Core;

class IntentCommitter {
 public:
  IntentCommitter(Core& core, const config::Settings& settings);
  ~IntentCommitter();

  // Locks the folder, and reads what is there.
  Result<replication::Recovered> Open();
  // From here on writes are recorded.
  // `tell` is called with the replication lock, so that what it makes known stands in
  // the first block.
  Status Begin(const std::function<void(replication::Replicator&)>& tell);
  // Whether the write of this number may be sent. False: the worker is woken later.
  bool Commit(uint64_t intent) {
    return committed_.load(std::memory_order_acquire) >= intent || CommitNow(intent);
  }
  // What was recorded so far is on the disk (or in the mode's place) when this returns,
  // or no start will rely on what is there. False: neither.
  bool Settle();
  // It waits for the disk.
  bool Holds(uint64_t intent) const {
    return committed_.load(std::memory_order_acquire) < intent && !blocked_.load();
  }
  // Nothing is written any more: the journal says that it ended in order.
  void Close();
  JournalSnapshot Figures() const;

 private:
  using Clock = std::chrono::steady_clock;
  bool CommitNow(uint64_t intent);
  void WritePending();
  Status WriteBlock();
  void GiveUp(const std::string& reason);
  Status BeginGeneration(const std::function<void(replication::Replicator&)>& tell);
  // What is not needed once the blocks written so far are safe.
  struct Removal {
    bool due = false;
    bool former = false;  // all former generations
    SegmentName below;
  };
  void RemoveUnneeded(const Removal& removal);
  Clock::duration SyncUnderWay() const;
  void NoteSyncTime(Clock::duration time);
  void LetGo();
  void RefuseWrites(bool refuse);
  void Run();
  void Tick();
  bool SyncWanted() const;
  void Sync(std::unique_lock<std::mutex>& lock);

  Core& core_;
  const config::JournalSettings settings_;
  const std::string pair_;
  const replication::BootId boot_;

  mutable std::mutex mutex_;
  std::unique_ptr<SegmentFiles> files_;
  uint64_t generation_ = 0;
  replication::JournalBlock block_;  // scratch
  std::string bytes_;                // scratch
  std::string reason_;               // why it failed; empty: it works
  std::string told_;                 // the one that was logged last, since it worked
  bool begun_ = false;
  Removal removal_;
  SegmentName removed_below_;
  bool marked_ = false;  // as incomplete
  bool let_go_ = false;  // of a failed journal: nothing of it can be taken for complete
  uint64_t written_ = 0;
  uint64_t blocks_ = 0, syncs_ = 0, failures_ = 0;
  Clock::time_point next_try_{}, next_slow_line_{};
  std::optional<Clock::time_point> syncing_since_;

  std::atomic<uint64_t> committed_{0};
  std::atomic<bool> blocked_{false};  // failed, and not let go: clients get errors
  std::string refusal_;               // that workers were told to give

  std::condition_variable sync_wanted_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace crossfade::proxy
