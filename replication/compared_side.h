// ComparedSide: what the follower has replied of a key that the authority holds too,
// reply by reply. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "replication/compare/key_state.h"

namespace crossfade::replication {

// What of a dump is the value's: not its format's version, nor the checksum.
std::string_view ValueOfDump(std::string_view payload);
// Whether commands tell all that the value is, as far as is known of its format: a
// hash's fields may have expiries from Redis 7.4 on.
bool CommandsTellAll(std::string_view payload);

struct ComparedSide {
  // The replies to DUMP and PEXPIRETIME, or to TYPE, what reads the value, PEXPIRETIME.
  void TakeDump(std::string_view frame);
  void TakeType(std::string_view frame) { type = ParseKeyType(frame); }
  void TakeValue(std::string_view frame);
  void TakeDeadline(std::string_view frame);

  bool told = false;    // there is a value, and digest is its
  bool others = false;  // there is one, and commands may tell that it is the same
  KeyType type = KeyType::kNone;
  uint64_t digest = 0;
  int64_t deadline_ms = -2;  // -2: no key, or not told; -1: none
};

// Of two types no values are the same.
constexpr uint64_t DigestOfType(KeyType type, uint64_t digest) {
  return digest ^ (uint64_t{static_cast<uint8_t>(type)} << 56);
}

}  // namespace crossfade::replication
