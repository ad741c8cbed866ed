#include "proxy/acceptor.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "proxy/net/socket.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

// So that a storm does not starve those who are connected.
constexpr int kAcceptsPerTurn = 16;
constexpr std::string_view kTooMany = "-ERR max number of clients reached\r\n";

}  // namespace

Acceptor::Acceptor(Core& core, int fd, size_t index)
    : core_(core), fd_(fd), index_(index), reserve_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

Acceptor::~Acceptor() {
  if (reserve_ >= 0) close(reserve_);
}

void Acceptor::OnEvents(const Readiness&) {
  const config::TlsPtr tls = core_.workers[0]->plan().plan->settings.listen[index_].tls;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    std::string peer;
    const int fd = Accept(fd_, peer);
    if (fd < 0) {
      if (errno != EMFILE && errno != ENFILE) return;
      // Left in the backlog it would wake the loop for ever.
      close(reserve_);
      const int refused = Accept(fd_, peer);
      if (refused >= 0) close(refused);
      reserve_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
      core_.workers[0]->stats().rejected.Add();
      return;
    }
    uint64_t clients = 0;
    for (const auto& worker : core_.workers) clients += worker->session_count.load();
    Worker* worker = core_.workers[next_++ % core_.workers.size()].get();
    if (clients >= core_.workers[0]->limits().clients) {
      core_.workers[0]->stats().rejected.Add();
      if (!tls) send(fd, kTooMany.data(), kTooMany.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      close(fd);
      continue;
    }
    if (worker->index() == 0) {
      worker->AddClient(fd, std::move(peer), tls);
    } else {
      worker->Post([worker, fd, peer, tls] { worker->AddClient(fd, peer, tls); });
    }
  }
}

}  // namespace crossfade::proxy
