// Store: a plain blocking connection to a real server that sends requests and
// returns whole reply frames, byte for byte. A broken connection ends the process.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "routing/resp/encode.h"
#include "routing/resp/number.h"
#include "routing/resp/reply.h"
#include "routing/resp/request.h"

namespace crossfade::test {

// The words of a command line, quotes and escapes as in an inline request.
class Words {
 public:
  explicit Words(std::string_view line) {
    if (!routing::SplitInline(line, storage_, views_)) {
      std::fprintf(stderr, "unbalanced quotes: %.*s\n", static_cast<int>(line.size()), line.data());
      std::abort();
    }
  }
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;
  std::span<const std::string_view> args() const { return views_; }

 private:
  std::string storage_;
  std::vector<std::string_view> views_;
};

class Store {
 public:
  explicit Store(uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      Die("connect");
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Store() { ::close(fd_); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  std::vector<std::string> Exchange(std::string_view requests, size_t replies) {
    while (!requests.empty()) {
      const ssize_t n = ::send(fd_, requests.data(), requests.size(), MSG_NOSIGNAL);
      if (n <= 0) Die("send");
      requests.remove_prefix(static_cast<size_t>(n));
    }
    std::vector<std::string> frames;
    while (frames.size() < replies) {
      const int64_t length = scanner_.Scan(buffer_.data(), buffer_.data() + buffer_.size());
      if (length < 0) Die("malformed reply");
      if (length > 0) {
        frames.push_back(buffer_.substr(0, static_cast<size_t>(length)));
        buffer_.erase(0, static_cast<size_t>(length));
        continue;
      }
      char bytes[65536];
      const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
      if (n <= 0) Die("recv");
      buffer_.append(bytes, static_cast<size_t>(n));
    }
    return frames;
  }

  std::string Call(std::span<const std::string_view> args) {
    std::string request;
    routing::AppendCommand(request, args);
    return Exchange(request, 1).front();
  }
  std::string Call(std::initializer_list<std::string_view> args) {
    return Call(std::span<const std::string_view>(args.begin(), args.size()));
  }
  std::string CallLine(std::string_view line) { return Call(Words(line).args()); }

  int64_t PexpireTime(std::string_view key) {
    const std::string reply = Call({"PEXPIRETIME", key});
    int64_t value = 0;
    if (!routing::ParseInteger(std::string_view(reply).substr(1, reply.size() - 3), value)) {
      Die("PEXPIRETIME");
    }
    return value;
  }

 private:
  [[noreturn]] static void Die(const char* what) {
    std::perror(what);
    std::abort();
  }

  int fd_;
  std::string buffer_;
  routing::ReplyScanner scanner_;
};

}  // namespace crossfade::test
