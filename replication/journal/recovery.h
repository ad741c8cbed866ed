// Recovery: what a journal left behind tells of the follower: nothing, that it
// is ours but how far is not known, or that it is as the authority but for the
// keys of intents that are not done. Fed segment by segment, in their order;
// keeps only what is open. Never takes for clean what it could not read.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replication/journal/format.h"

namespace crossfade::replication {

struct RecoveredKey {
  uint32_t db = 0;
  std::string name;
  auto operator<=>(const RecoveredKey&) const = default;
};

struct Recovered {
  FollowerClaim claim = FollowerClaim::kNothing;
  std::string reason;  // why it is not live, where a journal was found
  JournalState state;  // of a claim that tells of keys
  std::vector<RecoveredKey> dirty;
  bool closed = false;      // the proxy ended in order
  uint64_t generation = 0;  // the highest found
  uint64_t blocks = 0;
};

class Recovery {
 public:
  // What this proxy is: the two stores, and the machine's boot.
  Recovery(std::string pair, const BootId& boot) : pair_(std::move(pair)), boot_(boot) {}

  // Segments in the order of (generation, index). `last`: of its generation.
  void Read(std::string_view bytes, bool last);
  // The journal of another pair: nothing of it may be used or overwritten.
  const std::string& other_pair() const { return other_pair_; }
  // The journal could not be written when the proxy ended: it is not complete.
  void Suspect() { suspect_ = true; }
  Recovered Finish();

 private:
  static constexpr size_t kPruneFrom = 100'000;
  struct Generation {
    uint64_t number = 0;
    uint64_t first_index = 0;
    uint64_t next_index = 0;
    uint64_t oldest_needed = 0;
    uint64_t next_block = 0;
    bool any_block = false;
    bool whole = true;
    bool other_boot = false;
    JournalMode mode = JournalMode::kProcess;
    bool closed = false;
    uint64_t next_intent = 0;
    uint64_t low_water = 0;
    // The newest write of each key, and on all keys: not done when above low_water.
    std::map<RecoveredKey, uint64_t> written;
    size_t prune_at = kPruneFrom;
    uint64_t written_all = 0;
    std::set<RecoveredKey> dirty;
    bool has_state = false;
    JournalState state;
  };
  bool ReadBlocks(SegmentReader& reader);
  bool Apply(const ReadBlock& block);
  void ApplyRecord(const Record& record);
  void Spoil(std::string reason);

  const std::string pair_;
  const BootId boot_;
  std::string other_pair_;
  std::vector<Generation> generations_;
  uint64_t blocks_ = 0;
  bool found_ = false;
  bool suspect_ = false;
  std::string spoilt_;
};

}  // namespace crossfade::replication
