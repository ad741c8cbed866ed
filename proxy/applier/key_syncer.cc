#include "proxy/applier/key_syncer.h"

#include <mutex>

#include "proxy/worker/worker.h"
#include "routing/slot.h"

namespace crossfade::proxy {

void KeySyncer::Run() {
  Core& core = worker_.core();
  const std::lock_guard lock(core.mutex);
  replication::KeyToSync key;
  while (core.replicator.NextSync(worker_.now_us(), key)) {
    Lane& lane = worker_.LaneOf({.db = key.db});
    if (!lane.ready() || lane.full()) {
      core.replicator.SyncReadFailed(key);
      return;
    }
    const uint64_t hash = routing::KeyHash(key.db, key.name);
    const replication::GateKeys keys{std::span(&hash, 1), false};
    if (core.replicator.gate().TryEnter(lane.id(), keys)) {
      lane.SendSync(key);
      continue;
    }
    const uint64_t ticket = core.replicator.gate().Wait(lane.id(), keys, &worker_);
    worker_.AwaitGate(ticket, [this, key, hash] { Read(key, hash); });
  }
}

// The key has entered the gate.
void KeySyncer::Read(const replication::KeyToSync& key, uint64_t hash) {
  Lane& lane = worker_.LaneOf({.db = key.db});
  if (lane.ready()) return lane.SendSync(key);
  const std::lock_guard lock(worker_.core().mutex);
  worker_.core().replicator.gate().Leave(lane.id(), {std::span(&hash, 1), false});
  worker_.core().replicator.SyncReadFailed(key);
}

}  // namespace crossfade::proxy
