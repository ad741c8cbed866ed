// Driver: proxy/backend/mirror_driver.cc in virtual time: begins the mirror,
// enumerates keys for the copy, and learns which of a trusted follower's keys
// expire. What it does one after the other in a thread is a chain of events.
#pragma once

#include <functional>

#include "tests/sim/process.h"

namespace crossfade::sim {

class Driver {
 public:
  // `may_trust`: the follower holds what the authority holds, as far as is known.
  Driver(Process& process, const Plan& plan, bool may_trust);

  void SetPlan(const Plan& plan) { plan_ = plan; }
  void AdoptFormer(const replication::Recovered& former);
  void NoteServedUnmirrored() { served_unmirrored_ = true; }
  void Step();

 private:
  void StartMirroring();
  void Copy();
  // As much is marked as is soon synced; then `next`.
  void AwaitRoom(std::function<void()> next);
  // Calls f for every key, a page at a time, between the round trips; then `done`,
  // unless the store fails or `goes_on` says no.
  using PerKey = std::function<void(const KeyId&, const Entry&)>;
  void Enumerate(Store& store, uint32_t page, std::function<bool()> goes_on, PerKey f,
                 std::function<void()> done);
  void LearnExpiries();

  Process& process_;
  replication::Replicator& replicator_;
  Plan plan_;
  const bool may_trust_;
  bool served_unmirrored_ = false;
  bool busy_ = false;
  bool begun_ = false;  // the follower was written to since the start
  bool journal_failed_ = false;
  int64_t next_check_us_ = 0;
};

}  // namespace crossfade::sim
