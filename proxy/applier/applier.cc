#include "proxy/applier/applier.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "proxy/ownership/lease_store.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

Applier::Applier(Worker& worker)
    : ConnectionHolder(
          worker, worker.core().follower(),
          {.name = ConnectionName(worker.core().ownership.id(), "applier"), .kill_former = true}) {}

void Applier::PublishFigures() {
  Core& core = worker_.core();
  core.applied_seq.store(core.replicator.applied_seq());
  core.last_dropped.store(core.replicator.last_dropped_seq());
}

// The process may have been stopped since this turn began.
void Applier::Feed() {
  Core& core = worker_.core();
  if (!core.ownership.MayApply(Worker::ClockUs())) return;
  if (core.events.applier_must_reconnect.exchange(false)) {
    connection_.Drop("the mirror log outgrew mirror.memory");
  }
  if (ready()) {
    const std::lock_guard lock(core.mutex);
    pieces_.clear();
    core.replicator.Feed(pieces_);
    if (!pieces_.empty() && connection_.out().unsent() == 0) last_reply_us_ = worker_.now_us();
    for (const replication::Piece& piece : pieces_) {
      connection_.out().AppendShared(piece.block, piece.data, piece.size);
    }
    PublishFigures();
  }
  connection_.Flush();
  // The log keeps what is not answered; this queue need not.
  connection_.out().ReleaseSent();
}

void Applier::OnStoreBytes() {
  Core& core = worker_.core();
  InBuffer& in = connection_.in();
  bool malformed = false;
  {
    const std::lock_guard lock(core.mutex);
    const auto& on_all_keys = core.replicator.stripes().all();
    const bool all_keys_pending = on_all_keys.pending > 0;
    const int64_t now_us = worker_.now_us();
    const int64_t unix_ms = Worker::UnixMs();
    const char* p = in.begin();
    while (p < in.end()) {
      const int64_t length = scanner_.Scan(p, in.end());
      if (length == routing::ReplyScanner::kIncomplete) break;
      malformed = length < 0;
      if (malformed) break;
      if (*p == '-') [[unlikely]]
        connection_.link().NoteError({p, static_cast<size_t>(length)}, now_us);
      core.replicator.OnFollowerReply({p, static_cast<size_t>(length)}, now_us, unix_ms);
      p += length;
    }
    in.Consume(static_cast<size_t>(p - in.begin()));
    PublishFigures();
    // A flush has taken our record there along.
    if (all_keys_pending && on_all_keys.pending == 0) core.ownership.NoteKeyspaceWrite();
  }
  last_reply_us_ = worker_.now_us();
  for (const auto& worker : core.workers) {
    if (worker.get() != &worker_ && worker->awaits_applied.load()) worker->Wake();
  }
  if (malformed) return connection_.Drop("it sent what is not a reply");
  core.feed_wanted.store(true, std::memory_order_relaxed);
}

// Without the claim nothing is sent yet.
void Applier::OnStoreReady() {
  unclaimed_ = true;
  if (worker_.core().ownership.MayApply(Worker::ClockUs())) Begin();
}

void Applier::Begin() {
  unclaimed_ = false;
  spdlog::info("the follower is connected store={} address={} version={}",
               connection_.link().role(), connection_.link().endpoint().Display(),
               connection_.link().version());
  Core& core = worker_.core();
  core.events.applier_must_reconnect.store(false);
  const std::lock_guard lock(core.mutex);
  core.replicator.sync_forms().Follow(connection_.link().run_id(), connection_.link().version());
  core.replicator.FollowerReady();
  core.feed_wanted.store(true);
}

void Applier::OnStoreLost(std::string_view reason) {
  if (std::exchange(unclaimed_, false)) return scanner_.Reset();
  spdlog::warn("the follower's connection was lost store={} address={} reason=\"{}\"",
               connection_.link().role(), connection_.link().endpoint().Display(), reason);
  scanner_.Reset();
  worker_.core().ownership.NoteFollowerLost();
  const std::lock_guard lock(worker_.core().mutex);
  worker_.core().replicator.FollowerLost();
  PublishFigures();
}

void Applier::Halt() { connection_.Abandon("this proxy does not own the stores"); }

void Applier::Tick(int64_t now_us) {
  const Ownership& ownership = worker_.core().ownership;
  if (!ownership.MayWrite(now_us)) return Halt();
  const bool claimed = ownership.MayApply(now_us);
  if (ready() && !claimed) Halt();
  if (unclaimed_ && claimed) Begin();
  connection_.Open(now_us);
  connection_.Tick(now_us);
  if (!ready()) return;
  bool awaits = false;
  {
    const std::lock_guard lock(worker_.core().mutex);
    awaits = worker_.core().replicator.AwaitsReply();
  }
  if (awaits && Overdue(last_reply_us_)) DropOverdue();
}

}  // namespace crossfade::proxy
