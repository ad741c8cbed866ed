// Sends bytes to a loopback port and reads the answer to its end. Blocking.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace crossfade::test {

struct Exchange {
  int status = 0;  // 0: no answer
  std::string head;
  std::string body;
};

inline int ConnectLoopback(uint16_t port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{20, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return descriptor;
  }
  close(descriptor);
  return -1;
}

inline Exchange ExchangeBytes(uint16_t port, const std::string& bytes) {
  const int descriptor = ConnectLoopback(port);
  if (descriptor < 0) return {};
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t size = send(descriptor, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) break;
    sent += static_cast<size_t>(size);
  }
  std::string answer;
  char buffer[16 * 1024];
  for (ssize_t size; (size = recv(descriptor, buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(size));
  }
  close(descriptor);
  Exchange exchange;
  const size_t end = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 ") || end == std::string::npos) return exchange;
  exchange.status = std::atoi(answer.c_str() + 9);
  exchange.head = answer.substr(0, end + 2);
  exchange.body = answer.substr(end + 4);
  return exchange;
}

inline Exchange HttpCall(uint16_t port, const std::string& method, const std::string& path,
                         const std::string& headers = "", const std::string& body = "") {
  const std::string host = headers.find("Host:") == std::string::npos
                               ? "Host: 127.0.0.1:" + std::to_string(port) + "\r\n"
                               : "";
  const std::string length = body.empty() && method != "POST"
                                 ? ""
                                 : "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return ExchangeBytes(
      port, method + " " + path + " HTTP/1.1\r\n" + host + headers + length + "\r\n" + body);
}

}  // namespace crossfade::test
