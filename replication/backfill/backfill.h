// Backfill: copies the authority's keys partition by partition (design §7). Names
// are enumerated into the spool; then, one partition after the other, they are
// marked dirty, so that they are synced; with all marked the partition is live,
// and with all synced or in the journal it is finished, which the catalog is told.
//
// Runs on one thread, without a clock or a socket: whoever owns it scans the
// stores, carries time in, and lends the replicator. An error of a call concerns
// the spool or the catalog: nothing is lost, the call may be repeated.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "replication/backfill/partitions.h"
#include "replication/backfill/spool.h"
#include "replication/replicator.h"

namespace crossfade::replication {

enum class BackfillPhase : uint8_t { kNone = 0, kEnumerating = 1, kCopying = 2, kDone = 3 };
const char* Name(BackfillPhase phase);

// Where the enumeration stands: what is before it is in the spool.
struct ScanPosition {
  bool follower = false;  // the authority's keys come first
  uint32_t db = 0;
  std::string cursor = "0";
};

// What outlasts the process.
struct BackfillRecord {
  BackfillPhase phase = BackfillPhase::kNone;
  ScanPosition position;  // while enumerating
  PartitionSet finished;
  uint64_t names = 0;        // found, some of them twice
  uint64_t copied = 0;       // begun to be copied
  uint64_t kept = 0;         // of them: equal on the follower already
  uint64_t spool_bytes = 0;  // at least so long is the spool
  uint64_t mark = 0;         // the spool has it too
};

class BackfillPorts {
 public:
  virtual ~BackfillPorts() = default;
  virtual void WithReplicator(const std::function<void(Replicator&)>& f) = 0;
  virtual Status Save(const BackfillRecord& record) = 0;
  // What the intent journal has been told is where it survives a crash, or nothing
  // of it will be relied on. False: not yet.
  virtual bool WriteJournal() = 0;
};

class Backfill {
 public:
  Backfill(BackfillPorts& ports, SpoolFile& file, std::string pair)
      : ports_(ports), spool_(file, std::move(pair)) {}

  // A new one; the replicator has begun to copy. No other has the same mark.
  Status Begin(uint64_t mark = 0);
  // The one that a former process was at; the replicator is about to resume. `open`:
  // of these it left writes open. No other journal knows of them from here on, so that
  // they are in the spool.
  Status Resume(const BackfillRecord& record, std::span<const RecoveredKey> open);
  // The one that a former process has finished.
  void Restore(const BackfillRecord& record) { record_ = record; }
  // The copy was over, and partitions have left live since: their keys' names wait with
  // the replicator.
  Status Reopen();
  // The copy is over, or nothing is known any more: until it begins again.
  void Abandon() { record_ = {}; }

  const BackfillRecord& record() const { return record_; }
  bool active() const {
    return record_.phase == BackfillPhase::kEnumerating || record_.phase == BackfillPhase::kCopying;
  }

  // One page of the enumeration, and where the next one begins.
  void AddPage(uint32_t db, std::span<const std::string_view> names, ScanPosition next);
  Status EndEnumeration();

  // To be called every few milliseconds while active. Marks up to `keys`; how many it
  // did is added to `begun`.
  Status Pump(int64_t now_us, uint64_t keys, uint64_t& begun);

  // How many of the replicator's kept ones the record has; what is more is of after.
  uint64_t kept_seen() const { return kept_seen_; }
  uint32_t current() const { return current_; }  // partition
  uint64_t spool_bytes() const { return spool_.bytes(); }
  void set_compact_from(uint64_t bytes) { spool_.set_compact_from(bytes); }

 private:
  static constexpr uint32_t kNoPartition = limits::kPartitions;
  std::vector<WrittenNames::Name> TakeWritten(Replicator& replicator);
  void CountKept(const Replicator& replicator);
  void SpoolWritten(const std::vector<WrittenNames::Name>& names);
  Status FlushSpool();
  Status CompactSpool();
  Status SaveAs(BackfillRecord record);
  Status SaveRecord(int64_t now_us);
  Status MarkNames(uint64_t keys, uint64_t& begun);
  Status BeginNextPartition();
  void FinishMarked(Replicator& replicator);
  Status NoteSafe();

  BackfillPorts& ports_;
  Spool spool_;
  BackfillRecord record_;
  bool unsaved_ = false;
  bool shrunk_ = false;  // partitions have left live that the catalog calls finished
  int64_t flushed_us_ = 0;
  int64_t saved_us_ = 0;
  uint32_t current_ = kNoPartition;
  uint32_t next_partition_ = 0;
  std::vector<RecoveredKey> names_;  // of the current partition
  size_t marked_ = 0;                // of them
  uint64_t kept_seen_ = 0;           // of the replicator's counter
};

}  // namespace crossfade::replication
