// VerifyRun: the artifacts of one verification while it is under way. Differences go
// to the disk as they are found; at the end each gets what became of it, and the folder
// becomes whole. Memory: one block, what was repaired (bounded by the Verifier), and
// the examples. Any failure is final: the folder is removed. Blocking; one thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "proxy/artifacts/report_json.h"
#include "proxy/artifacts/run_folder.h"
#include "proxy/backend/verify_report.h"
#include "replication/deltas/writer.h"

namespace crossfade::proxy {

class VerifyRun {
 public:
  static Result<std::unique_ptr<VerifyRun>> Begin(const std::string& dir, const VerifyReport& pass,
                                                  RunFacts facts);

  Status Take(const Delta& delta);
  // Where all of it is.
  Result<std::string> End(const VerifyReport& pass, RunFacts facts);
  void Discard() { folder_->Discard(); }

 private:
  struct Outcome {
    replication::DeltaOutcome outcome;
    int64_t unix_ms;
  };
  using KeyDigest = std::pair<uint64_t, uint64_t>;

  VerifyRun(std::unique_ptr<RunFolder> folder, std::unique_ptr<SnapshotFile> found,
            const VerifyReport& pass, RunFacts facts);
  replication::DeltaHeader Header() const;
  Status Found(const Delta& delta);
  // What became of it, from what was told.
  void Complete(replication::DeltaRecord& record) const;
  bool Wanted(replication::DifferenceKind kind) const;
  Status WriteDeltaLog(VerifyRunReport& report);
  void CountOutcomes(VerifyRunReport& report) const;

  std::unique_ptr<RunFolder> folder_;
  std::unique_ptr<SnapshotFile> found_;
  replication::DeltaWriter writer_;
  const VerifyOptions options_;
  const int64_t begun_unix_ms_;
  const RunFacts facts_;
  int64_t flushed_unix_ms_ = 0;
  std::map<KeyDigest, Outcome> outcomes_;
  OutcomeCounts told_{};
  std::vector<replication::DeltaRecord> examples_;
};

}  // namespace crossfade::proxy
