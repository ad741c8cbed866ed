// HyperLogLog: what a string that holds one means. Two may hold the same in
// different bytes: one sparse, one dense, and each with a count cached or not.
// Pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crossfade::replication {

inline constexpr size_t kHllRegisters = 16384;
using HllRegisters = std::array<uint8_t, kHllRegisters>;

// False when `value` is not a whole HyperLogLog; `registers` is then of no use.
bool ReadHyperLogLog(std::string_view value, HllRegisters& registers);

// What stands in the header and is neither encoding nor cache: of a HyperLogLog alone.
std::string_view HllReserved(std::string_view value);

}  // namespace crossfade::replication
