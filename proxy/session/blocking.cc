// Session: blocking commands. The proxy blocks, not the store: the first attempt
// goes to the lane as a transaction, where Redis does not block; if it finds
// nothing the session waits in the waiting table, and holds nothing else.
#include <algorithm>

#include <utility>

#include "proxy/session/session.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

using replication::Waiter;

namespace {

// Where writes are not gated, one that was under way when the client began to
// wait may come to be executed behind its first attempt: it looks again soon.
constexpr int64_t kFirstRecheckUs = 10'000;
constexpr int64_t kLastRecheckUs = 1'000'000;

}  // namespace

// Attempts go on the shared lane also for those who have one of their own: EXEC
// would end what they watch.
Lane& Session::LaneOfWait() { return worker_.LaneOf(key_); }

Session::Step Session::SendBlocking(const routing::CommandSpec& spec, routing::Args args,
                                    std::string_view request) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  lane_ = &LaneOfWait();
  const Step step = SendFirstAttempt(spec, args, request);
  // While it is paused it waits for that lane, or at the gate for it.
  if (step != Step::kPaused && pinned_) lane_ = pinned_->lane.get();
  return step;
}

Session::Step Session::SendFirstAttempt(const routing::CommandSpec& spec, routing::Args args,
                                        std::string_view request) {
  const bool recorded = worker_.plan().mirrors;
  if (!recorded) LeaveGate();
  if (const Step step = NeedsLane(); step != Step::kDone) return Unpaused(step);
  if (!lane_->connection().may_multi()) return RefuseMulti();  // it would block the lane
  bool all = false;
  if (!HashKeys(spec, args, all)) return Refuse(&spec, args, ClientError::kRefused);
  routing::BlockingRequest wanted;
  const bool understood = !all && routing::ParseBlocking(spec, args, wanted);
  if (!understood) wanted = {};  // the store says what is wrong with it
  const int64_t timeout_us = wanted.timeout_ms * 1000;

  Core& core = worker_.core();
  const std::string given(understood ? std::string_view() : request);
  {
    std::unique_lock lock(core.mutex);
    if (!core.waiting.empty() && MustLetSettle(worker_.hashes)) return Step::kPaused;
    if (recorded && !EnterGate(worker_.hashes, all, true, lock)) return Step::kPaused;
    blocked_ = std::make_unique<Blocked>();
    if (timeout_us > 0) blocked_->timeout_us = worker_.now_us() + timeout_us;
    worker_.blocked().Add(this, id_);
    Waiter& waiter = core.waiting.Add(id_, key_.db, std::move(wanted));
    waiter.worker = worker_.index();
    waiter.lane = lane_->id();
    waiter.manner = lane_->manner();
    Protect(worker_.batch.next);
    ++in_flight_;
    worker_.waking().SendFirst(*lane_, waiter, given, worker_.hashes, all, recorded);
  }
  PauseFor(kBlocked);
  return Step::kTaken;
}

// ---- Writes that may serve those who wait

// Attempts that may find nothing are in flight for one of the keys: who is next
// if they do would otherwise be served behind others. Needs the lock.
bool Session::MustLetSettle(std::span<const uint64_t> hashes) {
  if (!worker_.core().waiting.Unsettled(lane_->id(), hashes)) return false;
  PauseFor(kLane);
  lane_->Wait(this);
  return true;
}

void Session::SendWakes(std::unique_lock<std::mutex>& lock) {
  if (!worker_.waking().planned()) return;
  lock.lock();
  worker_.waking().SendPlanned(*lane_);
  lock.unlock();
}

Session::Step Session::SendUnmirroredWrite(const routing::CommandSpec& spec, routing::Args args,
                                           std::string_view request) {
  if (const Step step = NeedsLane(); step != Step::kDone) return Unpaused(step);
  bool all = false;
  const bool known = HashKeys(spec, args, all);
  Core& core = worker_.core();
  std::unique_lock lock(core.mutex);
  if (MustLetSettle(worker_.hashes)) return Step::kPaused;
  if (known && core.waiting.WantsAny(worker_.hashes, all))
    worker_.waking().PlanBehind(*lane_, spec, args, all);
  lock.unlock();
  Protect(worker_.batch.next);
  const ReplyTo to = NewReply(Source::kAuthority, worker_.hashes);
  lane_->SentPlain(to, RequestClass::kWrite, request.size());
  Forward(request);
  SendWakes(lock);
  return Step::kDone;
}

// ---- While it waits

void Session::OnBlocked(bool recorded) {
  blocked_->recheck_us = recorded ? 0 : kFirstRecheckUs;
  const bool over = peer_closed_ || closing_;
  if (!recorded) blocked_->recheck_at_us = worker_.now_us() + kFirstRecheckUs;
  int64_t at_us = over ? worker_.now_us() : blocked_->recheck_at_us;
  if (blocked_->timeout_us > 0) at_us = std::min(at_us, blocked_->timeout_us);
  if (at_us != INT64_MAX) worker_.blocked().SetTimer(id_, at_us);
}

void Session::OnWaitTimer(int64_t now_us) {
  if (peer_closed_ || closing_) return EndWait(WaitEnd::kGone);
  Blocked& blocked = *blocked_;
  if (blocked.timeout_us > 0 && now_us >= blocked.timeout_us) return EndWait(WaitEnd::kTimeout);
  if (now_us >= blocked.recheck_at_us) {
    blocked.recheck_us *= 2;
    blocked.recheck_at_us =
        blocked.recheck_us > kLastRecheckUs ? INT64_MAX : now_us + blocked.recheck_us;
    const std::lock_guard lock(worker_.core().mutex);
    replication::WaitingTable& waiting = worker_.core().waiting;
    Waiter* waiter = waiting.Find(id_);
    if (waiter != nullptr && waiter->state == Waiter::State::kIdle) {
      waiting.WantWhereFirst(*waiter);
      if (!waiter->next.empty()) worker_.waking().Queue(*waiter);
    }
  }
  int64_t at_us = blocked.recheck_at_us;
  if (blocked.timeout_us > 0) at_us = std::min(at_us, blocked.timeout_us);
  if (at_us != INT64_MAX) worker_.blocked().SetTimer(id_, at_us);
}

// With an attempt in flight it ends when that is over, unless it was served.
void Session::EndWait(WaitEnd why) {
  {
    Core& core = worker_.core();
    const std::lock_guard lock(core.mutex);
    Waiter* waiter = core.waiting.Find(id_);
    if (waiter == nullptr) return;  // its reply is on its way here
    blocked_->ending = std::max(blocked_->ending, why);
    if (waiter->state == Waiter::State::kInFlight) {
      waiter->ending = true;
      return;
    }
    worker_.waking().Withdraw(*waiter);
  }
  AnswerWaitEnd(blocked_->ending);
}

void Session::OnAttemptOver() { EndWait(blocked_->ending); }

void Session::AnswerWaitEnd(WaitEnd why) {
  AnswerUnblock(why == WaitEnd::kError || why == WaitEnd::kUnblocked);
  switch (why) {
    case WaitEnd::kError:
      worker_.CountError(ClientError::kRefused);
      return FinishWait("-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    case WaitEnd::kGone:
      worker_.blocked().Remove(id_);
      blocked_.reset();
      --in_flight_;
      paused_ &= static_cast<uint16_t>(~kBlocked);
      if (!closed_) return Close();
      UnpinIfFree();
      return worker_.Forget(this);
    default:
      return FinishWait(resp3() ? "_\r\n" : "*-1\r\n");
  }
}

void Session::TakeWaited(std::string_view frame, uint64_t seq, uint64_t head) {
  Saw(head, 0);
  if (seq != 0 && worker_.plan().ack_both) {
    blocked_->held.assign(frame);
    worker_.AwaitApplied(seq, {this});
    return;
  }
  FinishWait(frame);
}

void Session::TakeApplied() { FinishWait(worker_.KeepForTurn(blocked_->held)); }

void Session::FinishWait(std::string_view frame) {
  AnswerUnblock(false);
  worker_.blocked().Remove(id_);
  blocked_.reset();
  Deliver({this}, frame);
  if (!closed_) Resume(kBlocked);
}

// ---- CLIENT UNBLOCK

void Session::Unblock(bool with_error, UnblockAnswer answer) {
  if (!blocked_ || blocked_->ending != WaitEnd::kNone) return answer(false);
  {
    const std::lock_guard lock(worker_.core().mutex);
    const Waiter* waiter = worker_.core().waiting.Find(id_);
    if (waiter == nullptr || !waiter->blocked) return answer(false);
  }
  blocked_->unblock_answer = std::move(answer);
  EndWait(with_error ? WaitEnd::kError : WaitEnd::kUnblocked);
}

void Session::AnswerUnblock(bool unblocked) {
  if (const UnblockAnswer answer = std::exchange(blocked_->unblock_answer, nullptr)) {
    answer(unblocked);
  }
}

}  // namespace crossfade::proxy
