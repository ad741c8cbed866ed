#include "proxy/lane/lane.h"

#include <algorithm>

#include "config/limits.h"
#include "proxy/journal/intent_committer.h"
#include "proxy/ownership/lease_store.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/encode.h"
#include "routing/slot.h"

namespace crossfade::proxy {
namespace {

// An error is the whole transaction's.
std::string_view GuardedReply(std::string_view exec) {
  constexpr int kBefore = 3;
  const char* p = exec.data();
  const char* const end = p + exec.size();
  const routing::ReplyHead head = routing::ReadHead(p, end);
  if (!head.IsAggregate() || head.elements <= kBefore) return exec;
  std::string_view rest(p, static_cast<size_t>(end - p));
  for (int i = 0; i < kBefore; ++i) rest.remove_prefix(routing::FirstValue(rest).size());
  return routing::FirstValue(rest);
}

}  // namespace

Lane::Lane(Worker& worker, LaneKey key)
    : ConnectionHolder(worker, worker.core().authority(),
                       {.name = ConnectionName(worker.core().ownership.id(),
                                               "lane:" + std::to_string(worker.index()) + ":" +
                                                   std::to_string(key.db)),
                        .db = key.db,
                        .protocol = key.protocol,
                        .kill_former = true,
                        .login = worker.LoginOf(key.user)}),
      key_(key),
      id_(worker.core().TakeLaneId()),
      held_(!worker.owns()) {
  connection_.Open(worker.now_us());
}

Lane::~Lane() { worker_.core().GiveLaneId(id_); }

bool Lane::full() const {
  return const_cast<StoreConnection&>(connection_).out().unsent() > limits::kLaneUnsentMax;
}

Lane::InFlight& Lane::Push(Kind kind, RequestClass type, size_t bytes, ReplyTo to) {
  InFlight& item = in_flight_.Push();
  item = {kind, type, false, 1, bytes, to, worker_.now_us()};
  return item;
}

void Lane::SentPlain(ReplyTo to, RequestClass type, size_t bytes) {
  if (!in_flight_.empty() && to.ordered == ReplyTo::kUnordered) {
    InFlight& last = in_flight_.back();
    if (last.kind == Kind::kPlain && last.to.session == to.session && last.type == type &&
        last.to.ordered == ReplyTo::kUnordered && last.sent_us == worker_.now_us() && !last.again) {
      // Of a run the bytes are released together, with its last reply.
      ++last.count;
      last.bytes += bytes;
      return;
    }
  }
  Push(Kind::kPlain, type, bytes, to);
}

void Lane::SentSkipped(uint32_t count, size_t bytes) {
  Push(Kind::kSkip, RequestClass::kOther, bytes, {}).count = count;
}

replication::WriteRecord& Lane::NewWrite() {
  replication::WriteRecord& write = writes_.Push();
  write.deadlines_wanted = 0;
  write.deadlines.clear();
  write.deadlines_unknown = false;
  write.shadow = false;
  write.argc = 0;
  write.block = nullptr;
  if (write.script.what != replication::ScriptRun::What::kNone) write.script = {};
  write.db = key_.db;
  write.resp3 = key_.protocol == Protocol::kResp3;
  return write;
}

void Lane::AwaitJournalOfLastWrite() {
  last_intent_ = std::max(last_intent_, writes_.back().intent);
}

void Lane::SentWrite(ReplyTo to, RequestClass type, size_t bytes) {
  AwaitJournalOfLastWrite();
  Push(Kind::kWrite, type, bytes, to);
}

void Lane::SentGuarded(ReplyTo to, size_t bytes) {
  AwaitJournalOfLastWrite();
  SentSkipped(9, 0);
  Push(Kind::kGuarded, RequestClass::kWrite, bytes, to);
}

void Lane::Ask(const replication::AskBehind& ask, std::string_view key) {
  std::string& text = worker_.scratch;
  text.clear();
  routing::AppendCommand(text, {ask.length ? "XLEN" : "PEXPIRETIME", key});
  out().Append(text);
  ++writes_.back().deadlines_wanted;
  Push(Kind::kDeadline, RequestClass::kOther, text.size(), {});
}

void Lane::SetOwner(Session* owner) {
  if (owner_ != nullptr) worker_.core().SetStoreClient(owner_->id(), 0);
  owner_ = owner;
  if (owner_ != nullptr && connection_.ready()) {
    worker_.core().SetStoreClient(owner_->id(), connection_.client_id());
  }
}

void Lane::SentConfirmed(ReplyTo to, uint32_t count, size_t bytes) {
  Push(Kind::kConfirm, RequestClass::kOther, bytes, to).count = count;
}

void Lane::AllowLonger(int64_t ms) {
  constexpr int64_t kLongestUs = int64_t{1} << 60;
  in_flight_.back().sent_us += ms < kLongestUs / 1000 ? ms * 1000 : kLongestUs;
}

void Lane::MovedTo(const LaneKey& key) {
  key_ = key;
  connection_.MovedTo(key, worker_.LoginOf(key.user));
}

void Lane::SwitchProtocol(Protocol protocol) {
  std::string text;
  routing::AppendCommand(text, {"HELLO", std::to_string(static_cast<int>(protocol))});
  if (connection_.ready()) {
    SentSkipped(1, text.size());
    out().Append(text);
  }
  LaneKey key = key_;
  key.protocol = protocol;
  MovedTo(key);
}

void Lane::Hold(bool hold) {
  held_ = hold;
  ResumeWaiting();
}

void Lane::StopWaiting(Session* session) {
  std::replace(waiting_.begin(), waiting_.end(), session, static_cast<Session*>(nullptr));
}

// ---- Replies

void Lane::OnStoreBytes() {
  std::unique_lock lock(worker_.core().mutex, std::defer_lock);
  InBuffer& in = connection_.in();
  const char* p = in.begin();
  const char* const end = in.end();
  while (p < end) {
    const int64_t length = scanner_.Scan(p, end);
    if (length == routing::ReplyScanner::kIncomplete) break;
    if (length > 0 && owner_ != nullptr && TakePush({p, static_cast<size_t>(length)})) {
      p += length;
      continue;
    }
    if (length < 0 || in_flight_.empty()) {
      if (lock.owns_lock()) lock.unlock();
      may_send_again_ = false;
      connection_.Drop("it sent what is not a reply");
      return;
    }
    TakeReply({p, static_cast<size_t>(length)}, lock);
    p += length;
  }
  in.Consume(static_cast<size_t>(p - in.begin()));
  if (worker_.authority_busy()) [[unlikely]]
    worker_.CheckBusy();
}

// What the store sent unasked, or to confirm a subscription.
bool Lane::TakePush(std::string_view frame) {
  const bool confirmation = !in_flight_.empty() && in_flight_.front().kind == Kind::kConfirm;
  switch (owner_->TakePush(frame, confirmation)) {
    case PushKind::kNone:
      return false;
    case PushKind::kMessage:
      return true;
    case PushKind::kConfirmation:
      break;
  }
  InFlight& item = in_flight_.front();
  if (--item.count > 0) return true;
  Session* const session = item.to.session;
  out().Answered(item.bytes);
  in_flight_.pop();
  session->Confirmed();
  return true;
}

void Lane::TakeReply(std::string_view frame, std::unique_lock<std::mutex>& lock) {
  if (frame.front() == '-') [[unlikely]]
    connection_.link().NoteError(frame, worker_.now_us());
  InFlight& item = in_flight_.front();
  const uint64_t bytes = item.bytes;
  switch (item.kind) {
    case Kind::kPlain:
      TakePlain(item, frame, lock);
      return;
    case Kind::kSkip:
      if (--item.count > 0) return;
      break;
    case Kind::kConfirm:  // refused
      item.to.session->OnSubscribeRefused();
      item.to.session->Deliver(item.to, frame);
      break;
    case Kind::kWrite:
      TakeWrite(item, frame, lock);
      break;
    case Kind::kGuarded:
      TakeWrite(item, GuardedReply(frame), lock);
      break;
    case Kind::kDeadline:
      TakeDeadline(frame, lock);
      break;
    case Kind::kSync:
      TakeSync(frame, lock);
      break;
    case Kind::kVerify:
      if (!TakeVerify(frame, lock)) return;
      break;
    case Kind::kAttempt:
      if (!TakeAttempt(item, frame, lock)) return;
      break;
    case Kind::kPoll:
      TakePoll(frame, lock);
      break;
  }
  held_bytes_ += bytes;
  in_flight_.pop();
  if (write_to_.session != nullptr) return;  // the write's request is still wanted
  out().Answered(held_bytes_);
  held_bytes_ = 0;
}

void Lane::TakePlain(InFlight& item, std::string_view frame, std::unique_lock<std::mutex>& lock) {
  const int64_t us = worker_.now_us() - item.sent_us;
  worker_.stats().requests[0][static_cast<size_t>(item.type)].Record(us, 1);
  if (item.to.ordered != ReplyTo::kUnordered && item.type == RequestClass::kRead) {
    worker_.read_latency(Source::kAuthority).Add(us, worker_.now_us());
  }
  const ReplyTo to = item.to;
  const bool again = item.again;
  if (--item.count == 0) {
    out().Answered(item.bytes);
    in_flight_.pop();
  }
  if (to.ordered != ReplyTo::kUnordered) {
    if (!lock.owns_lock()) lock.lock();
    to.session->SawKeysOf(to.ordered);
    if (again) [[unlikely]]
      to.session->Saw(worker_.core().replicator.log().head_seq(), 0);
  }
  to.session->Deliver(to, frame);
}

void Lane::TakeWrite(InFlight& item, std::string_view frame, std::unique_lock<std::mutex>& lock) {
  worker_.stats().requests[0][static_cast<size_t>(item.type)].Record(
      worker_.now_us() - item.sent_us, 1);
  replication::WriteRecord& write = writes_.front();
  if (write.deadlines_wanted > 0) {
    held_reply_.assign(frame);
    write_to_ = item.to;
    return;
  }
  if (!lock.owns_lock()) lock.lock();
  FinishWrite(item.to, frame);
}

void Lane::TakeDeadline(std::string_view frame, std::unique_lock<std::mutex>& lock) {
  replication::WriteRecord& write = writes_.front();
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  const bool known = head.type == routing::ReplyType::kInteger;
  write.deadlines_unknown = write.deadlines_unknown || !known;
  write.deadlines.push_back(known ? head.number : -1);
  if (--write.deadlines_wanted > 0) return;
  if (!lock.owns_lock()) lock.lock();
  // It is used again, the reply's bytes must last to the turn's end.
  const ReplyTo to = write_to_;
  write_to_ = {};
  const std::string_view reply = worker_.KeepForTurn(held_reply_);
  if (held_reply_.capacity() > limits::kKeptReplyBytes) std::string().swap(held_reply_);
  FinishWrite(to, reply);
}

void Lane::FinishWrite(ReplyTo to, std::string_view reply) {
  Core& core = worker_.core();
  replication::WriteRecord& write = writes_.front();
  const uint64_t seq = core.replicator.FinishWrite(id_, write, reply, Worker::UnixMs());
  if (seq != 0) worker_.WantFeed();
  if (write.keys.all()) [[unlikely]]
    core.ownership.NoteKeyspaceWrite();
  to.session->Saw(core.replicator.log().head_seq(), 0);
  if (worker_.plan().ack_both && core.replicator.last_write_dirtied()) {
    worker_.stats().ack_timeouts.Add();  // answered before it is on both
  }
  const bool awaits =
      seq != 0 && worker_.plan().ack_both && !write.shadow && to.ordered != ReplyTo::kUnordered;
  writes_.pop();
  if (awaits) {
    to.session->ordered()->Hold(to.ordered, reply);
    worker_.AwaitApplied(seq, to);
    return;
  }
  to.session->Deliver(to, reply);
}

// ---- The connection

// Nothing has been sent that the authority owes an answer to.
bool Lane::AwaitsJournal() {
  const IntentCommitter* const journal = worker_.core().journal.get();
  return journal != nullptr && out().unanswered() == 0 && journal->Holds(last_intent_);
}

bool Lane::MaySend() {
  IntentCommitter* const journal = worker_.core().journal.get();
  if (journal == nullptr || journal->Commit(last_intent_)) return true;
  worker_.NoteLaneHeld();
  return false;
}

void Lane::OnStoreReady() {
  {
    const std::lock_guard lock(worker_.core().mutex);
    HoldSyncs(false);
  }
  if (owner_ != nullptr) {
    worker_.core().SetStoreClient(owner_->id(), connection_.client_id());
  }
  if (!in_flight_.empty()) SendAgain();
  WakeWaiting();
}

// What was sent before a script may have to wait for it too: replies are sent when
// all that came with them has run.
bool Lane::BehindScript(int64_t since_us) const {
  return in_flight_.head() < scripts_end_ && connection_.ready() &&
         in_flight_.At(in_flight_.head()).sent_us <= since_us;
}

// Who says that it is busy is not lost. It says so after a time of its own, which
// may well be ours.
void Lane::Tick(int64_t now_us) {
  constexpr int64_t kScriptPatienceUs = 1'000'000;
  connection_.Tick(now_us);
  if (worker_.authority_busy() || AwaitsJournal()) busy_us_ = now_us;
  if (connection_.ready() && !in_flight_.empty()) {
    const InFlight& first = in_flight_.front();
    const int64_t timeout = std::chrono::microseconds(worker_.limits().command_timeout).count() +
                            (in_flight_.head() < scripts_end_ ? kScriptPatienceUs : 0);
    if (now_us - std::max(first.sent_us, busy_us_) > timeout) {
      may_send_again_ = false;
      DropOverdue();
    }
  }
  if (connection_.ready() && !full()) WakeWaiting();
}

}  // namespace crossfade::proxy
