// Lane: attempts for clients that wait, and the questions of the slow poll.
#include "proxy/lane/lane.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/reply.h"

namespace crossfade::proxy {

void Lane::SentAttempt(replication::WaiterId waiter, uint32_t questions, bool recorded,
                       bool changes, size_t bytes) {
  if (recorded) AwaitJournalOfLastWrite();
  Attempt& attempt = attempts_.Push();
  attempt.waiter = waiter;
  attempt.questions = questions;
  attempt.seen = 0;
  attempt.recorded = recorded;
  attempt.refused = false;
  attempt.error.clear();
  const RequestClass type = changes ? RequestClass::kWrite : RequestClass::kRead;
  Push(Kind::kAttempt, type, bytes, {}).count = questions + 3;
}

void Lane::SendPoll(std::string_view request, std::vector<replication::WaiterId> waiters) {
  out().Append(request);
  polls_.Push() = std::move(waiters);
  Push(Kind::kPoll, RequestClass::kRead, request.size(), {});
}

replication::WriteRecord& Lane::OldestWrite() { return writes_.front(); }
void Lane::PopWrite() { writes_.pop(); }

// True when it was the last reply of the attempt.
bool Lane::TakeAttempt(InFlight& item, std::string_view frame, std::unique_lock<std::mutex>& lock) {
  if (--item.count > 0) {
    Attempt& attempt = attempts_.front();
    const bool error = frame.starts_with('-');
    const uint32_t place = attempt.seen++;
    if (place == 0) {
      attempt.refused = error;
    } else if (attempt.refused ? place == attempt.questions + 1 : error && attempt.error.empty()) {
      attempt.error.assign(frame);
    }
    return false;
  }
  worker_.stats().requests[0][static_cast<size_t>(item.type)].Record(
      worker_.now_us() - item.sent_us, 1);
  const Attempt attempt = std::move(attempts_.front());
  attempts_.pop();
  if (!lock.owns_lock()) lock.lock();
  worker_.waking().Finish(*this, attempt, frame);
  ResumeWaiting();  // writers may have waited for it
  return true;
}

void Lane::TakePoll(std::string_view frame, std::unique_lock<std::mutex>& lock) {
  if (!lock.owns_lock()) lock.lock();
  // An error proves nothing: perhaps this user may not ask.
  worker_.waking().FinishPoll(polls_.front(), frame != ":0\r\n");
  polls_.pop();
}

void Lane::ResumeWaiting() {
  if (ready()) WakeWaiting();
}

// They see for themselves what has become of the connection.
void Lane::WakeWaiting() {
  if (waiting_.empty()) return;
  std::vector<Session*> sessions;
  sessions.swap(waiting_);
  for (Session* session : sessions) {
    if (session != nullptr) session->Resume(Session::kLane);
  }
}

}  // namespace crossfade::proxy
