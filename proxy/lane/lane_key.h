// LaneKey: what all commands on one connection to a store have in common. A
// connection never changes any of it while it is shared.
#pragma once

#include <compare>
#include <cstdint>

namespace crossfade::proxy {

enum class Protocol : uint8_t { kResp2 = 2, kResp3 = 3 };

struct LaneKey {
  uint32_t db = 0;
  Protocol protocol = Protocol::kResp2;
  uint32_t user = 0;  // 0: the store's own address tells

  auto operator<=>(const LaneKey&) const = default;
};

}  // namespace crossfade::proxy
