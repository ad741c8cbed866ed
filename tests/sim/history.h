// History: every version that each key has had on the authority, in the order in
// which the authority made them. What clients and the follower are shown is
// judged by it. A version whose deadline has passed is no key, and still the same
// version: the stores' clocks need not agree on the moment.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/store.h"

namespace crossfade::sim {

struct Version {
  uint64_t stamp;  // the authority's command that made it
  int64_t time_us;
  Entry entry;
  uint64_t tag;  // whose command; see Tag in session.h
};

// A read of one key, from its dispatch to its reply.
struct ReadSeen {
  KeyId key;
  Args args;  // of a read of one key; empty for an element of MGET
  std::string_view reply;
  int64_t from_us;      // the value must have been current then or later
  size_t from_version;  // nor may it be older than this version, whatever the time
};

class History {
 public:
  History(Env& env, const Store& authority) : env_(env), authority_(authority) {}

  void Note(const Store::Change& change);
  // The number of the version after the command with this stamp; 0: before the first.
  size_t VersionAt(const KeyId& key, uint64_t stamp) const;
  size_t VersionAtTime(const KeyId& key, int64_t time_us) const;
  size_t latest(const KeyId& key) const { return VersionsOf(key).size(); }
  const std::vector<Version>& VersionsOf(const KeyId& key) const;
  // The oldest version that the read may have seen, or none: then it is wrong.
  std::optional<size_t> Find(const ReadSeen& read, int64_t tolerance_ms) const;
  std::string Show(const KeyId& key, size_t last) const;

 private:
  void Swap(const Store::Change& change);
  bool Shows(const ReadSeen& read, size_t version, int64_t tolerance_ms) const;

  Env& env_;
  const Store& authority_;
  std::map<KeyId, std::vector<Version>> keys_;
};

}  // namespace crossfade::sim
