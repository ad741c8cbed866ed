#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace crossfade::test {
namespace {

std::string Exchange(int fd, uint16_t port, std::string_view request, std::string& why) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    why = std::string("connect: ") + std::strerror(errno);
    return {};
  }
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    why = "the request was not sent";
    return {};
  }
  std::string received;
  char bytes[16384];
  ssize_t n;
  while ((n = ::recv(fd, bytes, sizeof bytes, 0)) > 0)
    received.append(bytes, static_cast<size_t>(n));
  if (n < 0) why = std::string("recv: ") + std::strerror(errno);
  return received;
}

std::string Unchunk(std::string_view body) {
  std::string out;
  while (!body.empty()) {
    const size_t line = body.find("\r\n");
    if (line == std::string_view::npos) break;
    const size_t size = std::strtoul(std::string(body.substr(0, line)).c_str(), nullptr, 16);
    if (size == 0) break;
    body.remove_prefix(line + 2);
    out += body.substr(0, size);
    body.remove_prefix(std::min(body.size(), size + 2));
  }
  return out;
}

}  // namespace

HttpAnswer HttpRequest(uint16_t port, const std::string& method, const std::string& path,
                       const std::string& body, std::chrono::milliseconds timeout) {
  const std::string request =
      method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
      "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{timeout.count() / 1000, timeout.count() % 1000 * 1000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string why;
  const std::string received = Exchange(fd, port, request, why);
  ::close(fd);
  const size_t split = received.find("\r\n\r\n");
  if (received.rfind("HTTP/1.1 ", 0) != 0 || split == std::string::npos) {
    return {0, why.empty() ? "no HTTP answer: " + received.substr(0, 100) : why};
  }
  HttpAnswer answer{std::atoi(received.c_str() + 9), received.substr(split + 4)};
  if (received.substr(0, split).find("chunked") != std::string::npos) {
    answer.body = Unchunk(answer.body);
  }
  return answer;
}

}  // namespace crossfade::test
