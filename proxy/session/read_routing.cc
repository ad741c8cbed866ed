// Session: whether a read goes to the follower, and reads that are compared.
#include <algorithm>

#include "proxy/lane/follower_reader.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "replication/compare/reads.h"
#include "routing/slot.h"

namespace crossfade::proxy {
namespace {

using replication::ReadVerdict;
using routing::RouteSet;

// A read of more keys is not shadowed: each wants its deadline asked.
constexpr size_t kShadowKeysMax = 16;

ReadReason ReasonOf(ReadVerdict verdict) {
  switch (verdict) {
    case ReadVerdict::kEligible:
      return ReadReason::kEligible;
    case ReadVerdict::kNotLive:
      return ReadReason::kNotLive;
    case ReadVerdict::kNotCopied:
      return ReadReason::kNotCopied;
    case ReadVerdict::kDirty:
      return ReadReason::kDirty;
    case ReadVerdict::kLag:
      return ReadReason::kLag;
    case ReadVerdict::kPending:
      return ReadReason::kPending;
    case ReadVerdict::kUnanswered:
      return ReadReason::kUnanswered;
    case ReadVerdict::kSeenNewer:
      return ReadReason::kSeenNewer;
    case ReadVerdict::kDiffers:
      return ReadReason::kDiffers;
  }
  return ReadReason::kNotLive;
}

}  // namespace

// All of design §5 that holds at the dispatch; every key of the read must pass.
ReadReason Session::DecideRead(const routing::CommandSpec& spec, routing::Args args,
                               FollowerReadTicket& ticket) {
  // What it reads there it may write about (WATCH), or be told of (tracking).
  if (pinned_) return ReadReason::kPinned;
  if (!routing::MayReadFollower(spec, args)) return ReadReason::kCommand;
  const routing::SessionRoutes& routes = Routes();
  int64_t budget_us = INT64_MAX;
  bool fastest = true;
  worker_.read_keys.clear();
  for (size_t i = 0; i < worker_.names.size(); ++i) {
    const std::string_view name = worker_.names[i];
    const config::ReadPolicy& reads = RouteSet::Match(routes, name).reads;
    if (reads.follower_share == 0 || routing::Bucket(name) >= reads.follower_share) {
      return ReadReason::kPercentage;
    }
    budget_us = std::min<int64_t>(budget_us, std::chrono::microseconds(reads.staleness).count());
    fastest = fastest && reads.prefer == config::Prefer::kFastest;
    if (ordered_->Busy(Source::kAuthority, worker_.hashes[i])) return ReadReason::kOwnOrder;
    worker_.read_keys.push_back({name, worker_.hashes[i]});
  }
  int64_t now_us = worker_.now_us();
  if (fastest) {
    const auto& follower = worker_.read_latency(Source::kFollower);
    const auto& authority = worker_.read_latency(Source::kAuthority);
    if (follower.Weight(now_us) >= 1 && authority.Weight(now_us) >= 1 &&
        follower.mean_us() > authority.mean_us()) {
      return ReadReason::kSlower;
    }
  }
  if (worker_.core().read_suspension.any()) return ReadReason::kSuspended;
  if (!worker_.owns() || !worker_.ReaderOf(key_).ready()) return ReadReason::kNotConnected;
  {
    const std::lock_guard lock(worker_.core().mutex);
    const replication::Replicator& replicator = worker_.core().replicator;
    // The lag is wanted as of now; where nothing is under way there is none.
    if (!replicator.intents().empty()) now_us = Worker::ClockUs();
    const ReadVerdict verdict = replicator.CheckRead(key_.db, worker_.read_keys, budget_us,
                                                     seen_seq_, seen_intent_, now_us);
    if (verdict != ReadVerdict::kEligible) return ReasonOf(verdict);
    ticket.sent_seq = replicator.sent_seq();
    ticket.era = replicator.era();
    ticket.pending = replicator.AnyPending(worker_.read_keys);
  }
  ticket.permit = worker_.breaker().Admit(now_us);
  return ticket.permit ? ReadReason::kEligible : ReadReason::kBreaker;
}

Session::Step Session::SendToFollower(std::string_view request, const FollowerReadTicket& ticket) {
  const ReplyTo to = NewReply(Source::kFollower, worker_.hashes);
  const bool one_key = worker_.hashes.size() == 1 && worker_.single_key_at_1;
  worker_.ReaderOf(key_).Send(to, request, worker_.hashes[0], one_key, ticket);
  return Step::kDone;
}

// May be called while a connection to the follower is being given up.
void Session::RetryOnAuthority(uint64_t ordered, std::string_view request) {
  const ReplyTo to{this, ordered};
  ordered_->Retry(ordered);
  if (lane_->connection().ready()) {
    lane_->SentPlain(to, RequestClass::kRead, request.size());
    lane_->out().Append(request);
    return;
  }
  const std::string& error = lane_->connection().error();
  if (error.empty()) return lane_->ReadWhenReady(to, request);
  Fail(to, ClientError::kStoreUnavailable,
       "crossfade: neither store could answer this read: the legacy store (authority) is not "
       "reachable: " +
           error);
}

// Sends a read under the gate, so that the follower's reply can be compared at
// the very same position of the log. False: not shadowed, to be sent as any read.
bool Session::SendShadow(const routing::CommandSpec& spec, routing::Args args,
                         std::string_view request, const routing::CompiledRoute& route) {
  if (replication::WhyIgnored(spec, args) != nullptr || worker_.names.size() > kShadowKeysMax) {
    worker_.stats().shadow_skipped.Add();
    return false;
  }
  worker_.kept_names.clear();
  {
    Core& core = worker_.core();
    std::unique_lock lock(core.mutex);
    if (!core.replicator.mirrors() || !EnterGate(worker_.hashes, false, false, lock)) {
      worker_.stats().shadow_skipped.Add();
      return false;
    }
    for (size_t i = 0; i < worker_.names.size(); ++i) {
      if (core.replicator.MayHaveExpiry(worker_.hashes[i])) {
        worker_.kept_names.emplace_back(worker_.names[i]);
      }
    }
    replication::WriteRecord& write = lane_->NewWrite();
    write.spec = &spec;
    write.shadow = true;
    write.route = worker_.plan().counters[route.index]->id;
    write.keys.Set(worker_.hashes, false);
    core.replicator.BeginWrite(write, {}, worker_.now_us());
  }
  if (!worker_.kept_names.empty()) Protect(worker_.batch.next);
  const ReplyTo to = NewReply(Source::kAuthority, worker_.hashes);
  lane_->SentWrite(to, RequestClass::kRead, request.size());
  ForwardWrite(lane_->LastWrite(), request);
  for (const std::string& name : worker_.kept_names) lane_->AskDeadline(name);
  return true;
}

}  // namespace crossfade::proxy
