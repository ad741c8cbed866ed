// Lane: keys that are read to be synced. Each is in the gate from the first question on
// until what was replied has become an entry of the mirror log.
#include "proxy/lane/lane.h"
#include "proxy/worker/worker.h"
#include "replication/sync_read.h"
#include "routing/slot.h"

namespace crossfade::proxy {

using replication::KeyName;
using replication::KeyType;
using replication::SyncForm;

void Lane::SendSync(const KeyName& key) {
  std::string& text = worker_.scratch;
  text.clear();
  const uint32_t before = replication::AppendSyncRead(key, text);
  PushSync(key, before, text);
}

void Lane::PushSync(const KeyName& key, uint32_t before, std::string_view text) {
  out().Append(text);
  syncs_.Push() = key;
  if (before > 0) SentSkipped(before, 0);
  Push(Kind::kSync, RequestClass::kOther, text.size(), {});
}

void Lane::TakeSync(std::string_view frame, std::unique_lock<std::mutex>& lock) {
  if (!lock.owns_lock()) lock.lock();
  KeyName key = std::move(syncs_.front());
  syncs_.pop();
  if (replication::AsksForType(key) && frame.front() == '+') {
    key.type = replication::ParseKeyType(frame);
    if (key.type != KeyType::kNone && key.type != KeyType::kOther) return SendSync(key);
    worker_.core().replicator.FinishTypewiseSync(
        key, {}, key.type == KeyType::kNone ? ":-2\r\n" : ":-1\r\n", worker_.now_us());
  } else if (frame.starts_with("-EXECABORT")) {
    std::string& text = worker_.scratch;
    text.clear();
    replication::AppendSyncScript(key, text);
    return PushSync(key, 0, text);
  } else {
    FinishSync(key, frame);
  }
  const uint64_t hash = routing::KeyHash(key.db, key.name);
  worker_.core().replicator.gate().Leave(id_, {std::span(&hash, 1), false});
  worker_.WantFeed();
}

// Needs the replication lock.
void Lane::FinishSync(const KeyName& key, std::string_view frame) {
  replication::Replicator& replicator = worker_.core().replicator;
  const char* p = frame.data();
  const char* const end = p + frame.size();
  const routing::ReplyHead head = routing::ReadHead(p, end);
  if (!head.IsAggregate() || head.elements != 2) {
    return replicator.SyncReadRefused(key, worker_.now_us());
  }
  const std::string_view value = routing::FirstValue({p, static_cast<size_t>(end - p)});
  const std::string_view expiry(value.end(), static_cast<size_t>(end - value.end()));
  if (key.form == SyncForm::kDump) return replicator.FinishSync(key, value, expiry);
  replicator.FinishTypewiseSync(key, value, expiry, worker_.now_us());
}

}  // namespace crossfade::proxy
