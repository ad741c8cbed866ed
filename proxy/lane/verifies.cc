// Lane: keys that are read to be verified. Each is in the gate from the first
// question on until the last reply has become an entry of the mirror log.
#include "proxy/lane/lane.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

// Needs the replication lock.
void Lane::SendVerify(replication::Verification::Slot slot) {
  std::string& text = worker_.scratch;
  text.clear();
  worker_.core().replicator.AskVerify(slot, text);
  out().Append(text);
  verifies_.Push() = slot;
  Push(Kind::kVerify, RequestClass::kOther, text.size(), {});
}

// True when nothing more comes to what was asked together.
bool Lane::TakeVerify(std::string_view frame, std::unique_lock<std::mutex>& lock) {
  if (!lock.owns_lock()) lock.lock();
  replication::Replicator& replicator = worker_.core().replicator;
  const replication::Verification::Slot slot = verifies_.front();
  // The place may be another key's once all is known.
  const uint64_t hash = replicator.verification().At(slot).hash;
  switch (replicator.TakeVerifyReply(slot, frame)) {
    case replication::VerifyStep::kMore:
      return false;
    case replication::VerifyStep::kAskMore:
      verifies_.pop();
      SendVerify(slot);
      return true;
    case replication::VerifyStep::kDone:
      break;
  }
  replicator.gate().Leave(id_, {std::span(&hash, 1), false});
  verifies_.pop();
  worker_.WantFeed();
  return true;
}

}  // namespace crossfade::proxy
