// Core: what the workers share: the two stores, the replicator behind its lock,
// and the command table. Outlives the workers.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/plan.h"
#include "proxy/auth/auth_guard.h"
#include "proxy/backend/busy_watch.h"
#include "proxy/backend/read_suspension.h"
#include "proxy/backend/side_commands.h"
#include "proxy/backend/store_link.h"
#include "proxy/mirror_events.h"
#include "proxy/ownership/ownership.h"
#include "proxy/worker/client_pause.h"
#include "replication/replicator.h"
#include "replication/waiting_table.h"
#include "routing/commands/command_table.h"

namespace crossfade::proxy {

class IntentCommitter;
class Worker;

struct Core {
  Core(const config::Plan& plan, const routing::CommandTable& commands);
  ~Core();

  StoreLink& authority() { return legacy; }
  StoreLink& follower() { return new_store; }

  // Takes the replication lock.
  void LeaveLive(const std::string& reason);

  StoreLink legacy;
  StoreLink new_store;
  // Tables are never freed while workers run; commands in flight point into them.
  std::atomic<const routing::CommandTable*> table;

  Ownership ownership;
  AuthGuard auth_guard;
  MirrorEvents events;
  // The replication lock; guards `replicator`, `waiting` and `events`.
  std::mutex mutex;
  replication::Replicator replicator;
  replication::WaitingTable waiting;

  std::unique_ptr<IntentCommitter> journal;  // null: none
  std::vector<std::unique_ptr<Worker>> workers;
  // Set when the applier (on worker 0) has something to send; cleared by it.
  std::atomic<bool> feed_wanted{false};
  // Copies of the log's figures for those who don't take the lock.
  std::atomic<uint64_t> applied_seq{0}, head_seq{0}, last_intent{0}, last_dropped{0};
  ReadSuspension read_suspension;
  ClientPause client_pause;
  int64_t started_us = 0;  // on the workers' clock
  // Numbers of lanes, those of lanes that are gone again. Thread-safe.
  replication::LaneId TakeLaneId();
  void GiveLaneId(replication::LaneId id);
  std::atomic<uint64_t> lane_count{0};
  std::atomic<uint32_t> pinned_count{0};  // private lanes that somebody has
  std::atomic<uint32_t> monitors{0};      // sessions in MONITOR
  // Under which number the store knows a client's own connection; 0: it has none.
  int64_t StoreClientOf(uint64_t session) const;
  void SetStoreClient(uint64_t session, int64_t client);
  // Commands that only a store's COMMAND reply knows, and clients have sent. Thread-safe.
  void NoteUsed(const routing::CommandSpec& spec);
  bool Used(const std::string& name) const;
  // What the authority has and the follower lacks; nullptr until both are known.
  std::atomic<const routing::CommandSet*> follower_lacks{nullptr};
  SideCommands side_commands;
  BusyWatch busy_watch;
  std::atomic<bool> authority_busy{false};  // workers are told what it says; this may be earlier
  std::atomic<int64_t> databases{16};       // of the authority, as its configuration says

 private:
  mutable std::mutex ids_mutex_;
  std::vector<replication::LaneId> spare_lane_ids_;
  replication::LaneId next_lane_id_ = 0;
  std::unordered_map<uint64_t, int64_t> store_clients_;
  std::set<std::string> used_others_;
};

}  // namespace crossfade::proxy
