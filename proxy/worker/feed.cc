// Worker: what the follower is given, and the keys that are read for it (worker 0).
#include "proxy/applier/applier.h"
#include "proxy/applier/key_syncer.h"
#include "proxy/applier/key_verifier.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

void Worker::WantFeed() {
  core_.head_seq.store(core_.replicator.log().head_seq(), std::memory_order_relaxed);
  if (core_.feed_wanted.exchange(true, std::memory_order_acq_rel)) return;
  if (index_ != 0) core_.workers[0]->Wake();
}

void Worker::FeedFollower() {
  if (!owns_) return;
  applier_->Feed();
  bool dirty = false;
  bool verify = false;
  {
    const std::lock_guard lock(core_.mutex);
    dirty = !core_.replicator.dirty().empty();
    verify = core_.replicator.verification().outstanding() > 0;
  }
  if (!dirty && !verify) return;
  if (dirty) syncer_->Run();
  if (verify) verifier_->Run();
  for (auto& [at, lane] : lanes_) lane->connection().Flush();
}

}  // namespace crossfade::proxy
