#include "tools/cli/verify_text.h"

#include "proxy/admin/format.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;
using proxy::FormatCount;

uint64_t Number(const json& document, const char* name) {
  return document.value(name, uint64_t{0});
}

// "value 2, extra 1": those that are not zero.
std::string Counts(const json& counts) {
  std::string text;
  for (const auto& [name, count] : counts.items()) {
    if (count == 0) continue;
    text += (text.empty() ? "" : ", ") + name + " " + FormatCount(count.get<uint64_t>());
  }
  return text;
}

uint64_t Sum(const json& counts) {
  uint64_t sum = 0;
  for (const auto& [name, count] : counts.items()) sum += count.get<uint64_t>();
  return sum;
}

std::string SideText(const json& side) {
  if (!side.value("exists", false)) return "none";
  std::string text = side.value("type", "");
  if (!text.empty()) text += " ";
  text += proxy::FormatBytes(Number(side, "bytes")) + " " + side.value("digest", "").substr(0, 8);
  if (side.contains("expires_at_ms")) text += " expires " + side["expires_at_ms"].dump();
  return text;
}

std::string Examples(const json& pass) {
  std::string text;
  for (const json& example : pass.value("examples", json::array())) {
    text += "  db " + std::to_string(Number(example, "db")) + "  " + example.value("key", "") +
            "  " + example.value("kind", "") +
            "  legacy: " + SideText(example.value("authority", json::object())) +
            "; new: " + SideText(example.value("follower", json::object())) + "\n";
  }
  const uint64_t shown = pass.value("examples", json::array()).size();
  const uint64_t all = Number(pass, "differences");
  if (all > shown) text += "  and " + FormatCount(all - shown) + " more\n";
  return text;
}

// Nothing was changed.
std::string Plan(const json& pass, const Arguments::Verify& asked) {
  const json kinds = pass.value("kinds", json::object());
  const uint64_t extra = Number(kinds, "extra");
  const uint64_t copied = Number(pass, "differences") - extra;
  if (!asked.repair) {
    return "nothing was changed; `crossfade verify --repair` says what could be done\n";
  }
  std::string text;
  if (copied > 0) text += "would copy " + FormatCount(copied) + " keys from the legacy store\n";
  if (extra > 0) {
    const std::string count = FormatCount(extra) + " keys that the new store alone has";
    text += asked.delete_extra ? "would delete " + count + "\n"
                               : "would leave " + count + "; --delete-extra deletes them\n";
  }
  return text + "nothing was changed; --yes does it\n";
}

std::string Repaired(const json& pass) {
  const uint64_t repaired = Number(pass, "repaired");
  const uint64_t deleted = Number(pass, "deleted");
  std::string text = "repaired " + FormatCount(repaired) + " keys";
  if (deleted > 0) text += ", " + FormatCount(deleted) + " of them by deleting them";
  text += "\n";
  const uint64_t left = Number(pass, "differences") - repaired;
  if (left > 0) text += FormatCount(left) + " keys still differ";
  if (const uint64_t kept = Number(pass, "extra_kept"); kept > 0) {
    text += ", of which " + FormatCount(kept) + " that the new store alone has: --delete-extra";
  }
  return left > 0 ? text + "\n" : text;
}

// Where the report is, or why it is nowhere.
std::string Artifact(const json& pass) {
  if (!pass.contains("artifact")) return "";  // a proxy of before
  const std::string error = pass.value("artifact_error", "");
  if (!error.empty()) return "the report could not be kept: " + proxy::Printable(error) + "\n";
  const std::string folder = pass.value("artifact", "");
  if (folder.empty()) return "no report is kept: artifacts.dir is not set\n";
  return "the report is in " + proxy::Printable(folder) + " (crossfade report)\n";
}

}  // namespace

json PassOf(const json& answer, uint64_t id) {
  if (!answer.is_object()) return {};
  for (const json& pass : answer.value("passes", json::array())) {
    if (pass.value("id", uint64_t{0}) == id) return pass;
  }
  return {};
}

Progress ProgressOf(const json& pass) {
  Progress progress;
  const bool repairing = pass.value("state", "") == "repairing";
  progress.label = repairing ? "repair" : "verify";
  progress.done = Number(pass, repairing ? "repaired" : "keys_walked");
  progress.total = Number(pass, repairing ? "repairs_wanted" : "keys_expected");
  progress.errors = Number(pass, "differences");
  progress.note = pass.value("step", "");
  return progress;
}

std::string VerifySummary(const json& pass, const Arguments::Verify& asked) {
  const uint64_t differences = Number(pass, "differences");
  std::string text = FormatCount(Number(pass, "compared")) + " keys compared: ";
  text += differences == 0 ? "all are equal"
                           : FormatCount(differences) + " differ (" +
                                 Counts(pass.value("kinds", json::object())) + ")";
  text += "\n";
  const json skipped = pass.value("skipped", json::object());
  if (Sum(skipped) > 0) {
    text += FormatCount(Sum(skipped)) + " not compared (" + Counts(skipped) + ")\n";
  }
  if (differences == 0) return text + Artifact(pass);
  text += Examples(pass);
  text += Number(pass, "repairs_wanted") > 0 || asked.yes ? Repaired(pass) : Plan(pass, asked);
  return text + Artifact(pass);
}

int VerifyOutcome(const json& pass, std::string& why) {
  const std::string state = pass.value("state", "");
  const json options = pass.value("options", json::object());
  if (state == "failed") {
    why = pass.value("error", "");
    return kCouldNotRun;
  }
  if (state != "done") {
    why = "the verification was stopped";
    return kCouldNotRun;
  }
  const std::string prefix = options.value("prefix", "");
  if (!prefix.empty() && Number(pass, "keys_selected") == 0) {
    why = "--prefix: no key of either store begins with \"" + proxy::Printable(prefix) + "\"" +
          (options.value("sample", 1.0) < 1 ? ", or none was in the sample" : "");
    return kCouldNotRun;
  }
  return pass.value("clean", false) ? kDone : kFailed;
}

}  // namespace crossfade::cli
