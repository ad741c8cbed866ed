// Driver: proxy/backend/mirror_driver.cc and proxy/backfill/backfiller.cc in virtual
// time: begins the mirror, carries the backfill out, and learns which of a trusted
// follower's keys expire. What is done one after the other in a thread is a chain
// of events here.
#pragma once

#include <functional>

#include "replication/backfill/backfill.h"
#include "tests/sim/process.h"

namespace crossfade::sim {

class Driver final : public replication::BackfillPorts {
 public:
  // `may_trust`: the follower holds what the authority holds, as far as is known.
  Driver(Process& process, const Plan& plan, bool may_trust);

  void SetPlan(const Plan& plan) { plan_ = plan; }
  void AdoptFormer(const replication::Recovered& former);
  void NoteServedUnmirrored() { served_unmirrored_ = true; }
  void Step();
  void FlushSpool();

  void WithReplicator(const std::function<void(replication::Replicator&)>& f) override {
    f(replicator_);
  }
  Status Save(const replication::BackfillRecord& record) override;
  bool WriteJournal() override;

 private:
  bool Adopt(const replication::Recovered& former);
  void StartMirroring();
  void PumpBackfill();
  void ScanPage();
  std::vector<std::pair<KeyId, Entry>> PageOf(const Store& store, uint32_t db, uint32_t page) const;
  // Calls f for every key of the follower, a page at a time, between the round trips;
  // then `done`, unless the store fails.
  using PerKey = std::function<void(const KeyId&, const Entry&)>;
  void EnumerateFollower(uint32_t page, PerKey f, std::function<void()> done);
  void LearnExpiries();

  Process& process_;
  replication::Replicator& replicator_;
  Plan plan_;
  const bool may_trust_;
  replication::Backfill backfill_;
  bool served_unmirrored_ = false;
  bool busy_ = false;
  bool begun_ = false;  // the follower was written to since the start
  bool journal_failed_ = false;
  int64_t next_check_us_ = 0;
};

}  // namespace crossfade::sim
