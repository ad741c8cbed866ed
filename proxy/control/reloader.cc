#include "proxy/control/reloader.h"

#include <chrono>
#include <utility>

#include "config/loader.h"
#include "proxy/control/log.h"

namespace crossfade::proxy {
namespace {

constexpr int64_t kSameChangeMs = 1'000;

}  // namespace

Reloader::Reloader(std::string path, DataPlane& plane, config::PlanPtr current,
                   std::function<void(const config::Plan&)> applied)
    : path_(std::move(path)),
      plane_(plane),
      applied_(std::move(applied)),
      current_(std::move(current)) {}

ReloadOutcome Reloader::Load() {
  const config::PlanPtr before = Current();
  ReloadOutcome outcome;
  outcome.epoch = before->epoch;
  outcome.digest = before->digest;
  Result<config::Settings> settings = config::LoadSettings(path_);
  if (!settings) {
    outcome.reason = settings.error().message;
    return outcome;
  }
  outcome.reason = config::RefuseReload(before->settings, *settings);
  if (!outcome.reason.empty()) return outcome;
  outcome.applied = true;
  const config::PlanPtr plan = config::MakePlan(std::move(*settings), before->epoch + 1);
  if (plan->digest == before->digest) return outcome;
  outcome.changes = config::Diff(before->settings, plan->settings);
  outcome.epoch = plan->epoch;
  outcome.digest = plan->digest;
  plane_.Publish(plan);
  {
    std::lock_guard lock(mutex_);
    current_ = plan;
  }
  if (applied_) applied_(*plan);
  return outcome;
}

bool Reloader::Record(const ReloadOutcome& outcome, bool asked) {
  using namespace std::chrono;
  const int64_t now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  std::lock_guard lock(mutex_);
  const bool again = history_.any && !outcome.applied && outcome.reason == history_.last.reason;
  // The watch finds what an API request has just refused.
  if (!asked && again && now - history_.last_unix_ms < kSameChangeMs) return false;
  // A file found unchanged says nothing new, unless what it replaced was refused.
  if (outcome.applied && outcome.changes.empty() && history_.any && history_.last.applied) {
    return asked;
  }
  ++(outcome.applied ? history_.applied : history_.refused);
  history_.any = true;
  history_.last = outcome;
  history_.last_unix_ms = now;
  return true;
}

ReloadOutcome Reloader::Reload(const std::string& cause) {
  const ReloadOutcome outcome = Load();
  if (!Record(outcome, cause != "file")) return outcome;
  if (!outcome.applied) {
    log::Error("reload refused, the plan before it stays in force",
               {{"cause", cause}, {"file", path_}, {"reason", outcome.reason}});
  } else if (outcome.changes.empty()) {
    log::Info("reload: nothing changed", {{"cause", cause}, {"file", path_}});
  } else {
    log::Info("plan applied", {{"cause", cause},
                               {"epoch", outcome.epoch},
                               {"digest", outcome.digest.substr(0, 12)},
                               {"changes", static_cast<uint64_t>(outcome.changes.size())}});
    for (const std::string& change : outcome.changes) log::Info("change", {{"setting", change}});
  }
  return outcome;
}

config::PlanPtr Reloader::Current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

ReloadHistory Reloader::History() const {
  std::lock_guard lock(mutex_);
  return history_;
}

}  // namespace crossfade::proxy
