#include "proxy/server_snapshot.h"

#include <algorithm>

#include "config/limits.h"
#include "proxy/journal/intent_committer.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

StoreSnapshot StoreOf(Core& core, StoreLink& link, size_t index, bool authority) {
  StoreSnapshot store;
  store.role = link.role();
  store.address = link.endpoint().Display();
  store.authority = authority;
  store.connected = link.ready.load() > 0;
  store.version = link.version();
  store.run_id = link.run_id();
  if (!store.connected) store.last_error = link.error();
  const StoreLink::Condition condition = link.condition();
  store.state = routing::Name(routing::Worst(condition.states));
  store.state_detail = condition.detail;
  for (size_t i = 0; i < condition.entries.size(); ++i) {
    const auto state = static_cast<routing::StoreState>(i);
    store.states[Name(state)] = (condition.states & Bit(state)) != 0;
    store.state_entries[Name(state)] = condition.entries[i];
  }
  store.keys = condition.keys;
  store.evicted_keys = condition.evicted_keys;
  store.used_memory = condition.used_memory;
  store.max_memory = condition.max_memory;
  for (const auto& worker : core.workers) {
    for (size_t type = 0; type < kRequestClasses; ++type) {
      const RequestStats& stats = worker->stats().requests[index][type];
      LatencyHistogram& histogram = store.latency[type];
      for (size_t i = 0; i < kLatencyBuckets; ++i) {
        const uint64_t count = stats.buckets[i].value();
        histogram.counts[i] += count;
        store.requests[type] += count;
      }
      histogram.total_us += stats.total_us.value();
    }
  }
  return store;
}

void AddOwnership(const Core& core, OwnershipSnapshot& snapshot) {
  const Ownership::View view = core.ownership.view();
  snapshot.state = Name(view.standing);
  snapshot.id = core.ownership.id();
  snapshot.epoch = view.epoch;
  snapshot.detail = view.detail;
  if (view.other) {
    snapshot.owner = view.other->id;
    snapshot.address = view.other->address.empty() ? view.other->tls_address : view.other->address;
    snapshot.stores = view.other->stores;
  }
  snapshot.losses = view.losses;
  snapshot.takeovers = view.takeovers;
  for (const auto& worker : core.workers) snapshot.relayed_clients += worker->relayed_count.load();
}

void AddVerification(const replication::Verification& verification, Snapshot& snapshot) {
  using replication::DifferenceKind;
  using replication::VerifyResult;
  for (size_t i = 0; i < static_cast<size_t>(VerifyResult::kCount); ++i) {
    const auto result = static_cast<VerifyResult>(i);
    snapshot.verified[Name(result)] = verification.counters().Of(result);
  }
  for (size_t i = 0; i < static_cast<size_t>(DifferenceKind::kCount); ++i) {
    const auto kind = static_cast<DifferenceKind>(i);
    snapshot.verify_differences[Name(kind)] = verification.counters().Of(kind);
  }
  snapshot.keys_that_differ = verification.suspects.size();
}

void AddMirror(Core& core, Snapshot& snapshot) {
  if (core.journal) snapshot.journal = core.journal->Figures();
  const std::lock_guard lock(core.mutex);
  const replication::Replicator& replicator = core.replicator;
  snapshot.lag_seconds = static_cast<double>(replicator.intents().LagUs(Worker::ClockUs())) / 1e6;
  snapshot.log_entries = replicator.log().size();
  snapshot.log_bytes = replicator.log().bytes();
  snapshot.log_head = replicator.log().head_seq();
  snapshot.watermark = replicator.applied_seq();
  snapshot.dirty_keys = replicator.dirty().size();
  snapshot.syncs_under_way = replicator.syncs_under_way();
  snapshot.quarantined_keys = replicator.quarantine().size();
  snapshot.quarantined_accepted = replicator.quarantine().accepted();
  snapshot.live_partitions = replicator.partitions().live();
  const replication::ReplicatorCounters& counters = replicator.counters();
  snapshot.log_collapses = counters.collapses;
  snapshot.syncs_typewise = counters.syncs_typewise;
  snapshot.syncs_chunked = counters.syncs_chunked;
  snapshot.chunks_restarted = counters.chunks_restarted;
  snapshot.effects = {{"none", counters.none},           {"replay", counters.replayed},
                      {"rewritten", counters.rewritten}, {"sync", counters.synced},
                      {"flush", counters.flushed},       {"suspended", counters.suspended},
                      {"shadow", counters.shadowed}};
  for (size_t i = 0; i < counters.drift.size(); ++i) {
    snapshot.drift[replication::Name(static_cast<replication::Drift>(i))] = counters.drift[i];
  }
  snapshot.drift["sync_refused"] = counters.syncs_refused;
  AddVerification(replicator.verification(), snapshot);
}

std::string VerdictName(const routing::ScriptVerdict& verdict) {
  if (!verdict.seen) return "unseen";
  if (!verdict.writes) return "reads";
  if (verdict.undeclared) return "undeclared";
  return verdict.replayable ? "replay" : "sync";
}

void AddScripts(Core& core, Snapshot& snapshot) {
  const std::lock_guard lock(core.mutex);
  const replication::ScriptBook& book = core.replicator.scripts();
  snapshot.exact = book.claim.holds();
  snapshot.exact_doubts = book.claim.doubts;
  snapshot.doubt_script = book.claim.script;
  snapshot.doubt_reason = book.claim.reason;
  const replication::ScriptCounters& counters = book.counters;
  snapshot.script_calls = {{"reads", counters.reads},    {"replay", counters.replayed},
                           {"sync", counters.synced},    {"undeclared", counters.undeclared},
                           {"unseen", counters.unseen},  {"failed", counters.failed},
                           {"refused", counters.refused}};
  snapshot.scripts_known = book.size();
  snapshot.script_text_bytes = book.text_bytes();
  snapshot.libraries_refused = core.events.libraries_refused();
  for (const replication::ScriptRef& script : book.latest_first()) {
    if (snapshot.scripts.size() == limits::kScriptsShown) break;
    if (script->calls == 0) continue;
    const routing::ScriptVerdict& verdict = script->verdict;
    snapshot.scripts.push_back({script->id, script->function, VerdictName(verdict), verdict.reason,
                                script->calls, script->replayed, script->synced, script->failed});
  }
}

void AddRoutes(Core& core, const std::vector<std::shared_ptr<RouteCounters>>& counters,
               Snapshot& snapshot) {
  static constexpr const char* kResults[] = {"matched", "mismatched", "ignored_expiring",
                                             "ignored_dirty"};
  const std::lock_guard lock(core.mutex);
  const auto& shadow = core.events.shadow();
  for (const auto& route : counters) {
    for (size_t reason = 0; reason < static_cast<size_t>(ReadReason::kCount); ++reason) {
      uint64_t count = 0;
      for (const auto& of_worker : route->decisions) count += of_worker[reason].value();
      const auto why = static_cast<ReadReason>(reason);
      const bool follower = why == ReadReason::kEligible;
      const std::string& store = (follower ? core.follower() : core.authority()).role();
      if (count > 0) snapshot.read_decisions.push_back({route->name, store, Name(why), count});
    }
    if (route->id >= shadow.size()) continue;
    for (size_t result = 0; result < 4; ++result) {
      const uint64_t count = shadow[route->id].by_result[result];
      if (count > 0 || result < 2)
        snapshot.shadow.push_back({route->name, kResults[result], count});
    }
  }
}

void AddWorkers(Core& core, Snapshot& snapshot) {
  snapshot.clients_blocked = core.waiting.blocked();
  uint64_t skipped = 0;
  auto worst = routing::Breaker::State::kClosed;
  for (const auto& worker : core.workers) {
    const WorkerStats& stats = worker->stats();
    snapshot.clients += worker->session_count.load();
    snapshot.clients_accepted += stats.accepted.value();
    snapshot.clients_rejected += stats.rejected.value();
    snapshot.auth_failures += stats.auth_failures.value();
    snapshot.ack_timeouts += stats.ack_timeouts.value();
    snapshot.follower_read_retries += stats.follower_retries.value();
    snapshot.authority_read_retries += stats.authority_retries.value();
    snapshot.breaker_trips += worker->breaker_trips.load();
    skipped += stats.shadow_skipped.value();
    const auto state = static_cast<routing::Breaker::State>(worker->breaker_state.load());
    if (state != routing::Breaker::State::kClosed && worst != routing::Breaker::State::kOpen) {
      worst = state;
    }
    for (size_t i = 0; i < stats.client_errors.size(); ++i) {
      snapshot.client_errors[Name(static_cast<ClientError>(i))] += stats.client_errors[i].value();
    }
  }
  snapshot.breaker = routing::Name(worst);
  snapshot.reads_suspended = core.read_suspension.Text();
  if (skipped > 0) snapshot.shadow.push_back({"(all)", "ignored_command_or_gate", skipped});
}

void AddMissingCommands(Core& core, Snapshot& snapshot) {
  const routing::CommandSet* missing = core.follower_lacks.load();
  if (missing == nullptr) return;
  const routing::CommandTable& table = *core.table.load();
  for (const std::string& name : missing->names()) {
    const routing::CommandSpec* spec = table.FindName(name);
    bool used = core.Used(name);
    if (spec != nullptr && spec->id != routing::CommandId::kOther) {
      used = std::any_of(core.workers.begin(), core.workers.end(), [spec](const auto& worker) {
        return worker->stats().used[static_cast<size_t>(spec->id)].load();
      });
    }
    snapshot.missing_commands[name] = used;
  }
}

}  // namespace

Snapshot SnapshotOf(Core& core, const ActivePlan& plan,
                    const std::vector<std::shared_ptr<RouteCounters>>& counters) {
  Snapshot snapshot;
  snapshot.plan_epoch = plan.plan->epoch;
  snapshot.plan_digest = plan.plan->digest;
  snapshot.stage = config::Name(plan.plan->settings.stage);
  snapshot.stores.push_back(StoreOf(core, core.authority(), 0, true));
  snapshot.stores.push_back(StoreOf(core, core.follower(), 1, false));
  AddOwnership(core, snapshot.ownership);
  AddMirror(core, snapshot);
  AddScripts(core, snapshot);
  AddRoutes(core, counters, snapshot);
  AddWorkers(core, snapshot);
  AddMissingCommands(core, snapshot);
  return snapshot;
}

}  // namespace crossfade::proxy
