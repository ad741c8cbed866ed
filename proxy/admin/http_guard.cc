#include "proxy/admin/http_guard.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>

namespace crossfade::proxy {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest Sha256(const std::string& text) {
  Digest digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

// A browser names the page that sends a request; curl and the CLI do not.
bool FromForeignPage(const MutationHeaders& headers) {
  if (!headers.fetch_site.empty() && headers.fetch_site != "same-origin" &&
      headers.fetch_site != "none") {
    return true;
  }
  return !headers.origin.empty() && headers.origin != "http://" + headers.host &&
         headers.origin != "https://" + headers.host;
}

bool DottedLoopback(std::string_view host) {
  if (!host.starts_with("127.")) return false;
  int dots = 0;
  for (char c : host) {
    if (c == '.') {
      ++dots;
    } else if (c < '0' || c > '9') {
      return false;
    }
  }
  return dots == 3;
}

}  // namespace

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || DottedLoopback(host);
}

std::string_view HostWithoutPort(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end == std::string_view::npos ? std::string_view{} : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

bool SameSecret(const std::string& left, const std::string& right) {
  const Digest a = Sha256(left);
  const Digest b = Sha256(right);
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<Refusal> HttpGuard::CheckMutation(const MutationHeaders& headers) const {
  if (FromForeignPage(headers)) {
    return Refusal{403, "refused: the request comes from another site's page"};
  }
  if (!token_.empty()) {
    constexpr std::string_view kScheme = "Bearer ";
    if (headers.authorization.compare(0, kScheme.size(), kScheme) != 0) {
      return Refusal{401, "a token is needed: send 'Authorization: Bearer TOKEN' (admin.token)"};
    }
    if (!SameSecret(headers.authorization.substr(kScheme.size()), token_)) {
      return Refusal{401, "the token is not the one of admin.token"};
    }
    return std::nullopt;
  }
  if (!loopback_listener_) {
    return Refusal{403,
                   "without admin.token nothing can be changed over an address that is not "
                   "loopback; set admin.token, or reload with SIGHUP"};
  }
  // A name that a stranger's DNS points at 127.0.0.1 arrives here as Host.
  if (!IsLoopback(HostWithoutPort(headers.host))) {
    return Refusal{403, "refused: Host must be a loopback address or localhost"};
  }
  return std::nullopt;
}

}  // namespace crossfade::proxy
