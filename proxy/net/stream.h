// Stream: a connected, non-blocking socket and its bytes, plain or under TLS. A
// plain one makes the same system calls as the bare descriptor would. Owns the
// descriptor. For one thread at a time.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "proxy/net/tls.h"

namespace crossfade::proxy {

class Stream {
 public:
  Stream() = default;
  explicit Stream(int fd, std::unique_ptr<TlsStream> tls = nullptr)
      : fd_(fd), tls_(std::move(tls)) {}
  ~Stream() { Close(); }
  Stream(Stream&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), tls_(std::move(other.tls_)) {}
  Stream& operator=(Stream&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(tls_, other.tls_);
    return *this;
  }

  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  TlsStream* tls() const { return tls_.get(); }

  // From here on under TLS.
  void StartTls(std::unique_ptr<TlsStream> tls) { tls_ = std::move(tls); }

  // As recv, send and sendmsg. What Send did not take must be what the next call
  // begins with.
  ssize_t Receive(char* to, size_t room) {
    if (!tls_) [[likely]] {
      return recv(fd_, to, room, 0);
    }
    return tls_->Receive(to, room);
  }
  ssize_t Send(const char* data, size_t size) {
    if (!tls_) [[likely]] {
      return send(fd_, data, size, MSG_NOSIGNAL);
    }
    const iovec piece{const_cast<char*>(data), size};
    return tls_->Send(&piece, 1);
  }
  ssize_t Send(iovec* pieces, int count) {
    if (tls_) [[unlikely]] {
      return tls_->Send(pieces, count);
    }
    if (count == 1) return send(fd_, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = static_cast<size_t>(count);
    return sendmsg(fd_, &message, MSG_NOSIGNAL);
  }
  // Whether the Receive that returned `received` left nothing in the socket, so
  // that an event tells of more.
  bool Drained(size_t received, size_t room) const {
    return tls_ ? tls_->drained() : received < room;
  }
  // Why the last call failed, by errno.
  std::string Problem() const {
    return tls_ && !tls_->problem().empty() ? tls_->problem() : std::strerror(errno);
  }

  // Call EventLoop::Remove before.
  void Close() {
    if (fd_ < 0) return;
    if (tls_) tls_->Shutdown();
    tls_.reset();
    close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
  std::unique_ptr<TlsStream> tls_;
};

}  // namespace crossfade::proxy
