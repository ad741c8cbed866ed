#include "tests/sim/session.h"

#include <algorithm>

#include "replication/compare/reads.h"
#include "replication/effects.h"
#include "routing/commands/serving.h"
#include "routing/resp/encode.h"
#include "routing/slot.h"

namespace crossfade::sim {

using replication::ReadVerdict;
using routing::CommandSpec;

namespace {

const CommandSpec& SpecOf(Args args) { return *routing::CommandTable::Redis70().Find(args); }

}  // namespace

// ---- Going on and waiting

void Session::Pump() {
  pump_queued_ = false;
  while (paused_ == 0 && !input_.empty()) {
    if (Dispatch(input_.front()) == Step::kPaused) return;
    input_.pop_front();
  }
}

void Session::Resume(uint8_t reasons) {
  if ((paused_ & reasons) == 0) return;
  paused_ &= static_cast<uint8_t>(~reasons);
  if (paused_ != 0 || std::exchange(pump_queued_, true)) return;
  process_.After(env_.random.Between(1, 100), [this] { Pump(); });
}

// What was in flight is answered to nobody; who waited at the gate leaves it.
void Session::Disconnect() {
  LeaveGate();
  paused_ &= static_cast<uint8_t>(~kGate);
  input_.clear();
}

// ---- Replies

ReplyTo Session::NewReply(Source source, std::span<const uint64_t> hashes) {
  ++in_flight_;
  Issue issue = input_.front();
  issue.number = next_issue_++;
  issue.db = db_;
  issue.on_follower = source == Source::kFollower;
  issue.budget_us = budget_us_;
  issue.sent_us = process_.now_us();
  issue.sent_stamp = process_.authority.store.stamp();
  issue.amnesty = process_.world.authority_forgot;
  const uint64_t number = issue.number;
  issued_.push_back(std::move(issue));
  return {this, ordered_ ? ordered_->Push(source, hashes) : ReplyTo::kUnordered, number};
}

void Session::Deliver(ReplyTo to, std::string_view frame, uint64_t stamp) {
  Issue& issue = issued_[to.issue - issued_.front().number];
  issue.stamp = stamp;
  if (to.ordered != ReplyTo::kUnordered) {
    ordered_->Complete(to.ordered, frame, [this](std::string_view reply) { TakeReply(reply); });
    if (ordered_->unanswered(Source::kFollower) == 0) Resume(kFollower);
  } else {
    if (plan().mirrors && !plan().ordered()) {
      Saw(process_.replicator.log().head_seq(), process_.replicator.intents().last());
    }
    TakeReply(frame);
  }
  if (in_flight_ > 0) return;
  ordered_.reset();
  Resume(kDrain | kFollower);
}

void Session::Fail(ReplyTo to) {
  issued_[to.issue - issued_.front().number].failed = true;
  Deliver(to, "-ERR crossfade: lost\r\n", 0);
}

void Session::ReplyError() {
  if (env_.tracing) env_.Trace("session " + std::to_string(id_) + " gets an error at once");
}

void Session::Saw(uint64_t seq, uint64_t intent) {
  seen_seq_ = std::max(seen_seq_, seq);
  seen_intent_ = std::max(seen_intent_, intent);
}

void Session::SawKeysOf(uint64_t ordered) {
  for (const uint64_t hash : ordered_->keys(ordered)) {
    Saw(process_.replicator.SeenSeq(hash),
        process_.lane_count > 1 ? process_.replicator.SeenIntent(hash) : 0);
  }
}

void Session::RetryOnAuthority(ReplyTo to, std::string_view request) {
  Issue& issue = issued_[to.issue - issued_.front().number];
  issue.on_follower = false;
  ordered_->Retry(to.ordered);
  if (!lane().ready()) return Fail(to);
  lane().SendPlain(to, true, request, 0, 0);
}

// ---- Where a command goes

Session::Step Session::Dispatch(const Issue& issue) {
  if (issue.commands.size() > 1) return SendTransaction(issue);
  SplitRequest(issue.commands[0], args_);
  const Args args(args_);
  if (args[0] == "SELECT") {
    if (in_flight_ > 0) {
      paused_ |= kDrain;
      return Step::kPaused;
    }
    db_ = args[1] == "1" ? 1 : 0;
    return Step::kDone;
  }
  const CommandSpec& spec = SpecOf(args);
  return spec.ReadOnly() ? SendRead(spec, args, issue.commands[0])
                         : SendWrite(spec, args, issue.commands[0]);
}

bool Session::NeedsLane(Step& step) {
  if (lane().ready()) return true;
  if (!lane().unreachable()) {
    paused_ |= kLane;
    lane().Wait(this);
    step = Step::kPaused;
    return false;
  }
  if (in_flight_ > 0) {
    paused_ |= kDrain;
    step = Step::kPaused;
    return false;
  }
  LeaveGate();
  ReplyError();
  step = Step::kDone;
  return false;
}

bool Session::Ordering() {
  if (ordered_) return true;
  if (!plan().ordered() || in_flight_ > 0) return false;
  ordered_ = std::make_unique<proxy::OrderedReplies>();
  return true;
}

bool Session::MustWaitForFollower(std::span<const uint64_t> hashes) {
  if (!ordered_ || ordered_->unanswered(Source::kFollower) == 0) return false;
  const bool busy = std::any_of(hashes.begin(), hashes.end(), [this](uint64_t hash) {
    return ordered_->Busy(Source::kFollower, hash);
  });
  if (busy) paused_ |= kFollower;
  return busy;
}

void Session::HashKeys(uint32_t db, const CommandSpec& spec, Args args, bool& all) {
  hashes_.clear();
  names_.clear();
  const routing::Keys keys = routing::ExtractKeys(spec, args, positions_);
  all = keys == routing::Keys::kAll || keys == routing::Keys::kMalformed;
  for (const routing::KeyPosition& key : positions_) {
    const uint32_t key_db = key.db == routing::kSameDb ? db : static_cast<uint32_t>(key.db);
    names_.push_back(args[key.arg]);
    hashes_.push_back(routing::KeyHash(key_db, args[key.arg]));
  }
}

Session::Step Session::SendPlain(bool is_read, const std::string& request) {
  Step step = Step::kDone;
  if (!NeedsLane(step)) return step;
  if (plan().ordered() && !Ordering()) {
    paused_ |= kDrain;
    return Step::kPaused;
  }
  const uint64_t tag = Tag();
  lane().SendPlain(NewReply(Source::kAuthority, {}), is_read, request, 0, tag);
  return Step::kDone;
}

// A lane is there, the keys are hashed, and replies are put in order where they must be.
bool Session::MayGoOn(const CommandSpec& spec, Args args, bool& all, Step& step) {
  if (!NeedsLane(step)) return false;
  HashKeys(db_, spec, args, all);
  if (!plan().ordered() || Ordering()) return true;
  paused_ |= kDrain;
  step = Step::kPaused;
  return false;
}

Session::Step Session::SendRead(const CommandSpec& spec, Args args, const std::string& request) {
  if (!plan().ordered() && !plan().shadows() && !ordered_) return SendPlain(true, request);
  Step step = Step::kDone;
  bool all = false;
  if (!MayGoOn(spec, args, all, step)) return step;
  FollowerReadTicket ticket;
  if (plan().follower_reads() && DecideRead(spec, args, ticket)) {
    ++process_.world.counts.follower_reads;
    if (env_.tracing) {
      env_.Trace("session " + std::to_string(id_) + " reads on the follower, budget " +
                 std::to_string(budget_us_) + ": " + Printable(request));
    }
    CheckClean(request);
    worker_.ReaderOf(db_).Send(NewReply(Source::kFollower, hashes_), request, ticket);
    return Step::kDone;
  }
  if (MustWaitForFollower(hashes_)) return Step::kPaused;
  if (plan().shadows() && env_.random.Percent(plan().shadow_percent) &&
      SendShadow(spec, args, request)) {
    return Step::kDone;
  }
  lane().SendPlain(NewReply(Source::kAuthority, hashes_), true, request, 0, 0);
  return Step::kDone;
}

bool Session::DecideRead(const CommandSpec& spec, Args args, FollowerReadTicket& ticket) {
  if (!routing::MayReadFollower(spec, args)) return false;
  read_keys_.clear();
  for (size_t i = 0; i < names_.size(); ++i) {
    if (routing::Bucket(names_[i]) >= plan().follower_share) return false;
    if (ordered_->Busy(Source::kAuthority, hashes_[i])) return false;
    read_keys_.push_back({names_[i], hashes_[i]});
  }
  if (!worker_.ReaderOf(db_).ready()) return false;
  const replication::Replicator& replicator = process_.replicator;
  const ReadVerdict verdict =
      replicator.CheckRead(db_, read_keys_, budget_us_, seen_seq_, seen_intent_, process_.now_us());
  if (verdict != ReadVerdict::kEligible) return false;
  ticket.sent_seq = replicator.sent_seq();
  ticket.era = replicator.era();
  ticket.pending = replicator.AnyPending(read_keys_);
  return true;
}

void Session::CheckClean(std::string_view request) {
  std::vector<std::string_view> args;
  SplitRequest(request, args);
  routing::ExtractKeys(SpecOf(args), args, positions_);
  for (const routing::KeyPosition& key : positions_) {
    if (!process_.replicator.dirty().Contains(db_, args[key.arg])) continue;
    env_.Violation("a dirty key is read on the follower: " + Printable(request));
  }
}

bool Session::SendShadow(const CommandSpec& spec, Args args, const std::string& request) {
  if (replication::WhyIgnored(spec, args) != nullptr) return false;
  replication::Replicator& replicator = process_.replicator;
  if (!replicator.live() || !EnterGate(hashes_, false, false)) return false;
  replication::WriteRecord& write = lane().NewWrite();
  write.spec = &spec;
  write.shadow = true;
  write.keys.Set(hashes_, false);
  replicator.BeginWrite(write, {}, process_.now_us());
  ++process_.world.counts.shadows;
  lane().SendWrite(NewReply(Source::kAuthority, hashes_), true, request, 0, 0);
  for (size_t i = 0; i < names_.size(); ++i) {
    if (replicator.MayHaveExpiry(hashes_[i])) lane().AskDeadline(names_[i]);
  }
  return true;
}

// ---- Writes

Session::Step Session::SendWrite(const CommandSpec& spec, Args args, const std::string& request) {
  if (!plan().mirrors) {
    LeaveGate();
    if (ordered_ && ordered_->unanswered(Source::kFollower) > 0) {
      paused_ |= kFollower;
      return Step::kPaused;
    }
    return SendPlain(false, request);
  }
  Step step = Step::kDone;
  bool all = false;
  if (!MayGoOn(spec, args, all, step)) return step;
  if (all && ordered_ && ordered_->unanswered(Source::kFollower) > 0) {
    paused_ |= kFollower;
    return Step::kPaused;
  }
  if (MustWaitForFollower(hashes_)) return Step::kPaused;
  if (!EnterGate(hashes_, all, true)) return Step::kPaused;
  replication::WriteRecord& write = lane().NewWrite();
  write.spec = &spec;
  write.argc = args.size();
  write.keys.Set(hashes_, all);
  const bool one_key = !all && spec.single_key_at_1;
  process_.replicator.BeginWrite(write, {one_key ? args[1] : std::string_view(), request},
                                 process_.now_us());
  const uint64_t tag = Tag();
  lane().SendWrite(NewReply(Source::kAuthority, hashes_), false, request, 0, tag);
  const replication::AskBehind ask = replication::WhatToAskBehind(spec, args);
  if (ask.deadline) lane().AskDeadline(args[ask.key_arg]);
  return Step::kDone;
}

Session::Step Session::SendTransaction(const Issue& issue) {
  if (in_flight_ > 0) {
    paused_ |= kDrain;
    return Step::kPaused;
  }
  std::vector<uint64_t> hashes;
  std::vector<std::string> asked;
  bool writes = false, all = false;
  std::string bytes;
  routing::AppendCommand(bytes, {"MULTI"});
  for (const std::string& command : issue.commands) {
    SplitRequest(command, args_);
    const CommandSpec& spec = SpecOf(args_);
    bool whole = false;
    HashKeys(db_, spec, args_, whole);
    all = all || whole;
    hashes.insert(hashes.end(), hashes_.begin(), hashes_.end());
    bytes += command;
    if (spec.ReadOnly()) continue;
    writes = true;
    const replication::AskBehind ask = replication::WhatToAskBehind(spec, args_);
    if (ask.deadline) asked.emplace_back(args_[ask.key_arg]);
  }
  routing::AppendCommand(bytes, {"EXEC"});
  const bool mirrored = writes && plan().mirrors;
  if (!mirrored) LeaveGate();
  Step step = Step::kDone;
  if (!NeedsLane(step)) return step;
  Ordering();
  if (mirrored && !EnterGate(hashes, all, true)) return Step::kPaused;
  const uint64_t tag = Tag();
  const auto skipped = static_cast<uint32_t>(issue.commands.size() + 1);
  if (!mirrored) {
    lane().SendPlain(NewReply(Source::kAuthority, hashes), false, bytes, skipped, tag);
    return Step::kDone;
  }
  replication::WriteRecord& write = lane().NewWrite();
  write.keys.Set(hashes, all);
  process_.replicator.BeginWrite(write, {{}, bytes}, process_.now_us());
  lane().SendWrite(NewReply(Source::kAuthority, hashes), false, bytes, skipped, tag);
  for (const std::string& key : asked) lane().AskDeadline(key);
  return Step::kDone;
}

bool Session::EnterGate(std::span<const uint64_t> hashes, bool all, bool may_wait) {
  if (gate_entered_) {
    gate_entered_ = false;
    gate_held_.reset();
    return true;
  }
  replication::KeyGate& gate = process_.replicator.gate();
  const replication::GateKeys keys{hashes, all};
  if (gate.TryEnter(lane().id(), keys)) return true;
  if (!may_wait) return false;
  gate_held_ = std::make_unique<replication::WriteKeys>();
  gate_held_->Set(hashes, all);
  gate_ticket_ = gate.Wait(lane().id(), keys, &worker_);
  worker_.AwaitGate(gate_ticket_, [this] {
    gate_entered_ = true;
    gate_ticket_ = 0;
    Resume(kGate);
  });
  paused_ |= kGate;
  return false;
}

void Session::LeaveGate() {
  if (!gate_held_) return;
  replication::KeyGate& gate = process_.replicator.gate();
  const bool waiting = gate_ticket_ != 0 && gate.Cancel(gate_ticket_);
  if (gate_ticket_ != 0) worker_.StopAwaitingGate(gate_ticket_);
  if (!waiting) gate.Leave(lane().id(), gate_held_->gate());
  gate_held_.reset();
  gate_ticket_ = 0;
  gate_entered_ = false;
}

}  // namespace crossfade::sim
