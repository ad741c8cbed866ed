// Wide: 128 bits of a strong hash, and how those of parts become that of the whole.
// Pure functions.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crossfade::replication {

struct Wide {
  uint64_t high = 0;
  uint64_t low = 0;

  uint64_t Folded() const { return high ^ low; }
};

inline Wide HashOf(const void* bytes, size_t size, uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, size, seed);
  return {hash.high64, hash.low64};
}

inline Wide HashOf(std::string_view text, uint64_t seed = 0) {
  return HashOf(text.data(), text.size(), seed);
}

// Order counts.
inline Wide Chain(Wide before, Wide next) {
  const uint64_t parts[4] = {before.high, before.low, next.high, next.low};
  return HashOf(parts, sizeof parts, 0);
}

// Order does not count, repetitions do: a sum of strong hashes.
inline Wide Sum(Wide a, Wide b) { return {a.high + b.high, a.low + b.low}; }

// Stores write doubles in different ways; their value is what counts. False when
// the text is no number.
bool NumberOf(std::string_view text, double& number);

}  // namespace crossfade::replication
