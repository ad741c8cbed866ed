#include "proxy/lane/follower_admin.h"

#include "proxy/ownership/lease_store.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

FollowerAdmin::FollowerAdmin(Worker& worker)
    : ConnectionHolder(worker, worker.core().follower(),
                       {.name = ConnectionName(worker.core().ownership.id(),
                                               "admin:" + std::to_string(worker.index()))}) {
  connection_.Open(worker.now_us());
}

void FollowerAdmin::Run(ReplyTo to, std::string_view request, std::string reply) {
  connection_.out().Append(request);
  commands_.Push() = {to, std::move(reply), request.size(), worker_.now_us()};
}

void FollowerAdmin::Refuse(const Command& command, std::string_view reason) {
  Core& core = worker_.core();
  command.to.session->Fail(command.to, ClientError::kRefused,
                           "crossfade: done on the " + core.authority().role() +
                               " store (authority), but not on the " + core.follower().role() +
                               " store (follower): " + std::string(reason));
}

void FollowerAdmin::RefuseAll(std::string_view reason) {
  while (!commands_.empty()) {
    const Command command = std::move(commands_.front());
    commands_.pop();
    Refuse(command, reason);
  }
}

void FollowerAdmin::OnStoreBytes() {
  InBuffer& in = connection_.in();
  const char* p = in.begin();
  const char* const end = in.end();
  while (p < end) {
    const int64_t length = scanner_.Scan(p, end);
    if (length == routing::ReplyScanner::kIncomplete) break;
    if (length < 0 || commands_.empty()) return connection_.Drop("it sent what is not a reply");
    const std::string_view frame(p, static_cast<size_t>(length));
    const Command command = std::move(commands_.front());
    commands_.pop();
    connection_.out().Answered(command.bytes);
    if (frame.front() == '-') {
      Refuse(command, frame.substr(1, frame.size() - 3));
    } else {
      command.to.session->Deliver(command.to, worker_.KeepForTurn(command.reply));
    }
    p += length;
  }
  in.Consume(static_cast<size_t>(p - in.begin()));
}

void FollowerAdmin::Tick(int64_t now_us) {
  connection_.Tick(now_us);
  if (!commands_.empty() && Overdue(commands_.front().since_us)) DropOverdue();
}

void FollowerAdmin::OnStoreLost(std::string_view reason) {
  scanner_.Reset();
  RefuseAll(std::string(reason) + "; it may have been executed there");
}

void FollowerAdmin::OnStoreUnreachable(std::string_view reason) {
  connection_.out().Clear();
  RefuseAll("it is not reachable: " + std::string(reason));
}

}  // namespace crossfade::proxy
