#include "proxy/artifacts/run_artifacts.h"

#include <filesystem>
#include <utility>

#include "proxy/control/log.h"

namespace crossfade::proxy {
namespace {

constexpr size_t kQuarantineExamples = 20;

std::string Absolute(const std::string& dir) {
  std::error_code ignored;
  const std::string absolute = std::filesystem::absolute(dir, ignored).lexically_normal().string();
  return absolute.empty() ? dir : absolute;
}

// Empty: nothing is to be kept.
std::string DirOf(const ActivePlan& plan) {
  const config::ArtifactSettings& settings = plan.plan->settings.artifacts;
  return settings.Wanted() ? Absolute(settings.dir) : "";
}

}  // namespace

RunArtifacts::RunArtifacts(Core& core, ActivePlanPtr plan) : core_(core), plan_(std::move(plan)) {}

void RunArtifacts::SetPlan(ActivePlanPtr plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
}

ActivePlanPtr RunArtifacts::plan() const {
  const std::lock_guard lock(mutex_);
  return plan_;
}

ArtifactsSnapshot RunArtifacts::Figures() const {
  const std::lock_guard lock(mutex_);
  ArtifactsSnapshot figures;
  figures.dir = DirOf(*plan_);
  figures.keep = plan_->plan->settings.artifacts.keep;
  figures.state = figures.dir.empty() ? "off" : failure_.empty() ? "ok" : "failed";
  if (!figures.dir.empty()) figures.reason = failure_;
  figures.last = last_;
  figures.written = written_;
  figures.failures = failures_;
  return figures;
}

void RunArtifacts::Written(const std::string& dir, const std::string& path) {
  const size_t keep = plan()->plan->settings.artifacts.keep;
  {
    const std::lock_guard lock(dir_mutex_);
    if (const Status removed = RemoveOldRuns(dir, keep); !removed) {
      log::Warn("old artifacts are still there", {{"reason", removed.error().message}});
    }
  }
  const std::lock_guard lock(mutex_);
  last_ = path;
  failure_.clear();
  ++written_;
}

void RunArtifacts::Failed(const char* what, const std::string& why) {
  log::Warn("the artifacts of a run can't be written; the run itself goes on",
            {{"run", what}, {"reason", why}});
  const std::lock_guard lock(mutex_);
  failure_ = why;
  ++failures_;
}

void RunArtifacts::PassBegan(const VerifyReport& report) {
  const ActivePlanPtr now = plan();
  OpenPass pass;
  pass.dir = DirOf(*now);
  if (pass.dir.empty()) return;
  RunFacts facts = FactsOf(core_, *now);
  std::unique_lock making(dir_mutex_);
  auto run = VerifyRun::Begin(pass.dir, report, std::move(facts));
  making.unlock();
  if (run) {
    pass.run = std::move(*run);
  } else {
    pass.error = run.error().message;
    Failed("verification", pass.error);
  }
  passes_[report.id] = std::move(pass);
}

void RunArtifacts::Take(const Delta& delta) {
  const auto found = passes_.find(delta.pass);
  if (found == passes_.end() || !found->second.run) return;
  OpenPass& pass = found->second;
  const Status taken = pass.run->Take(delta);
  if (taken) return;
  pass.error = taken.error().message;
  pass.run->Discard();
  pass.run.reset();
  Failed("verification", pass.error);
}

void RunArtifacts::PassEnded(VerifyReport& report) {
  const auto found = passes_.find(report.id);
  if (found == passes_.end()) return;
  OpenPass pass = std::move(found->second);
  passes_.erase(found);
  if (pass.run) {
    const Result<std::string> path = pass.run->End(report, FactsOf(core_, *plan()));
    if (path) {
      Written(pass.dir, *path);
      report.artifact = *path;
      return;
    }
    pass.error = path.error().message;
    pass.run->Discard();
    Failed("verification", pass.error);
  }
  report.artifact_error = pass.error;
}

void RunArtifacts::BackfillBegan(const BackfillReport& report) {
  const ActivePlanPtr now = plan();
  backfill_ = {};
  backfill_.dir = DirOf(*now);
  if (backfill_.dir.empty()) return;
  backfill_.facts = FactsOf(core_, *now);
  std::unique_lock making(dir_mutex_);
  auto folder = RunFolder::Make(backfill_.dir, RunKind::kBackfill, report.started_unix_ms);
  making.unlock();
  if (!folder) return Failed("backfill", folder.error().message);
  backfill_.folder = std::move(*folder);
}

void RunArtifacts::BackfillEnded(const BackfillReport& report) {
  if (!backfill_.folder) return;
  const Result<std::string> path = WriteBackfill(report);
  if (path) {
    Written(backfill_.dir, *path);
  } else {
    backfill_.folder->Discard();
    Failed("backfill", path.error().message);
  }
  backfill_ = {};
}

Result<std::string> RunArtifacts::WriteBackfill(const BackfillReport& report) {
  BackfillRunReport run;
  run.name = backfill_.folder->name();
  run.begun = backfill_.facts;
  run.ended = FactsOf(core_, *plan());
  run.backfill = report;
  {
    const std::lock_guard lock(core_.mutex);
    const replication::Quarantine& quarantine = core_.replicator.quarantine();
    run.quarantined = quarantine.size();
    run.examples = quarantine.List(kQuarantineExamples);
  }
  const Status written = backfill_.folder->Finish(ReportJson(run));
  if (!written) return tl::unexpected(written.error());
  return backfill_.folder->path();
}

}  // namespace crossfade::proxy
