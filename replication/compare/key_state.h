// KeyState: what a key holds, read with ordinary commands and compared as clients
// see it, whatever the stores' versions and encodings. Stateless and thread-safe.
//
// Equal are: sets, hashes and sorted sets in any order, scores of the same double,
// HyperLogLogs of the same registers (sparse or dense, with or without a cached
// count), and streams with the same entries, last id, groups, and pending entries
// with their consumers. Of a stream does not count what stores of before 7.0 don't
// have (entries ever added and read, the greatest id deleted), what reads change
// (times and counts of delivery, consumers to whom nothing is pending), and how it
// is stored. Expiries are not part of it: a key's is asked for with PEXPIRETIME, and
// those of a hash's fields (from 7.4 on) are not looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crossfade::replication {

enum class KeyType : uint8_t { kNone, kString, kList, kSet, kZset, kHash, kStream, kOther };

// From the frame that TYPE replies; kOther: a module's type, or no such reply.
KeyType ParseKeyType(std::string_view type_reply);

// Appends the commands that read the whole state of a key of this type, and returns
// how many there are; none for kNone and kOther. A stream's needs Redis 6.0.
uint32_t AppendStateReads(KeyType type, std::string_view key, std::string& out);

// Equal digests: logically equal. `replies` are the complete RESP2 frames, in their
// order, one behind the other. A key that was gone by then has the digest of kNone.
// nullopt: an error, kOther, or not what these commands reply.
std::optional<uint64_t> StateDigest(KeyType type, std::string_view replies);

}  // namespace crossfade::replication
