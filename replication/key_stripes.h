// KeyStripes: what is on its way to the follower, per key, as far as reads must
// know. Keys share a stripe by their hash, which only makes reads more careful.
// Guarded by the replication lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace crossfade::replication {

struct KeyStripe {
  uint32_t pending = 0;      // writes in flight, and log entries not applied
  uint32_t unanswered = 0;   // of those, sent to the follower
  uint64_t last_logged = 0;  // sequence number of the newest entry
  uint64_t last_sent = 0;    // of the newest entry sent to the follower
  uint64_t last_intent = 0;  // number of the newest write sent to the authority
};

class KeyStripes {
 public:
  KeyStripes() : stripes_(kCount) {}
  KeyStripe& Of(uint64_t key_hash) { return stripes_[key_hash & (kCount - 1)]; }
  const KeyStripe& Of(uint64_t key_hash) const { return stripes_[key_hash & (kCount - 1)]; }
  // Of what concerns every key (FLUSHALL and the like).
  KeyStripe& all() { return all_; }
  const KeyStripe& all() const { return all_; }
  // Nothing is counted as under way. Looks at every stripe: for tests.
  bool Quiet() const {
    const auto quiet = [](const KeyStripe& s) { return s.pending == 0 && s.unanswered == 0; };
    return quiet(all_) && std::all_of(stripes_.begin(), stripes_.end(), quiet);
  }

 private:
  static constexpr size_t kCount = 1u << 16;
  std::vector<KeyStripe> stripes_;
  KeyStripe all_;
};

}  // namespace crossfade::replication
