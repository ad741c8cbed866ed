// Store: a small Redis in memory, on virtual time: strings, hashes, lists and
// sets in two dbs, expiry by a clock of its own, MULTI … EXEC, DUMP and RESTORE
// of its own. It replies as Redis does, for what the workload and the mirror
// send. Connections are connection.h's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/commands/command_table.h"
#include "tests/sim/env.h"
#include "tests/sim/value.h"

namespace crossfade::sim {

class Connection;
using routing::Args;

inline constexpr uint32_t kDbs = 2;

// What a store knows of a connection.
struct ClientState {
  uint32_t db = 0;
  bool multi = false;
  bool aborted = false;  // a command was refused while it was queued
  std::vector<std::string> queued;
};

struct KeyId {
  uint32_t db;
  std::string name;
  bool operator<(const KeyId& other) const {
    return db != other.db ? db < other.db : name < other.name;
  }
};

class Store {
 public:
  using Keys = std::unordered_map<std::string, Entry>;
  // Told after each command outside a transaction, and after EXEC: what it may
  // have changed, and who sent it.
  struct Change {
    const std::set<KeyId>& touched;
    bool swapped;  // the dbs, before all else
    uint64_t stamp;
    uint64_t tag;
  };
  using Observer = std::function<void(const Change&)>;

  Store(Env& env, std::string name, int64_t clock_offset_ms);

  // One whole command; returns the reply.
  std::string Execute(ClientState& client, std::string_view request, uint64_t tag);
  // Commands executed here so far: the place of a command in the store's own order.
  uint64_t stamp() const { return stamp_; }
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  const std::string& name() const { return name_; }
  int64_t NowMs() const { return env_.UnixMs() + clock_offset_ms_; }
  int64_t clock_offset_ms() const { return clock_offset_ms_; }
  const Keys& keys(uint32_t db) const { return dbs_[db]; }
  Entry Peek(uint32_t db, const std::string& name) const;  // as of now
  size_t size() const;

  // ---- Faults.
  bool up() const { return up_; }
  uint64_t run() const { return run_; }
  void Stop();             // as if killed: connections are reset
  void Start(bool empty);  // another process, with the data or without
  void Pause(int64_t until_us) { paused_until_us_ = until_us; }
  int64_t paused_until_us() const { return paused_until_us_; }
  void set_out_of_memory(bool is) { out_of_memory_ = is; }
  void set_refusals(uint64_t one_in) { refuse_one_in_ = one_in; }  // 0: none
  void Attach(Connection* connection) { connections_.insert(connection); }
  void Detach(Connection* connection) { connections_.erase(connection); }
  void KillAll();  // of the proxy that was before, found by their names

  // ---- For the commands (store_commands.cc).
  const Entry* Find(uint32_t db, std::string_view name);  // nullptr: no key
  void Put(uint32_t db, std::string_view name, Entry entry);
  bool Erase(uint32_t db, std::string_view name);
  void Flush(uint32_t db);
  void Swap();
  Env& env() { return env_; }

 private:
  std::string Run(ClientState& client, Args args);
  std::string Exec(ClientState& client);
  bool Refuses(const routing::CommandSpec* spec, std::string& error);
  void Tell(uint64_t tag);

  Env& env_;
  const std::string name_;
  const int64_t clock_offset_ms_;
  std::array<Keys, kDbs> dbs_;
  std::set<KeyId> touched_;
  bool swapped_ = false;
  Observer observer_;
  uint64_t stamp_ = 0;
  uint64_t run_ = 1;
  bool up_ = true;
  bool out_of_memory_ = false;
  uint64_t refuse_one_in_ = 0;
  int64_t paused_until_us_ = 0;
  std::set<Connection*> connections_;
  std::string scratch_;
};

// The words of a request.
void SplitRequest(std::string_view request, std::vector<std::string_view>& args);

// store_commands.cc: the reply to a command that is no transaction's or db's own.
std::string RunCommand(Store& store, uint32_t db, Args args);
// What a read of one key replies, given the key's state; empty when `args` is none.
std::string ReadOneKey(Args args, const Entry* entry);

}  // namespace crossfade::sim
