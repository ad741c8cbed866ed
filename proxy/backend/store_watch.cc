#include "proxy/backend/store_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "proxy/worker/worker.h"
#include "routing/commands/reserved_keys.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {
namespace {

using routing::StoreError;
using routing::StoreState;

constexpr int64_t kEveryUs = 1'000'000;
// Of a store that may be about to evict keys.
constexpr int64_t kOftenUs = 100'000;

}  // namespace

StoreWatch::StoreWatch(Worker& worker, StoreLink& link, bool authority)
    : ConnectionHolder(worker, link, {.name = "crossfade:watch"}), authority_(authority) {
  connection_.Open(worker.now_us());
}

void StoreWatch::Ask() {
  std::string text;
  // What it holds of ours is not the clients'.
  routing::AppendCommand(text, {"EXISTS", routing::kOwnerKey, routing::kTenureKey});
  routing::AppendCommand(text, {"INFO"});
  connection_.out().Append(text);
  connection_.Flush();
  asked_ = true;
  own_keys_known_ = false;
  asked_us_ = worker_.now_us();
}

void StoreWatch::Tick(int64_t now_us) {
  connection_.Tick(now_us);
  TakeErrors();
  if (asked_) {
    const int64_t waits_us = now_us - asked_us_;
    health_.OnLate(waits_us);
    if (Overdue(asked_us_)) DropOverdue();
  } else if (connection_.ready() && now_us >= next_us_) {
    Ask();
  }
  health_.Expire(Settled(), now_us);
  if (health_.states() != told_) Publish();
}

void StoreWatch::TakeErrors() {
  for (const StoreError error :
       {StoreError::kLoading, StoreError::kReadOnly, StoreError::kOutOfMemory}) {
    const int64_t at_us = connection_.link().TakeError(error);
    if (at_us != 0) health_.OnError(error, at_us);
  }
}

// Whether the follower has been brought in line since the store was replaced.
bool StoreWatch::Settled() {
  constexpr routing::StoreStates kReplaced =
      Bit(StoreState::kRestarted) | Bit(StoreState::kRestartedEmpty) | Bit(StoreState::kFailedOver);
  if ((told_ & kReplaced) == 0) return false;
  const std::lock_guard lock(worker_.core().mutex);
  return worker_.core().replicator.live();
}

void StoreWatch::OnStoreReady() { Ask(); }

void StoreWatch::OnStoreBytes() {
  InBuffer& in = connection_.in();
  while (in.begin() < in.end()) {
    const int64_t length = scanner_.Scan(in.begin(), in.end());
    if (length == routing::ReplyScanner::kIncomplete) return;
    if (length < 0 || !asked_) return connection_.Drop("it sent what is not a reply");
    TakeReply({in.begin(), static_cast<size_t>(length)});
    in.Consume(static_cast<size_t>(length));
  }
}

void StoreWatch::TakeReply(std::string_view frame) {
  if (!std::exchange(own_keys_known_, true)) {
    const char* p = frame.data();
    const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
    const bool counted = head.type == routing::ReplyType::kInteger;
    own_keys_ = counted ? static_cast<uint64_t>(head.number) : 0;
    return;
  }
  asked_ = false;
  next_us_ = worker_.now_us() + kEveryUs;
  TakeReport(frame);
  connection_.out().ReleaseSent();
}

void StoreWatch::TakeReport(std::string_view frame) {
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  const int64_t now_us = worker_.now_us();
  if (head.IsError()) {
    connection_.link().NoteError(frame, now_us);
    return Publish();
  }
  const bool first = health_.report().run_id.empty();
  routing::StoreReport report = routing::ParseStoreReport(head.text);
  report.keys -= std::min(report.keys, own_keys_);
  if (report.run_id != health_.report().run_id) {
    report.keys = connection_.link().found(report.run_id).value_or(report.keys);
  }
  const auto finding = health_.OnReport(report, now_us - asked_us_, Settled(), now_us);
  if (report.evicts && report.used_memory > report.max_memory / 4 * 3) next_us_ = now_us + kOftenUs;
  if (!finding.other_history.empty()) {
    worker_.core().LeaveLive("of the " + connection_.link().role() +
                             " store: " + finding.other_history);
  }
  NoteEvictions(finding.evicted || (first && MayHaveEvicted(report)));
  Publish();
}

// What the mirror goes on with may be of before an eviction that nobody saw.
bool StoreWatch::MayHaveEvicted(const routing::StoreReport& report) {
  const std::lock_guard lock(worker_.core().mutex);
  return report.evicts && report.evicted_keys > 0 && worker_.core().replicator.live();
}

// A key that one side alone has removed is found by nobody: reads stay at the
// authority until all was copied again, with none removed since that began.
void StoreWatch::NoteEvictions(bool evicted) {
  Core& core = worker_.core();
  const auto reason =
      authority_ ? ReadSuspension::kAuthorityEvicted : ReadSuspension::kFollowerEvicted;
  bool live = false;
  uint64_t era = 0;
  {
    const std::lock_guard lock(core.mutex);
    live = core.replicator.live();
    era = core.replicator.era();
    if (evicted && core.replicator.state() == replication::MirrorState::kOff) return;
  }
  if (evicted) {
    evicted_ = true;
    evicted_era_ = era;
    if (!authority_) core.LeaveLive("the follower has evicted keys");
  } else if (evicted_ && live && era > evicted_era_) {
    evicted_ = false;
  }
  core.read_suspension.Set(reason, evicted_);
}

void StoreWatch::Publish() {
  StoreLink& link = connection_.link();
  const routing::StoreStates states = health_.states();
  const routing::StoreReport& report = health_.report();
  StoreLink::Condition condition;
  condition.states = states;
  condition.keys = report.keys;
  condition.evicted_keys = report.evicted_keys;
  condition.used_memory = report.used_memory;
  condition.max_memory = report.max_memory;
  for (size_t i = 0; i < condition.entries.size(); ++i) {
    const auto state = static_cast<StoreState>(i);
    condition.entries[i] = health_.entries(state);
    const bool holds = health_.Is(state);
    if (holds == ((told_ & Bit(state)) != 0)) continue;
    // That it is down tells that it is not up, and the other way round.
    if (!holds && (state == StoreState::kUp || state == StoreState::kDown)) continue;
    const bool good = state == StoreState::kUp ? holds : !holds;
    spdlog::log(good ? spdlog::level::info : spdlog::level::warn,
                "a store's state store={} role={} state={} holds={} detail=\"{}\"", link.role(),
                authority_ ? "authority" : "follower", Name(state), holds,
                holds ? health_.detail(state) : "");
  }
  told_ = states;
  const StoreState worst = routing::Worst(states);
  if (worst != StoreState::kCount) condition.detail = health_.detail(worst);
  link.SetCondition(std::move(condition));
  if (authority_) return;
  constexpr routing::StoreStates kUnwell =
      Bit(StoreState::kLoading) | Bit(StoreState::kReadOnly) | Bit(StoreState::kOutOfMemory);
  worker_.core().read_suspension.Set(ReadSuspension::kFollowerUnwell,
                                     (states & kUnwell) != 0 || report.evicts);
}

void StoreWatch::OnStoreLost(std::string_view reason) {
  scanner_.Reset();
  if (std::exchange(asked_, false) && Overdue(asked_us_)) health_.OnUnreachable(reason);
}

void StoreWatch::OnStoreUnreachable(std::string_view reason) {
  asked_ = false;
  health_.OnUnreachable(reason);
  Publish();
}

}  // namespace crossfade::proxy
