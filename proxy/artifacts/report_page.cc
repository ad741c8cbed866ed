#include "proxy/artifacts/report_page.h"

#include <nlohmann/json.hpp>

#include "config/values.h"
#include "proxy/admin/format.h"
#include "proxy/artifacts/report_json.h"

namespace crossfade::proxy {
namespace {

using nlohmann::ordered_json;
using Json = ordered_json;

uint64_t Number(const Json& of, const char* name) { return of.at(name).get<uint64_t>(); }
// What came from a store may be anything.
std::string Text(const Json& of, const char* name) {
  return Printable(of.at(name).get<std::string>());
}
std::string Count(const Json& of, const char* name) { return FormatCount(Number(of, name)); }

std::string StoreText(const Json& store) {
  const std::string version = Text(store, "version");
  const std::string run_id = Text(store, "run_id");
  return Text(store, "role") + " at " + Text(store, "address") +
         (version.empty() ? "" : ", redis " + version) +
         (run_id.empty() ? "" : ", process " + run_id);
}

std::string DurationText(const Json& report) {
  const double seconds = report.at("seconds").get<double>();
  if (seconds < 120) return FormatSeconds(seconds);
  return FormatUptime(static_cast<uint64_t>(seconds * 1000));
}

// "5% of the keys that begin with a:, with repair, ..."
std::string OptionsText(const Json& options) {
  const double sample = options.at("sample").get<double>();
  const std::string prefix = Text(options, "prefix");
  std::string text = sample < 1 ? FormatShare(sample) + " of the keys" : "all keys";
  if (!prefix.empty()) text += " that begin with \"" + prefix + "\"";
  if (options.at("repair").get<bool>()) {
    text += options.at("delete_extra").get<bool>() ? ", with repair, deleting extra keys"
                                                   : ", with repair";
  }
  if (const uint64_t rate = Number(options, "keys_per_second"); rate > 0) {
    text += ", " + FormatCount(rate) + " keys a second";
  }
  return text;
}

std::string ExactText(const Json& exact) {
  if (exact.at("claimed").get<bool>()) return "claimed: no script with undeclared keys has run";
  return "NOT claimed: " + Count(exact, "doubts") +
         " calls of scripts may have written keys that they do not declare, last " +
         Text(exact, "script") + ": " + Text(exact, "reason");
}

ReportTable Overview(const Json& report) {
  ReportTable table;
  table.rows = {{"run", Text(report, "run")},
                {"begun", Text(report, "begun")},
                {"ended", Text(report, "ended") + " (" + DurationText(report) + ")"},
                {"authority", StoreText(report.at("authority"))},
                {"follower", StoreText(report.at("follower"))}};
  const Json& plan = report.at("plan");
  table.rows.push_back(
      {"plan", Text(plan, "digest") + ", number " + Count(plan, "epoch") + ", stage " +
                   Text(plan, "stage") +
                   (plan.at("changed_meanwhile").get<bool>() ? ", changed meanwhile" : "")});
  if (report.contains("options")) {
    table.rows.push_back({"asked for", OptionsText(report.at("options"))});
  }
  table.rows.push_back({"exactness", ExactText(report.at("exact"))});
  return table;
}

// Those of the counts that are not 0.
ReportTable CountsOf(const Json& counts, const std::string& title, const std::string& column) {
  ReportTable table;
  table.title = title;
  table.head = {column, "keys"};
  for (const auto& [name, count] : counts.items()) {
    if (count.get<uint64_t>() > 0) {
      table.rows.push_back({name, FormatCount(count.get<uint64_t>())});
    }
  }
  return table;
}

std::string SideText(const Json& side) {
  if (!side.at("exists").get<bool>()) return "none";
  std::string text = side.value("type", "");
  if (!text.empty()) text += ", ";
  text += FormatBytes(Number(side, "bytes")) + ", " + Text(side, "digest");
  if (side.contains("expires_at_ms")) {
    text += ", expires " + FormatTime(side.at("expires_at_ms").get<int64_t>());
  }
  return text;
}

std::string NameText(const Json& example) {
  const std::string name = Text(example, "key");
  if (!example.contains("key_bytes")) return name;
  return name + "... (" + FormatBytes(Number(example, "key_bytes")) + ")";
}

ReportTable Examples(const Json& report) {
  ReportTable table;
  const Json& examples = report.at("examples");
  const uint64_t all = Number(report, "differences");
  table.title = examples.size() < all ? "The first " + FormatCount(examples.size()) + " differences"
                                      : "The differences";
  table.head = {"db", "key", "kind", "authority", "follower", "action", "outcome"};
  table.code_column = 1;
  for (const Json& example : examples) {
    table.rows.push_back({std::to_string(Number(example, "db")), NameText(example),
                          Text(example, "kind"), SideText(example.at("authority")),
                          SideText(example.at("follower")), Text(example, "action"),
                          Text(example, "outcome")});
  }
  const Json& deltas = report.at("deltas");
  table.note =
      "The delta log has " + Count(deltas, "records") + " of them: `crossfade report --deltas`.";
  if (const uint64_t not_kept = Number(deltas, "not_kept"); not_kept > 0) {
    table.note += " Another " + FormatCount(not_kept) + " were counted, and not kept.";
  }
  return table;
}

ReportTable KeysTable(const Json& report) {
  const Json& keys = report.at("keys");
  ReportTable table;
  table.title = "What was compared";
  table.rows = {
      {"compared", Count(keys, "compared") + " (" + Count(keys, "per_second") + " a second)"},
      {"equal", Count(keys, "matched")},
      {"different", Count(report, "differences")},
      {"read type by type, since their dumps differed", Count(keys, "by_type")},
      {"compared again, behind a repair", Count(report, "compared_again")},
      {"names seen on both walks", Count(keys, "walked")}};
  return table;
}

void AddRepairSteps(const Json& report, std::vector<std::string>& next) {
  const Json& outcomes = report.at("outcomes");
  const Json& options = report.at("options");
  const uint64_t extra = Number(report.at("kinds"), "extra");
  const uint64_t left = Number(outcomes, "left");
  const bool repair = options.at("repair").get<bool>();
  if (!repair && left > extra) {
    next.push_back(
        "`crossfade verify --repair` says what a repair would do, with `--yes` it "
        "copies what differs and compares it again.");
  }
  if (extra > 0 && !(repair && options.at("delete_extra").get<bool>())) {
    next.push_back("Find out who wrote the keys that the follower alone has (" +
                   FormatCount(extra) + "); `--repair --yes --delete-extra` deletes them.");
  }
  if (Number(outcomes, "still_different") > 0) {
    next.push_back(
        "Keys that were copied differed again: something else writes to the follower, "
        "or to the authority past the proxy. Find it before anything else.");
  }
  if (Number(outcomes, "not_done") + Number(outcomes, "not_reached") > 0) {
    next.push_back(
        "Some keys were not repaired any more: run `crossfade verify --repair --yes` "
        "again.");
  }
}

void AddSkippedSteps(const Json& skipped, std::vector<std::string>& next) {
  if (Number(skipped, "dirty") + Number(skipped, "not_live") + Number(skipped, "lost") > 0) {
    next.push_back(
        "Keys that were dirty, not live or lost with connections are copied anyway: "
        "verify again once `crossfade status` shows no dirty keys.");
  }
  if (Number(skipped, "refused") > 0) {
    next.push_back(
        "A store refused to tell some keys: look at its ACL and at the types that "
        "it does not know.");
  }
  if (Number(skipped, "too_big") > 0) {
    next.push_back(
        "Some keys are too large to be compared type by type, and their dumps are "
        "not the same bytes: compare them by other means.");
  }
}

std::vector<std::string> NextSteps(const Json& report) {
  std::vector<std::string> next;
  const std::string state = Text(report, "state");
  if (state != "done") {
    next.push_back(
        "This run did not come to its end, so what it did not find may be there all "
        "the same: run it again.");
  }
  AddRepairSteps(report, next);
  AddSkippedSteps(report.at("not_compared"), next);
  if (!report.at("exact").at("claimed").get<bool>()) {
    next.push_back(
        "Scripts with undeclared keys have run: a run over all keys without a "
        "difference restores the claim of exactness.");
  }
  if (!next.empty()) return next;
  if (Number(report.at("keys"), "compared") == 0) {
    next.push_back("Nothing was compared, so nothing is shown.");
  } else if (report.at("whole").get<bool>()) {
    next.push_back("Nothing: all keys of both stores were compared.");
  } else {
    next.push_back(
        "Nothing about these keys. This run looked at a part of them; `crossfade "
        "verify` without options looks at all.");
  }
  return next;
}

ReportPage VerifyPage(const Json& report) {
  using Tone = ReportPage::Tone;
  ReportPage page;
  page.title = "Verification " + std::to_string(Number(report, "number"));
  page.headline = Text(report, "headline");
  const bool clean = report.at("clean").get<bool>() && Number(report.at("keys"), "compared") > 0;
  page.tone = clean ? Tone::kGood : Text(report, "state") == "done" ? Tone::kBad : Tone::kWarn;
  if (page.tone == Tone::kBad && Number(report, "differences") == 0) page.tone = Tone::kWarn;
  page.tables = {Overview(report), KeysTable(report)};
  if (Number(report, "differences") > 0) {
    page.tables.push_back(CountsOf(report.at("kinds"), "How they differ", "kind"));
    page.tables.push_back(CountsOf(report.at("outcomes"), "What became of them", "outcome"));
    page.tables.push_back(Examples(report));
  }
  ReportTable skipped = CountsOf(report.at("not_compared"), "What was not compared", "reason");
  if (!skipped.rows.empty()) page.tables.push_back(std::move(skipped));
  page.next = NextSteps(report);
  return page;
}

ReportTable QuarantineTable(const Json& report) {
  ReportTable table;
  table.title = "Keys in quarantine";
  table.head = {"db", "key", "reason"};
  table.code_column = 1;
  for (const Json& key : report.at("examples")) {
    table.rows.push_back({std::to_string(Number(key, "db")), NameText(key), Text(key, "reason")});
  }
  table.note = Count(report, "quarantined") + " in all: `crossfade quarantine list`.";
  return table;
}

ReportPage BackfillPage(const Json& report) {
  using Tone = ReportPage::Tone;
  ReportPage page;
  const std::string state = Text(report, "state");
  const bool quarantined = Number(report, "quarantined") > 0;
  page.title = "Backfill " + std::to_string(Number(report, "number"));
  page.headline = Text(report, "headline");
  page.tone = state == "done" && !quarantined ? Tone::kGood : Tone::kWarn;
  const Json& keys = report.at("keys");
  ReportTable figures;
  figures.title = "What was copied";
  figures.rows = {{"keys found (some of them twice)", Count(keys, "found")},
                  {"keys copied", Count(keys, "copied")},
                  {"by this process", Count(keys, "copied_by_this_process") + " (" +
                                          Count(keys, "per_second") + " a second)"},
                  {"bytes", FormatBytes(Number(report, "bytes"))},
                  {"partitions finished", Count(report, "partitions_finished") + " of 1,024"}};
  if (report.at("resumed").get<bool>()) {
    figures.note =
        "A former process had begun it, under the plan " + Text(report, "begun_under") + ".";
  }
  page.tables = {Overview(report), figures};
  if (quarantined) {
    page.tables.push_back(QuarantineTable(report));
    page.next.push_back(
        "Look at the keys in quarantine: `crossfade quarantine retry` tries them "
        "again, `accept` says that you know of them.");
  }
  page.next.push_back(state == "done"
                          ? "Compare both stores: `crossfade verify`."
                          : "Look at `crossfade backfill status`: another run goes on, or begins "
                            "again.");
  return page;
}

}  // namespace

Result<ReportPage> PageOf(const std::string& report_json) {
  try {
    const Json report = Json::parse(report_json);
    if (report.value("format", "") != kReportFormat) {
      return Fail("it is no report of a run");
    }
    const auto version = report.at("version").get<uint32_t>();
    if (version != kReportVersion) {
      return Fail("of version " + std::to_string(version) + "; this crossfade reads version " +
                  std::to_string(kReportVersion));
    }
    const std::string kind = Text(report, "kind");
    return kind == Name(RunKind::kBackfill) ? BackfillPage(report) : VerifyPage(report);
  } catch (const Json::exception& error) {
    return Fail(std::string("it is no report of a run: ") + error.what());
  }
}

}  // namespace crossfade::proxy
