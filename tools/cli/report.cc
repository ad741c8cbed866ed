// `crossfade report`: what runs have left in artifacts.dir. Reads the folder itself;
// a running proxy is only asked where it is.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "config/secrets.h"
#include "config/values.h"
#include "proxy/admin/format.h"
#include "proxy/artifacts/report_json.h"
#include "proxy/artifacts/report_page.h"
#include "proxy/artifacts/run_check.h"
#include "proxy/artifacts/run_folder.h"
#include "proxy/artifacts/run_list.h"
#include "proxy/backend/side_json.h"
#include "tools/cli/admin_client.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {
namespace {

using nlohmann::ordered_json;
using proxy::Run;
using proxy::RunState;
namespace fs = std::filesystem;

int CouldNot(const std::string& why) {
  PrintError(why);
  return kCouldNotRun;
}

int Failed(const std::string& why) {
  PrintError(why);
  return kFailed;
}

std::string Line(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }

// Where the running proxy leaves its runs.
Result<std::string> AskForFolder(const Arguments& arguments) {
  AdminClient client(arguments.admin, arguments.token);
  const Result<AdminAnswer> answer = client.Get("/api/v1/report");
  if (!answer) {
    return Fail(answer.error().message + "; or name the folder with --dir, which needs no proxy");
  }
  if (answer->status != 200) return Fail(client.Url() + ": " + ErrorOf(*answer));
  const auto told = nlohmann::json::parse(answer->body, nullptr, false);
  if (!told.is_object()) return Fail(client.Url() + ": the answer is no JSON object");
  const std::string dir = told.value("dir", "");
  if (dir.empty()) {
    return Fail(
        "the proxy keeps no artifacts: it has neither artifacts.dir nor journal.dir, or "
        "artifacts.keep is 0");
  }
  if (told.value("state", "") == "failed") {
    PrintError("the artifacts of the last run could not be written: " + told.value("reason", ""));
  }
  std::error_code ignored;
  if (!fs::is_directory(dir, ignored)) {
    return Fail("the proxy leaves its runs in " + dir +
                " of its machine, and here is no such folder: either no run has ended yet, or "
                "this is another machine");
  }
  return dir;
}

Result<std::vector<Run>> RunsIn(const std::string& dir) {
  std::error_code ignored;
  if (!fs::is_directory(dir, ignored)) return Fail(dir + " is no folder");
  return proxy::ListRuns(dir);
}

std::string HeadlineOf(const Run& run) {
  if (run.state != RunState::kWhole) return Name(run.state);
  const auto report = config::ReadBoundedFile(run.path + "/" + proxy::kReportJson, 16 << 20);
  if (!report) return std::string(proxy::kReportJson) + " " + report.error().message;
  const auto page = proxy::PageOf(*report);
  return page ? page->headline : std::string(proxy::kReportJson) + ": " + page.error().message;
}

int List(const std::vector<Run>& runs, const Arguments& arguments) {
  int outcome = kDone;
  for (const Run& run : runs) {
    std::string text = HeadlineOf(run);
    std::string problem;
    if (arguments.check && run.state == RunState::kWhole) {
      const auto checked = proxy::CheckRun(run.path);
      if (!checked) problem = checked.error().message;
    }
    if (!problem.empty()) {
      outcome = kFailed;
      text = "DAMAGED: " + problem;
    }
    if (arguments.report.format == "json") {
      ordered_json line = {{"run", run.name.Text()},
                           {"kind", Name(run.name.kind)},
                           {"state", Name(run.state)},
                           {"path", run.path},
                           {"headline", text}};
      if (arguments.check) line["problem"] = problem;
      Print(Line(line));
    } else {
      Print(run.name.Text() + "  " + text + "\n");
    }
  }
  if (runs.empty()) PrintError("there is no run yet");
  return outcome;
}

// The newest whole one of these; what is newer and not whole is told.
Result<Run> Latest(const std::vector<Run>& runs, const std::string& kind) {
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (!kind.empty() && kind != Name(run->name.kind)) continue;
    if (run->state == RunState::kWhole) return *run;
    PrintError(proxy::DescribeUnfinished(*run));
  }
  return Fail(kind.empty() ? "there is no run that came to its end"
                           : "there is no " + kind + " run that came to its end");
}

Result<Run> Choose(const std::vector<Run>& runs, const std::string& wanted) {
  if (wanted.empty() || wanted == "latest") return Latest(runs, "");
  for (size_t i = 0; i < static_cast<size_t>(proxy::RunKind::kCount); ++i) {
    const char* kind = Name(static_cast<proxy::RunKind>(i));
    if (wanted == kind) return Latest(runs, kind);
  }
  for (const Run& run : runs) {
    if (wanted == run.name.Text() || wanted == std::to_string(run.name.number)) return run;
  }
  return Fail("there is no run " + config::Quote(wanted) + "; see crossfade report --list");
}

std::string SideText(const replication::KeySide& side) {
  if (!side.exists) return "none";
  const ordered_json document = proxy::SideDocument(side);
  std::string text = document.value("type", "");
  text += (text.empty() ? "" : " ") + proxy::FormatBytes(side.bytes) + " " +
          document.value("digest", "");
  if (side.deadline_ms >= 0) text += " expires " + proxy::FormatTime(side.deadline_ms);
  return text;
}

void PrintDelta(const replication::DeltaRecord& record, bool json) {
  if (json) return Print(Line(proxy::DeltaDocument(record, false)));
  const replication::Difference& difference = record.difference;
  const char* action = ActionOf(difference.kind, record.outcome);
  Print("db " + std::to_string(difference.db) + "  " + config::Escape(difference.key) + "  " +
        Name(difference.kind) + "  authority: " + SideText(difference.authority) + "; follower: " +
        SideText(difference.follower) + "; " + action + ": " + Name(record.outcome) + "\n");
}

Status PrintDeltas(const std::string& file, const Arguments& arguments) {
  const bool json = arguments.report.format == "json";
  return proxy::ReadDeltas(
      file, [json](const replication::DeltaRecord& record) { PrintDelta(record, json); });
}

// As far as it came: what is there is shown, and that it is not all.
int ShowUnfinished(const Run& run, const Arguments& arguments) {
  if (arguments.report.deltas) {
    (void)PrintDeltas(run.path + "/" + proxy::kFoundLog, arguments);  // it ends where the run did
    std::fflush(stdout);
  }
  return Failed(proxy::DescribeUnfinished(run));
}

int Show(const Run& run, const Arguments& arguments) {
  if (run.state != RunState::kWhole) return ShowUnfinished(run, arguments);
  const auto checked = proxy::CheckRun(run.path);
  if (!checked) return Failed(checked.error().message);
  if (arguments.check) {
    Print(run.path + " is whole: " + proxy::FormatCount(checked->files) +
          " files are as they were written, with " + proxy::FormatCount(checked->records) +
          " differences in its delta log\n");
    return kDone;
  }
  if (arguments.report.deltas) {
    std::error_code ignored;
    const std::string file = run.path + "/" + proxy::kDeltaLog;
    if (!fs::exists(file, ignored)) return Failed(run.path + " has no delta log");
    const Status printed = PrintDeltas(file, arguments);
    return printed ? kDone : Failed(printed.error().message);
  }
  if (arguments.report.format == "json") {
    Print(checked->report_json);
  } else if (arguments.report.format == "html") {
    Print(Html(*proxy::PageOf(checked->report_json)));
  } else {
    Print(checked->report_markdown);
  }
  return kDone;
}

// The folder that is meant, if it is one.
std::optional<Run> FolderOf(const std::string& file) {
  std::error_code ignored;
  if (!fs::is_directory(file, ignored)) return std::nullopt;
  if (auto run = proxy::RunAt(fs::absolute(file, ignored).string())) return run;
  // A copy may have any name; its files say what it is.
  const bool path = file.find('/') != std::string::npos;
  if (!path && !fs::exists(fs::path(file) / proxy::kChecksums, ignored)) return std::nullopt;
  return Run{{}, RunState::kWhole, file};
}

}  // namespace

int RunReport(const Arguments& arguments) {
  if (const std::optional<Run> folder = FolderOf(arguments.file)) return Show(*folder, arguments);
  std::string dir = arguments.report.dir;
  if (dir.empty()) {
    Result<std::string> told = AskForFolder(arguments);
    if (!told) return CouldNot(told.error().message);
    dir = std::move(*told);
  }
  const Result<std::vector<Run>> runs = RunsIn(dir);
  if (!runs) return CouldNot(runs.error().message);
  if (arguments.report.list) return List(*runs, arguments);
  const Result<Run> run = Choose(*runs, arguments.file);
  if (!run)
    return runs->empty() ? CouldNot("there is no run in " + dir) : Failed(run.error().message);
  return Show(*run, arguments);
}

}  // namespace crossfade::cli
