// Process: one run of the proxy, from its start to its crash, around the real
// replicator: what proxy/core.h, proxy/worker and proxy/backend/store_connection
// do with sockets and threads is done here with events in virtual time. Modelled
// thinly: a turn of a worker's loop is one event, what the lock makes atomic there
// is one event here. Not modelled: TLS, users, pinned lanes, blocking commands,
// scripts' replay, sharing of large requests, mirror.ack: both.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "replication/replicator.h"
#include "tests/sim/connection.h"
#include "tests/sim/history.h"
#include "tests/sim/journal.h"
#include "tests/sim/world.h"

namespace crossfade::sim {

class Applier;
class Driver;
class FollowerReader;
class KeySyncer;
class KeyVerifier;
class Lane;
class Process;
class Session;

// What proxy/backend/store_link.h knows of a store.
struct StoreLink {
  Store& store;
  uint64_t run = 0;
  uint32_t ready = 0;

  // True when it is another process than the one known before.
  bool Greeted(uint64_t found) { return std::exchange(run, found) != found && run_known++ > 0; }
  // What a journal says it was.
  void Expect(uint64_t found) {
    run = found;
    run_known = 1;
  }
  uint32_t run_known = 0;
  // What earlier runs of the proxy have left is closed by the first that is greeted.
  bool former_killed = false;
};

class StoreConnectionOwner {
 public:
  virtual void OnStoreReady(bool other_process) = 0;
  virtual void OnStoreReply(std::string_view frame, uint64_t stamp) = 0;
  virtual void OnStoreLost() = 0;
  virtual void OnStoreUnreachable() {}

 protected:
  ~StoreConnectionOwner() = default;
};

// A connection that is made again when it is lost; sees to it that its
// predecessor is dead (R8) before it is ready.
class StoreConnection final : public ConnectionUser {
 public:
  StoreConnection(Process& process, StoreLink& link, uint32_t db, bool kill_former,
                  StoreConnectionOwner& owner);
  ~StoreConnection();

  void Open();
  bool ready() const { return ready_; }
  const StoreLink& link() const { return link_; }
  void Send(std::string_view commands, uint64_t tag = 0);  // whole commands
  void Drop();  // given up: what was sent may be executed yet
  void OnReply(std::string_view frame, uint64_t stamp) override;
  void OnReset() override;

 private:
  void Greet();
  void Fail();
  void Lose();

  Process& process_;
  StoreLink& link_;
  const uint32_t db_;
  const bool kill_former_;
  StoreConnectionOwner& owner_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Connection> former_;  // which may not be dead
  bool ready_ = false;
  int64_t backoff_us_ = 0;
  uint64_t attempt_ = 0;
};

class Worker final : public replication::GateWaiter {
 public:
  Worker(Process& process, uint32_t index);
  ~Worker();

  void Start(const Plan& plan, uint32_t sessions);
  void OnGateEntered(uint64_t ticket) override;
  void AwaitGate(uint64_t ticket, std::function<void()> entered);
  void StopAwaitingGate(uint64_t ticket) { gate_waits_.erase(ticket); }
  void FlushLanes();
  Lane& LaneOf(uint32_t db);
  FollowerReader& ReaderOf(uint32_t db);
  void Adopt(const Plan& plan);
  const Plan& plan() const { return plan_; }
  bool settled() const { return settled_; }
  Process& process() { return process_; }
  uint32_t index() const { return index_; }
  void Tick();
  void DropConnection(uint64_t which);  // a fault
  std::vector<std::unique_ptr<Session>>& sessions() { return sessions_; }

 private:
  void TakeMail();
  void CheckSettled();

  Process& process_;
  const uint32_t index_;
  Plan plan_;
  bool settled_;
  std::map<uint32_t, std::unique_ptr<Lane>> lanes_;
  std::map<uint32_t, std::unique_ptr<FollowerReader>> readers_;
  std::map<uint64_t, std::function<void()>> gate_waits_;
  std::vector<uint64_t> gate_mail_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

class Process final : public replication::ReplicatorEvents {
 public:
  Process(World& world, const Plan& plan, bool may_trust);
  void AdoptFormer();  // what the journal said at the start
  ~Process();

  void OnDrift(replication::Drift reason, uint32_t db, std::string_view key) override;
  void OnShadow(const replication::ShadowObservation& observation) override;
  void OnSyncRefused(uint32_t db, std::string_view key, std::string_view error) override;
  void OnCopyWanted(std::string_view reason) override;
  void OnPartitionsLeft(size_t partitions, size_t keys) override;
  void OnApplierMustReconnect(std::string_view reason) override;

  // As the scheduler's, but not once this process is gone.
  void After(int64_t delay_us, std::function<void()> f);
  int64_t Delay() { return world.env.Delay(world.config.slow_us); }
  int64_t now_us() const { return world.env.scheduler.now_us(); }
  void WantFeed();
  void WakeLanes();  // the journal has come further
  void SetPlan(const Plan& plan);
  bool Settled(uint64_t epoch) const;
  void LoseFollower();
  // Killed while the backfill's spool is written: of that comes a part.
  void TearSpool();
  bool Idle() const;  // no client waits for anything
  // A command that was executed has been reported to the replicator: in the order
  // of the execution, key by key.
  void CheckOrder(std::span<const uint64_t> hashes, bool all, uint64_t stamp);

  World& world;
  StoreLink authority, follower;
  replication::Replicator replicator;
  std::vector<std::unique_ptr<Worker>> workers;
  uint32_t lane_count = 0;
  bool copy_wanted = false;
  bool applier_must_reconnect = false;
  std::unique_ptr<Committer> committer;  // none: no journal

 private:
  void Tick();
  void StepDriver();
  void PublishNext();
  void AdoptNext();

  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool feed_wanted_ = false;
  std::deque<Plan> plans_;  // to be adopted, one after the other
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<KeySyncer> syncer_;
  std::unique_ptr<KeyVerifier> verifier_;
  std::unique_ptr<Driver> driver_;
  replication::Recovered former_;
  std::map<uint64_t, uint64_t> reported_;  // by key hash: the newest command
  uint64_t all_reported_ = 0, any_reported_ = 0;
};

}  // namespace crossfade::sim
