// HttpGuard: who may change something over the admin API. Pure; the HTTP server
// passes the headers it decides by.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace crossfade::proxy {

struct Refusal {
  int status = 0;
  std::string message;
};

struct MutationHeaders {
  std::string authorization;
  std::string host;
  std::string origin;
  std::string fetch_site;  // Sec-Fetch-Site
};

// 127.0.0.0/8, ::1 or localhost, without a port.
bool IsLoopback(std::string_view host);
// "127.0.0.1:80" -> "127.0.0.1", "[::1]:80" -> "::1".
std::string_view HostWithoutPort(std::string_view host);
// Takes the same time wherever the two differ.
bool SameSecret(const std::string& left, const std::string& right);

class HttpGuard {
 public:
  HttpGuard(std::string token, bool loopback_listener)
      : token_(std::move(token)), loopback_listener_(loopback_listener) {}

  std::optional<Refusal> CheckMutation(const MutationHeaders& headers) const;

 private:
  std::string token_;
  bool loopback_listener_;
};

}  // namespace crossfade::proxy
