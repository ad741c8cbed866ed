#include "proxy/admin/metrics.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "proxy/admin/version.h"

namespace crossfade::proxy {
namespace {

using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::initializer_list<Label>;

constexpr std::array<std::string_view, kRequestClasses> kClassNames = {"read", "write", "other"};

class Writer {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
    out_.append(name).append(" ").append(type).append("\n");
  }

  template <class Number>
  void Sample(Labels labels, Number value) {
    SampleOf("", labels, value);
  }

  template <class Number>
  void SampleOf(std::string_view suffix, Labels labels, Number value) {
    out_.append(name_).append(suffix);
    char separator = '{';
    for (const Label& label : labels) {
      out_ += separator;
      separator = ',';
      out_.append(label.first).append("=\"");
      AppendEscaped(label.second);
      out_ += '"';
    }
    if (labels.size() > 0) out_ += '}';
    out_ += ' ';
    AppendNumber(value);
    out_ += '\n';
  }

  template <class Number>
  void Single(std::string_view name, std::string_view type, std::string_view help, Number value) {
    Family(name, type, help);
    Sample({}, value);
  }

  std::string Take() { return std::move(out_); }

  template <class Number>
  static std::string NumberText(Number value) {
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return std::string(buffer, end);
  }

 private:
  void AppendEscaped(std::string_view value) {
    for (char c : value) {
      if (c == '\\')
        out_ += "\\\\";
      else if (c == '"')
        out_ += "\\\"";
      else if (c == '\n')
        out_ += "\\n";
      else
        out_ += c;
    }
  }

  template <class Number>
  void AppendNumber(Number value) {
    out_ += NumberText(value);
  }

  std::string out_;
  std::string_view name_;
};

// The last bucket has no upper end: it is only counted in +Inf.
void WriteHistogram(Writer& out, std::string_view request_class, std::string_view store,
                    const LatencyHistogram& histogram) {
  uint64_t cumulative = 0;
  for (size_t i = 0; i + 1 < kLatencyBuckets; ++i) {
    cumulative += histogram.counts[i];
    const double bound = static_cast<double>(uint64_t{1} << i) / 1e6;
    out.SampleOf("_bucket",
                 {{"class", request_class}, {"store", store}, {"le", Writer::NumberText(bound)}},
                 cumulative);
  }
  cumulative += histogram.counts[kLatencyBuckets - 1];
  out.SampleOf("_bucket", {{"class", request_class}, {"store", store}, {"le", "+Inf"}}, cumulative);
  out.SampleOf("_sum", {{"class", request_class}, {"store", store}},
               static_cast<double>(histogram.total_us) / 1e6);
  out.SampleOf("_count", {{"class", request_class}, {"store", store}}, cumulative);
}

void WriteRequests(Writer& out, const Snapshot& s) {
  out.Family("crossfade_requests_total", "counter", "Requests answered by a store.");
  for (const StoreSnapshot& store : s.stores) {
    for (size_t i = 0; i < kRequestClasses; ++i) {
      out.Sample({{"class", kClassNames[i]}, {"store", store.role}}, store.requests[i]);
    }
  }
  out.Family("crossfade_request_seconds", "histogram",
             "Time from sending a request to a store to its reply.");
  for (const StoreSnapshot& store : s.stores) {
    for (size_t i = 0; i < kRequestClasses; ++i) {
      WriteHistogram(out, kClassNames[i], store.role, store.latency[i]);
    }
  }
  out.Family("crossfade_store_connected", "gauge", "1 when the store is connected.");
  for (const StoreSnapshot& store : s.stores) {
    out.Sample({{"store", store.role}}, store.connected ? 1 : 0);
  }
  out.Family("crossfade_store_state", "gauge", "1 for each state that the store is in.");
  for (const StoreSnapshot& store : s.stores) {
    for (const auto& [state, holds] : store.states) {
      out.Sample({{"store", store.role}, {"state", state}}, holds ? 1 : 0);
    }
  }
  out.Family("crossfade_store_state_entries_total", "counter",
             "How often the store has entered the state.");
  for (const StoreSnapshot& store : s.stores) {
    for (const auto& [state, entries] : store.state_entries) {
      out.Sample({{"store", store.role}, {"state", state}}, entries);
    }
  }
  out.Family("crossfade_store_evicted_keys_total", "counter",
             "Keys that the store has removed to make room, as it says.");
  for (const StoreSnapshot& store : s.stores) {
    out.Sample({{"store", store.role}}, store.evicted_keys);
  }
  out.Family("crossfade_store_authority", "gauge", "1 for the store whose replies clients get.");
  for (const StoreSnapshot& store : s.stores) {
    out.Sample({{"store", store.role}}, store.authority ? 1 : 0);
  }
}

void WriteByKey(Writer& out, std::string_view name, std::string_view label, std::string_view help,
                const std::map<std::string, uint64_t>& counts) {
  out.Family(name, "counter", help);
  for (const auto& [key, count] : counts) out.Sample({{label, key}}, count);
}

void WriteReads(Writer& out, const Snapshot& s) {
  // A series may appear once only, so equal label sets are added up.
  std::map<std::array<std::string, 3>, uint64_t> decisions;
  for (const ReadDecision& d : s.read_decisions) decisions[{d.route, d.store, d.reason}] += d.count;
  out.Family("crossfade_read_decisions_total", "counter",
             "Reads by the route that matched, the store they went to and why.");
  for (const auto& [key, count] : decisions) {
    out.Sample({{"route", key[0]}, {"store", key[1]}, {"reason", key[2]}}, count);
  }
  std::map<std::array<std::string, 2>, uint64_t> shadow;
  for (const ShadowCount& c : s.shadow) shadow[{c.route, c.result}] += c.count;
  out.Family("crossfade_shadow_total", "counter", "Reads sent to both stores, by result.");
  for (const auto& [key, count] : shadow) {
    out.Sample({{"route", key[0]}, {"result", key[1]}}, count);
  }
  out.Single("crossfade_follower_read_retries_total", "counter",
             "Follower reads that were repeated on the authority.", s.follower_read_retries);
  out.Single("crossfade_authority_read_retries_total", "counter",
             "Reads that were made again after the connection to the authority was lost.",
             s.authority_read_retries);
}

int BreakerValue(const std::string& state) {
  if (state == "open") return 2;
  return state.starts_with("half") ? 1 : 0;
}

int StageValue(const std::string& stage) {
  if (stage == "mirror") return 1;
  return stage == "ramp" ? 2 : 0;
}

void WriteBackfill(Writer& out, const Snapshot& s) {
  out.Single("crossfade_backfill_keys_total", "counter",
             "Keys that the backfill has begun to copy.", s.backfill.keys_copied);
  out.Single("crossfade_backfill_kept_equal_total", "counter",
             "Of them, keys that new held already and that were not copied.",
             s.backfill.kept_equal);
  out.Single("crossfade_backfill_keys_expected", "gauge",
             "Keys that the backfill expects; 0 when unknown.", s.backfill.keys_total);
  out.Single("crossfade_frontier_partitions", "gauge",
             "Partitions of 1024 that are copied and mirrored by effects.", s.live_partitions);
}

void WriteJournal(Writer& out, const Snapshot& s) {
  out.Single("crossfade_journal_bytes", "gauge",
             "Records that the intent journal keeps, before compression.", s.journal.bytes);
  out.Family("crossfade_journal_state", "gauge", "1 for the state the intent journal is in.");
  for (const char* state : {"off", "ok", "waiting", "failed"}) {
    out.Sample({{"state", state}}, s.journal.state == state ? 1 : 0);
  }
  out.Single("crossfade_journal_blocks_total", "counter", "Blocks written to the intent journal.",
             s.journal.blocks);
  out.Single("crossfade_journal_syncs_total", "counter", "Times the intent journal was synced.",
             s.journal.syncs);
  out.Single("crossfade_journal_failures_total", "counter",
             "Times the intent journal could not be written.", s.journal.failures);
}

void WriteVerification(Writer& out, const Snapshot& s) {
  WriteByKey(out, "crossfade_verify_keys_total", "result",
             "Keys whose verification has ended, by result.", s.verified);
  WriteByKey(out, "crossfade_verify_differences_total", "kind",
             "Keys that verification found different, by kind.", s.verify_differences);
  out.Single("crossfade_verify_keys_that_differ", "gauge",
             "Keys found different and not repaired: they are not read from the new store.",
             s.keys_that_differ);
  out.Family("crossfade_artifact_runs_total", "counter",
             "Verifications and backfills whose report was kept, or could not be.");
  out.Sample({{"result", "written"}}, s.artifacts.written);
  out.Sample({{"result", "failed"}}, s.artifacts.failures);
}

void WriteMirror(Writer& out, const Snapshot& s) {
  out.Single("crossfade_mirror_lag_seconds", "gauge",
             "Age of the oldest write that the follower has not applied; 0 when none.",
             s.lag_seconds);
  out.Single("crossfade_mirror_log_entries", "gauge", "Mirror log entries not yet applied.",
             s.log_entries);
  out.Single("crossfade_mirror_log_bytes", "gauge", "Bytes of the mirror log.", s.log_bytes);
  out.Single("crossfade_mirror_log_head", "gauge", "Sequence number of the newest entry.",
             s.log_head);
  out.Single("crossfade_mirror_watermark", "gauge",
             "Sequence number up to which all entries are applied.", s.watermark);
  out.Single("crossfade_mirror_log_collapses_total", "counter",
             "Times the log outgrew its bound and became dirty keys.", s.log_collapses);
  out.Single("crossfade_mirror_syncs_typewise_total", "counter",
             "Keys that the follower was given by ordinary commands instead of a dump.",
             s.syncs_typewise);
  out.Single("crossfade_mirror_syncs_chunked_total", "counter",
             "Big keys that the follower was given in chunks.", s.syncs_chunked);
  out.Single("crossfade_mirror_chunks_restarted_total", "counter",
             "Times such a copy began again, because of what was written meanwhile.",
             s.chunks_restarted);
  WriteByKey(out, "crossfade_mirror_effects_total", "kind", "Effects of writes, by kind.",
             s.effects);
  WriteByKey(out, "crossfade_drift_total", "reason",
             "Follower replies that differed from the authority's, by reason.", s.drift);
  const auto used = std::count_if(s.missing_commands.begin(), s.missing_commands.end(),
                                  [](const auto& command) { return command.second; });
  out.Single("crossfade_missing_commands", "gauge",
             "Commands that clients have sent and the new store lacks.",
             static_cast<uint64_t>(used));
  out.Family("crossfade_mirror_state", "gauge", "1 for the state the mirror is in.");
  out.Sample({{"state", s.mirror_state}}, 1);
  out.Single("crossfade_dirty_keys", "gauge", "Keys that wait for a sync from the authority.",
             s.dirty_keys);
  out.Single("crossfade_quarantined_keys", "gauge",
             "Keys that the new store does not take; they are read from the authority.",
             s.quarantined_keys);
  out.Single("crossfade_syncs_under_way", "gauge", "Key syncs being read or applied.",
             s.syncs_under_way);
  out.Single("crossfade_ack_timeouts_total", "counter",
             "Writes answered before the follower had applied them, though mirror.ack is both.",
             s.ack_timeouts);
  WriteBackfill(out, s);
  out.Single("crossfade_breaker_state", "gauge",
             "Breaker of follower reads: 0 closed, 1 half open, 2 open.", BreakerValue(s.breaker));
  out.Single("crossfade_reads_suspended", "gauge",
             "1 while the state of a store keeps all reads from the follower.",
             s.reads_suspended.empty() ? 0 : 1);
  out.Single("crossfade_breaker_trips_total", "counter", "Times the breaker opened.",
             s.breaker_trips);
}

void WriteScripts(Writer& out, const Snapshot& s) {
  WriteByKey(out, "crossfade_scripts_total", "verdict",
             "Calls of scripts and functions, by what their texts say of them.", s.script_calls);
  out.Single("crossfade_scripts_known", "gauge", "Scripts and functions that are remembered.",
             s.scripts_known);
  out.Single("crossfade_exact", "gauge",
             "0 once a script may have written keys that it does not declare.", s.exact ? 1 : 0);
  out.Single("crossfade_exact_doubts_total", "counter",
             "Calls of scripts that may write keys they do not declare, since the last copy.",
             s.exact_doubts);
  out.Single("crossfade_libraries_refused_total", "counter",
             "Changes of function libraries that the follower refused.", s.libraries_refused);
}

void WriteOwnership(Writer& out, const OwnershipSnapshot& s) {
  out.Single("crossfade_owner", "gauge", "1 while this proxy owns the stores.",
             s.state == "owner" ? 1 : 0);
  out.Family("crossfade_ownership_state", "gauge", "1, with the state of the ownership.");
  out.Sample({{"state", s.state}}, 1);
  out.Single("crossfade_owner_epoch", "gauge", "Epoch of this proxy's last tenure.", s.epoch);
  out.Single("crossfade_ownership_losses_total", "counter",
             "Times that the lease on the stores was lost.", s.losses);
  out.Single("crossfade_ownership_takeovers_total", "counter",
             "Times that the stores were taken over from another proxy.", s.takeovers);
  out.Single("crossfade_relayed_clients", "gauge",
             "Clients that are forwarded to the owner of the stores.", s.relayed_clients);
}

void WriteProxy(Writer& out, const Snapshot& s, const ReloadHistory& reloads) {
  out.Single("crossfade_stage", "gauge", "Stage: 0 observe, 1 mirror, 2 ramp.",
             StageValue(s.stage));
  out.Single("crossfade_clients", "gauge", "Connected clients.", s.clients);
  out.Single("crossfade_blocked_clients", "gauge", "Clients that wait in blocking commands.",
             s.clients_blocked);
  out.Single("crossfade_clients_accepted_total", "counter", "Client connections accepted.",
             s.clients_accepted);
  out.Single("crossfade_clients_rejected_total", "counter",
             "Client connections refused at limits.clients.", s.clients_rejected);
  out.Single("crossfade_auth_failures_total", "counter",
             "AUTH and HELLO AUTH with a wrong password or an unknown user.", s.auth_failures);
  WriteByKey(out, "crossfade_client_errors_total", "kind", "Errors given to clients, by kind.",
             s.client_errors);
  out.Family("crossfade_reloads_total", "counter", "Reloads of the configuration, by result.");
  out.Sample({{"result", "applied"}}, reloads.applied);
  out.Sample({{"result", "refused"}}, reloads.refused);
  out.Single("crossfade_plan_epoch", "gauge", "Epoch of the plan in force.", s.plan_epoch);
  out.Family("crossfade_plan_info", "gauge", "1, with the digest of the plan in force.");
  out.Sample({{"digest", s.plan_digest}}, 1);
  out.Family("crossfade_build_info", "gauge", "1, with the version.");
  out.Sample({{"version", kVersion}}, 1);
  out.Single("crossfade_uptime_seconds", "gauge", "Time since the start.",
             static_cast<double>(s.uptime_ms) / 1e3);
}

}  // namespace

std::string RenderMetrics(const Snapshot& snapshot, const ReloadHistory& reloads) {
  Writer out;
  WriteRequests(out, snapshot);
  WriteReads(out, snapshot);
  WriteMirror(out, snapshot);
  WriteJournal(out, snapshot);
  WriteVerification(out, snapshot);
  WriteScripts(out, snapshot);
  WriteOwnership(out, snapshot.ownership);
  WriteProxy(out, snapshot, reloads);
  return out.Take();
}

}  // namespace crossfade::proxy
