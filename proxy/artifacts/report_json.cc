#include "proxy/artifacts/report_json.h"

#include <algorithm>

#include "config/values.h"
#include "proxy/admin/format.h"
#include "proxy/admin/version.h"
#include "proxy/backend/side_json.h"

namespace crossfade::proxy {
namespace {

using nlohmann::ordered_json;
using replication::DeltaOutcome;
using replication::DifferenceKind;
using replication::VerifyResult;

std::string Dump(const ordered_json& document) {
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json StoreDocument(const StoreFacts& store) {
  return {{"role", store.role},
          {"address", store.address},
          {"version", store.version},
          {"run_id", store.run_id}};
}

double Seconds(int64_t begun_unix_ms, int64_t ended_unix_ms) {
  return static_cast<double>(std::max<int64_t>(0, ended_unix_ms - begun_unix_ms)) / 1000;
}

uint64_t PerSecond(uint64_t count, double seconds) {
  return seconds <= 0 ? count : static_cast<uint64_t>(static_cast<double>(count) / seconds);
}

void AddName(ordered_json& document, std::string_view name, bool cut) {
  document["key"] = config::Escape(name.substr(0, cut ? kNameShown : name.size()));
  if (cut && name.size() > kNameShown) document["key_bytes"] = name.size();
}

// What all runs have.
ordered_json Begin(const RunName& name, const std::string& headline, const std::string& state,
                   const std::string& error, int64_t begun_unix_ms, int64_t ended_unix_ms) {
  return {{"format", kReportFormat},
          {"version", kReportVersion},
          {"crossfade", kVersion},
          {"run", name.Text()},
          {"number", name.number},
          {"kind", Name(name.kind)},
          {"headline", headline},
          {"state", state},
          {"error", error},
          {"begun", FormatTime(begun_unix_ms)},
          {"begun_unix_ms", begun_unix_ms},
          {"ended", FormatTime(ended_unix_ms)},
          {"ended_unix_ms", ended_unix_ms},
          {"seconds", Seconds(begun_unix_ms, ended_unix_ms)}};
}

void AddFacts(ordered_json& document, const RunFacts& begun, const RunFacts& ended) {
  document["plan"] = {{"digest", begun.plan_digest},
                      {"epoch", begun.plan_epoch},
                      {"stage", begun.stage},
                      {"changed_meanwhile", begun.plan_digest != ended.plan_digest}};
  document["authority"] = StoreDocument(begun.authority);
  document["follower"] = StoreDocument(begun.follower);
  document["exact"] = {{"claimed", ended.exact},
                       {"doubts", ended.doubts},
                       {"script", ended.doubt_script},
                       {"reason", ended.doubt_reason}};
}

std::string Headline(const VerifyRunReport& report) {
  const VerifyReport& pass = report.pass;
  const uint64_t differences = pass.Differences();
  const std::string compared = FormatCount(pass.Compared());
  if (pass.state == PassState::kFailed) {
    return "could not be finished: " + pass.error + " (" + compared + " keys compared, " +
           FormatCount(differences) + " differ)";
  }
  if (pass.state == PassState::kStopped) {
    return "stopped before its end: " + compared + " keys compared, " + FormatCount(differences) +
           " differ";
  }
  if (pass.Compared() == 0) return "no key was compared";
  if (differences == 0) return "all " + compared + " keys that were compared are equal";
  std::string text = FormatCount(differences) + " of " + compared +
                     (differences == 1 ? " keys differs" : " keys differ");
  if (!pass.options.repair) return text + "; nothing was changed";
  const uint64_t left = differences - std::min(differences, pass.repaired);
  return text + "; repaired " + FormatCount(pass.repaired) + ", left " + FormatCount(left);
}

void AddOptions(ordered_json& document, const VerifyOptions& options) {
  document["options"] = {{"scheduled", options.scheduled},
                         {"repair", options.repair},
                         {"delete_extra", options.delete_extra},
                         {"sample", static_cast<double>(options.sample) / config::kFullShare},
                         {"prefix", config::Escape(options.prefix)},
                         {"keys_per_second", options.keys_per_second}};
}

void AddCounts(ordered_json& document, const VerifyReport& pass) {
  const double seconds = Seconds(pass.started_unix_ms, pass.ended_unix_ms);
  document["clean"] = pass.Clean();
  document["whole"] = pass.Whole();
  document["keys"] = {{"expected", pass.keys_expected},
                      {"walked", pass.keys_walked},
                      {"selected", pass.keys_selected},
                      {"compared", pass.Compared()},
                      {"matched", pass.counters.Of(VerifyResult::kMatched)},
                      {"by_type", pass.counters.logical},
                      {"per_second", PerSecond(pass.Compared(), seconds)}};
  document["differences"] = pass.Differences();
  ordered_json kinds = ordered_json::object();
  for (size_t i = 0; i < static_cast<size_t>(DifferenceKind::kCount); ++i) {
    const auto kind = static_cast<DifferenceKind>(i);
    kinds[Name(kind)] = pass.counters.Of(kind);
  }
  document["kinds"] = kinds;
  ordered_json skipped = ordered_json::object();
  for (size_t i = 0; i < static_cast<size_t>(VerifyResult::kCount); ++i) {
    const auto result = static_cast<VerifyResult>(i);
    if (result == VerifyResult::kMatched || result == VerifyResult::kDiffered) continue;
    skipped[Name(result)] = pass.counters.Of(result);
  }
  document["not_compared"] = skipped;
}

}  // namespace

ordered_json DeltaDocument(const replication::DeltaRecord& record, bool cut) {
  const replication::Difference& difference = record.difference;
  ordered_json document = {{"db", difference.db}};
  AddName(document, difference.key, cut);
  document["kind"] = Name(difference.kind);
  document["authority"] = SideDocument(difference.authority);
  document["follower"] = SideDocument(difference.follower);
  document["found_unix_ms"] = record.found_unix_ms;
  document["action"] = ActionOf(difference.kind, record.outcome);
  document["outcome"] = Name(record.outcome);
  if (record.outcome_unix_ms > 0) document["outcome_unix_ms"] = record.outcome_unix_ms;
  return document;
}

std::string ReportJson(const VerifyRunReport& report) {
  const VerifyReport& pass = report.pass;
  ordered_json document = Begin(report.name, Headline(report), Name(pass.state), pass.error,
                                pass.started_unix_ms, pass.ended_unix_ms);
  AddFacts(document, report.begun, report.ended);
  AddOptions(document, pass.options);
  AddCounts(document, pass);
  ordered_json outcomes = ordered_json::object();
  for (size_t i = 0; i < report.outcomes.size(); ++i) {
    outcomes[Name(static_cast<DeltaOutcome>(i))] = report.outcomes[i];
  }
  document["outcomes"] = outcomes;
  const auto of = [&](DeltaOutcome outcome) {
    return report.outcomes[static_cast<size_t>(outcome)];
  };
  document["compared_again"] =
      of(DeltaOutcome::kRepaired) + of(DeltaOutcome::kDeleted) + of(DeltaOutcome::kStillDifferent);
  document["deltas"] = {{"records", report.recorded}, {"not_kept", report.not_recorded}};
  ordered_json examples = ordered_json::array();
  for (const auto& example : report.examples) examples.push_back(DeltaDocument(example, true));
  document["examples"] = examples;
  return Dump(document);
}

std::string ReportJson(const BackfillRunReport& report) {
  const BackfillReport& backfill = report.backfill;
  const uint64_t copied =
      backfill.keys_copied - std::min(backfill.keys_copied, backfill.keys_copied_before);
  std::string headline = FormatCount(backfill.keys_copied) + " keys copied";
  if (backfill.state == "done") {
    headline += ", all partitions are live";
  } else if (backfill.state == "stopped") {
    headline += " when the proxy was stopped; the next one goes on";
  } else {
    headline += ", then given up: " + backfill.reason;
  }
  if (report.quarantined > 0) {
    headline += "; " + FormatCount(report.quarantined) + " keys are in quarantine";
  }
  ordered_json document = Begin(report.name, headline, backfill.state, backfill.reason,
                                backfill.started_unix_ms, backfill.ended_unix_ms);
  AddFacts(document, report.begun, report.ended);
  const double seconds = Seconds(backfill.started_unix_ms, backfill.ended_unix_ms);
  document["resumed"] = backfill.resumed;
  document["begun_under"] = backfill.begun_under;
  document["keys"] = {{"found", backfill.keys_found},
                      {"copied", backfill.keys_copied},
                      {"copied_by_this_process", copied},
                      {"per_second", PerSecond(copied, seconds)}};
  document["bytes"] = backfill.bytes_copied;
  document["partitions_finished"] = backfill.partitions_finished;
  document["quarantined"] = report.quarantined;
  ordered_json examples = ordered_json::array();
  for (const replication::QuarantinedKey& key : report.examples) {
    ordered_json example = {{"db", key.db}};
    AddName(example, key.name, true);
    example["reason"] = config::Escape(key.reason);
    example["attempts"] = key.attempts;
    example["accepted"] = key.accepted;
    examples.push_back(std::move(example));
  }
  document["examples"] = examples;
  return Dump(document);
}

}  // namespace crossfade::proxy
