#include "proxy/admin/status_text.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "proxy/admin/format.h"

namespace crossfade::proxy {
namespace {

using nlohmann::json;

std::string Pad(std::string text, size_t width) {
  // Columns count characters, not the bytes of UTF-8.
  const size_t shown = static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  if (shown < width) text.append(width - shown, ' ');
  return text + " ";
}

std::string PadLeft(const std::string& text, size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text + " ";
}

class Renderer {
 public:
  Renderer(json before, json now, const StatusStyle& style)
      : before_(std::move(before)), now_(std::move(now)), style_(style) {
    const double elapsed =
        before_.is_object()
            ? (now_.at("sampled_us").get<double>() - before_.at("sampled_us").get<double>()) / 1e6
            : 0;
    // Another process answers: the counters started again.
    const bool same = before_.is_object() && before_.at("pid") == now_.at("pid");
    if (!same || elapsed <= 0) before_ = json();
    seconds_ = before_.is_object() ? elapsed : now_.at("uptime_ms").get<double>() / 1e3;
  }

  std::string Render() {
    Header();
    Stores();
    Ownership();
    Mirror();
    Scripts();
    Reads();
    Reload();
    return std::move(out_);
  }

 private:
  std::string Text(const json& value) const { return Printable(value.get<std::string>()); }

  std::string Paint(const char* colour, const std::string& text) const {
    return style_.colour ? std::string("\x1b[") + colour + "m" + text + "\x1b[0m" : text;
  }
  std::string Good(const std::string& text) const { return Paint("32", text); }
  std::string Bad(const std::string& text) const { return Paint("1;31", text); }
  std::string Warn(const std::string& text) const { return Paint("33", text); }
  std::string Dim(const std::string& text) const { return Paint("2", text); }

  void Line(const std::string& title, const std::string& text) {
    out_ += Paint("1", Pad(title, 8)) + text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }

  std::string Rate(double now, double before) const {
    return seconds_ > 0 ? FormatRate((now - before) / seconds_) : "0/s";
  }

  void Header() {
    std::string state = Good("ready");
    if (now_.at("stopping").get<bool>()) {
      state = Warn("stopping");
    } else if (!now_.at("ready").get<bool>()) {
      state = Bad("NOT READY") + ": " + Text(now_.at("ready_reason"));
    }
    out_ += Paint("1", "crossfade " + Text(now_.at("version"))) + "  " + state + "  up " +
            FormatUptime(now_.at("uptime_ms").get<uint64_t>()) + "\n";
    Line("stage", Paint("1", Text(now_.at("stage"))) + "  plan #" +
                      std::to_string(now_.at("plan_epoch").get<uint64_t>()) + " " +
                      Text(now_.at("plan_digest")).substr(0, 12));
    std::string clients = FormatCount(now_.at("clients").get<uint64_t>()) + " of " +
                          FormatCount(now_.at("clients_max").get<uint64_t>());
    if (const uint64_t rejected = now_.at("clients_rejected").get<uint64_t>(); rejected > 0) {
      clients += "  " + Warn("rejected " + FormatCount(rejected));
    }
    if (const uint64_t failures = now_.value("auth_failures", uint64_t{0}); failures > 0) {
      clients += "  " + Warn("wrong passwords " + FormatCount(failures));
    }
    Line("clients", clients + "  errors given " + Sum(now_.at("client_errors")));
  }

  // Counts of one class between the two documents.
  std::vector<uint64_t> LatencyCounts(size_t store, const char* request_class) const {
    const auto counts = [&](const json& document) {
      return document.at("stores")
          .at(store)
          .at("latency")
          .at(request_class)
          .at("counts")
          .get<std::vector<uint64_t>>();
    };
    std::vector<uint64_t> difference = counts(now_);
    if (before_.is_object()) {
      const std::vector<uint64_t> earlier = counts(before_);
      for (size_t i = 0; i < difference.size() && i < earlier.size(); ++i) {
        difference[i] -= std::min(earlier[i], difference[i]);
      }
    }
    return difference;
  }

  double Requests(const json& document, size_t store, const char* request_class) const {
    if (!document.is_object()) return 0;
    return document.at("stores").at(store).at("requests").at(request_class).get<double>();
  }

  void Stores() {
    out_ += "\n" +
            Dim(Pad("STORE", 7) + Pad("ADDRESS", 21) + Pad("ROLE", 10) + PadLeft("READS", 10) +
                PadLeft("P50", 8) + PadLeft("P99", 8) + PadLeft("WRITES", 10) + PadLeft("P50", 8) +
                PadLeft("P99", 8) + " STATE") +
            "\n";
    for (size_t i = 0; i < now_.at("stores").size(); ++i) {
      const json& store = now_.at("stores").at(i);
      out_ += Pad(Text(store.at("role")), 7) + Pad(Text(store.at("address")), 21) +
              Pad(store.at("authority").get<bool>() ? "authority" : "follower", 10);
      for (const char* request_class : {"read", "write"}) {
        const std::vector<uint64_t> counts = LatencyCounts(i, request_class);
        out_ += PadLeft(Rate(Requests(now_, i, request_class), Requests(before_, i, request_class)),
                        10) +
                PadLeft(FormatQuantile(counts, 0.5), 8) + PadLeft(FormatQuantile(counts, 0.99), 8);
      }
      const std::string error = Text(store.at("last_error"));
      const std::string version = Text(store.at("version"));
      const std::string state = Text(store.at("state"));
      const std::string detail = Text(store.at("state_detail"));
      const bool named = state != "up" && state != "down" && state != "unknown";
      if (named) {
        out_ += " " + Bad(state) + (detail.empty() ? "" : ": " + detail);
      } else if (store.at("connected").get<bool>()) {
        out_ += " " + Good("connected") + (version.empty() ? "" : "  redis " + version);
      } else {
        out_ += " " + Bad("NOT CONNECTED") + (error.empty() ? "" : ": " + error);
      }
      out_ += "\n";
    }
    out_ += "\n";
  }

  // One proxy alone is the rule.
  void Ownership() {
    const json ownership = now_.value("ownership", json::object());
    const std::string state = ownership.value("state", "not_needed");
    if (state == "not_needed") return;
    const uint64_t losses = ownership.value("losses", uint64_t{0});
    std::string text = state == "owner" ? Good(state) : Warn(state);
    text += "  epoch " + std::to_string(ownership.value("epoch", uint64_t{0}));
    if (losses > 0) text += "  " + Warn("lost " + FormatCount(losses) + " times");
    const std::string detail = Printable(ownership.value("detail", ""));
    if (!detail.empty()) text += "  " + detail;
    if (const auto relayed = ownership.value("relayed_clients", uint64_t{0}); relayed > 0) {
      text += "  forwards " + FormatCount(relayed) + " clients";
    }
    Line("owner", text);
  }

  void Mirror() {
    const std::string state = Text(now_.at("mirror_state"));
    const std::string detail = Text(now_.at("mirror_detail"));
    const std::string shown = state == "live"                                 ? Good(state)
                              : state == "refused" || state == "disconnected" ? Bad(state)
                                                                              : Warn(state);
    Line("mirror", shown + (detail.empty() ? "" : "  " + detail));
    const uint64_t live = now_.at("live_partitions").get<uint64_t>();
    const uint64_t partitions = now_.at("partitions").get<uint64_t>();
    const uint64_t done = now_.at("backfill").at("keys_copied").get<uint64_t>();
    const uint64_t total = now_.at("backfill").at("keys_total").get<uint64_t>();
    double share = partitions > 0 ? static_cast<double>(live) / static_cast<double>(partitions) : 0;
    if (state == "copying" && total > 0) {
      // The total is an estimate: full means that the partitions are live.
      share =
          std::max(share, std::min(0.99, static_cast<double>(done) / static_cast<double>(total)));
    }
    const double percent = std::floor(share * 100) / 100;
    Line("copy", FormatBar(share, style_.bar_width) + " " + FormatShare(percent) + "  " +
                     FormatCount(done) + (total > 0 ? " of ~" + FormatCount(total) : "") +
                     " keys, " + FormatCount(live) + " of " + FormatCount(partitions) +
                     " partitions live");
    Line("lag", FormatSeconds(now_.at("lag_seconds").get<double>()) + "  log " +
                    FormatCount(now_.at("log_entries").get<uint64_t>()) + " entries, " +
                    FormatBytes(now_.at("log_bytes").get<uint64_t>()) + " of " +
                    FormatBytes(now_.at("log_bytes_max").get<uint64_t>()) + "  collapses " +
                    FormatCount(now_.at("log_collapses").get<uint64_t>()));
    const uint64_t dirty = now_.at("dirty_keys").get<uint64_t>();
    std::string keys = dirty == 0 ? Good("0") : Warn(FormatCount(dirty));
    keys += "  syncs under way " + FormatCount(now_.at("syncs_under_way").get<uint64_t>());
    const uint64_t typewise = now_.at("syncs_typewise").get<uint64_t>();
    if (typewise > 0) keys += ", type-wise so far " + FormatCount(typewise);
    const uint64_t chunked = now_.at("syncs_chunked").get<uint64_t>();
    if (chunked > 0) keys += ", in chunks so far " + FormatCount(chunked);
    if (const auto quarantined = now_.value("quarantined_keys", uint64_t{0}); quarantined > 0) {
      keys += "  " + Warn("quarantined " + FormatCount(quarantined));
    }
    keys += "  drift " + Sum(now_.at("drift"));
    keys += "  effects " + Sum(now_.at("effects"));
    Line("dirty", keys);
    Journal(now_.at("journal"));
    const json& missing = now_.at("missing_commands");
    if (!missing.at("used").empty()) {
      Line("missing", Warn("new lacks commands that clients use: " + Names(missing.at("used"))) +
                          "; what they write is synced");
    }
  }

  void Journal(const json& journal) {
    const std::string state = Text(journal.at("state"));
    if (state == "off") {
      return Line("journal", Warn("off") + "  after a crash all keys are compared again");
    }
    std::string line = state == "ok" ? Good(state) : Bad(state + ": " + Text(journal.at("reason")));
    line += "  " + FormatBytes(journal.at("bytes").get<uint64_t>());
    const auto failures = journal.at("failures").get<uint64_t>();
    if (failures > 0) line += "  failures " + FormatCount(failures);
    Line("journal", line);
  }

  std::string Names(const json& names) const {
    std::string text;
    for (const json& name : names) text += (text.empty() ? "" : ", ") + Text(name);
    return text;
  }

  std::string Sum(const json& counts) const {
    uint64_t sum = 0;
    std::string parts;
    for (const auto& [name, count] : counts.items()) {
      if (count.get<uint64_t>() == 0) continue;
      sum += count.get<uint64_t>();
      parts +=
          (parts.empty() ? "" : ", ") + Printable(name) + " " + FormatCount(count.get<uint64_t>());
    }
    return FormatCount(sum) + (parts.empty() ? "" : " (" + parts + ")");
  }

  using Counts = std::map<std::string, double>;
  Counts Decisions(const json& document) const {
    Counts counts;
    if (!document.is_object()) return counts;
    for (const json& d : document.at("read_decisions")) {
      counts[Pad(Text(d.at("route")), 16) + Pad(Text(d.at("store")), 8) +
             Pad(Text(d.at("reason")), 20)] += d.at("count").get<double>();
    }
    return counts;
  }

  // Nothing while no script was called.
  void Scripts() {
    if (!now_.contains("scripts")) return;  // a proxy of before
    if (now_.at("scripts").empty() && now_.at("exact").get<bool>()) return;
    std::string calls;
    for (const auto& [verdict, count] : now_.at("script_calls").items()) {
      if (count == 0) continue;
      calls += (calls.empty() ? "" : "  ") + verdict + " " + FormatCount(count.get<uint64_t>());
    }
    Line("scripts", calls);
    if (!now_.at("exact").get<bool>()) {
      Line("", Warn("NOT EXACT") + "  " + FormatCount(now_.at("exact_doubts").get<uint64_t>()) +
                   " calls may have written keys that they do not declare, last " +
                   Text(now_.at("doubt_script")) + ": " + Text(now_.at("doubt_reason")));
    }
    constexpr size_t kShown = 5;
    for (size_t i = 0; i < now_.at("scripts").size() && i < kShown; ++i) {
      const json& script = now_.at("scripts").at(i);
      Line("", Dim("-> ") + Pad(Text(script.at("id")), 40) + Pad(Text(script.at("verdict")), 10) +
                   PadLeft(FormatCount(script.at("calls").get<uint64_t>()), 10) +
                   Dim(Text(script.at("reason"))));
    }
  }

  void Reads() {
    out_ += "\n";
    for (const json& route : now_.at("routes")) {
      Line("reads", Pad(Text(route.at("name")), 16) + "follower " +
                        FormatShare(route.at("follower_share").get<double>()) + "  staleness " +
                        std::to_string(route.at("staleness_ms").get<uint64_t>()) + "ms  shadow " +
                        FormatShare(route.at("shadow_share").get<double>()) + "  prefer " +
                        Text(route.at("prefer")));
    }
    const Counts earlier = Decisions(before_);
    for (const auto& [name, count] : Decisions(now_)) {
      const auto found = earlier.find(name);
      const double base = found == earlier.end() ? 0 : found->second;
      Line("", Dim("-> ") + name + PadLeft(Rate(count, base), 12) +
                   PadLeft(FormatCount(static_cast<uint64_t>(count)), 14));
    }
    for (const json& c : now_.at("shadow")) {
      const std::string result = Text(c.at("result"));
      const std::string text = Pad(Text(c.at("route")), 16) + Pad(result, 29) +
                               PadLeft(FormatCount(c.at("count").get<uint64_t>()), 26);
      Line("shadow",
           result == "mismatched" && c.at("count").get<uint64_t>() > 0 ? Bad(text) : text);
    }
    Verification();
    if (const std::string why = Text(now_.at("reads_suspended")); !why.empty()) {
      Line("reads", Bad("SUSPENDED") + "  " + why);
    }
    const std::string breaker = Text(now_.at("breaker"));
    Line("breaker", (breaker == "closed" ? Good(breaker)
                     : breaker == "open" ? Bad(breaker)
                                         : Warn(breaker)) +
                        "  trips " + FormatCount(now_.at("breaker_trips").get<uint64_t>()) +
                        "  follower reads retried " +
                        FormatCount(now_.at("follower_read_retries").get<uint64_t>()));
  }

  // Nothing while nothing was verified.
  void Verification() {
    const json verified = now_.value("verified", json::object());
    const std::string keys = Sum(verified);
    if (keys == "0") return;
    std::string line = keys + " keys";
    const std::string differences = Sum(now_.value("verify_differences", json::object()));
    if (differences != "0") line += "  " + Bad("differences " + differences);
    if (const auto left = now_.value("keys_that_differ", uint64_t{0}); left > 0) {
      line += "  " + Bad("not repaired " + FormatCount(left));
    }
    Line("verify", line);
  }

  void Reload() {
    const json& reloads = now_.at("reloads");
    if (!reloads.contains("last") || reloads.at("last").at("applied").get<bool>()) return;
    Line("reload", Bad("the last one was refused") + ", the plan before it stays in force: " +
                       Text(reloads.at("last").at("error")));
  }

  json before_;
  json now_;
  StatusStyle style_;
  double seconds_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> RenderStatus(const std::string& before, const std::string& now,
                                 const StatusStyle& style) {
  try {
    return Renderer(before.empty() ? json() : json::parse(before), json::parse(now), style)
        .Render();
  } catch (const json::exception& error) {
    return Fail(std::string("the answer is not a crossfade status: ") + error.what());
  }
}

}  // namespace crossfade::proxy
