// RunArtifacts: what is left of each run in artifacts.dir: told of verifications by the
// Verifier and of backfills by the mirror driver, each in its own thread, which it may
// hold up by the disk. A run goes on whether its artifacts can be written or not; that
// they can't is a line in the log, a counter, and stands in the status until a later
// run's could be. Figures and SetPlan from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "proxy/active_plan.h"
#include "proxy/artifacts/run_facts.h"
#include "proxy/artifacts/verify_run.h"
#include "proxy/backend/delta_sink.h"
#include "proxy/backfill/backfill_report.h"
#include "proxy/core.h"
#include "proxy/snapshot.h"

namespace crossfade::proxy {

class RunArtifacts final : public DeltaSink, public BackfillSink {
 public:
  RunArtifacts(Core& core, ActivePlanPtr plan);

  void SetPlan(ActivePlanPtr plan);
  ArtifactsSnapshot Figures() const;

  void PassBegan(const VerifyReport& report) override;
  void Take(const Delta& delta) override;
  void PassEnded(VerifyReport& report) override;
  void BackfillBegan(const BackfillReport& report) override;
  void BackfillEnded(const BackfillReport& report) override;

 private:
  struct OpenPass {
    std::string dir;
    std::unique_ptr<VerifyRun> run;  // null: it failed
    std::string error;
  };
  struct OpenBackfill {
    std::string dir;
    std::unique_ptr<RunFolder> folder;
    RunFacts facts;
  };

  ActivePlanPtr plan() const;
  Result<std::string> WriteBackfill(const BackfillReport& report);
  void Written(const std::string& dir, const std::string& path);
  void Failed(const char* what, const std::string& why);

  Core& core_;
  std::mutex dir_mutex_;  // one number is one run's, and one run is removed once
  mutable std::mutex mutex_;
  ActivePlanPtr plan_;
  std::string last_, failure_;
  uint64_t written_ = 0, failures_ = 0;

  std::map<uint64_t, OpenPass> passes_;  // of the Verifier's thread
  OpenBackfill backfill_;                // of the mirror driver's
};

}  // namespace crossfade::proxy
