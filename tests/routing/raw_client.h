// RawClient: a blocking connection that sends and receives bytes as they are,
// for what a RESP client would hide. Failures are test failures.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "routing/resp/reply.h"

namespace crossfade::test {

class RawClient {
 public:
  explicit RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const timeval timeout{30, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has hung up; what it said can still be read
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void FinishSending() { ::shutdown(fd_, SHUT_WR); }

  // One whole reply; empty when the connection ends before it is complete.
  std::string ReadFrame() {
    routing::ReplyScanner scanner;
    while (true) {
      const int64_t length = scanner.Scan(in_.data(), in_.data() + in_.size());
      EXPECT_NE(length, routing::ReplyScanner::kMalformed);
      if (length < 0) return {};
      if (length > 0) {
        std::string frame = in_.substr(0, static_cast<size_t>(length));
        in_.erase(0, static_cast<size_t>(length));
        return frame;
      }
      if (!Receive()) return {};
    }
  }
  // All until the server closes the connection.
  std::string ReadToEnd() {
    while (Receive()) {
    }
    return std::move(in_);
  }

 private:
  bool Receive() {
    char buffer[65536];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got > 0) in_.append(buffer, static_cast<size_t>(got));
    return got > 0;
  }

  int fd_;
  std::string in_;
};

}  // namespace crossfade::test
