// Lease: whether this process is the one that mirrors onto the pair of stores. The
// authority holds the owner's record for as long as it is renewed; two that mirror
// would break the order of writes (R2). Decides what to do about what lies on the
// stores; its caller reads and writes them, and tells the time, in microseconds of
// one monotonic clock. Everything is written on the condition that the store still
// holds what was judged. For one thread; no I/O.
//
// How long we believe is counted from before the request was sent that made the
// store believe: so we stop no later than it does. What others hold is respected
// for as long as the store said that they hold it, unless they have released it
// or their process is known to have ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "replication/ownership/owner_record.h"

namespace crossfade::replication {

// What one store holds.
struct Sighting {
  std::string owner_text, tenure_text;  // empty: no such key
  std::optional<OwnerRecord> owner;
  std::optional<TenureRecord> tenure;
  int64_t expires_in_us = 0;  // of the owner's record
  bool owner_ended = false;   // its process is known to have
  std::string run_id;         // of the store; of the authority alone
};

class Lease {
 public:
  Lease(std::string id, int64_t lease_us) : id_(std::move(id)), lease_us_(lease_us) {}

  enum class Step : uint8_t {
    kWait,     // another has it
    kAcquire,  // write the record of the tenure that was begun
    kRenew,    // extend ours
    kRestore,  // write ours again: somebody has removed it
  };
  struct Decision {
    Step step = Step::kWait;
    std::optional<OwnerRecord> other;  // who has it
  };
  // Of what was read after `read_us`; `follower` is nullptr when it can't be read.
  Decision Judge(int64_t read_us, const Sighting& authority, const Sighting* follower);

  // A tenure, as begun by the Judge that said kAcquire.
  struct Tenure {
    uint64_t epoch = 0;
    std::string pair;  // empty: these stores have not been a pair before
    // Nobody has mirrored since our own last one: what we know still holds.
    bool kept = false;
    std::optional<TenureRecord> former;  // whose it was before
  };
  const Tenure& begun() const { return begun_; }
  // The store took it; `sent_us`: before the request was sent.
  void Acquired(int64_t sent_us, const std::string& pair);
  void Renewed(int64_t sent_us);
  void Lose() { deadline_us_ = 0; }
  // The next tenure must have a higher epoch than this.
  void RaiseAbove(uint64_t epoch);

  bool Holds(int64_t now_us) const { return now_us < deadline_us_; }
  int64_t deadline_us() const { return deadline_us_; }
  uint64_t epoch() const { return epoch_; }

 private:
  bool MayBeTaken(int64_t read_us, const Sighting& authority, const Sighting* follower,
                  Decision& decision);
  Decision Begin(const Sighting& authority, const Sighting* follower);

  const std::string id_;
  const int64_t lease_us_;
  uint64_t epoch_ = 0;  // of our last tenure; 0: none
  std::string pair_;
  uint64_t raise_above_ = 0;
  int64_t deadline_us_ = 0;
  // The other that was seen last, and until when the authority will keep its record.
  std::optional<OwnerRecord> other_;
  int64_t other_until_us_ = 0;
  Tenure begun_;
  bool broken_ = false;  // somebody mirrored since our last tenure
};

// The same for the follower, by the owner of the authority.
enum class FollowerVerdict : uint8_t {
  kTake,
  kRenew,
  kRaise,    // its epoch is higher than ours: a tenure above it is needed
  kRefused,  // of another pair, whose owner mirrors
};
FollowerVerdict JudgeFollower(const OwnerRecord& self, const Sighting& follower);

}  // namespace crossfade::replication
