// World: one seed's simulation: two model stores, the proxy's runs, its clients,
// the faults, and what must hold of it all. Properties: what a follower read gave
// was within its guarantees, nothing dirty was read there, commands on a key were
// reported in the order of their execution, nothing waits for ever, and after
// quiet the stores are equal, so that nothing acknowledged is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "replication/backfill/backfill.h"
#include "tests/sim/env.h"
#include "tests/sim/history.h"
#include "tests/sim/journal.h"
#include "tests/sim/store.h"
#include "tests/support/memory_spool.h"

namespace crossfade::sim {

class Process;

// What of the configuration a reload changes.
struct Plan {
  uint64_t epoch = 1;
  bool mirrors = true;
  uint32_t follower_share = 10'000;  // of 10,000 buckets
  uint32_t shadow_percent = 0;
  uint64_t memory_bytes = 0;
  bool follower_reads() const { return mirrors && follower_share > 0; }
  bool shadows() const { return mirrors && shadow_percent > 0; }
  bool ordered() const { return follower_reads(); }
};

// What is drawn for a seed before it begins.
struct Config {
  explicit Config(Random& random);
  std::string Text() const;

  uint32_t workers, sessions, keys, dbs;
  int64_t duration_us;  // of the load; quiet follows
  int64_t think_us;     // between a client's commands, on average half of it
  int64_t slow_us;      // the longest delay of a message
  uint32_t read_percent;
  uint32_t transaction_percent;
  bool expiry, brief, whole_keyspace, multi_key, scripts;
  uint32_t flush_one_in;  // writes
  int64_t authority_offset_ms, follower_offset_ms;
  bool overflows;  // a small log, and a follower that is held up
  uint64_t memory_bytes;
  size_t dirty_keys_max;
  uint64_t big_key_bytes;
  JournalMode journal;
  uint32_t verified_at_once;  // keys handed in for verification
  bool lanes_lost, follower_lost, pauses, refusals, follower_restarts, authority_restarts, reloads,
      crashes;
  enum class Beginning { kEmpty, kCopy, kTrusted } beginning;
  bool compares;  // what new holds, before it is copied over
};

struct Counts {
  uint64_t commands = 0, follower_reads = 0, follower_retries = 0, checked = 0, shadows = 0;
  uint64_t syncs = 0, chunked = 0, collapses = 0, overflows = 0, lanes_lost = 0, late = 0,
           crashes = 0, resumed = 0, copies = 0, backfills_resumed = 0, verified = 0, kept = 0;
  void Add(const Counts& other);
};

class World {
 public:
  World(uint64_t seed, bool traced);
  ~World();

  void Run();
  bool failed() const { return !env.violations.empty(); }

  Env env;
  Config config;
  Plan plan;
  Store legacy, new_store;
  History history;
  JournalDisk disk;
  // The backfill's files.
  test::MemorySpool spool;
  replication::BackfillRecord catalog;
  Counts counts;
  std::unique_ptr<Process> process;
  // The load is on; afterwards nothing fails any more.
  bool busy = true;
  // The authority has lost data and the proxy can't know yet.
  bool authority_forgot = false;

  int64_t ToleranceMs() const;
  uint64_t NewSessionId() { return ++sessions_; }
  uint64_t& uid() { return uid_; }  // of values that nobody else has written

 private:
  void Fill();
  void Boot(bool may_trust);
  void PlanFaults();
  void Often(bool wanted, int64_t mean_us, std::function<void()> fault);
  void LoseLane();
  void LoseFollower();
  void PauseStore();
  void HoldUpFollower();
  void RefuseForAWhile();
  void RestartFollower();
  void RestartAuthority();
  void Reload();
  void Crash();
  void Quiet();
  bool InStep() const;
  void CompareStores();
  void Harvest();

  uint64_t uid_ = 0, sessions_ = 0;
};

}  // namespace crossfade::sim
