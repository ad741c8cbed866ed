// Backfiller: its runs, told to whoever keeps their reports.
#include <utility>

#include "proxy/backfill/backfiller.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

void Backfiller::BeginRun(bool resumed) {
  const replication::BackfillRecord& record = backfill_->record();
  run_ = {};
  run_.resumed = resumed;
  run_.state = "running";
  run_.begun_under = plan_digest_;
  run_.started_unix_ms = Worker::UnixMs();
  run_.keys_copied_before = record.copied;
  WithReplicator([this](replication::Replicator& replicator) {
    bytes_before_run_ = replicator.counters().synced_bytes;
  });
  if (sink_ != nullptr) sink_->BackfillBegan(run_);
}

void Backfiller::EndRun(const char* state, const std::string& reason) {
  if (run_.state.empty()) return;
  BackfillReport run = std::exchange(run_, {});
  const replication::BackfillRecord& record = backfill_->record();
  run.state = state;
  run.reason = reason;
  run.ended_unix_ms = Worker::UnixMs();
  run.keys_found = record.names;
  run.keys_copied = record.copied;
  run.partitions_finished = record.finished.count();
  WithReplicator([&](replication::Replicator& replicator) {
    run.bytes_copied = replicator.counters().synced_bytes - bytes_before_run_;
  });
  if (sink_ != nullptr) sink_->BackfillEnded(run);
}

}  // namespace crossfade::proxy
