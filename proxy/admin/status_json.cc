#include "proxy/admin/status_json.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "config/limits.h"
#include "proxy/admin/version.h"

namespace crossfade::proxy {
namespace {

using nlohmann::ordered_json;

constexpr std::array<const char*, kRequestClasses> kClassNames = {"read", "write", "other"};

std::string Dump(const ordered_json& document) {
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json StoreDocument(const StoreSnapshot& store) {
  ordered_json requests;
  ordered_json latency;
  for (size_t i = 0; i < kRequestClasses; ++i) {
    requests[kClassNames[i]] = store.requests[i];
    latency[kClassNames[i]] = {{"counts", store.latency[i].counts},
                               {"total_us", store.latency[i].total_us}};
  }
  return {{"role", store.role},
          {"address", store.address},
          {"authority", store.authority},
          {"connected", store.connected},
          {"version", store.version},
          {"run_id", store.run_id},
          {"last_error", store.last_error},
          {"state", store.state},
          {"state_detail", store.state_detail},
          {"states", store.states},
          {"state_entries", store.state_entries},
          {"keys", store.keys},
          {"evicted_keys", store.evicted_keys},
          {"used_memory", store.used_memory},
          {"max_memory", store.max_memory},
          {"requests", requests},
          {"latency", latency}};
}

double Share(uint32_t share) { return static_cast<double>(share) / config::kFullShare; }

ordered_json RouteDocument(const config::Route& route) {
  ordered_json match = ordered_json::object();
  if (!route.match.key_prefix.empty()) match["prefix"] = route.match.key_prefix;
  if (!route.match.user.empty()) match["user"] = route.match.user;
  if (!route.match.client.empty()) match["client"] = route.match.client;
  if (!route.match.network.empty()) match["network"] = route.match.network;
  return {{"name", route.name},
          {"match", match},
          {"follower_share", Share(route.reads.follower_share)},
          {"staleness_ms", route.reads.staleness.count()},
          {"shadow_share", Share(route.reads.shadow_share)},
          {"prefer", route.reads.prefer == config::Prefer::kFastest ? "fastest" : "split"}};
}

// Names only: those that clients have sent first, since these matter.
ordered_json MissingCommands(const Snapshot& s) {
  ordered_json used = ordered_json::array();
  ordered_json unused = ordered_json::array();
  for (const auto& [name, sent] : s.missing_commands) (sent ? used : unused).push_back(name);
  return {{"used", used}, {"unused", unused}};
}

ordered_json BackfillJson(const BackfillSnapshot& b) {
  return {{"phase", b.phase},
          {"paused", b.paused},
          {"keys_found", b.keys_found},
          {"keys_copied", b.keys_copied},
          {"kept_equal", b.kept_equal},
          {"keys_total", b.keys_total},
          {"partitions_finished", b.partitions_finished},
          {"partition", b.partition},
          {"keys_per_second", b.keys_per_second},
          {"limit_keys_per_second", b.limit_keys_per_second},
          {"held_back", b.held_back},
          {"spool_bytes", b.spool_bytes},
          {"error", b.error}};
}

ordered_json ArtifactsDocument(const ArtifactsSnapshot& a) {
  return {{"state", a.state}, {"reason", a.reason},   {"dir", a.dir},          {"keep", a.keep},
          {"last", a.last},   {"written", a.written}, {"failures", a.failures}};
}

void AddMirror(ordered_json& document, const Snapshot& s, const config::Settings& settings) {
  document.update({{"mirror_state", s.mirror_state},
                   {"mirror_detail", s.mirror_detail},
                   {"mirror_ack", settings.mirror.ack == config::Ack::kBoth ? "both" : "authority"},
                   {"lag_seconds", s.lag_seconds},
                   {"log_entries", s.log_entries},
                   {"log_bytes", s.log_bytes},
                   {"log_bytes_max", settings.mirror.memory_bytes},
                   {"log_head", s.log_head},
                   {"watermark", s.watermark},
                   {"log_collapses", s.log_collapses},
                   {"dirty_keys", s.dirty_keys},
                   {"syncs_under_way", s.syncs_under_way},
                   {"quarantined_keys", s.quarantined_keys},
                   {"quarantined_accepted", s.quarantined_accepted},
                   {"syncs_typewise", s.syncs_typewise},
                   {"syncs_chunked", s.syncs_chunked},
                   {"chunks_restarted", s.chunks_restarted},
                   {"journal",
                    {{"state", s.journal.state},
                     {"reason", s.journal.reason},
                     {"bytes", s.journal.bytes},
                     {"blocks", s.journal.blocks},
                     {"syncs", s.journal.syncs},
                     {"failures", s.journal.failures}}},
                   {"artifacts", ArtifactsDocument(s.artifacts)},
                   {"ack_timeouts", s.ack_timeouts},
                   {"effects", s.effects},
                   {"drift", s.drift},
                   {"missing_commands", MissingCommands(s)},
                   {"backfill", BackfillJson(s.backfill)},
                   {"live_partitions", s.live_partitions},
                   {"partitions", limits::kPartitions}});
}

void AddOwnership(ordered_json& document, const OwnershipSnapshot& s) {
  document["ownership"] = {{"state", s.state},         {"id", s.id},
                           {"epoch", s.epoch},         {"detail", s.detail},
                           {"owner", s.owner},         {"owner_address", s.address},
                           {"owner_stores", s.stores}, {"losses", s.losses},
                           {"takeovers", s.takeovers}, {"relayed_clients", s.relayed_clients}};
}

void AddScripts(ordered_json& document, const Snapshot& s) {
  ordered_json scripts = ordered_json::array();
  for (const ScriptSnapshot& script : s.scripts) {
    scripts.push_back({{"id", script.id},
                       {"function", script.function},
                       {"verdict", script.verdict},
                       {"reason", script.reason},
                       {"calls", script.calls},
                       {"replayed", script.replayed},
                       {"synced", script.synced},
                       {"failed", script.failed}});
  }
  document.update({{"exact", s.exact},
                   {"exact_doubts", s.exact_doubts},
                   {"doubt_script", s.doubt_script},
                   {"doubt_reason", s.doubt_reason},
                   {"script_calls", s.script_calls},
                   {"scripts_known", s.scripts_known},
                   {"script_text_bytes", s.script_text_bytes},
                   {"libraries_refused", s.libraries_refused},
                   {"scripts", scripts}});
}

void AddReads(ordered_json& document, const Snapshot& s, const config::Settings& settings) {
  ordered_json routes = ordered_json::array();
  for (const config::Route& route : settings.routes) routes.push_back(RouteDocument(route));
  ordered_json decisions = ordered_json::array();
  for (const ReadDecision& d : s.read_decisions) {
    decisions.push_back(
        {{"route", d.route}, {"store", d.store}, {"reason", d.reason}, {"count", d.count}});
  }
  ordered_json shadow = ordered_json::array();
  for (const ShadowCount& c : s.shadow) {
    shadow.push_back({{"route", c.route}, {"result", c.result}, {"count", c.count}});
  }
  document.update({{"routes", routes},
                   {"read_decisions", decisions},
                   {"shadow", shadow},
                   {"reads_suspended", s.reads_suspended},
                   {"verified", s.verified},
                   {"verify_differences", s.verify_differences},
                   {"keys_that_differ", s.keys_that_differ},
                   {"breaker", s.breaker},
                   {"breaker_trips", s.breaker_trips},
                   {"follower_read_retries", s.follower_read_retries},
                   {"authority_read_retries", s.authority_read_retries}});
}

ordered_json OutcomeDocument(const ReloadOutcome& outcome) {
  ordered_json document = {{"applied", outcome.applied},
                           {"epoch", outcome.epoch},
                           {"digest", outcome.digest},
                           {"changes", outcome.changes}};
  if (!outcome.applied) document["error"] = outcome.reason;
  return document;
}

ordered_json ReloadsDocument(const ReloadHistory& reloads) {
  ordered_json document = {{"applied", reloads.applied}, {"refused", reloads.refused}};
  if (reloads.any) {
    document["last"] = OutcomeDocument(reloads.last);
    document["last"]["unix_ms"] = reloads.last_unix_ms;
  }
  return document;
}

}  // namespace

std::string StatusJson(const StatusInput& input) {
  const Snapshot& s = input.snapshot;
  const config::Settings& settings = input.plan->settings;
  ordered_json stores = ordered_json::array();
  for (const StoreSnapshot& store : s.stores) stores.push_back(StoreDocument(store));
  ordered_json document = {{"version", kVersion},
                           {"pid", getpid()},
                           {"uptime_ms", s.uptime_ms},
                           {"sampled_us", input.sampled_us},
                           {"ready", input.ready},
                           {"ready_reason", input.ready_reason},
                           {"stopping", input.stopping},
                           {"config", input.config_path},
                           {"plan_epoch", s.plan_epoch},
                           {"plan_digest", s.plan_digest},
                           {"stage", s.stage},
                           {"stores", stores},
                           {"clients", s.clients},
                           {"clients_max", settings.limits.clients},
                           {"clients_accepted", s.clients_accepted},
                           {"clients_blocked", s.clients_blocked},
                           {"clients_rejected", s.clients_rejected},
                           {"auth_failures", s.auth_failures},
                           {"client_errors", s.client_errors}};
  AddOwnership(document, s.ownership);
  AddMirror(document, s, settings);
  AddScripts(document, s);
  AddReads(document, s, settings);
  document["reloads"] = ReloadsDocument(input.reloads);
  return Dump(document);
}

std::string PlanJson(const config::Plan& plan) {
  return Dump({{"epoch", plan.epoch},
               {"digest", plan.digest},
               {"text", RedactSecrets(config::CanonicalText(plan.settings))}});
}

std::string ReloadJson(const ReloadOutcome& outcome) { return Dump(OutcomeDocument(outcome)); }

std::string ArtifactsJson(const Snapshot& snapshot) {
  return Dump(ArtifactsDocument(snapshot.artifacts));
}

std::string DoneJson(const std::string& done) { return Dump({{"done", done}}); }

std::string ReasonOf(const std::string& body) {
  const auto document = ordered_json::parse(body, nullptr, false);
  if (!document.is_object() || !document.contains("reason")) return "";
  return document["reason"].is_string() ? document["reason"].get<std::string>() : "";
}

std::string ErrorJson(const std::string& message) { return Dump({{"error", message}}); }

std::string RedactSecrets(const std::string& canonical_text) {
  std::istringstream lines(canonical_text);
  std::string redacted;
  for (std::string line; std::getline(lines, line);) {
    const size_t value = line.find(" = ");
    if (value != std::string::npos) {
      const std::string_view text = std::string_view(line).substr(value + 3);
      if (text.starts_with("sha256:") || text.starts_with("\"sha256:")) {
        line.replace(value + 3, std::string::npos, "(secret)");
      }
    }
    redacted += line;
    redacted += '\n';
  }
  return redacted;
}

}  // namespace crossfade::proxy
