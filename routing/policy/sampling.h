// Sampler: takes a share of events at random, the same ones for the same seed.
// Holds eight bytes, allocates nothing; one per worker, not thread-safe.
#pragma once

#include <cstdint>

#include "config/settings.h"

namespace crossfade::routing {

// The next of a sequence of well-mixed numbers: a Weyl sequence and a finaliser.
inline uint64_t NextRandom(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

class Sampler {
 public:
  explicit Sampler(uint64_t seed) : state_(seed) {}

  // Whether this event is among a share of so many in 1/10,000. None and all are
  // decided without drawing.
  bool Take(uint32_t share) {
    if (share == 0) return false;
    if (share >= config::kFullShare) return true;
    const uint64_t draw = ((NextRandom(state_) >> 32) * config::kFullShare) >> 32;
    return draw < share;
  }

 private:
  uint64_t state_;
};

}  // namespace crossfade::routing
