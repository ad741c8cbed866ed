#include "tests/sim/world.h"

#include <algorithm>

#include "tests/sim/process.h"
#include "tests/sim/session.h"

namespace crossfade::sim {
namespace {

constexpr int64_t kMs = 1'000;
constexpr int64_t kCommands = 1'200;         // of a run, at most about so many
constexpr int64_t kQuietUs = 180'000 * kMs;  // until all must be in step again

}  // namespace

Config::Config(Random& random)
    : workers(random.Pick<uint32_t>({1, 1, 2, 2, 3})),
      sessions(workers + static_cast<uint32_t>(random.Below(5))),
      keys(random.Pick<uint32_t>({3, 5, 10, 15})),
      dbs(random.Pick<uint32_t>({1, 1, 2})),
      duration_us(random.Pick<int64_t>({300, 800, 1'500, 3'000}) * kMs),
      think_us(random.Pick<int64_t>({2'000, 5'000, 20'000})),
      slow_us(random.Pick<int64_t>({500, 2'000, 10'000, 40'000})),
      read_percent(random.Pick<uint32_t>({30, 50, 75})),
      transaction_percent(random.Pick<uint32_t>({0, 10, 30})),
      expiry(random.Percent(60)),
      brief(random.Percent(25)),
      whole_keyspace(random.Percent(40)),
      multi_key(random.Percent(75)),
      scripts(random.Percent(30)),
      flush_one_in(random.Pick<uint32_t>({20, 60, 150})),
      authority_offset_ms(random.Pick<int64_t>({0, 0, 3, -700, 1'500})),
      follower_offset_ms(random.Pick<int64_t>({0, 0, 5, -900, 1'200})),
      overflows(random.Percent(20)),
      memory_bytes(overflows ? random.Pick<uint64_t>({1'000, 3'000, 6'000})
                             : random.Pick<uint64_t>({3'000, 8'000, 1u << 26, 1u << 26})),
      dirty_keys_max(random.OneIn(6) ? random.Pick<size_t>({2, 4, 8}) : 1'000),
      big_key_bytes(random.Pick<uint64_t>({0, 1, 1, 3})),
      journal(random.Pick(
          {JournalMode::kNone, JournalMode::kProcess, JournalMode::kProcess, JournalMode::kDisk})),
      verified_at_once(random.Pick<uint32_t>({0, 1, 3})),
      lanes_lost(random.Percent(40)),
      follower_lost(random.Percent(50)),
      pauses(random.Percent(25)),
      refusals(random.Percent(25)),
      follower_restarts(random.Percent(20)),
      authority_restarts(random.Percent(15)),
      reloads(random.Percent(30)),
      crashes(random.Percent(40)),
      beginning(random.Pick({Beginning::kEmpty, Beginning::kCopy, Beginning::kTrusted})),
      compares(random.OneIn(2)) {
  // Many short runs find more than a few long ones.
  const int64_t commands_per_s = 1'750'000ll * 2 / think_us * sessions;
  duration_us = std::min(duration_us, kCommands * 1'000'000 / commands_per_s);
}

std::string Config::Text() const {
  std::string text =
      "workers " + std::to_string(workers) + ", sessions " + std::to_string(sessions) + ", keys " +
      std::to_string(keys) + ", dbs " + std::to_string(dbs) + ", load " +
      std::to_string(duration_us / kMs) + "ms, think " + std::to_string(think_us) + "us, slow " +
      std::to_string(slow_us) + "us, reads " + std::to_string(read_percent) + "%, transactions " +
      std::to_string(transaction_percent) + "%, journal " +
      std::to_string(static_cast<int>(journal)) + ", memory " + std::to_string(memory_bytes) +
      ", dirty keys " + std::to_string(dirty_keys_max) + ", chunks above " +
      std::to_string(big_key_bytes) + ", verified " + std::to_string(verified_at_once) +
      ", clocks " + std::to_string(authority_offset_ms) + " " + std::to_string(follower_offset_ms) +
      ", with";
  const std::pair<bool, const char*> parts[] = {{expiry, "expiry"},
                                                {brief, "brief"},
                                                {whole_keyspace, "flushes"},
                                                {multi_key, "multi-key"},
                                                {scripts, "scripts"},
                                                {overflows, "overflows"},
                                                {lanes_lost, "lanes-lost"},
                                                {follower_lost, "follower-lost"},
                                                {pauses, "pauses"},
                                                {refusals, "refusals"},
                                                {follower_restarts, "follower-restarts"},
                                                {authority_restarts, "authority-restarts"},
                                                {reloads, "reloads"},
                                                {crashes, "crashes"},
                                                {compares, "compares"}};
  for (const auto& [on, name] : parts) {
    if (on) text += std::string(" ") + name;
  }
  return text;
}

void Counts::Add(const Counts& other) {
  commands += other.commands;
  follower_reads += other.follower_reads;
  follower_retries += other.follower_retries;
  checked += other.checked;
  shadows += other.shadows;
  syncs += other.syncs;
  chunked += other.chunked;
  collapses += other.collapses;
  overflows += other.overflows;
  lanes_lost += other.lanes_lost;
  late += other.late;
  crashes += other.crashes;
  resumed += other.resumed;
  backfills_resumed += other.backfills_resumed;
  copies += other.copies;
  verified += other.verified;
  kept += other.kept;
}

World::World(uint64_t seed, bool traced)
    : env(seed, traced),
      config(env.random),
      legacy(env, "legacy", config.authority_offset_ms),
      new_store(env, "new", config.follower_offset_ms),
      history(env, legacy),
      disk(env) {
  legacy.set_observer([this](const Store::Change& change) { history.Note(change); });
  plan.memory_bytes = config.memory_bytes;
  plan.shadow_percent = env.random.Pick<uint32_t>({0, 0, 20});
  plan.follower_share = env.random.Pick<uint32_t>({10'000, 10'000, 5'000});
  if (traced) env.Trace("config: " + config.Text());
}

World::~World() { process.reset(); }

// The stores' clocks, and the whole milliseconds they are told in.
int64_t World::ToleranceMs() const {
  return std::abs(config.authority_offset_ms - config.follower_offset_ms) + 2;
}

void World::Fill() {
  if (config.beginning == Config::Beginning::kEmpty) return;
  ClientState to_legacy, to_new;
  for (uint32_t db = 0; db < config.dbs; ++db) {
    to_legacy.db = to_new.db = db;
    for (uint32_t i = 0; i < config.keys * 3; ++i) {
      for (const std::string& command : NextCommands(*this, uid_)) {
        if (command.find("EVAL") != command.npos || command.find("SPOP") != command.npos) continue;
        legacy.Execute(to_legacy, command, 0);
        // What is to be copied over, and more, lies there already.
        if (config.beginning == Config::Beginning::kCopy && env.random.OneIn(3)) {
          new_store.Execute(to_new, command, 0);
        }
      }
    }
  }
  if (config.beginning != Config::Beginning::kTrusted) return;
  for (uint32_t db = 0; db < kDbs; ++db) {
    for (const auto& [name, entry] : legacy.keys(db)) {
      if (legacy.Peek(db, name).value) new_store.Put(db, name, entry);
    }
  }
}

void World::Run() {
  env.scheduler.RunUntil(1'000);
  Fill();
  Boot(config.beginning != Config::Beginning::kCopy);
  PlanFaults();
  env.scheduler.RunUntil(config.duration_us);
  Quiet();
  if (!failed()) CompareStores();
  Harvest();
}

void World::Boot(bool may_trust) { process = std::make_unique<Process>(*this, plan, may_trust); }

void World::Harvest() {
  if (!process) return;
  counts.syncs += process->replicator.counters().synced;
  counts.kept += process->replicator.counters().kept_equal;
  counts.chunked += process->replicator.counters().syncs_chunked;
  counts.collapses += process->replicator.counters().collapses;
}

// ---- Faults

void World::Often(bool wanted, int64_t mean_us, std::function<void()> fault) {
  if (!wanted) return;
  env.scheduler.After(env.random.Between(1, 2 * mean_us), [this, mean_us, fault] {
    if (!busy) return;
    fault();
    Often(true, mean_us, fault);
  });
}

void World::PlanFaults() {
  const int64_t rate = env.random.Pick<int64_t>({50, 200, 600}) * kMs;
  Often(config.lanes_lost, rate, [this] { LoseLane(); });
  Often(config.follower_lost, rate, [this] { LoseFollower(); });
  Often(config.pauses, 4 * rate, [this] { PauseStore(); });
  Often(config.overflows, rate, [this] { HoldUpFollower(); });
  Often(config.refusals, 2 * rate, [this] { RefuseForAWhile(); });
  Often(config.follower_restarts, 4 * rate, [this] { RestartFollower(); });
  Often(config.authority_restarts, 6 * rate, [this] { RestartAuthority(); });
  Often(config.reloads, 2 * rate, [this] { Reload(); });
  Often(config.crashes, 3 * rate, [this] { Crash(); });
}

void World::LoseLane() {
  if (!process) return;
  if (env.tracing) env.Trace("FAULT a worker's connection is lost");
  process->workers[env.random.Below(process->workers.size())]->DropConnection(env.random.Next());
}

void World::LoseFollower() {
  if (!process) return;
  if (env.tracing) env.Trace("FAULT the applier's connection is lost");
  process->LoseFollower();
}

void World::PauseStore() {
  Store& store = env.random.OneIn(2) ? legacy : new_store;
  const int64_t for_us = env.random.Pick<int64_t>({5, 50, 400, 900, 1'700}) * kMs;
  if (env.tracing) env.Trace("FAULT " + store.name() + " stands still");
  store.Pause(env.scheduler.now_us() + for_us);
}

// Long enough for the log to outgrow its bound.
void World::HoldUpFollower() {
  const int64_t for_us = env.random.Pick<int64_t>({5, 20, 60, 200}) * kMs;
  if (env.tracing) env.Trace("FAULT new is held up");
  new_store.Pause(env.scheduler.now_us() + for_us);
}

void World::RefuseForAWhile() {
  Store& store = env.random.OneIn(3) ? legacy : new_store;
  if (env.tracing) env.Trace("FAULT " + store.name() + " refuses");
  if (env.random.OneIn(2)) {
    store.set_out_of_memory(true);
  } else {
    store.set_refusals(env.random.Pick<uint64_t>({2, 10, 40}));
  }
  env.scheduler.After(env.random.Between(1, 300) * kMs, [&store] {
    store.set_out_of_memory(false);
    store.set_refusals(0);
  });
}

void World::RestartFollower() {
  if (!new_store.up()) return;
  const bool empty = env.random.OneIn(2);
  if (env.tracing) env.Trace(empty ? "FAULT new restarts empty" : "FAULT new restarts");
  new_store.Stop();
  env.scheduler.After(env.random.Pick<int64_t>({0, 5, 100, 600}) * kMs,
                      [this, empty] { new_store.Start(empty); });
}

void World::RestartAuthority() {
  if (!legacy.up()) return;
  const bool empty = env.random.OneIn(3);
  if (env.tracing) env.Trace(empty ? "FAULT legacy restarts empty" : "FAULT legacy restarts");
  legacy.Stop();
  env.scheduler.After(env.random.Pick<int64_t>({0, 5, 100, 600}) * kMs, [this, empty] {
    authority_forgot = authority_forgot || empty;
    legacy.Start(empty);
  });
}

void World::Reload() {
  ++plan.epoch;
  switch (env.random.Below(4)) {
    case 0:
      plan.mirrors = !plan.mirrors;
      break;
    case 1:
      plan.follower_share = env.random.Pick<uint32_t>({0, 1'000, 5'000, 10'000});
      break;
    case 2:
      plan.memory_bytes = env.random.Pick<uint64_t>({2'000, 10'000, 1u << 26});
      break;
    default:
      plan.shadow_percent = env.random.Pick<uint32_t>({0, 10, 50});
      break;
  }
  if (env.tracing) {
    env.Trace("FAULT reload: mirrors " + std::to_string(plan.mirrors) + " share " +
              std::to_string(plan.follower_share) + " memory " + std::to_string(plan.memory_bytes));
  }
  if (process) process->SetPlan(plan);
}

void World::Crash() {
  if (!process) return;
  ++counts.crashes;
  Harvest();
  const bool machine = config.journal != JournalMode::kNone && env.random.OneIn(5);
  const bool in_order = process->committer && !machine && env.random.OneIn(6);
  if (env.tracing) {
    env.Trace(machine    ? "FAULT the machine stops"
              : in_order ? "FAULT the proxy is ended"
                         : "FAULT the proxy is killed");
  }
  if (in_order) {
    process->committer->Close();
  } else if (process->committer && env.random.OneIn(2)) {
    process->committer->Tear();
  }
  if (env.random.OneIn(2)) process->TearSpool();
  process.reset();
  if (machine) {
    disk.Reboot();
    spool.bytes.resize(env.random.Between(static_cast<int64_t>(spool.synced),
                                          static_cast<int64_t>(spool.bytes.size())));
  }
  // Without a journal nobody may trust what the follower holds.
  const bool may_trust =
      config.journal != JournalMode::kNone && config.beginning != Config::Beginning::kCopy;
  env.scheduler.After(env.random.Between(1, 200) * kMs, [this, may_trust] { Boot(may_trust); });
}

// ---- The end

bool World::InStep() const {
  if (!process) return false;
  replication::Replicator& replicator = process->replicator;
  return replicator.live() && replicator.Drained() && replicator.gate().in_flight() == 0 &&
         replicator.gate().waiting() == 0 && replicator.syncs_under_way() == 0 &&
         replicator.verification().outstanding() == 0 && !replicator.AwaitsReply() &&
         process->Idle();
}

void World::Quiet() {
  busy = false;
  if (env.tracing) env.Trace("the load is over, and nothing fails any more");
  for (Store* store : {&legacy, &new_store}) {
    store->Pause(0);
    store->set_out_of_memory(false);
    store->set_refusals(0);
  }
  plan.mirrors = true;
  plan.memory_bytes = 1u << 26;
  ++plan.epoch;
  if (process) process->SetPlan(plan);
  const int64_t until = env.scheduler.now_us() + kQuietUs;
  while (!failed() && !InStep() && env.scheduler.now_us() < until) {
    env.scheduler.RunUntil(env.scheduler.now_us() + 20 * kMs);
  }
  // What a lost connection may have left behind.
  env.scheduler.RunUntil(env.scheduler.now_us() + 2'500 * kMs);
  if (failed() || InStep()) return;
  std::string text = "not in step after quiet:";
  if (process) {
    replication::Replicator& replicator = process->replicator;
    text += std::string(" state ") + Name(replicator.state()) + ", log " +
            std::to_string(replicator.log().size()) + ", dirty " +
            std::to_string(replicator.dirty().size()) + ", in the gate " +
            std::to_string(replicator.gate().in_flight()) + ", waiting there " +
            std::to_string(replicator.gate().waiting()) + ", open intents " +
            std::to_string(replicator.intents().last() - replicator.intents().low_water());
    for (const auto& worker : process->workers) {
      for (const auto& session : worker->sessions()) {
        if (!session->idle()) text += "; " + session->Describe();
      }
    }
  }
  env.Violation(text);
}

void World::CompareStores() {
  if (!process->replicator.stripes().Quiet()) {
    env.Violation("something is counted as under way though nothing is");
  }
  const int64_t soon_ms = std::max(legacy.NowMs(), new_store.NowMs()) + ToleranceMs();
  for (uint32_t db = 0; db < kDbs; ++db) {
    std::set<std::string> names;
    for (const auto& [name, entry] : legacy.keys(db)) names.insert(name);
    for (const auto& [name, entry] : new_store.keys(db)) names.insert(name);
    for (const std::string& name : names) {
      const auto lasting = [&](const Store& store) {
        const Entry entry = store.Peek(db, name);
        return entry.deadline_ms >= 0 && entry.deadline_ms <= soon_ms ? Entry{} : entry;
      };
      const Entry there = lasting(legacy), here = lasting(new_store);
      if (there == here) continue;
      env.Violation("the stores differ in db" + std::to_string(db) + " " + name + ": legacy has " +
                    Show(there) + ", new has " + Show(here) +
                    "; versions:" + history.Show({db, name}, 4));
    }
  }
}

}  // namespace crossfade::sim
