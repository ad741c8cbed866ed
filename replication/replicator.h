// Replicator: what happens after a write. Ties together the key gate, the
// intents, the mirror log, the dirty keys and the applier's protocol; holds the
// rules R2 to R7 of the design. Does no I/O and reads no clock: the proxy (or a
// simulation) carries bytes and time in and out.
//
// Every method needs the replication lock, which the proxy holds; the events
// are called with it held. Times are microseconds of one monotonic clock.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/limits.h"
#include "replication/backfill/partitions.h"
#include "replication/backfill/written_names.h"
#include "replication/compared_side.h"
#include "replication/dirty_keys.h"
#include "replication/effects.h"
#include "replication/expiry_filter.h"
#include "replication/intent_window.h"
#include "replication/journal/intent_journal.h"
#include "replication/journal/recovery.h"
#include "replication/key_gate.h"
#include "replication/key_stripes.h"
#include "replication/mirror_log.h"
#include "replication/quarantine.h"
#include "replication/replicator_events.h"
#include "replication/scripts.h"
#include "replication/sync_forms.h"
#include "replication/sync_pacer.h"
#include "replication/verification.h"
#include "replication/write_record.h"
#include "routing/commands/command_set.h"
#include "routing/commands/command_table.h"
#include "routing/commands/keys.h"
#include "routing/resp/request.h"

namespace crossfade::replication {

enum class MirrorState : uint8_t {
  kOff,         // writes are not mirrored
  kUnfinished,  // to be mirrored, but no copy has begun: writes are not recorded
  kCopying,     // keys are being enumerated; every write makes its keys dirty
  kLive,        // writes are mirrored by their effects
};
const char* Name(MirrorState state);

// Whether a read may go to the follower, and if not, why not.
enum class ReadVerdict : uint8_t {
  kEligible,
  kNotLive,
  kNotCopied,  // a key's partition is not behind the backfill's frontier
  kDirty,
  kLag,         // older than the budget
  kPending,     // budget 0, and a write is under way
  kUnanswered,  // an entry on the key is on its way to the follower
  kSeenNewer,   // the session has seen what the follower has not
  kDiffers,     // as verification found
};

// How far a key is read that is being verified, or synced.
enum class VerifyStep : uint8_t { kMore, kAskMore, kDone };
enum class SyncStep : uint8_t { kAskMore, kDone };

// Bytes to be sent, and the block they lie in.
struct Piece {
  const char* data;
  size_t size;
  Block* block;
};

struct ReplicatorCounters {
  uint64_t none = 0, replayed = 0, rewritten = 0, synced = 0, flushed = 0, suspended = 0,
           shadowed = 0;
  uint64_t collapses = 0, syncs_refused = 0, synced_bytes = 0;
  std::array<uint64_t, static_cast<size_t>(Drift::kCount)> drift{};
  uint64_t syncs_typewise = 0;             // of those synced
  uint64_t overflows = 0, kept_equal = 0;  // of dirty keys; those not copied, since equal
  uint64_t syncs_chunked = 0;              // likewise, whole
  uint64_t chunks = 0, chunks_restarted = 0;
};

class Replicator {
 public:
  Replicator(const routing::CommandTable& table, ReplicatorEvents& events, uint64_t memory_bytes);

  // ---- Writes, from the lanes.
  KeyGate& gate() { return gate_; }
  // The write has entered the gate and is about to be sent.
  void BeginWrite(WriteRecord& write, const WriteText& text, int64_t now_us);
  // Its reply (and the deadlines behind it) has come: derives the effect, logs
  // it, and leaves the gate. Returns the entry's number, 0 when there is none.
  uint64_t FinishWrite(LaneId lane, WriteRecord& write, std::string_view reply, int64_t unix_ms);
  // The lane was lost: whether it was executed is not known.
  void LoseWrite(LaneId lane, WriteRecord& write);
  // The filter of R5, for shadow reads that want the authority's deadline.
  bool MayHaveExpiry(uint64_t key_hash) const { return expiries_.MayHaveExpiry(key_hash); }

  // ---- Scripts (replicator_scripts.cc).
  ScriptBook& scripts() { return scripts_; }
  const ScriptBook& scripts() const { return scripts_; }
  // Sees to it that the follower has the script, from here on in the log. Returns
  // true when something was logged.
  bool GiveScript(Script& script);
  // The authority's libraries, at the beginning of a copy: in the log, so that what
  // clients change meanwhile comes behind. `alone`: the follower has others too.
  void GiveLibraries(const std::vector<Library>& libraries, bool alone);

  // A lane was lost with writes unanswered that its server may yet execute: no
  // key may be synced before that connection is known to be dead (design R8).
  // What is being read now does not count: it may have waited for that very lane.
  void HoldSyncs(bool hold) {
    syncs_held_ += hold ? 1u : ~0u;
    if (hold) ++sync_round_;
  }

  // ---- The intent journal (replicator_journal.cc); none until it is begun.
  // What is open now is in it from the beginning; of writes in flight it does not
  // know, so that it says nothing of the follower until they are done.
  void BeginJournal(uint64_t generation, IntentJournal::Sizes sizes);
  void EndJournal();
  // False when there is nothing to be written.
  bool TakeJournalBlock(int64_t unix_ms, JournalBlock& block);
  void CloseJournal();
  const IntentJournal* journal() const { return journal_.get(); }
  // Which two processes what is known of the follower is about.
  void SetStores(std::string authority_run_id, std::string follower_run_id);
  // Whatever is known of it otherwise, it was written by this proxy before.
  void NoteFollowerIsOurs();
  // What a journal of before says: the follower is as the authority, but for `dirty`;
  // when a backfill was under way, in these partitions.
  void Resume(const JournalState& state, const std::vector<RecoveredKey>& dirty,
              const PartitionSet& finished);

  // ---- The applier's connection.
  void FollowerReady();  // connected, and all earlier connections are dead
  void FollowerLost();
  // What is to be sent now, in order. The bytes lie in blocks that the receiver
  // retains as long as it needs them.
  void Feed(std::vector<Piece>& out);
  // One complete reply.
  void OnFollowerReply(std::string_view frame, int64_t now_us, int64_t unix_ms);
  bool follower_ready() const { return follower_ready_; }
  bool AwaitsReply() const { return in_flight_ > 0 || select_sent_; }

  // ---- Key syncs: read on a lane under the gate (replicator_syncs.cc).
  bool NextSync(int64_t now_us, KeyToSync& key);
  // The reply that counts, to AppendSyncRead; of the authority with this run id.
  // kDone: the key may leave the gate.
  SyncStep TakeSyncReply(KeyToSync& key, std::string_view frame, std::string_view run_id,
                         int64_t now_us, int64_t unix_ms);
  void FinishSync(const KeyToSync& key, std::string_view dump, std::string_view expiry);
  // Of one whose form is kTypewise: what AppendStateReads of its type was replied.
  void FinishTypewiseSync(const KeyToSync& key, std::string_view replies, std::string_view expiry,
                          int64_t now_us);
  void SyncReadFailed(const KeyToSync& key);                   // not read: asked for again
  void SyncReadRefused(const KeyToSync& key, int64_t now_us);  // the authority refused it

  // What it does not take (replicator_syncs.cc).
  Quarantine& quarantine() { return quarantine_; }
  const Quarantine& quarantine() const { return quarantine_; }
  // Now, instead of after a while; how many.
  size_t RetryQuarantined(uint32_t db, std::string_view key, bool all);

  // What the follower takes (replicator_syncs.cc).
  SyncForms& sync_forms() { return sync_forms_; }
  const SyncForms& sync_forms() const { return sync_forms_; }

  // ---- Verification (replicator_verify.cc): read on a lane under the gate.
  Verification& verification() { return verification_; }
  const Verification& verification() const { return verification_; }
  bool NextVerify(Verification::Slot& slot);
  // Appends what the authority is to be asked now, and returns how many replies it gives.
  uint32_t AskVerify(Verification::Slot slot, std::string& out);
  // Its next reply. kDone: all is known, the key may leave the gate.
  VerifyStep TakeVerifyReply(Verification::Slot slot, std::string_view frame);
  void VerifyReadFailed(Verification::Slot slot) { verification_.Lose(slot); }
  void VerifyNotSent(Verification::Slot slot) { verification_.PutBack(slot); }
  // Has it synced, because it was found different.
  void Repair(uint32_t db, std::string_view key, Drift reason = Drift::kVerify);
  // Every key was found equal since there were so many doubts (see Claim).
  void ConfirmExact(uint64_t doubts);

  // ---- Copying.
  MirrorState state() const { return state_; }
  bool live() const { return state_ == MirrorState::kLive; }
  bool mirrors() const { return recorded(); }  // at least partitions that are live
  void SetOff();
  void SetUnfinished();
  // Only when Quiet(): of a key that a command of before has yet to make, the copy
  // would not hear. Else the state stays as it is.
  void BeginCopy();
  void AddScanned(uint32_t db, std::string_view key);
  // The follower may hold much of what is copied: until the copy ends, keys that are
  // added are compared first, and left as they are when they are equal
  // (replicator_compare.cc).
  void CompareFirst(bool compare) { compare_first_ = compare; }
  void FinishCopy();  // every key is clean, or dirty and will be synced

  // ---- Copying by partition (replicator_backfill.cc), between BeginCopy and FinishCopy.
  // From here on all partitions but those `finished` are pending.
  void BeginBackfill(const PartitionSet& finished);
  // The steps of one; false when the copy is over.
  bool BeginPartition(uint32_t partition);
  bool FinishPartition(uint32_t partition);  // as FinishCopy
  // What is dirty of it is in the journal: it need not be copied again after a crash.
  bool PartitionIsSafe(uint32_t partition) const {
    return partitions_.At(partition) == PartitionMode::kLive &&
           (!journal_ || dirty_.unrecorded(partition) == 0);
  }
  const Partitions& partitions() const { return partitions_; }
  bool by_partition() const { return by_partition_; }
  // To be spooled before their partitions begin.
  WrittenNames& written_names() { return written_names_; }
  // The follower is said to hold what the authority held when the copy began.
  // Its expiries are unknown until all keys that have one were told.
  void Trust();
  bool expiries_unknown() const { return expiries_.every(); }
  // What made them unknown has reached the follower, so that it can be asked.
  bool ExpiriesCanBeLearnt() const {
    return expiries_.every() && !expiries_told_ && log_.applied_seq() >= expiries_unknown_seq_;
  }
  uint64_t expiries_unknown_seq() const { return expiries_unknown_seq_; }
  void AddExpiry(uint64_t key_hash) { expiries_.Add(key_hash); }
  // All that the follower has were told. Of a key that its clock has taken away, and
  // the authority's not yet, it told nothing: they are known when that is over.
  void ExpiriesTold(int64_t now_us);
  void SettleExpiries(int64_t now_us);  // to be called now and then
  // The follower or the authority is not what it was: nothing is known of any key.
  void LeaveLive(std::string_view reason);

  // ---- Reads.
  struct ReadKey {
    std::string_view name;
    uint64_t hash;
  };
  ReadVerdict CheckRead(uint32_t db, std::span<const ReadKey> keys, int64_t budget_us,
                        uint64_t seen_seq, uint64_t seen_intent, int64_t now_us) const;
  // Whether writes on the keys are under way (then an empty reply proves nothing).
  bool AnyPending(std::span<const ReadKey> keys) const;
  // Whether the reply of a follower read that was dispatched when sent_seq() was
  // `sent` and era() was `era` counts.
  bool ReadStillCounts(uint32_t db, std::span<const ReadKey> keys, uint64_t sent,
                       uint64_t era) const;
  uint64_t sent_seq() const { return next_ - 1; }
  uint64_t era() const { return era_; }
  // What a session has seen once it got the authority's reply for a key.
  uint64_t SeenSeq(uint64_t key_hash) const;
  uint64_t SeenIntent(uint64_t key_hash) const;

  // ---- Figures.
  const MirrorLog& log() const { return log_; }
  const IntentWindow& intents() const { return intents_; }
  const KeyStripes& stripes() const { return stripes_; }
  const DirtyKeys& dirty() const { return dirty_; }
  const ReplicatorCounters& counters() const { return counters_; }
  uint32_t syncs_under_way() const { return syncs_under_way_; }
  uint64_t applied_seq() const { return log_.applied_seq(); }
  // The write that was finished last has no entry: its keys are dirty instead.
  bool last_write_dirtied() const { return last_write_dirtied_; }
  // Nothing that was sent before may still be executed anywhere.
  bool Quiet() const {
    return syncs_held_ == 0 && in_flight_ == 0 && !select_sent_ && !follower_doubtful_;
  }
  // The newest entry that was given up instead of applied.
  uint64_t last_dropped_seq() const { return last_dropped_; }
  // Commands in flight must be known to it too.
  void set_table(const routing::CommandTable* table) { table_ = table; }
  // Commands that the follower does not have, nullptr when none is known to be
  // missing: what they do is synced. Must outlive the replicator.
  void set_follower_lacks(const routing::CommandSet* commands) {
    follower_lacks_ = commands;
    sync_forms_.SetLacksRestore(commands != nullptr && commands->names().contains("restore"));
  }
  void set_memory_bytes(uint64_t bytes) { memory_bytes_ = bytes; }
  // Hashes, sets and sorted sets of more than that are copied in chunks; 0: none is.
  void set_big_key_bytes(uint64_t bytes) { big_key_bytes_ = bytes; }
  void set_dirty_keys_max(size_t keys) { dirty_keys_max_ = keys; }
  void set_clock_offset_ms(int64_t offset);
  bool Drained() const { return log_.empty() && dirty_.empty() && intents_.empty(); }

 private:
  using Positions = std::vector<routing::KeyPosition>;
  struct ParsedCommand {
    const routing::CommandSpec* spec;
    size_t first;  // its arguments in parsed_args_
    size_t count;
  };

  // replicator_writes.cc
  uint64_t Derive(WriteRecord& write, std::string_view reply, int64_t unix_ms);
  uint64_t Log(WriteRecord& write, std::string_view reply, bool whole_keyspace);
  uint64_t DeriveShadow(WriteRecord& write, std::string_view reply);
  bool DeriveTransactionEffect(WriteRecord& write, std::string_view reply, int64_t unix_ms);
  uint64_t AppendEffect(WriteRecord& write, EntryKind kind, std::string_view reply);
  bool FollowerLacksIt() const;
  uint64_t AppendAlways(WriteRecord& write, EntryKind kind, std::string_view bytes);
  // replicator_scripts.cc
  void JudgeAgain(ScriptRun& run, const routing::CommandSpec& spec);
  void DeriveScriptEffect(WriteRecord& write, std::string_view reply);
  std::optional<ScriptTraits> TraitsInTransaction(const routing::CommandSpec& spec,
                                                  routing::Args args, bool ran,
                                                  std::string_view reply);
  uint64_t AppendUndeclared(WriteRecord& write, std::string_view reply);
  void NoteLibraryCommand(const WriteRecord& write);
  void CountScript(const ScriptRun& run, std::string_view reply);
  // replicator_writes.cc again
  void BuildGuards(uint32_t db);
  void NoteExpiries(uint32_t db);
  void Parse(std::string_view bytes);
  // f(name, access, db) for every key of what was parsed last. Behind a SELECT in
  // a transaction, which may have been refused, in every db that may be meant.
  template <class F>
  void ForEachKey(uint32_t db, F f) {
    dbs_.assign(1, db);
    for (const ParsedCommand& command : parsed_) {
      if (command.spec == nullptr) continue;
      const routing::Args args(parsed_args_.data() + command.first, command.count);
      if (command.spec->id == routing::CommandId::kSelect) NoteSelect(args);
      routing::ExtractKeys(*command.spec, args, positions_);
      for (const routing::KeyPosition& key : positions_) {
        if (key.db != routing::kSameDb) {
          f(args[key.arg], key.access, uint32_t(key.db));
          continue;
        }
        for (const uint32_t meant : dbs_) f(args[key.arg], key.access, meant);
      }
    }
  }
  void NoteSelect(routing::Args args);
  bool recorded() const { return state_ == MirrorState::kLive || state_ == MirrorState::kCopying; }
  bool AnyKeyAwaitsSync(uint32_t db);
  bool AnyKeySuspended(uint32_t db, uint64_t seq, bool by_value = false);
  void MarkWritten(uint32_t db, Drift reason, uint64_t seq, bool count);
  void MarkNamed(uint32_t db, Drift reason, uint64_t seq);
  void MarkKey(uint32_t db, std::string_view key, Drift reason, uint64_t seq, bool count);
  void Done(WriteKeys& keys, uint64_t intent, bool sent);
  // replicator_overflow.cc
  void KeepDirtyBounded();
  bool SpreadInLog(const PartitionSet& leaving);
  void LeavePartitions(const PartitionSet& leaving);
  // replicator_backfill.cc
  bool AnyKeyNotLive(uint32_t db);
  bool AllLive(std::span<const ReadKey> keys) const;
  // From this entry on every key may have an expiry.
  void ForgetExpiries(uint64_t seq);
  void NoteWritten(uint32_t db, std::string_view key);
  // replicator_journal.cc
  void RecordIntent(const WriteRecord& write, const WriteText& text);
  void RecordDirty(uint32_t db, std::string_view key);
  void RecordClean(uint32_t db, std::string_view key, uint64_t segment);
  FollowerClaim ClaimWhenKnown() const;
  void RecordState();
  uint64_t JournalLowWater() const { return written_names_.LowWater(intents_.low_water()); }
  void RecordLongOpen();
  void GiveUpOldIntents();
  void Count(const LogEntry& entry, uint64_t seq);
  void Collapse();

  // replicator_applier.cc
  bool MayBeSent(LogEntry& entry, uint64_t seq);
  void SendEntry(LogEntry& entry, uint64_t seq, std::vector<Piece>& out);
  void SendSelect(uint32_t db, std::vector<Piece>& out);
  void FinishEntry(LogEntry& entry, uint64_t seq, std::string_view frame, int64_t now_us,
                   int64_t unix_ms);
  void FinishEffect(LogEntry& entry, uint64_t seq, std::string_view frame);
  // replicator_syncs.cc
  SyncStep TakeKeyType(KeyToSync& key, std::string_view frame, int64_t now_us);
  void LogSync(const KeyToSync& key, EntryKind kind = EntryKind::kSync);
  LoggedSync SyncOf(const LogEntry& entry) { return ReadLoggedSync(entry.Effect(), decoder_); }
  void NoteSyncReply(std::string_view frame);
  void FinishSyncEntry(const LogEntry& entry, uint64_t seq, int64_t now_us);
  void NoteRefused(uint32_t db, std::string_view key, std::string_view error);
  void RefuseSync(const LoggedSync& sync, uint32_t db, uint64_t seq, std::string_view error,
                  int64_t now_us);
  // replicator_compare.cc
  bool CompareDump(const KeyToSync& key, std::string_view dump, std::string_view expiry);
  void CompareState(const KeyToSync& key, std::string_view value, std::string_view expiry);
  void LogCompare(const KeyToSync& key, CompareBy by, uint64_t digest, size_t bytes,
                  int64_t deadline_ms);
  void TakeCompareReply(const LogEntry& entry, std::string_view frame);
  void FinishCompare(const LogEntry& entry, uint64_t seq, int64_t unix_ms);
  bool SameDeadline(const LogEntry& entry, int64_t unix_ms) const;
  void LoseCompare(const LogEntry& entry, uint64_t seq);
  // replicator_chunks.cc
  bool NextChunk(KeyToSync& key);
  bool MayHaveChunks(KeyType type) const;
  SyncStep FinishChunk(KeyToSync& key, std::string_view scanned, std::string_view expiry,
                       std::string_view run_id, int64_t unix_ms);
  SyncStep RestartChunks(const KeyToSync& key, bool first);
  bool ChunkMayBeSent(const LogEntry& entry, uint64_t seq);
  void FinishChunkEntry(const LogEntry& entry, uint64_t seq, int64_t now_us);
  bool BecomesByValue(const WriteRecord& write, std::string_view reply);
  uint64_t AppendByValue(WriteRecord& write, std::string_view reply);
  // replicator_applier.cc again
  void FinishShadow(LogEntry& entry, uint64_t seq, std::string_view frame, int64_t unix_ms);
  // replicator_verify.cc
  void LogVerify(Verification::Slot slot);
  void FinishVerifyEntry(const LogEntry& entry, uint64_t seq, int64_t unix_ms);
  bool VerifyIsSuspended(const LogEntry& entry, uint64_t seq) const;
  // replicator_applier.cc again
  void OnSelectReply(std::string_view frame);
  void NoteGuard(std::string_view frame);
  void NoteChecked(const LogEntry& entry, std::string_view frame);
  void Drop(LogEntry& entry, uint64_t seq);
  void GiveUpEntry(LogEntry& entry, uint64_t seq, Drift reason, uint64_t dirty_seq);
  void PopDone();
  int64_t MarginMs() const;
  bool Differs(uint32_t db, std::string_view key) const {
    return !verification_.suspects.empty() && verification_.suspects.Contains(db, key);
  }

  const routing::CommandTable* table_;
  const routing::CommandSet* follower_lacks_ = nullptr;
  ReplicatorEvents& events_;
  uint64_t memory_bytes_;
  size_t dirty_keys_max_ = limits::kDirtyKeysMax;
  MirrorState state_ = MirrorState::kOff;
  uint64_t era_ = 0;  // rises when live is left
  Partitions partitions_;
  bool by_partition_ = false;
  WrittenNames written_names_;

  KeyGate gate_;
  IntentWindow intents_;
  KeyStripes stripes_;
  ExpiryFilter expiries_;
  MirrorLog log_;
  DirtyKeys dirty_;
  std::deque<KeyToSync> next_chunks_;  // to be read, of copies under way
  uint64_t big_key_bytes_ = 0;
  ScriptBook scripts_;
  Verification verification_;
  std::unique_ptr<IntentJournal> journal_;
  FollowerClaim claim_ = FollowerClaim::kNothing;
  size_t again_bucket_ = 0;  // how far those dirty for long are recorded again
  uint64_t next_give_up_ = 0;
  uint64_t known_from_ = 0;  // of writes with a greater number the journal knows
  uint64_t names_from_ = 0;  // of those noted before nobody knows until they are spooled
  std::string authority_run_id_, follower_run_id_;
  ReplicatorCounters counters_;
  uint64_t last_dropped_ = 0;
  int64_t clock_offset_ms_ = 0;

  // The applier: entries from applied to next_ - 1 are sent and unanswered.
  bool follower_ready_ = false;
  bool follower_doubtful_ = false;  // a connection was lost, and is not known to be dead
  uint64_t next_ = 1;
  uint32_t in_flight_ = 0;
  size_t in_flight_bytes_ = 0;
  uint32_t replies_seen_ = 0;  // of the oldest entry
  bool guard_failed_ = false;
  bool reply_differs_ = false;  // of an entry with corrections
  bool follower_expiring_ = false;
  uint32_t applier_db_ = 0;
  uint32_t wanted_db_ = 0;
  bool select_sent_ = false;
  BlockRef select_text_;
  SyncPacer sync_pacer_;
  SyncForms sync_forms_;
  Quarantine quarantine_;
  int64_t unix_ms_ = 0;           // of the last reply
  std::string sync_error_;        // the first one in the replies to the oldest entry, a key sync
  uint32_t syncs_under_way_ = 0;  // being read, or in the log
  bool compare_first_ = false;
  uint64_t compare_bytes_ = 0;  // of values that the follower is asked for
  ComparedSide compared_;       // of the oldest entry
  uint64_t expiries_unknown_seq_ = 0;
  bool expiries_told_ = false;
  int64_t expiries_settle_us_ = 0;
  uint64_t expiries_settle_intent_ = 0;
  bool last_write_dirtied_ = false;
  uint32_t syncs_held_ = 0;  // lanes lost and not yet known to be dead
  uint32_t sync_round_ = 0;  // rises with each such lane, and when live is left

  // Scratch, reused.
  Effect effect_;
  routing::RequestDecoder decoder_;
  std::vector<std::string_view> parsed_args_;
  std::vector<ParsedCommand> parsed_;
  std::vector<QueuedCommand> queued_;
  std::vector<Deadline> transaction_deadlines_;
  std::vector<ScriptRef> transaction_scripts_;
  std::vector<StreamLength> transaction_lengths_;
  Positions positions_;
  std::vector<uint32_t> dbs_;
  std::vector<JournalKey> journal_keys_;
  std::string resp2_;
  std::string guards_;
  std::string verify_text_;
  uint32_t guard_count_ = 0;
};

}  // namespace crossfade::replication
