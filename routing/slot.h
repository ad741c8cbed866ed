// Hash slots as in Redis Cluster, and the 64-bit hash that the proxy knows a key by.
#pragma once

#include <cstdint>
#include <string_view>

namespace crossfade::routing {

// CRC16 (XMODEM) of the key, or of the first non-empty {tag} in it, mod 16384.
uint16_t HashSlot(std::string_view key);

// Identity of (db, key) in the gate and the filters; equal for equal pairs, and
// a collision only makes them wait for each other or be careful together.
uint64_t KeyHash(uint32_t db, std::string_view key);

// The bucket a key belongs to for percentages: 0..9999, the same in every proxy
// and for every db, independent of the hash slot.
uint32_t Bucket(std::string_view key);

}  // namespace crossfade::routing
