#include "config/match_syntax.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "config/values.h"

namespace crossfade::config {
namespace {

constexpr const char* kExpectedNetwork = "a network such as 10.0.0.0/8 or fd00::/8";

// Clears the bits behind the prefix; whether any was set.
bool ClearHostBits(std::array<unsigned char, 16>& address, size_t bytes, uint64_t bits) {
  bool cleared = false;
  for (size_t i = 0; i < bytes; ++i) {
    const uint64_t kept = bits > i * 8 ? std::min<uint64_t>(bits - i * 8, 8) : 0;
    const auto mask = static_cast<unsigned char>(0xff00u >> kept);
    cleared = cleared || (address[i] & ~mask & 0xff) != 0;
    address[i] &= mask;
  }
  return cleared;
}

}  // namespace

Result<std::string> ParseNetwork(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  std::array<unsigned char, 16> address{};
  int family = AF_INET;
  if (inet_pton(AF_INET, host.c_str(), address.data()) != 1) {
    family = AF_INET6;
    if (inet_pton(AF_INET6, host.c_str(), address.data()) != 1) return Fail(kExpectedNetwork);
  }
  const size_t bytes = family == AF_INET ? 4 : 16;
  uint64_t bits = bytes * 8;
  if (slash != std::string_view::npos) {
    const Result<uint64_t> parsed = ParseCount(text.substr(slash + 1));
    if (!parsed || *parsed > bits) {
      return Fail("a prefix length from 0 to " + std::to_string(bits) + " after the /");
    }
    bits = *parsed;
  }
  const bool host_bits = ClearHostBits(address, bytes, bits);
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  inet_ntop(family, address.data(), canonical.data(), canonical.size());
  std::string network = std::string(canonical.data()) + "/" + std::to_string(bits);
  if (host_bits) return Fail("a network without host bits, such as " + network);
  return network;
}

Status CheckGlob(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') {
      if (++at == text.size()) return Fail("a character after the \\ at the end of the glob");
    } else if (text[at] == '[') {
      while (++at < text.size() && text[at] != ']') {
        if (text[at] == '\\') ++at;
      }
      if (at >= text.size()) return Fail("a ] after the [ of the glob");
    }
  }
  return {};
}

}  // namespace crossfade::config
