// Session: a client and its session: sends commands, a few at a time, and judges
// what it gets. Where its commands go is decided as in proxy/session
// (dispatch.cc, read_routing.cc, transaction.cc, session_io.cc), with the real
// OrderedReplies.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/session/ordered_replies.h"
#include "replication/write_keys.h"
#include "tests/sim/follower_reader.h"
#include "tests/sim/lane.h"
#include "tests/sim/process.h"

namespace crossfade::sim {

class Session {
 public:
  enum Pause : uint8_t { kGate = 1, kLane = 2, kDrain = 4, kFollower = 8 };

  Session(Worker& worker, uint64_t id);

  void Begin();
  void Pump();
  void Resume(uint8_t reasons);
  bool idle() const { return input_.empty() && issued_.empty(); }
  std::string Describe() const;
  void Disconnect();  // its client has gone; another one comes

  // ---- From lanes and readers.
  void Deliver(ReplyTo to, std::string_view frame, uint64_t stamp);
  void Fail(ReplyTo to);
  void Saw(uint64_t seq, uint64_t intent);
  void SawKeysOf(uint64_t ordered);
  bool must_retry(ReplyTo to) const { return ordered_->must_retry(to.ordered); }
  void RetryOnAuthority(ReplyTo to, std::string_view request);
  // No reply of a dirty key may count.
  void CheckClean(std::string_view request);

 private:
  enum class Step : uint8_t { kDone, kPaused };
  using Source = proxy::Source;
  struct Issue {
    std::vector<std::string> commands;  // several: a transaction
    uint32_t db = 0;
    uint64_t number = 0;
    // Of a read that went to the follower.
    bool on_follower = false;
    bool amnesty = false;
    int64_t budget_us = 0;
    int64_t sent_us = 0;
    uint64_t sent_stamp = 0;
    uint64_t stamp = 0;  // when the authority executed it
    bool failed = false;
  };

  // ---- session.cc: what the proxy does.
  Step Dispatch(const Issue& issue);
  Step SendRead(const routing::CommandSpec& spec, Args args, const std::string& request);
  Step SendWrite(const routing::CommandSpec& spec, Args args, const std::string& request);
  Step SendPlain(bool is_read, const std::string& request);
  Step SendTransaction(const Issue& issue);
  bool DecideRead(const routing::CommandSpec& spec, Args args, FollowerReadTicket& ticket);
  bool SendShadow(const routing::CommandSpec& spec, Args args, const std::string& request);
  bool Ordering();
  bool NeedsLane(Step& step);  // false: not now
  bool MayGoOn(const routing::CommandSpec& spec, Args args, bool& all, Step& step);
  bool MustWaitForFollower(std::span<const uint64_t> hashes);
  bool EnterGate(std::span<const uint64_t> hashes, bool all, bool may_wait);
  void LeaveGate();
  void HashKeys(uint32_t db, const routing::CommandSpec& spec, Args args, bool& all);
  ReplyTo NewReply(Source source, std::span<const uint64_t> hashes);
  void ReplyError();
  Lane& lane() { return worker_.LaneOf(db_); }
  const Plan& plan() const { return worker_.plan(); }
  uint64_t Tag() const { return id_ << 32 | next_issue_; }

  // ---- client.cc: what the client does and sees.
  void Think();
  void SendCommands();
  void TakeReply(std::string_view frame);
  void Judge(const Issue& issue, std::string_view frame);
  void JudgeFollowerRead(const Issue& issue, std::string_view frame);
  void JudgeKey(const Issue& issue, const KeyId& key, Args args, std::string_view reply);
  void ForEachKey(const Issue& issue, const std::function<void(const KeyId&)>& f) const;

  Worker& worker_;
  Process& process_;
  Env& env_;
  uint64_t id_;
  int64_t budget_us_ = 0;
  uint32_t db_ = 0;
  uint8_t paused_ = 0;
  bool pump_queued_ = false;
  std::deque<Issue> input_;   // not sent
  std::deque<Issue> issued_;  // sent, in the order of their replies
  uint64_t next_issue_ = 1;
  std::unique_ptr<proxy::OrderedReplies> ordered_;
  uint64_t in_flight_ = 0;
  uint64_t seen_seq_ = 0, seen_intent_ = 0;
  std::unique_ptr<replication::WriteKeys> gate_held_;
  uint64_t gate_ticket_ = 0;
  bool gate_entered_ = false;
  std::map<KeyId, size_t> floors_;  // the oldest version that it may yet be shown

  // Scratch.
  std::vector<uint64_t> hashes_;
  std::vector<std::string_view> names_, args_;
  std::vector<routing::KeyPosition> positions_;
  std::vector<replication::Replicator::ReadKey> read_keys_;
};

// workload.cc: what a client sends next; several commands are a transaction.
std::vector<std::string> NextCommands(World& world, uint64_t& uid);

}  // namespace crossfade::sim
