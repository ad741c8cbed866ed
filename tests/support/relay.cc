#include "tests/support/relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

namespace crossfade::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kHeldMax = 64 << 20;  // then the sender is not read from

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void Prepare(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void Reset(int fd) {
  const linger now{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(fd);
}

struct Piece {
  Clock::time_point due;
  std::string bytes;
};

// One direction of a link.
struct Pipe {
  std::deque<Piece> pieces;
  size_t held = 0;
  bool ended = false;  // the source has closed

  bool has_due(Clock::time_point now) const { return !pieces.empty() && pieces.front().due <= now; }

  void Read(int fd, Clock::time_point due) {
    char bytes[65536];
    const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
    if (n > 0) {
      pieces.push_back({due, std::string(bytes, static_cast<size_t>(n))});
      held += static_cast<size_t>(n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      ended = true;
    }
  }

  // False when the destination is gone.
  bool Write(int fd, Clock::time_point now) {
    while (has_due(now)) {
      std::string& bytes = pieces.front().bytes;
      const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      held -= static_cast<size_t>(n);
      bytes.erase(0, static_cast<size_t>(n));
      if (!bytes.empty()) return true;
      pieces.pop_front();
    }
    return true;
  }
};

}  // namespace

struct Relay::Link {
  int client = -1;
  int target = -1;
  Pipe up;    // client to target
  Pipe down;  // target to client
  bool disturbed = false;
};

Relay::Relay(uint16_t target_port, std::string marker)
    : target_port_(target_port), marker_(std::move(marker)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(lease_.port());
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 64) != 0) {
    std::perror("relay");
    std::abort();
  }
  ::fcntl(listener_, F_SETFL, O_NONBLOCK);
  thread_ = std::thread([this] { Run(); });
}

Relay::~Relay() {
  stop_ = true;
  thread_.join();
  ResetAll();
  ::close(listener_);
}

void Relay::ResetAll() {
  for (const auto& link : links_) {
    Reset(link->client);
    Reset(link->target);
  }
  links_.clear();
}

void Relay::Accept() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int target = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(target_port_);
  if (::connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(target);
    Reset(client);
    return;
  }
  Prepare(client);
  Prepare(target);
  auto link = std::make_unique<Link>();
  link->client = client;
  link->target = target;
  links_.push_back(std::move(link));
  ++accepted_;
}

bool Relay::IsPaused(const Link& link) const { return paused_ && link.disturbed; }

bool Relay::Serve(Link& link, short client_events, short target_events) {
  const auto now = Clock::now();
  if ((client_events & (POLLIN | POLLHUP | POLLERR)) != 0 && !link.up.ended) {
    link.up.Read(link.client, now);
    Piece* const piece = link.up.pieces.empty() ? nullptr : &link.up.pieces.back();
    if (piece != nullptr && piece->due == now) {
      link.disturbed = link.disturbed || piece->bytes.find(marker_) != std::string::npos;
      if (link.disturbed) piece->due += std::chrono::milliseconds(delay_ms_);
    }
  }
  if ((target_events & (POLLIN | POLLHUP | POLLERR)) != 0 && !link.down.ended) {
    link.down.Read(link.target, now);
  }
  const bool paused = IsPaused(link);
  if (!paused && (!link.up.Write(link.target, now) || !link.down.Write(link.client, now))) {
    return false;
  }
  const bool finished =
      (link.up.ended && link.up.pieces.empty()) || (link.down.ended && link.down.pieces.empty());
  return paused || !finished;
}

void Relay::Run() {
  std::vector<pollfd> polled;
  while (!stop_) {
    const auto now = Clock::now();
    polled.assign(1, {listener_, POLLIN, 0});
    for (const auto& link : links_) {
      const bool paused = IsPaused(*link);
      const auto events = [&](const Pipe& in, const Pipe& out) {
        int wanted = in.ended || in.held > kHeldMax ? 0 : POLLIN;
        if (!paused && out.has_due(now)) wanted |= POLLOUT;
        return static_cast<short>(wanted);
      };
      // A side that has closed would report it in every round: not polled.
      const auto side = [](int fd, short wanted) {
        return pollfd{wanted == 0 ? -1 : fd, wanted, 0};
      };
      polled.push_back(side(link->client, events(link->up, link->down)));
      polled.push_back(side(link->target, events(link->down, link->up)));
    }
    ::poll(polled.data(), polled.size(), 1);
    if (resets_done_ != resets_wanted_) {
      resets_done_ = resets_wanted_;
      ResetAll();
      continue;
    }
    size_t i = 1;
    for (auto it = links_.begin(); it != links_.end(); i += 2) {
      if (Serve(**it, polled[i].revents, polled[i + 1].revents)) {
        ++it;
        continue;
      }
      ::close((*it)->client);
      ::close((*it)->target);
      it = links_.erase(it);
    }
    if ((polled[0].revents & POLLIN) != 0) Accept();
  }
}

}  // namespace crossfade::test
