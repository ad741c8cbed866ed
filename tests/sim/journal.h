// JournalDisk: the folder of the intent journal, which outlives the proxy; in mode
// disk, what is not synced does not outlive the machine. Committer: what
// proxy/journal/intent_committer.cc does, in virtual time. The journal's contents
// are the real code's, and so is reading them after a crash.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "replication/journal/intent_journal.h"
#include "replication/journal/recovery.h"
#include "tests/sim/env.h"

namespace crossfade::sim {

class Process;

class JournalDisk {
 public:
  using Name = std::pair<uint64_t, uint64_t>;  // generation and index

  explicit JournalDisk(Env& env) : env_(env) {}
  void Append(const Name& name, std::string_view bytes);
  void BeginSync();
  void FinishSync();  // what was there when it began is on the disk
  void Sync() {
    BeginSync();
    FinishSync();
  }
  void RemoveBelow(const Name& name, bool former_generations);
  void RemoveAll() { segments_.clear(); }
  replication::Recovered Read();
  uint64_t newest_generation() const;
  replication::BootId boot() const;
  // The machine was restarted: of what was not synced, some is there, or zeros, or nothing.
  void Reboot();

 private:
  struct Segment {
    std::string bytes;
    size_t syncing = 0, synced = 0;
  };
  Env& env_;
  std::map<Name, Segment> segments_;
  uint8_t boot_ = 1;
  bool used_ = false;
};

enum class JournalMode : uint8_t { kNone, kProcess, kDisk };

class Committer {
 public:
  Committer(Process& process, JournalDisk& disk, JournalMode mode);

  void Begin();
  // Whether the write of this number may be sent. False: told later.
  bool Commit(uint64_t intent);
  void Tick();
  // All that is known is written, and in mode disk synced, before `then`.
  void Flush(std::function<void()> then);
  void Settle();  // the same, at once
  void Close();   // in order
  // The proxy is killed while it writes: of the next block comes a part.
  void Tear();

 private:
  void BeginGeneration(bool first);
  void WritePending();
  void WriteBlock(size_t bytes_at_most);
  void RemoveUnneeded();
  void GiveUp();
  void WantSync();
  void FinishSync(uint64_t target);

  Process& process_;
  JournalDisk& disk_;
  const JournalMode mode_;
  replication::IntentJournal::Sizes sizes_;
  uint64_t generation_;
  replication::JournalBlock block_;
  JournalDisk::Name remove_below_;
  bool remove_former_ = false, removal_due_ = false;
  bool failed_ = false;
  int64_t next_try_us_ = 0;
  uint64_t written_ = 0, committed_ = 0;
  bool syncing_ = false;
  std::vector<std::function<void()>> flushes_;
};

}  // namespace crossfade::sim
