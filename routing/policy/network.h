// Client addresses and networks in parsed form. Values; matching neither
// allocates nor fails. An IPv4 address written as IPv6 (::ffff:1.2.3.4), as
// dual-stack listeners report them, is that IPv4 address.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace crossfade::routing {

struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // of IPv4 the first four
  bool operator==(const IpAddress&) const = default;
};

// No port, no brackets, no zone.
std::optional<IpAddress> ParseIpAddress(std::string_view text);

class Network {
 public:
  // ADDRESS/BITS, or one address. Bits of the address beyond BITS don't count.
  static std::optional<Network> Parse(std::string_view text);
  bool Contains(const IpAddress& address) const;

 private:
  IpAddress base_;
  uint8_t bits_ = 0;
};

}  // namespace crossfade::routing
