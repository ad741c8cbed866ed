// Lane: keys that are read to be synced. Each is in the gate from the first question on
// until what was replied has become an entry of the mirror log.
#include "proxy/lane/lane.h"
#include "proxy/worker/worker.h"
#include "replication/sync_read.h"
#include "routing/slot.h"

namespace crossfade::proxy {

void Lane::SendSync(const replication::KeyToSync& key) {
  std::string& text = worker_.scratch;
  text.clear();
  const uint32_t before = replication::AppendSyncRead(key, text);
  out().Append(text);
  syncs_.Push() = key;
  if (before > 0) SentSkipped(before, 0);
  Push(Kind::kSync, RequestClass::kOther, text.size(), {});
}

void Lane::TakeSync(std::string_view frame, std::unique_lock<std::mutex>& lock) {
  if (!lock.owns_lock()) lock.lock();
  replication::Replicator& replicator = worker_.core().replicator;
  replication::KeyToSync key = std::move(syncs_.front());
  syncs_.pop();
  const uint64_t hash = routing::KeyHash(key.db, key.name);
  const replication::SyncStep step = replicator.TakeSyncReply(key, frame, connection_.run_id(),
                                                              worker_.now_us(), Worker::UnixMs());
  if (step == replication::SyncStep::kAskMore) return SendSync(key);
  replicator.gate().Leave(id_, {std::span(&hash, 1), false});
  worker_.WantFeed();
}

}  // namespace crossfade::proxy
