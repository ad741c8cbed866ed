// CompareStores: whether two Redis servers hold the same data, key by key in a
// canonical form, read over plain connections. It knows nothing of how the proxy
// compares. Both servers must be quiet but for expiry; keys that are about to
// expire are looked at again after they have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/redis_client.h"

namespace crossfade::test {

struct Difference {
  int db = 0;
  std::string key;
  std::string what;  // "missing", "extra", "type", "value", "expiry", "unreadable"
  std::string a;     // abbreviated
  std::string b;
};

struct StoreComparison {
  std::vector<Difference> differences;
  uint64_t keys_compared = 0;  // that existed on at least one side
};

// What of a stream's groups counts. A replica of Redis 7.0 is not told how many
// entries a group has read, nor of consumers that were made without being given
// an entry.
enum class Groups : uint8_t { kWhole, kAsReplicated };

StoreComparison CompareStores(uint16_t port_a, uint16_t port_b, int expiry_tolerance_ms = 50,
                              Groups groups = Groups::kWhole);

// For a test's message: the count and the first differences.
std::string Describe(const StoreComparison& comparison);

// The key's value in canonical order: sets and hashes sorted, scores as doubles,
// a stream with its ids, counters and groups, HyperLogLogs without their cached
// count. Nil when there is no key.
Value CanonicalValue(RedisClient& client, const std::string& key, Groups groups = Groups::kWhole);

// In all dbs of a store, but for the proxy's own.
size_t CountKeys(uint16_t port);

}  // namespace crossfade::test
