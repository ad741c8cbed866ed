// Quarantine: the keys that the follower has refused again and again, in every
// form, with the reason (design §7). They are dirty, so they are never read from
// the follower; they are tried again ever more rarely, at once when an operator
// says so, and leave when one try succeeds. Those that an operator has accepted
// stay listed, but stand in no gate's way. Guarded by the replication lock.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::replication {

struct QuarantinedKey {
  uint32_t db = 0;
  std::string name;
  std::string reason;  // the follower's, or the authority's, error
  int64_t first_seen_ms = 0;
  uint32_t attempts = 0;
  bool accepted = false;
};

class Quarantine {
 public:
  // So often refused one is quarantined; before, it may have been by chance.
  static constexpr uint32_t kAttempts = 3;

  // One more try has failed; true when the key enters by it.
  bool Refused(uint32_t db, std::string_view name, std::string_view reason, int64_t unix_ms);
  // It is in step now, or gone on both sides.
  void Taken(uint32_t db, std::string_view name);
  // False when the key is not quarantined.
  bool Accept(uint32_t db, std::string_view name);
  bool Contains(uint32_t db, std::string_view name) const;
  // Nothing is known of any key any more. What was accepted is remembered.
  void Clear();
  // What a former process has told: should the keys come again, it still holds.
  void Remember(const QuarantinedKey& key);

  size_t size() const { return quarantined_; }
  size_t accepted() const { return accepted_; }
  uint64_t changes() const { return changes_; }
  // In the order of their names, so many at most.
  std::vector<QuarantinedKey> List(size_t at_most) const;
  // What a next process is to remember: these, and those once accepted.
  std::vector<QuarantinedKey> Lasting(size_t at_most) const;

 private:
  struct Name {
    uint32_t db;
    std::string text;
    auto operator<=>(const Name&) const = default;
  };
  struct Entry {
    std::string reason;
    int64_t first_seen_ms = 0;
    uint32_t attempts = 0;
    bool accepted = false;
  };
  template <class F>
  std::vector<QuarantinedKey> Those(size_t at_most, F which) const;
  static bool In(const Entry& entry) { return entry.attempts >= kAttempts; }

  std::map<Name, Entry> entries_;
  size_t quarantined_ = 0;
  size_t accepted_ = 0;
  uint64_t changes_ = 0;
};

}  // namespace crossfade::replication
