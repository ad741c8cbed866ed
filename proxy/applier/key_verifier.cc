#include "proxy/applier/key_verifier.h"

#include <mutex>

#include "proxy/worker/worker.h"

namespace crossfade::proxy {

void KeyVerifier::Run() {
  Core& core = worker_.core();
  const std::lock_guard lock(core.mutex);
  Lane* lane = nullptr;
  uint32_t db = 0;
  replication::Verification::Slot slot = 0;
  while (core.replicator.NextVerify(slot)) {
    const replication::Verification::Item& item = core.replicator.verification().At(slot);
    if (lane == nullptr || db != item.db) {
      db = item.db;
      lane = &worker_.LaneOf({.db = db});
    }
    if (!lane->ready() || lane->full()) return core.replicator.VerifyNotSent(slot);
    const replication::GateKeys keys{std::span(&item.hash, 1), false};
    if (core.replicator.gate().TryEnter(lane->id(), keys)) {
      lane->SendVerify(slot);
      continue;
    }
    const uint64_t ticket = core.replicator.gate().Wait(lane->id(), keys, &worker_);
    worker_.AwaitGate(ticket, [this, slot] { Read(slot); });
  }
}

// The key has entered the gate.
void KeyVerifier::Read(replication::Verification::Slot slot) {
  const std::lock_guard lock(worker_.core().mutex);
  replication::Replicator& replicator = worker_.core().replicator;
  const replication::Verification::Item& item = replicator.verification().At(slot);
  Lane& lane = worker_.LaneOf({.db = item.db});
  if (lane.ready()) return lane.SendVerify(slot);
  replicator.gate().Leave(lane.id(), {std::span(&item.hash, 1), false});
  replicator.VerifyReadFailed(slot);
}

}  // namespace crossfade::proxy
