// Typewise: the commands that build a key anew where the follower does not take the
// authority's dump of it (an older format, another kind of store). Pure functions.
#pragma once

#include <cstddef>
#include <string_view>

#include "replication/compare/key_state.h"
#include "replication/effects.h"

namespace crossfade::replication {

// What the follower knows of streams; all else is in Redis 5.0.
struct TypewiseTarget {
  bool idle_consumers = true;   // 6.2: consumers to whom nothing is pending
  bool stream_counters = true;  // 7.0: entries ever added and read, greatest id deleted
};

// Of a store that says it is like Redis `version`: "6.2.14". Of an unknown one: all.
TypewiseTarget TargetOfVersion(std::string_view version);

// No command gets more of a value than this, unless one element alone is larger.
inline constexpr size_t kTypewiseElementsMax = 1000;
inline constexpr size_t kTypewiseBytesMax = 64 * 1024;

// In place of a hash's value: some of its fields have expiries.
inline constexpr std::string_view kFieldsExpire =
    "-FIELDEXPIRY fields of the hash have expiries\r\n";

// `replies` are those to AppendStateReads, `expiry_reply` that to PEXPIRETIME, read
// with them at once. The effect is MULTI … EXEC, whose second command is DEL; or DEL
// alone where there is no key. Of its replies only an error is a difference, one inside
// EXEC's too. Otherwise returns why the key can't be rebuilt, for people.
const char* DeriveTypewiseSync(KeyType type, std::string_view key, std::string_view replies,
                               std::string_view expiry_reply, const TypewiseTarget& target,
                               Effect& effect);

}  // namespace crossfade::replication
