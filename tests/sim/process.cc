#include "tests/sim/process.h"

#include <algorithm>

#include "tests/sim/driver.h"
#include "tests/sim/follower_reader.h"
#include "tests/sim/key_verifier.h"
#include "tests/sim/lane.h"
#include "tests/sim/session.h"

namespace crossfade::sim {
namespace {

constexpr int64_t kTickUs = 10'000;
constexpr int64_t kPaceUs = 20'000;  // of the driver

}  // namespace

// ---- Worker

Worker::Worker(Process& process, uint32_t index)
    : process_(process), index_(index), settled_(true) {}

Worker::~Worker() = default;

void Worker::Start(const Plan& plan, uint32_t sessions) {
  plan_ = plan;
  settled_ = plan.mirrors;
  LaneOf(0);
  for (uint32_t i = 0; i < sessions; ++i) {
    sessions_.push_back(std::make_unique<Session>(*this, process_.world.NewSessionId()));
    sessions_.back()->Begin();
  }
}

void Worker::OnGateEntered(uint64_t ticket) {
  gate_mail_.push_back(ticket);
  if (gate_mail_.size() > 1) return;
  process_.After(process_.world.env.random.Between(1, 200), [this] { TakeMail(); });
}

void Worker::TakeMail() {
  for (const uint64_t ticket : std::exchange(gate_mail_, {})) {
    const auto it = gate_waits_.find(ticket);
    if (it == gate_waits_.end()) continue;
    const std::function<void()> entered = std::move(it->second);
    gate_waits_.erase(it);
    entered();
  }
}

void Worker::AwaitGate(uint64_t ticket, std::function<void()> entered) {
  gate_waits_.emplace(ticket, std::move(entered));
}

Lane& Worker::LaneOf(uint32_t db) {
  std::unique_ptr<Lane>& lane = lanes_[db];
  if (!lane) lane = std::make_unique<Lane>(*this, db);
  return *lane;
}

void Worker::FlushLanes() {
  for (auto& [db, lane] : lanes_) lane->Flush();
}

FollowerReader& Worker::ReaderOf(uint32_t db) {
  std::unique_ptr<FollowerReader>& reader = readers_[db];
  if (!reader) reader = std::make_unique<FollowerReader>(*this, db);
  return *reader;
}

void Worker::Adopt(const Plan& plan) {
  const bool mirrored = plan_.mirrors;
  plan_ = plan;
  if (plan_.mirrors && !mirrored) {
    for (auto& [db, lane] : lanes_) lane->MarkUnrecorded();
    CheckSettled();
  } else if (!plan_.mirrors) {
    settled_ = false;
  }
  for (auto& session : sessions_) {
    session->Saw(process_.replicator.log().head_seq(), process_.replicator.intents().last());
  }
}

void Worker::CheckSettled() {
  settled_ = std::none_of(lanes_.begin(), lanes_.end(),
                          [](const auto& of) { return of.second->HasUnrecorded(); });
}

void Worker::Tick() {
  for (auto& [db, lane] : lanes_) lane->Tick();
  for (auto& [db, reader] : readers_) reader->Tick();
  if (!settled_ && plan_.mirrors) CheckSettled();
}

void Worker::DropConnection(uint64_t which) {
  const uint64_t connections = lanes_.size() + readers_.size();
  which %= connections;
  if (which < lanes_.size()) {
    std::next(lanes_.begin(), static_cast<std::ptrdiff_t>(which))->second->Drop();
  } else {
    which -= lanes_.size();
    std::next(readers_.begin(), static_cast<std::ptrdiff_t>(which))->second->Drop();
  }
}

// ---- Process

Process::Process(World& of, const Plan& plan, bool may_trust)
    : world(of),
      authority{of.legacy},
      follower{of.new_store},
      replicator(routing::CommandTable::Redis70(), *this, plan.memory_bytes) {
  replicator.set_dirty_keys_max(of.config.dirty_keys_max);
  replicator.set_big_key_bytes(of.config.big_key_bytes);
  for (uint32_t i = 0; i < of.config.workers; ++i) {
    workers.push_back(std::make_unique<Worker>(*this, i));
  }
  applier_ = std::make_unique<Applier>(*this);
  syncer_ = std::make_unique<KeySyncer>(*this);
  verifier_ = std::make_unique<KeyVerifier>(*this);
  driver_ = std::make_unique<Driver>(*this, plan, may_trust);
  if (of.config.journal != JournalMode::kNone) {
    former_ = of.disk.Read();
    committer = std::make_unique<Committer>(*this, of.disk, of.config.journal);
    committer->Begin();
  } else {
    AdoptFormer();
  }
  const uint32_t sessions = of.config.sessions;
  for (uint32_t i = 0; i < of.config.workers; ++i) {
    const uint32_t share = sessions / of.config.workers + (i < sessions % of.config.workers);
    workers[i]->Start(plan, share);
  }
  Tick();
  StepDriver();
}

Process::~Process() { *alive_ = false; }

void Process::AdoptFormer() {
  if (world.env.tracing) {
    world.env.Trace(std::string("the journal says: ") + Name(former_.claim) + ", " +
                    std::to_string(former_.dirty.size()) + " keys to sync, " + former_.reason);
  }
  driver_->AdoptFormer(former_);
}

void Process::After(int64_t delay_us, std::function<void()> f) {
  world.env.scheduler.After(delay_us, [alive = alive_, f = std::move(f)] {
    if (*alive) f();
  });
}

void Process::Tick() {
  for (auto& worker : workers) worker->Tick();
  applier_->Tick();
  if (committer && world.env.random.OneIn(10)) committer->Tick();
  if (world.busy) verifier_->HandIn();
  WantFeed();
  After(kTickUs, [this] { Tick(); });
}

void Process::StepDriver() {
  driver_->Step();
  After(kPaceUs, [this] { StepDriver(); });
}

void Process::WantFeed() {
  if (std::exchange(feed_wanted_, true)) return;
  After(world.env.random.Between(1, 100), [this] {
    feed_wanted_ = false;
    applier_->Feed();
    if (!replicator.dirty().empty()) syncer_->Run();
    verifier_->Judge();
    verifier_->Run();
  });
}

void Process::WakeLanes() {
  After(world.env.random.Between(1, 100), [this] {
    for (auto& worker : workers) worker->FlushLanes();
  });
}

void Process::SetPlan(const Plan& plan) {
  plans_.push_back(plan);
  if (plans_.size() == 1) PublishNext();
}

// As proxy/server.cc publishes a plan, one after the other: mirroring ends before the
// first write goes unrecorded, what the journal says of the follower is no longer so
// by then, and the driver hears of it when all workers have.
void Process::PublishNext() {
  const Plan& plan = plans_.front();
  if (!plan.mirrors) {
    driver_->NoteServedUnmirrored();
    driver_->SetPlan(plan);
    replicator.SetOff();
  }
  if (!committer) return AdoptNext();
  committer->Flush([this] { AdoptNext(); });
}

void Process::AdoptNext() {
  auto left = std::make_shared<size_t>(workers.size());
  for (auto& worker : workers) {
    After(world.env.random.Between(1, 5'000), [this, left, to = worker.get()] {
      to->Adopt(plans_.front());
      if (--*left > 0) return;
      driver_->SetPlan(plans_.front());
      plans_.pop_front();
      if (!plans_.empty()) PublishNext();
    });
  }
}

bool Process::Settled(uint64_t epoch) const {
  return std::all_of(workers.begin(), workers.end(), [epoch](const auto& worker) {
    return worker->plan().epoch >= epoch && worker->settled();
  });
}

bool Process::Idle() const {
  return std::all_of(workers.begin(), workers.end(), [](const auto& worker) {
    return std::all_of(worker->sessions().begin(), worker->sessions().end(),
                       [](const auto& session) { return session->idle(); });
  });
}

void Process::LoseFollower() { applier_->Drop(); }

void Process::TearSpool() {
  world.spool.room_left = world.env.random.Below(400);
  driver_->FlushSpool();
  world.spool.room_left = SIZE_MAX;
}

void Process::CheckOrder(std::span<const uint64_t> hashes, bool all, uint64_t stamp) {
  uint64_t newest = all ? any_reported_ : all_reported_;
  for (const uint64_t hash : hashes) {
    uint64_t& reported = reported_[hash];
    newest = std::max(newest, reported);
    reported = std::max(reported, stamp);
  }
  any_reported_ = std::max(any_reported_, stamp);
  if (all) all_reported_ = std::max(all_reported_, stamp);
  if (newest > stamp) {
    world.env.Violation("command #" + std::to_string(stamp) + " on a key is reported after #" +
                        std::to_string(newest) + ", which the authority executed later");
  }
}

// ---- ReplicatorEvents

void Process::OnDrift(replication::Drift reason, uint32_t db, std::string_view key) {
  if (!world.env.tracing) return;
  world.env.Trace("  dirty: db" + std::to_string(db) + " " + std::string(key) + " because of " +
                  Name(reason) + " head " + std::to_string(replicator.log().head_seq()));
}

// Equal positions are compared: what differs there was wrong and not known to be.
void Process::OnShadow(const replication::ShadowObservation& observation) {
  if (observation.result != replication::ShadowResult::kMismatched) return;
  if (world.authority_forgot) return;
  world.env.Violation("a shadow read of db" + std::to_string(observation.db) + " " +
                      std::string(observation.key) + " differs");
}

void Process::OnSyncRefused(uint32_t, std::string_view, std::string_view) {}

void Process::OnCopyWanted(std::string_view reason) {
  copy_wanted = true;
  if (world.env.tracing) world.env.Trace("live is left: " + std::string(reason));
}

void Process::OnPartitionsLeft(size_t partitions, size_t keys) {
  ++world.counts.overflows;
  if (!world.env.tracing) return;
  world.env.Trace(std::to_string(partitions) + " partitions leave live, " + std::to_string(keys) +
                  " keys are dirty there");
}

void Process::OnApplierMustReconnect(std::string_view reason) {
  applier_must_reconnect = true;
  if (world.env.tracing) world.env.Trace("applier: " + std::string(reason));
}

}  // namespace crossfade::sim
