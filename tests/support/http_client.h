// One HTTP/1.1 request to a loopback port, answer read to its end. Blocking,
// stateless; a failure is a status of 0 with the reason as the body.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace crossfade::test {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

HttpAnswer HttpRequest(uint16_t port, const std::string& method, const std::string& path,
                       const std::string& body = "",
                       std::chrono::milliseconds timeout = std::chrono::seconds(10));

}  // namespace crossfade::test
