#include "proxy/artifacts/verify_run.h"

#include <algorithm>

#include "replication/compare/wide_hash.h"
#include "replication/deltas/reader.h"

namespace crossfade::proxy {
namespace {

using replication::DeltaOutcome;
using replication::DeltaRecord;
using replication::DifferenceKind;

// What was found so long ago is on its way to the disk.
constexpr int64_t kFlushEveryMs = 1'000;

std::pair<uint64_t, uint64_t> DigestOf(const replication::Difference& difference) {
  const replication::Wide wide = replication::HashOf(difference.key, difference.db);
  return {wide.high, wide.low};
}

DeltaOutcome OutcomeOf(DeltaAction action) {
  switch (action) {
    case DeltaAction::kRepaired:
      return DeltaOutcome::kRepaired;
    case DeltaAction::kDeleted:
      return DeltaOutcome::kDeleted;
    case DeltaAction::kStillDifferent:
      return DeltaOutcome::kStillDifferent;
    case DeltaAction::kNotRepaired:
      return DeltaOutcome::kNotDone;
    case DeltaAction::kFound:
      break;
  }
  return DeltaOutcome::kLeft;
}

}  // namespace

VerifyRun::VerifyRun(std::unique_ptr<RunFolder> folder, std::unique_ptr<SnapshotFile> found,
                     const VerifyReport& pass, RunFacts facts)
    : folder_(std::move(folder)),
      found_(std::move(found)),
      writer_(*found_),
      options_(pass.options),
      begun_unix_ms_(pass.started_unix_ms),
      facts_(std::move(facts)) {}

Result<std::unique_ptr<VerifyRun>> VerifyRun::Begin(const std::string& dir,
                                                    const VerifyReport& pass, RunFacts facts) {
  const RunKind kind = pass.options.scheduled ? RunKind::kScheduled : RunKind::kVerify;
  auto folder = RunFolder::Make(dir, kind, pass.started_unix_ms);
  if (!folder) return tl::unexpected(folder.error());
  auto found = (*folder)->MakeFile(kFoundLog);
  if (!found) {
    (*folder)->Discard();
    return tl::unexpected(found.error());
  }
  std::unique_ptr<VerifyRun> run(
      new VerifyRun(std::move(*folder), std::move(*found), pass, std::move(facts)));
  if (const Status begun = run->writer_.Begin(run->Header()); !begun) {
    run->Discard();
    return tl::unexpected(begun.error());
  }
  return run;
}

replication::DeltaHeader VerifyRun::Header() const {
  return {begun_unix_ms_, Name(folder_->name().kind), facts_.plan_digest,
          facts_.authority.address + " " + facts_.authority.run_id,
          facts_.follower.address + " " + facts_.follower.run_id};
}

Status VerifyRun::Take(const Delta& delta) {
  if (delta.action == DeltaAction::kFound) return Found(delta);
  const Outcome outcome{OutcomeOf(delta.action), delta.unix_ms};
  outcomes_[DigestOf(delta.difference)] = outcome;
  ++told_[static_cast<size_t>(outcome.outcome)];
  return {};
}

Status VerifyRun::Found(const Delta& delta) {
  DeltaRecord record;
  record.difference = delta.difference;
  record.found_unix_ms = delta.unix_ms;
  if (const Status added = writer_.Add(record); !added) return added;
  if (examples_.size() < VerifyReport::kExamples) examples_.push_back(std::move(record));
  if (delta.unix_ms - flushed_unix_ms_ < kFlushEveryMs) return {};
  flushed_unix_ms_ = delta.unix_ms;
  return writer_.Flush();
}

bool VerifyRun::Wanted(DifferenceKind kind) const {
  return options_.repair && (kind != DifferenceKind::kExtra || options_.delete_extra);
}

void VerifyRun::Complete(DeltaRecord& record) const {
  const auto told = outcomes_.find(DigestOf(record.difference));
  if (told != outcomes_.end()) {
    record.outcome = told->second.outcome;
    record.outcome_unix_ms = told->second.unix_ms;
  } else if (Wanted(record.difference.kind)) {
    record.outcome = DeltaOutcome::kNotReached;
  }
}

Status VerifyRun::WriteDeltaLog(VerifyRunReport& report) {
  if (const Status finished = writer_.Finish(); !finished) return finished;
  const auto file = folder_->MakeFile(kDeltaLog);
  if (!file) return tl::unexpected(file.error());
  replication::DeltaWriter writer(**file);
  if (const Status begun = writer.Begin(Header()); !begun) return begun;
  replication::DeltaReader reader(*found_);
  if (const Status header = reader.ReadHeader(); !header) return header;
  DeltaRecord record;
  while (true) {
    const Result<bool> next = reader.Next(record);
    if (!next) return tl::unexpected(next.error());
    if (!*next) break;
    Complete(record);
    if (const Status added = writer.Add(record); !added) return added;
    record = {};
  }
  if (const Status finished = writer.Finish(reader.dropped()); !finished) return finished;
  report.recorded = writer.records();
  report.not_recorded = writer.dropped();
  folder_->RemoveFile(kFoundLog);
  return folder_->Add(**file, kDeltaLog);
}

// Of all differences: what was told of, and of the rest what was to be done.
void VerifyRun::CountOutcomes(VerifyRunReport& report) const {
  const uint64_t all = report.pass.Differences();
  const uint64_t extra = report.pass.counters.Of(DifferenceKind::kExtra);
  const uint64_t wanted = (Wanted(DifferenceKind::kValue) ? all - std::min(all, extra) : 0) +
                          (Wanted(DifferenceKind::kExtra) ? extra : 0);
  report.outcomes = told_;
  uint64_t told = 0;
  for (const uint64_t count : told_) told += count;
  report.outcomes[static_cast<size_t>(DeltaOutcome::kNotReached)] = wanted - std::min(wanted, told);
  report.outcomes[static_cast<size_t>(DeltaOutcome::kLeft)] = all - std::min(all, wanted);
}

Result<std::string> VerifyRun::End(const VerifyReport& pass, RunFacts facts) {
  VerifyRunReport report;
  report.name = folder_->name();
  report.begun = facts_;
  report.ended = std::move(facts);
  report.pass = pass;
  report.examples = std::move(examples_);
  for (DeltaRecord& example : report.examples) Complete(example);
  CountOutcomes(report);
  if (const Status written = WriteDeltaLog(report); !written) {
    return tl::unexpected(written.error());
  }
  const Status written = folder_->Finish(ReportJson(report));
  if (!written) return tl::unexpected(written.error());
  return folder_->path();
}

}  // namespace crossfade::proxy
