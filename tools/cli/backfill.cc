#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "proxy/admin/format.h"
#include "tools/cli/admin_client.h"
#include "tools/cli/commands.h"
#include "tools/cli/progress_bar.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;
using proxy::FormatCount;

constexpr std::chrono::milliseconds kWatchGap{500};

Result<json> FetchStatus(AdminClient& client) {
  const Result<AdminAnswer> answer = client.Get("/api/v1/status");
  if (!answer) return tl::unexpected(answer.error());
  if (answer->status != 200) return Fail(client.Url() + ": " + ErrorOf(*answer));
  json status = json::parse(answer->body, nullptr, false);
  if (!status.is_object() || !status.contains("backfill") || !status["backfill"].is_object()) {
    return Fail(client.Url() + ": not a proxy that has a backfill");
  }
  return status;
}

uint64_t Number(const json& of, const char* name) { return of.value(name, uint64_t{0}); }
std::string Text(const json& of, const char* name) { return of.value(name, std::string()); }

std::string Describe(const json& status) {
  const json& b = status["backfill"];
  std::string text = "backfill    " + Text(b, "phase");
  if (b.value("paused", false)) text += ", paused";
  text += "\nmirror      " + Text(status, "mirror_state");
  const std::string detail = Text(status, "mirror_detail");
  if (!detail.empty()) text += ": " + detail;
  text += "\npartitions  " + FormatCount(Number(status, "live_partitions")) + " of " +
          FormatCount(Number(status, "partitions")) + " live, " +
          FormatCount(Number(b, "partitions_finished")) + " not to be copied again";
  text += "\nkeys        " + FormatCount(Number(b, "keys_found")) + " found, " +
          FormatCount(Number(b, "keys_copied")) + " of ~" + FormatCount(Number(b, "keys_total")) +
          " copied, " + FormatCount(Number(b, "keys_per_second")) + " a second (bound " +
          FormatCount(Number(b, "limit_keys_per_second")) +
          (b.value("held_back", false) ? ", held back by the authority's latency)" : ")");
  if (Number(b, "kept_equal") > 0) {
    text += "\nkept        " + FormatCount(Number(b, "kept_equal")) +
            " of them, equal on the new store already";
  }
  const std::string error = Text(b, "error");
  if (!error.empty()) text += "\nerror       " + error;
  return text + "\n";
}

Progress ProgressOf(const json& status) {
  const json& b = status["backfill"];
  const std::string phase = Text(b, "phase");
  Progress progress;
  progress.label = phase == "enumerating" ? "enumerating" : "backfill";
  progress.done = Number(b, phase == "enumerating" ? "keys_found" : "keys_copied");
  progress.total = Number(b, "keys_total");
  progress.errors = Text(b, "error").empty() ? 0 : 1;
  if (b.value("paused", false)) {
    progress.note = "paused";
  } else if (const auto partition = b.value("partition", int64_t{-1}); partition >= 0) {
    progress.note = "partition " + std::to_string(partition);
  }
  if (!Text(b, "error").empty()) progress.note = Text(b, "error");
  return progress;
}

// Until all keys are copied. What keeps it from beginning is said once.
int Watch(AdminClient& client, bool as_json) {
  ProgressBar bar(ProgressBar::Suitable(as_json));
  std::string told;
  while (true) {
    const Result<json> status = FetchStatus(client);
    if (!status) {
      bar.Clear();
      PrintError(status.error().message);
      return kCouldNotRun;
    }
    const std::string phase = Text((*status)["backfill"], "phase");
    const std::string state = Text(*status, "mirror_state");
    if (state == "live" && (phase == "done" || phase == "none")) {
      bar.Finish(ProgressOf(*status));
      return kDone;
    }
    if (state == "refused" || state == "off") {
      bar.Clear();
      PrintError("the backfill can't run: the mirror is " + state + ": " +
                 Text(*status, "mirror_detail"));
      return kFailed;
    }
    const std::string detail = Text(*status, "mirror_detail");
    if (!detail.empty() && detail != told) {
      bar.Clear();
      PrintError("mirror " + state + ": " + detail);
      told = detail;
    }
    bar.Show(ProgressOf(*status));
    std::this_thread::sleep_for(kWatchGap);
  }
}

int ShowStatus(AdminClient& client, const Arguments& arguments) {
  const Result<json> status = FetchStatus(client);
  if (!status) {
    PrintError(status.error().message);
    return kCouldNotRun;
  }
  const std::string text = arguments.json ? (*status)["backfill"].dump() + "\n" : Describe(*status);
  std::fputs(text.c_str(), stdout);
  return Text((*status)["backfill"], "error").empty() ? kDone : kFailed;
}

int Order(AdminClient& client, const Arguments& arguments) {
  json order = {{"action", arguments.verb}};
  for (const auto& [name, value] : arguments.values) order[name] = value;
  const auto replace = json::error_handler_t::replace;
  const Result<AdminAnswer> answer =
      client.Post("/api/v1/backfill", order.dump(-1, ' ', false, replace));
  if (!answer || answer->status != 200) {
    PrintError(answer ? ErrorOf(*answer) : answer.error().message);
    return answer && answer->status == 409 ? kFailed : kCouldNotRun;
  }
  const json outcome = json::parse(answer->body, nullptr, false);
  const std::string done = outcome.is_object() ? Text(outcome, "done") : "";
  std::printf("%s\n", arguments.json ? answer->body.c_str() : done.c_str());
  return kDone;
}

}  // namespace

int RunBackfill(const Arguments& arguments) {
  AdminClient client(arguments.admin, arguments.token);
  if (arguments.verb != "status") {
    const int ordered = Order(client, arguments);
    if (ordered != kDone || !arguments.watch) return ordered;
  }
  return arguments.watch ? Watch(client, arguments.json) : ShowStatus(client, arguments);
}

}  // namespace crossfade::cli
