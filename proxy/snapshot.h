// Snapshot: what the proxy tells of itself at one moment; filled by
// Server::TakeSnapshot, rendered as JSON and as Prometheus text by admin/.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace crossfade::proxy {

// Bucket i counts times below 2^i microseconds (and not below 2^(i-1)); the
// last bucket counts all that are longer.
inline constexpr size_t kLatencyBuckets = 28;
struct LatencyHistogram {
  std::array<uint64_t, kLatencyBuckets> counts{};
  uint64_t total_us = 0;
};

enum class RequestClass : uint8_t { kRead, kWrite, kOther };
inline constexpr size_t kRequestClasses = 3;

struct StoreSnapshot {
  std::string role;  // "legacy" or "new"
  std::string address;
  bool authority = false;
  bool connected = false;
  std::string version;  // of the store; empty before the first contact
  std::string run_id;
  std::string last_error;                         // why it is not connected, or was last not
  std::string state = "unknown";                  // the worst of those that hold
  std::string state_detail;                       // may be empty
  std::map<std::string, bool> states;             // all of them, and whether they hold
  std::map<std::string, uint64_t> state_entries;  // how often each was entered
  uint64_t keys = 0, evicted_keys = 0, used_memory = 0, max_memory = 0;  // as it says
  // Indexed by RequestClass.
  std::array<uint64_t, kRequestClasses> requests{};
  std::array<LatencyHistogram, kRequestClasses> latency{};
};

struct ReadDecision {
  std::string route;
  std::string store;   // "legacy" or "new"
  std::string reason;  // "eligible", "percentage", "lag", "dirty", ...
  uint64_t count = 0;
};

struct ShadowCount {
  std::string route;
  std::string result;  // "matched", "mismatched", "ignored_<reason>"
  uint64_t count = 0;
};

// A script (by its SHA1) or a function (by its name) that was called.
struct ScriptSnapshot {
  std::string id;
  bool function = false;
  std::string verdict;  // "reads", "replay", "sync", "undeclared", "unseen"
  std::string reason;   // why not "reads" or "replay"
  uint64_t calls = 0, replayed = 0, synced = 0, failed = 0;
};

struct JournalSnapshot {
  std::string state = "off";  // "off", "ok", "failed"
  std::string reason;         // of failed
  uint64_t bytes = 0;         // of records that are kept, before compression
  uint64_t blocks = 0, syncs = 0, failures = 0;
};

struct ArtifactsSnapshot {
  std::string state = "off";  // "off", "ok", "failed"
  std::string reason;         // why the last run's could not be written
  std::string dir;            // absolute
  uint64_t keep = 0;          // runs of each kind
  std::string last;           // folder of the last run that is whole; empty: none since the start
  uint64_t written = 0, failures = 0;  // runs
};

struct BackfillSnapshot {
  std::string phase = "none";  // "none", "enumerating", "copying", "done"
  bool paused = false;
  uint64_t keys_found = 0;  // some of them twice
  uint64_t keys_copied = 0;
  uint64_t kept_equal = 0;           // of them: new held the same already
  uint64_t keys_total = 0;           // an estimate; 0 when unknown
  uint64_t partitions_finished = 0;  // of 1,024: not copied again after a restart
  int64_t partition = -1;            // being copied; -1: none
  uint64_t keys_per_second = 0;
  uint64_t limit_keys_per_second = 0;
  bool held_back = false;  // by the authority's latency
  uint64_t spool_bytes = 0;
  std::string error;  // why it does not get on, may be empty
};

struct OwnershipSnapshot {
  std::string state;  // "owner", "standby", "seeking", "not_needed"
  std::string id;     // of this process
  uint64_t epoch = 0;
  std::string detail;  // one sentence for the operator, may be empty
  std::string owner;   // who owns the stores, if it is not this one: id, address, stores
  std::string address;
  std::string stores;
  uint64_t losses = 0, takeovers = 0;
  uint64_t relayed_clients = 0;
};

struct Snapshot {
  OwnershipSnapshot ownership;
  uint64_t plan_epoch = 0;
  std::string plan_digest;
  std::string stage;
  std::string mirror_state;   // "off", "connecting", "refused", "copying", "live", "disconnected"
  std::string mirror_detail;  // one sentence for the operator, may be empty
  std::vector<StoreSnapshot> stores;  // legacy, new
  uint64_t uptime_ms = 0;
  uint64_t clients = 0;
  uint64_t clients_accepted = 0;
  uint64_t clients_blocked = 0;  // waiting in blocking commands
  uint64_t clients_rejected = 0;
  uint64_t auth_failures = 0;  // wrong passwords

  double lag_seconds = 0;
  uint64_t log_entries = 0;  // not yet applied
  uint64_t log_bytes = 0;
  uint64_t log_head = 0;  // sequence number of the newest entry
  uint64_t watermark = 0;
  uint64_t log_collapses = 0;
  uint64_t syncs_typewise = 0;  // key syncs by ordinary commands, where a dump was no use
  uint64_t syncs_chunked = 0;   // those of big keys, in chunks
  uint64_t chunks_restarted = 0;
  uint64_t dirty_keys = 0;
  uint64_t syncs_under_way = 0;
  uint64_t quarantined_keys = 0, quarantined_accepted = 0;
  uint64_t ack_timeouts = 0;  // mirror.ack: both, answered before the effect was applied
  std::map<std::string, uint64_t> effects;  // by kind: replay, rewritten, sync, flush, none, ...
  std::map<std::string, uint64_t> drift;    // by reason

  JournalSnapshot journal;
  ArtifactsSnapshot artifacts;

  // Whether the follower is exact, but for what is under way; not once a script may
  // have written keys that it does not declare.
  bool exact = true;
  uint64_t exact_doubts = 0;  // calls of such scripts
  std::string doubt_script;   // the last of them, and why
  std::string doubt_reason;
  std::map<std::string, uint64_t> script_calls;  // by verdict
  uint64_t scripts_known = 0;
  uint64_t script_text_bytes = 0;
  uint64_t libraries_refused = 0;       // changes of function libraries, by the follower
  std::vector<ScriptSnapshot> scripts;  // those called last

  BackfillSnapshot backfill;
  uint64_t live_partitions = 0;  // of 1,024
  std::string breaker;           // "closed", "open", "half_open"
  uint64_t breaker_trips = 0;
  uint64_t follower_read_retries = 0;
  uint64_t authority_read_retries = 0;
  std::map<std::string, uint64_t> verified;            // keys by result, since the start
  std::map<std::string, uint64_t> verify_differences;  // by kind
  uint64_t keys_that_differ = 0;  // found by verification, and not repaired yet
  std::string reads_suspended;    // why no read goes to the follower; empty: they may
  std::vector<ReadDecision> read_decisions;
  std::vector<ShadowCount> shadow;
  // Commands that the authority has and the follower lacks, and whether clients
  // have sent them.
  std::map<std::string, bool> missing_commands;
  std::map<std::string, uint64_t> client_errors;  // by kind: protocol, refused_command, ...
};

}  // namespace crossfade::proxy
