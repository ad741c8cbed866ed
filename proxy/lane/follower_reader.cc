#include "proxy/lane/follower_reader.h"

#include <utility>

#include "proxy/control/log.h"
#include "proxy/mirror_events.h"
#include "proxy/ownership/lease_store.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/slot.h"

namespace crossfade::proxy {
namespace {

// Errors that say something of the store, not of the command or of the client's user.
bool StoreIsUnwell(std::string_view frame, const LaneKey& key) {
  if (frame.front() != '-') [[likely]]
    return false;
  if (key.user != 0 && frame.starts_with("-NOPERM")) return false;
  return routing::ClassifyError(frame) != routing::StoreError::kNone;
}

}  // namespace

FollowerReader::FollowerReader(Worker& worker, LaneKey key)
    : ConnectionHolder(worker, worker.core().follower(),
                       {.name = ConnectionName(worker.core().ownership.id(),
                                               "reader:" + std::to_string(worker.index()) + ":" +
                                                   std::to_string(key.db)),
                        .db = key.db,
                        .protocol = key.protocol,
                        .kill_former = false,
                        .login = worker.LoginOf(key.user)}),
      key_(key) {
  connection_.Open(worker.now_us());
}

void FollowerReader::Send(ReplyTo to, std::string_view request, uint64_t key_hash, bool one_key,
                          const FollowerReadTicket& ticket) {
  Read& read = reads_.Push();
  read = {to,       {connection_.out().Append(request), request.size()},
          key_hash, one_key,
          ticket,   worker_.now_us()};
}

void FollowerReader::OnStoreBytes() {
  std::unique_lock lock(worker_.core().mutex, std::defer_lock);
  InBuffer& in = connection_.in();
  const char* p = in.begin();
  const char* const end = in.end();
  while (p < end) {
    const int64_t length = scanner_.Scan(p, end);
    if (length == routing::ReplyScanner::kIncomplete) break;
    if (length < 0 || reads_.empty()) {
      if (lock.owns_lock()) lock.unlock();
      connection_.Drop("it sent what is not a reply");
      return;
    }
    const Read read = reads_.front();
    reads_.pop();
    TakeReply(read, {p, static_cast<size_t>(length)}, lock);
    connection_.out().Answered(read.request.size());
    p += length;
  }
  in.Consume(static_cast<size_t>(p - in.begin()));
}

void FollowerReader::KeysOf(const Read& read, bool names) {
  keys_.clear();
  if (read.one_key && !names) {
    keys_.push_back({{}, read.key_hash});
    return;
  }
  const char* p = read.request.data();
  decoder_.Decode(p, p + read.request.size(), INT64_MAX / 2);
  const routing::Args args(decoder_.args());
  if (read.one_key) {
    keys_.push_back({args[1], read.key_hash});
    return;
  }
  const routing::CommandSpec* spec = worker_.table().Find(args);
  if (spec == nullptr) return;
  routing::ExtractKeys(*spec, args, worker_.positions);
  for (const routing::KeyPosition& key : worker_.positions) {
    keys_.push_back({args[key.arg], routing::KeyHash(key_.db, args[key.arg])});
  }
}

// Needs the replication lock.
bool FollowerReader::Counts(const Read& read, std::string_view frame) {
  if (read.to.session->ordered()->must_retry(read.to.ordered)) return false;
  if (frame.front() == '-' || worker_.core().read_suspension.any()) return false;
  const replication::Replicator& replicator = worker_.core().replicator;
  KeysOf(read, !replicator.dirty().empty());
  if (keys_.empty()) return false;
  if (!replicator.ReadStillCounts(key_.db, keys_, read.ticket.sent_seq, read.ticket.era))
    return false;
  // A deadline may have passed on the follower that the authority has put off meanwhile.
  const bool pending = read.ticket.pending || replicator.AnyPending(keys_);
  return !pending || (keys_.size() == 1 && !routing::IsEmptyReply(frame));
}

void FollowerReader::TakeReply(const Read& read, std::string_view frame,
                               std::unique_lock<std::mutex>& lock) {
  const int64_t us = worker_.now_us() - read.sent_us;
  worker_.stats().requests[1][static_cast<size_t>(RequestClass::kRead)].Record(us, 1);
  worker_.read_latency(Source::kFollower).Add(us, worker_.now_us());
  if (StoreIsUnwell(frame, key_)) {
    connection_.link().NoteError(frame, worker_.now_us());
    worker_.breaker().Failed(read.ticket.permit, worker_.now_us());
  } else {
    worker_.breaker().Succeeded(read.ticket.permit);
  }
  if (!lock.owns_lock()) lock.lock();
  if (Counts(read, frame)) {
    read.to.session->Deliver(read.to, frame);
    return;
  }
  worker_.stats().follower_retries.Add();
  read.to.session->RetryOnAuthority(read.to.ordered, read.request);
}

void FollowerReader::OnStoreReady() { told_refused_ = false; }

void FollowerReader::OnStoreLost(std::string_view) {
  worker_.breaker().ConnectionLost(worker_.now_us());
  scanner_.Reset();
  for (; !reads_.empty(); reads_.pop()) {
    const Read& read = reads_.front();
    worker_.stats().follower_retries.Add();
    read.to.session->RetryOnAuthority(read.to.ordered, read.request);
  }
}

void FollowerReader::OnStoreUnreachable(std::string_view) {
  const std::string& refused = connection_.refused();
  if (refused.empty() || std::exchange(told_refused_, true)) return;
  const std::optional<StoreLogin> login = worker_.LoginOf(key_.user);
  log::Warn("a store refuses a user, whose reads the authority answers",
            {{"store", connection_.link().role()},
             {"user", login ? Printable(login->name) : std::string()},
             {"error", refused}});
}

void FollowerReader::Tick(int64_t now_us) {
  connection_.Tick(now_us);
  if (ready() && !reads_.empty() && Overdue(reads_.front().sent_us)) DropOverdue();
}

}  // namespace crossfade::proxy
