#include "proxy/auth/auth_desk.h"

#include <algorithm>

#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {
namespace {

constexpr int64_t kProbeEveryUs = 500'000;

}  // namespace

// A store that takes our connections without a password takes clients' too,
// until it says otherwise.
AuthDesk::AuthDesk(Worker& worker)
    : ConnectionHolder(worker, worker.core().authority(), {.name = "", .bare = true}),
      anonymous_(worker.core().authority().endpoint().password.empty() ? Anonymous::kOpen
                                                                       : Anonymous::kUnknown) {
  connection_.Open(worker.now_us());
}

void AuthDesk::Send(Sent what, std::string_view request) {
  sent_.push_back(what);
  connection_.out().Append(request);
}

void AuthDesk::Check(Session* session, std::string request) {
  questions_.push_back({session, std::move(request), worker_.now_us()});
  if (!connection_.ready()) return;  // asked when it is
  Send(Sent::kCheck, questions_.back().request);
  std::string reset;
  routing::AppendCommand(reset, {"RESET"});
  Send(Sent::kReset, reset);
}

void AuthDesk::Delay(Session* session, int64_t due_us) { delayed_.push_back({session, due_us}); }

bool AuthDesk::Delays(const Session* session) const {
  return std::any_of(delayed_.begin(), delayed_.end(),
                     [session](const Delayed& item) { return item.session == session; });
}

void AuthDesk::Forget(Session* session) {
  for (Question& question : questions_) {
    if (question.session == session) question.session = nullptr;
  }
  std::erase_if(delayed_, [session](const Delayed& item) { return item.session == session; });
  std::erase(waiting_, session);
}

void AuthDesk::SendProbe() {
  std::string text;
  routing::AppendCommand(text, {"RESET"});
  Send(Sent::kReset, text);
  text.clear();
  routing::AppendCommand(text, {"PING"});
  Send(Sent::kPing, text);
  probe_wanted_ = false;
  probing_ = true;
  probed_sessions_ = worker_.next_session_id();
  next_probe_us_ = worker_.now_us() + kProbeEveryUs;
}

void AuthDesk::Tick(int64_t now_us) {
  connection_.Tick(now_us);
  if (!questions_.empty() && Overdue(questions_.front().asked_us)) {
    if (connection_.ready()) DropOverdue();
    Answer("-ERR crossfade: the " + connection_.link().role() +
           " store (authority) did not check the password in time\r\n");
  }
  const bool due = probe_wanted_ && !probing_ && can_probe_ && now_us >= next_probe_us_;
  if (due && connection_.ready()) SendProbe();
  for (size_t i = 0; i < delayed_.size();) {
    if (delayed_[i].due_us > now_us) {
      ++i;
      continue;
    }
    Session* session = delayed_[i].session;
    delayed_.erase(delayed_.begin() + static_cast<std::ptrdiff_t>(i));
    session->OnAuthDue();
  }
}

// ---- Replies

void AuthDesk::OnStoreBytes() {
  InBuffer& in = connection_.in();
  const char* p = in.begin();
  const char* const end = in.end();
  while (p < end) {
    const int64_t length = scanner_.Scan(p, end);
    if (length == routing::ReplyScanner::kIncomplete) break;
    if (length < 0 || sent_.empty()) return connection_.Drop("it sent what is not a reply");
    const Sent what = sent_.front();
    sent_.pop_front();
    TakeReply(what, {p, static_cast<size_t>(length)});
    p += length;
  }
  in.Consume(static_cast<size_t>(p - in.begin()));
  if (sent_.empty()) connection_.out().ReleaseSent();
}

void AuthDesk::TakeReply(Sent what, std::string_view frame) {
  switch (what) {
    case Sent::kCheck:
      return Answer(frame);
    case Sent::kReset:
      if (frame.front() == '-') can_probe_ = false;
      return;
    case Sent::kPing:
      probing_ = false;
      // Without RESET the connection is still ours: then nobody else may do as we.
      if (!can_probe_) {
        return Decide(worker_.core().authority().endpoint().password.empty() ? Anonymous::kOpen
                                                                             : Anonymous::kClosed);
      }
      return Decide(frame.starts_with("-NOAUTH") ? Anonymous::kClosed : Anonymous::kOpen);
  }
}

void AuthDesk::Answer(std::string_view reply) {
  if (questions_.empty()) return;
  Session* session = questions_.front().session;
  questions_.pop_front();
  if (session != nullptr) session->OnAuthChecked(reply);
}

// A password was set: who came since the last look at it came too late.
void AuthDesk::Decide(Anonymous now) {
  anonymous_ = now;
  if (now == Anonymous::kOpen) {
    verified_sessions_ = probed_sessions_;
  } else {
    worker_.RestrictAnonymous(verified_sessions_);
  }
  std::vector<Session*> waiting;
  waiting.swap(waiting_);
  for (Session* session : waiting) session->Resume(Session::kAuth);
}

// ---- The connection

void AuthDesk::OnStoreReady() {
  std::string reset;
  routing::AppendCommand(reset, {"RESET"});
  for (const Question& question : questions_) {
    Send(Sent::kCheck, question.request);
    Send(Sent::kReset, reset);
  }
  probe_wanted_ = true;
  next_probe_us_ = 0;
}

// What was not answered is asked again: to ask twice does no harm.
void AuthDesk::OnStoreLost(std::string_view) {
  scanner_.Reset();
  sent_.clear();
  probing_ = false;
}

void AuthDesk::OnStoreUnreachable(std::string_view reason) {
  const std::string reply = "-ERR crossfade: the " + connection_.link().role() +
                            " store (authority) is not reachable: " + std::string(reason) + "\r\n";
  while (!questions_.empty()) Answer(reply);
  std::vector<Session*> waiting;
  waiting.swap(waiting_);
  for (Session* session : waiting) session->Resume(Session::kAuth);
}

}  // namespace crossfade::proxy
