#include "tests/support/tls_tunnel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace crossfade::test {
namespace {

constexpr int kPollMs = 20;  // how soon a stop is noticed

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void SetNoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int Dial(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    SetNoDelay(fd);
    return fd;
  }
  ::close(fd);
  return -1;
}

// Sends what it can of `pending` to the client.
bool Drain(int client, std::vector<char>& pending) {
  while (!pending.empty()) {
    const ssize_t n = ::send(client, pending.data(), pending.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    pending.erase(pending.begin(), pending.begin() + n);
  }
  return true;
}

}  // namespace

TlsTunnel::TlsTunnel(TunnelOptions options) : options_(std::move(options)) {
  std::signal(SIGPIPE, SIG_IGN);
  context_ = SSL_CTX_new(TLS_client_method());
  // So that what the other side refuses is offered at all.
  SSL_CTX_set_security_level(context_, 0);
  SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context_, options_.max_version);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (!options_.cert.empty()) {
    SSL_CTX_use_certificate_chain_file(context_, options_.cert.c_str());
    SSL_CTX_use_PrivateKey_file(context_, options_.key.c_str(), SSL_FILETYPE_PEM);
  }
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port());
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 128) != 0) {
    std::perror("the tunnel's listener");
    std::abort();
  }
  acceptor_ = std::thread([this] { Accept(); });
}

TlsTunnel::~TlsTunnel() {
  stop_ = true;
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
  SSL_CTX_free(context_);
}

std::string TlsTunnel::Problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void TlsTunnel::Accept() {
  while (!stop_) {
    pollfd waited{listener_, POLLIN, 0};
    if (::poll(&waited, 1, kPollMs) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    SetNoDelay(client);
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([this, client] { Serve(client); });
  }
}

void TlsTunnel::Fail() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  const std::lock_guard lock(mutex_);
  problem_ = reason != nullptr ? reason : "closed";
  ERR_clear_error();
}

void TlsTunnel::Serve(int client) {
  const int target = Dial(options_.target);
  SSL* ssl = SSL_new(context_);
  SSL_set_fd(ssl, target);
  const timeval limit{10, 0};
  if (target >= 0) ::setsockopt(target, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (target >= 0 && SSL_connect(ssl) == 1) {
    ::fcntl(target, F_SETFL, ::fcntl(target, F_GETFL) | O_NONBLOCK);
    if (Forward(client, ssl)) {
      SSL_shutdown(ssl);
    } else {
      Fail();
    }
  } else {
    Fail();
  }
  SSL_free(ssl);
  if (target >= 0) ::close(target);
  ::close(client);
}

// Until an end; true when it was the client's, or an orderly one.
bool TlsTunnel::Forward(int client, SSL* ssl) {
  std::vector<char> pending;  // for the client
  std::array<char, 64 * 1024> bytes;
  bool sending_blocked = false;
  std::vector<char> unsent;  // for the target, waiting for a record to be taken
  while (!stop_) {
    ERR_clear_error();
    if (!unsent.empty()) {
      const size_t most =
          options_.record > 0 ? std::min(options_.record, unsent.size()) : unsent.size();
      const int n = SSL_write(ssl, unsent.data(), static_cast<int>(most));
      if (n > 0) unsent.erase(unsent.begin(), unsent.begin() + n);
      const int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, n);
      sending_blocked = error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ;
      if (n <= 0 && !sending_blocked) return false;
    }
    bool received = false;
    while (pending.size() < bytes.size()) {
      const int n = SSL_read(ssl, bytes.data(), static_cast<int>(bytes.size()));
      if (n > 0) {
        pending.insert(pending.end(), bytes.data(), bytes.data() + n);
        received = true;
        continue;
      }
      const int error = SSL_get_error(ssl, n);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) break;
      Drain(client, pending);
      return error == SSL_ERROR_ZERO_RETURN;
    }
    if (!Drain(client, pending)) return true;
    if (received || (!unsent.empty() && !sending_blocked)) continue;
    const short to_client = pending.empty() ? 0 : POLLOUT;
    const short from_client = unsent.empty() ? POLLIN : 0;
    const short to_target = sending_blocked ? POLLOUT : 0;
    pollfd waited[2] = {{client, static_cast<short>(to_client | from_client), 0},
                        {SSL_get_fd(ssl), static_cast<short>(POLLIN | to_target), 0}};
    ::poll(waited, 2, kPollMs);
    if (!unsent.empty()) continue;
    const ssize_t n = ::recv(client, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n == 0) return true;
    if (n < 0 && errno != EAGAIN && errno != EINTR) return true;
    if (n > 0) unsent.assign(bytes.data(), bytes.data() + n);
  }
  return true;
}

}  // namespace crossfade::test
