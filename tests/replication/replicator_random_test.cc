// The replicator between two stores in memory, with everything that can go
// wrong at random: lanes and the follower's connection are lost while commands
// that they carried are yet to be executed, the follower refuses, the log is
// too small. What is read without staleness must be what the authority has, and
// in the end the stores must be equal.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "replication/replicator.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;
using test::Mirror;
using test::Words;

constexpr std::string_view kOk = "+OK\r\n", kNil = "$-1\r\n";

std::string Integer(size_t n) { return ":" + std::to_string(n) + "\r\n"; }

// As much of a store as the commands below need.
class Store {
 public:
  using Keys = std::map<std::string, std::string>;

  std::string Execute(uint32_t db, const std::string& line, std::mt19937_64& random) {
    const Lines words = Words(line);
    const std::string& name = words[0];
    Keys& keys = dbs[db];
    if (name == "SET" || name == "RESTORE") {
      keys[words[1]] = words[name == "SET" ? 2 : 3];
      return std::string(kOk);
    }
    if (name == "MSET") {
      for (size_t i = 1; i + 1 < words.size(); i += 2) keys[words[i]] = words[i + 1];
      return std::string(kOk);
    }
    if (name == "APPEND") return Integer((keys[words[1]] += words[2]).size());
    if (name == "DEL") return Integer(keys.erase(words[1]));
    if (name == "GETDEL") {
      const auto it = keys.find(words[1]);
      if (it == keys.end()) return std::string(kNil);
      const std::string value = it->second;
      keys.erase(it);
      return test::Bulk(value);
    }
    if (name == "RENAME" || name == "COPY") {
      const auto it = keys.find(words[1]);
      if (it == keys.end()) return name == "COPY" ? ":0\r\n" : "-ERR no such key\r\n";
      const std::string value = it->second;
      if (name == "RENAME") keys.erase(it);
      (words.size() > 4 ? dbs[1] : keys)[words[2]] = value;  // COPY … DB 1 REPLACE
      return name == "COPY" ? ":1\r\n" : std::string(kOk);
    }
    if (name == "EVAL") {  // does what nobody can tell
      keys[words[3]] = std::to_string(random() % 1'000);
      return random() % 2 == 0 ? std::string(kNil) : "-ERR of the script\r\n";
    }
    if (name == "SWAPDB") dbs[0].swap(dbs[1]);
    if (name == "FLUSHDB") keys.clear();
    if (name == "FLUSHALL") dbs = {};
    return std::string(kOk);
  }
  std::string Value(uint32_t db, const std::string& key) const {
    const auto it = dbs[db].find(key);
    return it == dbs[db].end() ? std::string(Mirror::kGone) : it->second;
  }
  std::array<Keys, 2> dbs;
};

class ReplicatorRandomTest : public testing::TestWithParam<uint64_t> {
 protected:
  static constexpr size_t kLanes = 3;
  static constexpr uint64_t kKeys = 10;
  struct Command {
    std::string line;  // empty: a key sync
    uint32_t db = 0;
    std::unique_ptr<Mirror::Sent> write;
    KeyToSync sync;
    bool executed = false;
    std::string reply;
  };
  struct Lane {
    std::deque<Command> in_flight;
    bool lost = false;
    std::deque<Command> buffered;  // of the lost connection: its server may execute them yet
  };

  uint64_t Below(uint64_t n) { return random_() % n; }
  // Two of them are used more than the others.
  std::string RandomKey() { return "k" + std::to_string(Below(Below(2) == 0 ? 2 : kKeys)); }
  std::string RandomValue() {
    return "v" + std::to_string(Below(1'000)) + std::string(Below(40) == 0 ? 400 : 0, 'x');
  }
  std::string RandomLine() {
    const uint64_t dice = Below(1'600);
    if (dice == 0) return "FLUSHALL";
    if (dice == 1) return "FLUSHDB";
    if (dice == 2) return "SWAPDB 0 1";
    const std::string key = " " + RandomKey(), other = " " + RandomKey();
    switch (dice % 16) {
      case 0:
        return "COPY" + key + other + " REPLACE";
      case 1:
        return "RENAME" + key + other;
      case 2:
        return "MSET" + key + " " + RandomValue() + other + " " + RandomValue();
      case 3:
        return "COPY" + key + other + " DB 1 REPLACE";
      case 4:
        return "GETDEL" + key;
      case 5:
        return "DEL" + key;
      case 6:
        return Below(5) == 0 ? "EVAL script 1" + key : "APPEND" + key + " x";
      case 7:
      case 8:
      case 9:
        return "APPEND" + key + " x";
      default:
        return "SET" + key + " " + RandomValue();
    }
  }
  GateKeys KeysOf(const Command& command) {
    if (command.write) return command.write->record.keys.gate();
    sync_hash_ = routing::KeyHash(command.sync.db, command.sync.name);
    return {std::span(&sync_hash_, 1), false};
  }

  // ---- The authority's side
  void Arrive(size_t lane, Command command) {
    if (r_.gate().TryEnter(static_cast<LaneId>(lane), KeysOf(command))) {
      return Send(lane, std::move(command));
    }
    const uint64_t ticket = r_.gate().Wait(static_cast<LaneId>(lane), KeysOf(command), &m_.events);
    waiting_[ticket] = {lane, std::move(command)};
  }
  void Send(size_t lane, Command command) {
    if (command.write) r_.BeginWrite(command.write->record, {{}, command.write->bytes}, m_.now_us);
    lanes_[lane].in_flight.push_back(std::move(command));
  }
  void Write() {
    const size_t lane = Below(kLanes);
    if (lanes_[lane].lost || waiting_.size() > 15) return;
    Command command;
    command.line = RandomLine();
    command.db = static_cast<uint32_t>(Below(2));
    command.write = m_.Prepare({command.line}, static_cast<LaneId>(lane), command.db);
    Arrive(lane, std::move(command));
  }
  // The note that a waiter has entered is read some time later.
  void TakeMail() {
    std::vector<uint64_t> kept;
    for (const uint64_t ticket : std::exchange(m_.events.entered, {})) {
      auto& [lane, command] = waiting_[ticket];
      if (!lanes_[lane].lost) {
        Send(lane, std::move(command));
      } else if (command.write) {
        kept.push_back(ticket);  // until the lane is back
        continue;
      } else {
        r_.gate().Leave(static_cast<LaneId>(lane), KeysOf(command));
        r_.SyncReadFailed(command.sync);
      }
      waiting_.erase(ticket);
    }
    for (const uint64_t ticket : kept) m_.events.entered.push_back(ticket);
  }
  void ExecuteAtAuthority(Command& command) {
    command.executed = true;
    command.reply = command.write ? authority_.Execute(command.db, command.line, random_)
                                  : authority_.Value(command.sync.db, command.sync.name);
  }
  void ExecuteOn(size_t lane) {
    for (Command& command : lanes_[lane].in_flight) {
      if (command.executed) continue;
      return ExecuteAtAuthority(command);
    }
  }
  void TakeReply(size_t lane) {
    auto& in_flight = lanes_[lane].in_flight;
    if (in_flight.empty() || !in_flight.front().executed) return;
    Command command = std::move(in_flight.front());
    in_flight.pop_front();
    if (command.write) {
      r_.FinishWrite(static_cast<LaneId>(lane), command.write->record, command.reply, m_.unix_ms);
      return;
    }
    const bool gone = command.reply == Mirror::kGone;
    r_.FinishSync(command.sync, gone ? std::string(kNil) : test::Bulk(command.reply),
                  gone ? ":-2\r\n" : ":-1\r\n");
    r_.gate().Leave(static_cast<LaneId>(lane), KeysOf(command));
  }
  void LoseLane(size_t at) {
    Lane& lane = lanes_[at];
    if (lane.lost) return;
    lane.lost = true;
    r_.HoldSyncs(true);
    for (Command& command : lane.in_flight) {
      if (command.write) {
        r_.LoseWrite(static_cast<LaneId>(at), command.write->record);
        if (!command.executed) lane.buffered.push_back(std::move(command));
      } else {
        r_.SyncReadFailed(command.sync);
        r_.gate().Leave(static_cast<LaneId>(at), KeysOf(command));
      }
    }
    lane.in_flight.clear();
  }
  void ExecuteBuffered(size_t at) {
    Lane& lane = lanes_[at];
    if (lane.buffered.empty()) return;
    ExecuteAtAuthority(lane.buffered.front());
    lane.buffered.pop_front();
  }
  // The old connection is dead now.
  void LaneIsBack(size_t at) {
    Lane& lane = lanes_[at];
    if (!std::exchange(lane.lost, false)) return;
    lane.buffered.clear();
    r_.HoldSyncs(false);
  }
  void ReadKeys() {
    KeyToSync key;
    const size_t lane = Below(kLanes);
    while (r_.NextSync(m_.now_us, key)) {
      if (lanes_[lane].lost) return r_.SyncReadFailed(key);
      Command command;
      command.sync = key;
      Arrive(lane, std::move(command));
    }
  }

  // ---- The follower's side
  void Feed() {
    for (std::string& line : m_.Feed()) to_follower_.push_back(std::move(line));
  }
  void ExecuteAtFollower() {
    if (to_follower_.empty()) return;
    const std::string line = std::move(to_follower_.front());
    to_follower_.pop_front();
    const bool whole = line.starts_with("FLUSH") || line.starts_with("SWAP");
    const bool select = line.starts_with("SELECT");
    if (!calm_ && !select && Below(whole ? 200 : 70) == 0) {
      from_follower_.push_back("-OOM no memory\r\n");
      return;
    }
    if (select) follower_db_ = static_cast<uint32_t>(std::stoul(line.substr(7)));
    from_follower_.push_back(select ? std::string(kOk)
                                    : follower_.Execute(follower_db_, line, random_));
  }
  void TakeFollowerReply() {
    if (from_follower_.empty() || !connected_) return;
    m_.Follower({from_follower_.front()});
    from_follower_.pop_front();
  }
  void LoseFollower() {
    if (!std::exchange(connected_, false)) return;
    from_follower_.clear();
    r_.FollowerLost();
    m_.events.reconnects.clear();
  }
  void FollowerIsBack() {
    if (std::exchange(connected_, true)) return;
    to_follower_.clear();
    from_follower_.clear();
    follower_db_ = 0;
    r_.FollowerReady();
  }

  // ---- Copying, as the driver does it: begins, looks at one store, at the other
  void Copy() {
    m_.events.copies.clear();
    if (r_.state() == MirrorState::kUnfinished) {
      r_.BeginCopy();
      copied_ = 0;
    } else if (r_.state() == MirrorState::kCopying && copied_ < 2) {
      const Store& store = copied_++ == 0 ? authority_ : follower_;
      for (uint32_t db = 0; db < 2; ++db) {
        for (const auto& [key, value] : store.dbs[db]) r_.AddScanned(db, key);
      }
    } else if (r_.state() == MirrorState::kCopying) {
      r_.FinishCopy();
    }
  }

  // Now and then for a while: much is lost, or the follower is slow.
  void Step(int i) {
    if (i % 500 == 0) mood_ = Below(5);
    const uint64_t faults = mood_ == 0 ? 12 : 2;
    const uint64_t dice = Below(2'000);
    const size_t lane = Below(kLanes);
    if (dice < faults) return LoseLane(lane);
    if (dice < 2 * faults) return LoseFollower();
    if (dice == 30) return r_.LeaveLive("at random");
    if (dice < 100) return LaneIsBack(lane);
    if (dice < 150) return FollowerIsBack();
    if (dice < 200) return ExecuteBuffered(lane);
    if (dice < 300) return Copy();
    m_.now_us += static_cast<int64_t>(Below(2'000));
    const auto some = [this](auto f) {
      for (uint64_t n = Below(8); n > 0; --n) f();
    };
    switch (dice % 8) {
      case 0:
        return Write();
      case 1:
        return TakeMail();
      case 2:
        return some([&] { ExecuteOn(lane); });
      case 3:
        return some([&] { TakeReply(lane); });
      case 4:
        return ReadKeys();
      case 5:
        return Feed();
      case 6:
        if (mood_ == 1) return some([&] { Write(); });
        return some([&] { ExecuteAtFollower(); });
      default:
        return some([&] { TakeFollowerReply(); });
    }
  }
  void Check() {
    if (!m_.events.reconnects.empty()) LoseFollower();
    ASSERT_LE(r_.log().bytes(), kMemory + 2 * kKeys * 1'000) << "what the keys' syncs may add";
    for (uint32_t db = 0; db < 2; ++db) {
      for (uint64_t i = 0; i < kKeys; ++i) {
        const std::string name = "k" + std::to_string(i);
        const Replicator::ReadKey key{name, routing::KeyHash(db, name)};
        const ReadVerdict verdict = r_.CheckRead(db, std::span(&key, 1), 0, 0, 0, m_.now_us);
        if (verdict != ReadVerdict::kEligible) continue;
        ++reads_;
        ASSERT_EQ(follower_.Value(db, name), authority_.Value(db, name)) << db << " " << name;
      }
    }
  }
  // No more faults and writes: all that is under way is finished.
  void Finish() {
    calm_ = true;
    for (int round = 0; round < 2'000; ++round) {
      if (r_.live() && r_.Drained() && r_.gate().in_flight() == 0) break;
      for (size_t lane = 0; lane < kLanes; ++lane) {
        LaneIsBack(lane);
        for (int i = 0; i < 20; ++i) ExecuteOn(lane);
        for (int i = 0; i < 20; ++i) TakeReply(lane);
      }
      FollowerIsBack();
      Copy();
      TakeMail();
      ReadKeys();
      Feed();
      while (!to_follower_.empty()) ExecuteAtFollower();
      while (!from_follower_.empty()) TakeFollowerReply();
      m_.now_us += 20'000'000;
      Check();
      if (HasFatalFailure()) return;
    }
  }

  static constexpr uint64_t kMemory = 6'000;
  std::mt19937_64 random_{GetParam()};
  Mirror m_{kMemory};
  Replicator& r_ = m_.replicator;
  Store authority_, follower_;
  std::array<Lane, kLanes> lanes_;
  std::map<uint64_t, std::pair<size_t, Command>> waiting_;
  uint64_t sync_hash_ = 0;
  std::deque<std::string> to_follower_, from_follower_;
  uint32_t follower_db_ = 0;
  bool connected_ = true;
  bool calm_ = false;
  uint64_t mood_ = 0;
  int copied_ = 0;
  uint64_t reads_ = 0;
};

TEST_P(ReplicatorRandomTest, TheStoresAreEqualInTheEnd) {
  std::cout << "seed " << GetParam() << "\n";
  m_.GoLive();
  for (int i = 0; i < 20'000; ++i) {
    Step(i);
    Check();
    if (HasFatalFailure()) return;
  }
  Finish();
  if (HasFatalFailure()) return;
  m_.ExpectDrained();
  for (uint32_t db = 0; db < 2; ++db) EXPECT_EQ(follower_.dbs[db], authority_.dbs[db]) << db;
  EXPECT_GT(reads_, 1'000u) << "nearly nothing could be read";
  const ReplicatorCounters& counters = r_.counters();
  std::cout << "reads " << reads_ << " collapses " << counters.collapses << " synced "
            << counters.synced << " replayed " << counters.replayed << " suspended "
            << counters.suspended << " era " << r_.era() << "\n";
  EXPECT_GT(counters.synced * counters.replayed * counters.suspended, 0u);
}

// More of them by CROSSFADE_RANDOM_SEEDS.
uint64_t Seeds() {
  const char* seeds = std::getenv("CROSSFADE_RANDOM_SEEDS");
  return seeds == nullptr ? 40 : std::strtoull(seeds, nullptr, 10);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReplicatorRandomTest, testing::Range<uint64_t>(1, 1 + Seeds()));

}  // namespace
}  // namespace crossfade::replication
