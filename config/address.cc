#include "config/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>

#include "config/secrets.h"
#include "config/tls.h"
#include "config/values.h"

namespace crossfade::config {
namespace {

constexpr std::string_view kExpectedListen = "host:port, [v6]:port or unix:PATH";
constexpr std::string_view kExpectedUrl = "redis[s]://[user:password@]host:port or unix:PATH";
constexpr uint16_t kDefaultPort = 6379;
constexpr size_t kHostMax = 253;

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool IsHostByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

bool IsV4(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool IsV6(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

Status CheckHost(const std::string& host) {
  if (host.empty()) return Fail("a host before the port");
  if (host.size() > kHostMax || !std::all_of(host.begin(), host.end(), IsHostByte)) {
    return Fail("a host name, an IPv4 address or an IPv6 address in brackets");
  }
  // A name can't end in a label of digits only, so this was meant as an address.
  const std::string last_label = host.substr(host.find_last_of('.') + 1);
  const bool digits = std::all_of(last_label.begin(), last_label.end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  if (digits && !IsV4(host)) return Fail("a valid IPv4 address or a host name");
  return {};
}

// host, host:port, [v6] or [v6]:port. Without a port, `default_port` holds; 0
// as default means that the port is required.
Result<Endpoint> ParseHostPort(std::string_view text, uint16_t default_port, uint16_t port_min) {
  Endpoint endpoint;
  std::optional<std::string_view> port;
  if (TakePrefix(text, "[")) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return Fail("] after the IPv6 address");
    endpoint.host = text.substr(0, end);
    if (!IsV6(endpoint.host)) return Fail("a valid IPv6 address in the brackets");
    text.remove_prefix(end + 1);
    if (TakePrefix(text, ":")) {
      port = text;
    } else if (!text.empty()) {
      return Fail("nothing but :port after the ]");
    }
  } else {
    const size_t colon = text.find(':');
    if (colon != text.rfind(':')) return Fail("brackets around an IPv6 address");
    endpoint.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (const Status host = CheckHost(endpoint.host); !host) return tl::unexpected(host.error());
  }
  if (!port && default_port != 0) {
    endpoint.port = default_port;
    return endpoint;
  }
  const Result<uint64_t> number = ParseCount(port.value_or(""));
  if (!number || *number < port_min || *number > 65'535) {
    return Fail("a port from " + std::to_string(port_min) + " to 65535 after the host");
  }
  endpoint.port = static_cast<uint16_t>(*number);
  return endpoint;
}

Result<Endpoint> ParseUnixPath(std::string_view path) {
  constexpr size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;
  if (!path.starts_with('/')) return Fail("an absolute path after unix:");
  if (path.size() > kPathMax || path.find('\0') != std::string_view::npos) {
    return Fail("a path of at most " + std::to_string(kPathMax) + " bytes after unix:");
  }
  Endpoint endpoint;
  endpoint.unix_path = path;
  endpoint.port = 0;
  return endpoint;
}

struct Login {
  std::string user;
  std::string password;
};

// Takes "user:password@" off the front. Passwords may hold an unencoded @ or /.
Result<Login> TakeLogin(std::string_view& rest, bool expand) {
  const size_t at = rest.rfind('@');
  Login login;
  if (at == std::string_view::npos) return login;
  const std::string_view text = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const auto decode = [&](std::string_view part) {
    return expand ? ExpandUrlPart(part) : DecodeUrlPart(part);
  };
  const size_t colon = text.find(':');
  Result<std::string> user = decode(text.substr(0, colon));
  if (!user) return tl::unexpected(user.error());
  login.user = std::move(*user);
  if (colon != std::string_view::npos) {
    Result<std::string> password = decode(text.substr(colon + 1));
    if (!password) return tl::unexpected(password.error());
    if (password->empty()) return Fail("a password between : and @ that is not empty");
    login.password = std::move(*password);
  } else if (login.user.empty()) {
    return Fail("user:password before the @");
  }
  return login;
}

// `expand`: ${NAME} is replaced part by part, so that a value from the
// environment can't be mistaken for the URL's own punctuation.
Result<Endpoint> ParseUrl(std::string_view text, bool expand) {
  const bool tls = TakePrefix(text, "rediss://");
  const bool tcp = tls || TakePrefix(text, "redis://");
  const bool local = !tcp && TakePrefix(text, "unix://");
  const bool path_only = !tcp && !local && TakePrefix(text, "unix:");
  if (!tcp && !local && !path_only) return Fail(std::string(kExpectedUrl));

  const Result<Login> login = path_only ? Result<Login>(Login{}) : TakeLogin(text, expand);
  if (!login) return tl::unexpected(login.error());
  Result<std::string> place = expand ? ExpandEnvironment(text) : std::string(text);
  if (!place) return tl::unexpected(place.error());

  Result<Endpoint> endpoint = Fail("");
  if (tcp) {
    std::string_view host_port = *place;
    const size_t slash = std::min(host_port.find_first_of("/?#"), host_port.size());
    const std::string_view tail = host_port.substr(slash);
    if (!tail.empty() && tail != "/" && tail != "/0") {
      return Fail("nothing after the port (clients choose the database)");
    }
    endpoint = ParseHostPort(host_port.substr(0, slash), kDefaultPort, 1);
  } else {
    endpoint = ParseUnixPath(*place);
  }
  if (!endpoint) return endpoint;
  endpoint->user = login->user;
  endpoint->password = login->password;
  if (tls) {
    auto settings = std::make_shared<TlsSettings>();
    settings->server_name = endpoint->host;
    endpoint->tls = std::move(settings);
  }
  return endpoint;
}

bool LooksLikePort(std::string_view text) {
  const bool digits =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return (digits && text.size() <= 5) || (text.starts_with("${") && text.ends_with('}'));
}

// One spelling per address.
std::string CanonicalHost(std::string host) {
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    host = inet_ntop(AF_INET6, &v6, text.data(), text.size());
    if (host.starts_with("::ffff:") && IsV4(host.substr(7))) host = host.substr(7);
  }
  return host == "localhost" ? "127.0.0.1" : host;
}

bool IsWildcard(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

bool IsLoopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

// The wildcard of a family takes the port of each of its addresses.
bool Covers(const std::string& wildcard, const std::string& host) {
  return IsWildcard(wildcard) && IsV6(wildcard) == IsV6(host);
}

}  // namespace

Result<Endpoint> ParseListenAddress(std::string_view text) {
  if (TakePrefix(text, "unix:")) {
    TakePrefix(text, "//");
    return ParseUnixPath(text);
  }
  if (text.find("://") != std::string_view::npos || text.find(':') == std::string_view::npos) {
    return Fail(std::string(kExpectedListen));
  }
  return ParseHostPort(text, 0, 0);
}

Result<Endpoint> ParseStoreUrl(std::string_view text) {
  // The whole URL may come from the environment; then its own rules hold.
  if (text.starts_with("${")) {
    const Result<std::string> url = ExpandEnvironment(text);
    if (!url) return tl::unexpected(url.error());
    return ParseUrl(*url, false);
  }
  return ParseUrl(text, true);
}

std::string RedactUrl(std::string_view text) {
  std::string shown;
  const size_t scheme = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz");
  if (scheme != std::string_view::npos && text.substr(scheme).starts_with("://")) {
    shown = text.substr(0, scheme + 3);
    text.remove_prefix(scheme + 3);
  } else if (TakePrefix(text, "unix:")) {
    shown = "unix:";
  }
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    shown += "***@";
    text.remove_prefix(at + 1);
  }
  if (text.starts_with('/')) return shown + std::string(text);
  const size_t end = std::min(text.find_first_of("/?#"), text.size());
  const std::string_view host_port = text.substr(0, end);
  const size_t colon = host_port.starts_with('[') ? host_port.find("]:") : host_port.find(':');
  if (colon == std::string_view::npos) {
    shown += host_port;
  } else {
    const size_t port = host_port.find(':', colon) + 1;
    shown += host_port.substr(0, port);
    shown += LooksLikePort(host_port.substr(port)) ? host_port.substr(port) : "***";
  }
  const std::string_view tail = text.substr(end);
  return shown + std::string(tail.size() <= 1 ? tail : "/***");
}

bool SameAddress(const Endpoint& a, const Endpoint& b) {
  if (a.unix_path.empty() != b.unix_path.empty()) return false;
  if (!a.unix_path.empty()) {
    return std::filesystem::path(a.unix_path).lexically_normal() ==
           std::filesystem::path(b.unix_path).lexically_normal();
  }
  const std::string host_a = CanonicalHost(a.host);
  const std::string host_b = CanonicalHost(b.host);
  // A store on ::1 and 127.0.0.1 at the same port is one store.
  const bool loopback =
      (host_a == "::1" || host_a == "127.0.0.1") && (host_b == "::1" || host_b == "127.0.0.1");
  return a.port == b.port && (host_a == host_b || loopback);
}

bool Collide(const Endpoint& a, const Endpoint& b) {
  if (!a.unix_path.empty() || !b.unix_path.empty()) return SameAddress(a, b);
  const std::string host_a = CanonicalHost(a.host);
  const std::string host_b = CanonicalHost(b.host);
  return a.port == b.port && a.port != 0 &&
         (host_a == host_b || Covers(host_a, host_b) || Covers(host_b, host_a));
}

bool Reaches(const Endpoint& target, const Endpoint& listen) {
  if (SameAddress(target, listen)) return true;
  const std::string host = CanonicalHost(target.host);
  return target.unix_path.empty() && listen.unix_path.empty() && target.port == listen.port &&
         IsWildcard(CanonicalHost(listen.host)) && (IsLoopback(host) || IsWildcard(host));
}

bool Advertisable(const Endpoint& endpoint) {
  if (!endpoint.unix_path.empty()) return true;
  return endpoint.port != 0 && !IsWildcard(CanonicalHost(endpoint.host));
}

bool IsLocal(const Endpoint& endpoint) {
  return !endpoint.unix_path.empty() || IsLoopback(CanonicalHost(endpoint.host));
}

}  // namespace crossfade::config
