#include "routing/policy/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "routing/resp/number.h"

namespace crossfade::routing {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

bool IsMapped(const IpAddress& address) {
  return address.v6 && std::memcmp(address.bytes.data(), kMappedPrefix, sizeof kMappedPrefix) == 0;
}

IpAddress Unmapped(const IpAddress& address) {
  IpAddress v4;
  std::copy_n(address.bytes.begin() + sizeof kMappedPrefix, 4, v4.bytes.begin());
  return v4;
}

std::optional<IpAddress> ParseAsWritten(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  IpAddress address;
  address.v6 = text.find(':') != std::string_view::npos;
  if (inet_pton(address.v6 ? AF_INET6 : AF_INET, copy, address.bytes.data()) != 1) {
    return std::nullopt;
  }
  return address;
}

}  // namespace

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  const std::optional<IpAddress> address = ParseAsWritten(text);
  return address && IsMapped(*address) ? Unmapped(*address) : address;
}

std::optional<Network> Network::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = ParseAsWritten(text.substr(0, slash));
  if (!address) return std::nullopt;
  int64_t bits = address->v6 ? 128 : 32;
  if (slash != std::string_view::npos) {
    int64_t given = 0;
    if (!ParseInteger(text.substr(slash + 1), given) || given < 0 || given > bits) {
      return std::nullopt;
    }
    bits = given;
  }
  Network network;
  network.base_ = *address;
  if (IsMapped(*address) && bits >= kMappedBits) {
    network.base_ = Unmapped(*address);
    bits -= kMappedBits;
  }
  network.bits_ = static_cast<uint8_t>(bits);
  return network;
}

bool Network::Contains(const IpAddress& address) const {
  if (address.v6 != base_.v6) return false;
  const size_t whole = bits_ / 8;
  if (std::memcmp(address.bytes.data(), base_.bytes.data(), whole) != 0) return false;
  const int rest = bits_ % 8;
  if (rest == 0) return true;
  return ((address.bytes[whole] ^ base_.bytes[whole]) >> (8 - rest)) == 0;
}

}  // namespace crossfade::routing
