#include "tests/sim/key_verifier.h"

#include <algorithm>
#include <utility>

#include "tests/sim/lane.h"

namespace crossfade::sim {

KeyVerifier::KeyVerifier(Process& process) : process_(process) {
  constexpr int64_t kErrorMs = 20;
  const auto offset = [](const Store& store) { return std::abs(store.clock_offset_ms()); };
  process_.replicator.verification().margin_ms =
      1'000 + kErrorMs + std::max(offset(process.world.legacy), offset(process.world.new_store));
}

void KeyVerifier::HandIn() {
  World& world = process_.world;
  for (uint32_t i = 0; i < world.config.verified_at_once; ++i) {
    const std::string key = "k" + std::to_string(world.env.random.Below(world.config.keys));
    const auto db = static_cast<uint32_t>(world.env.random.Below(world.config.dbs));
    process_.replicator.verification().HandIn(db, key);
  }
  process_.WantFeed();
}

void KeyVerifier::Run() {
  Worker& worker = *process_.workers[0];
  replication::Replicator& replicator = process_.replicator;
  replication::Verification::Slot slot = 0;
  while (replicator.NextVerify(slot)) {
    const replication::Verification::Item& item = replicator.verification().At(slot);
    Lane& lane = worker.LaneOf(item.db);
    if (!lane.ready()) return replicator.VerifyNotSent(slot);
    const replication::GateKeys keys{std::span(&item.hash, 1), false};
    if (replicator.gate().TryEnter(lane.id(), keys)) {
      lane.SendVerify(slot);
      continue;
    }
    const uint64_t ticket = replicator.gate().Wait(lane.id(), keys, &worker);
    worker.AwaitGate(ticket, [this, slot] { Read(slot); });
  }
}

// The key has entered the gate.
void KeyVerifier::Read(replication::Verification::Slot slot) {
  replication::Replicator& replicator = process_.replicator;
  const replication::Verification::Item& item = replicator.verification().At(slot);
  Lane& lane = process_.workers[0]->LaneOf(item.db);
  if (lane.ready()) return lane.SendVerify(slot);
  replicator.gate().Leave(lane.id(), {std::span(&item.hash, 1), false});
  replicator.VerifyReadFailed(slot);
}

// The model has one encoding of a value: dumps that differ are of values that do.
void KeyVerifier::Judge() {
  replication::Verification& verification = process_.replicator.verification();
  const replication::VerifyCounters& counters = verification.counters();
  World& world = process_.world;
  for (const replication::Difference& difference : verification.TakeDifferences()) {
    if (world.authority_forgot) continue;
    world.env.Violation("verification of db" + std::to_string(difference.db) + " " +
                        difference.key + " differs: " + Name(difference.kind));
  }
  if (counters.logical > 0 && !world.authority_forgot) {
    world.env.Violation("verification found a value that differs");
  }
  const uint64_t matched = counters.Of(replication::VerifyResult::kMatched);
  world.counts.verified += matched - std::exchange(counted_, matched);
}

}  // namespace crossfade::sim
