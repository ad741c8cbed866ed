#include <limits>
#include <unordered_map>

#include "config/check.h"
#include "proxy/lane/lane.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/request.h"
#include "routing/slot.h"

// What becomes of what is in flight when the connection is lost. A write's fate is
// unknown; a read is made again, once, if all that its session has in flight are
// reads on this lane: then nothing can overtake it, and no reply has to wait.
namespace crossfade::proxy {
namespace {

std::string LostText(std::string_view reason, std::string_view what_follows) {
  return "crossfade: the connection to the legacy store (authority) was lost: " +
         std::string(reason) + "; " + std::string(what_follows);
}

// Where the last `count` requests begin.
size_t LastRequests(std::string_view requests, uint32_t count) {
  routing::RequestDecoder decoder;
  std::vector<size_t> begins;
  for (size_t at = 0; at < requests.size(); at += decoder.length()) {
    const auto outcome = decoder.Decode(requests.data() + at, requests.data() + requests.size(),
                                        std::numeric_limits<int64_t>::max());
    CROSSFADE_CHECK(outcome == routing::RequestDecoder::Outcome::kRequest);
    begins.push_back(at);
  }
  CROSSFADE_CHECK(begins.size() >= count);
  return begins[begins.size() - count];
}

}  // namespace

void Lane::OnStoreLost(std::string_view reason) {
  FailInFlight(reason);
  may_send_again_ = true;
  scanner_.Reset();
  if (owner_ != nullptr) owner_->OnPinnedLost();
}

// Needs the replication lock.
void Lane::HoldSyncs(bool hold) {
  if (uncertain_ == hold) return;
  uncertain_ = hold;
  worker_.core().replicator.HoldSyncs(hold);
  if (hold) lost_run_id_ = connection_.link().run_id();
}

void Lane::OnStoreUnreachable(std::string_view reason) {
  // With another process behind the address, what was sent to the former is over;
  // and who has got as far as being refused has seen to it before.
  const bool over = !connection_.refused().empty() || connection_.link().run_id() != lost_run_id_;
  if (uncertain_ && over) {
    const std::lock_guard lock(worker_.core().mutex);
    HoldSyncs(false);
  }
  if (!in_flight_.empty()) FailAgain(reason);
  WakeWaiting();  // they will get the error
}

bool Lane::OnlyReads(const InFlight& item) const {
  const bool command = item.kind == Kind::kPlain || item.kind == Kind::kWrite;
  return command && item.type == RequestClass::kRead && !item.again && !item.to.session->closed();
}

std::unordered_set<const Session*> Lane::WhoOnlyReads() const {
  std::unordered_map<const Session*, uint32_t> reads;
  for (uint64_t i = in_flight_.head(); i != in_flight_.tail(); ++i) {
    const InFlight& item = in_flight_.At(i);
    if (OnlyReads(item)) reads[item.to.session] += item.count;
  }
  std::unordered_set<const Session*> sessions;
  for (const auto& [session, count] : reads) {
    if (session->in_flight() == count) sessions.insert(session);
  }
  return sessions;
}

// Of a run, those at its end have not been answered.
void Lane::KeepForAgain(InFlight item, size_t offset, std::vector<InFlight>& kept) {
  std::string requests;
  out().CopyUnanswered(offset, item.bytes, requests);
  requests.erase(0, LastRequests(requests, item.count));
  again_ += requests;
  item.kind = Kind::kPlain;
  item.again = true;
  item.bytes = requests.size();
  kept.push_back(item);
}

void Lane::FailInFlight(std::string_view reason) {
  Core& core = worker_.core();
  const std::string text = LostText(reason, "it is not known whether the command was executed");
  std::vector<Failed> failed;
  std::vector<InFlight> kept;
  std::unordered_set<const Session*> readers;
  if (may_send_again_ && owner_ == nullptr) readers = WhoOnlyReads();
  {
    const std::lock_guard lock(core.mutex);
    for (size_t offset = held_bytes_; !in_flight_.empty(); in_flight_.pop()) {
      const InFlight& item = in_flight_.front();
      const size_t begin = offset;
      offset += item.bytes;
      if (item.to.session != nullptr && readers.contains(item.to.session)) {
        KeepForAgain(item, begin, kept);
      } else {
        LoseItem(item, text, failed);
      }
    }
    // One whose reply had come, but not yet what was asked behind it.
    if (write_to_.session != nullptr) failed.insert(failed.begin(), {write_to_, 1});
    for (; !writes_.empty(); writes_.pop()) core.replicator.LoseWrite(id_, writes_.front());
  }
  write_to_ = {};
  held_bytes_ = 0;
  for (const InFlight& item : kept) in_flight_.Push() = item;
  Fail(failed, text);
}

// Needs the replication lock.
void Lane::LoseItem(const InFlight& item, std::string_view text, std::vector<Failed>& failed) {
  replication::Replicator& replicator = worker_.core().replicator;
  switch (item.kind) {
    case Kind::kPlain:
    case Kind::kWrite:
    case Kind::kGuarded:
      if (item.type != RequestClass::kRead) HoldSyncs(true);
      failed.push_back({item.to, item.count});
      break;
    case Kind::kConfirm:
      failed.push_back({item.to, 1});
      break;
    case Kind::kSync: {
      const uint64_t hash = routing::KeyHash(syncs_.front().db, syncs_.front().name);
      replicator.SyncReadFailed(syncs_.front());
      replicator.gate().Leave(id_, {std::span(&hash, 1), false});
      syncs_.pop();
      break;
    }
    case Kind::kVerify: {
      const uint64_t hash = replicator.verification().At(verifies_.front()).hash;
      replicator.gate().Leave(id_, {std::span(&hash, 1), false});
      replicator.VerifyReadFailed(verifies_.front());
      verifies_.pop();
      break;
    }
    case Kind::kAttempt:
      if (item.type != RequestClass::kRead) HoldSyncs(true);
      worker_.waking().Lost(attempts_.front(),
                            worker_.KeepForTurn("-ERR " + std::string(text) + "\r\n"));
      attempts_.pop();
      break;
    case Kind::kPoll:
      polls_.pop();
      break;
    case Kind::kSkip:
    case Kind::kDeadline:
      break;
  }
}

void Lane::Fail(const std::vector<Failed>& failed, std::string_view text) {
  for (const auto& [to, count] : failed) {
    for (uint32_t i = 0; i < count; ++i) to.session->Fail(to, ClientError::kStoreLost, text);
  }
}

void Lane::ReadWhenReady(ReplyTo to, std::string_view request) {
  Push(Kind::kPlain, RequestClass::kRead, request.size(), to);
  again_ += request;
}

void Lane::SendAgain() {
  for (uint64_t i = in_flight_.head(); i != in_flight_.tail(); ++i) {
    InFlight& item = in_flight_.At(i);
    item.sent_us = worker_.now_us();
    if (item.again) worker_.stats().authority_retries.Add(item.count);
  }
  out().Append(again_);
  std::string().swap(again_);
  worker_.QueueLaneFlush(this);
}

void Lane::FailAgain(std::string_view reason) {
  std::vector<Failed> failed;
  for (; !in_flight_.empty(); in_flight_.pop()) {
    failed.push_back({in_flight_.front().to, in_flight_.front().count});
  }
  std::string().swap(again_);
  Fail(failed, LostText(reason, "the read could not be made again"));
}

}  // namespace crossfade::proxy
