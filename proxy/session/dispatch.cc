// Session: where a request goes.
#include <algorithm>

#include "config/limits.h"
#include "proxy/lane/follower_reader.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/commands/reserved_keys.h"
#include "routing/slot.h"

namespace crossfade::proxy {

using routing::Args;
using routing::CommandSpec;
using routing::Serving;

namespace {

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return upper;
}

// The arguments as Redis shows them: about 128 bytes.
std::string Beginning(Args args) {
  constexpr size_t kShown = 128;
  std::string text;
  for (size_t i = 1; i < args.size() && text.size() < kShown; ++i) {
    text += "'" + std::string(args[i].substr(0, kShown - text.size())) + "' ";
  }
  return text;
}

bool MayNameReserved(const CommandSpec& spec, Args args) {
  if (spec.single_key_at_1) return routing::IsReserved(args[1]);
  return std::any_of(args.begin() + 1, args.end(), routing::IsReserved);
}

}  // namespace

// Part of every request's path: not worth a call of its own.
[[gnu::always_inline]] inline Session::Step Session::DispatchKnown(const CommandSpec& spec,
                                                                   Args args,
                                                                   std::string_view request) {
  Serving serving = routing::ServingOf(spec, args);
  if (!pinned_ && !transaction_) [[likely]] {
    if (serving == Serving::kRead) return SendRead(spec, args, request);
    if (serving == Serving::kWrite) return SendWrite(spec, args, request);
  }
  if (serving == Serving::kSession && (spec.flags & routing::kAdmin) != 0 && key_.user != 0 &&
      account_ == nullptr) {
    if (const Step step = MayAdminister(spec, args); step != Step::kDone) return Unpaused(step);
  }
  bool both = false;
  if (serving == Serving::kRefused) {
    const routing::AllowedServing allowed = worker_.plan().allow.Of(spec, args);
    serving = allowed.serving;
    both = allowed.both && worker_.plan().mirrors;
  }
  if (pinned_ && RefusedWhilePinned(spec, serving)) return Step::kDone;
  if (serving == Serving::kTransaction) return TransactionCommand(spec, args);
  if (transaction_ && spec.id != routing::CommandId::kQuit &&
      spec.id != routing::CommandId::kReset) {
    return Queue(spec, args, request, both ? Serving::kRefused : serving);
  }
  switch (serving) {
    case Serving::kRead:
      return SendRead(spec, args, request);
    case Serving::kWrite:
      return SendWrite(spec, args, request);
    case Serving::kBlocking:
      return SendBlocking(spec, args, request);
    case Serving::kAuthority:
      if (spec.id == routing::CommandId::kInfo) return Info(spec, args, request);
      if (spec.id == routing::CommandId::kAclWhoami && account_ != nullptr) {
        return Local(spec, args);
      }
      if (both) return SendToBoth(spec, args, request);
      if (ShowsKeys(spec)) return SendRewritten(spec, args, request, ReservedFilter(spec, false));
      return SendPlain(spec, args, request, RequestClass::kOther);
    case Serving::kSession:
      if (in_flight_ > 0 && PassesOn(spec, args)) {
        return SendPlain(spec, args, request, RequestClass::kOther);
      }
      return Local(spec, args);
    case Serving::kPinned:
      return PinnedCommand(spec, args, request);
    case Serving::kScript:
      return Script(spec, args, request);
    case Serving::kRefused:
      return Refuse(&spec, args, ClientError::kRefused);
    case Serving::kNotServed:
    case Serving::kTransaction:
      break;
  }
  return Refuse(&spec, args, ClientError::kNotServed);
}

Session::Step Session::Dispatch(Args args, std::string_view request) {
  const CommandSpec* spec = worker_.table().Find(args);
  last_command_ = spec;
  if (spec == nullptr) return Refuse(spec, args, ClientError::kUnknownCommand);
  worker_.stats().used[static_cast<size_t>(spec->id)].store(true, std::memory_order_relaxed);
  if (spec->id == routing::CommandId::kOther) [[unlikely]]
    worker_.core().NoteUsed(*spec);
  if ((spec->flags & routing::kContainer) != 0) [[unlikely]] {
    const bool lacks_subcommand = args.size() > 1 && spec->id != routing::CommandId::kClient;
    if (lacks_subcommand) return Refuse(spec, args, ClientError::kUnknownCommand);
  }
  if (!spec->ArityFits(args.size())) return Refuse(spec, args, ClientError::kArity);
  if (restricted_) [[unlikely]] {
    if (const Step step = CheckAccess(*spec, args); step != Step::kDone) return Unpaused(step);
  }
  if (worker_.holds_commands()) [[unlikely]] {
    // As the store does with what comes on another connection than its script.
    if (worker_.authority_busy() && (spec->flags & routing::kAllowBusy) == 0) {
      return RefuseForNow(worker_.busy_text());
    }
    if (!worker_.writes_refused().empty() && MayWrite(*spec, args)) {
      return RefuseForNow(worker_.writes_refused());
    }
    if (HeldByClientPause(*spec, args)) return PostponeCommand();
  }
  if (MayNameReserved(*spec, args) && NamesReserved(*spec, args)) [[unlikely]] {
    return RefuseReserved();
  }
  return DispatchKnown(*spec, args, request);
}

// Redis's own texts where Redis has one.
Session::Step Session::Refuse(const CommandSpec* spec, Args args, ClientError kind) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  LeaveGate();
  if (transaction_) transaction_->failed = true;
  std::string text;
  const std::string name(args[0].substr(0, 128));
  switch (kind) {
    case ClientError::kUnknownCommand:
      if (spec != nullptr) {
        text = "ERR unknown subcommand '" + std::string(args[1].substr(0, 128)) + "'. Try " +
               UpperCase(spec->name) + " HELP.";
        break;
      }
      text = "ERR unknown command '" + name + "', with args beginning with: " + Beginning(args);
      break;
    case ClientError::kArity:
      text = "ERR wrong number of arguments for '" + spec->name + "' command";
      break;
    case ClientError::kRefused:
      text = routing::WhyRefused(*spec, args);
      break;
    default:
      text = "ERR crossfade: '" + spec->name + "' is not served by this version";
      break;
  }
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
  const bool exec = spec != nullptr && spec->id == routing::CommandId::kExec;
  ReplyError(kind, exec ? AbortedExec(text) : text);
  return Step::kDone;
}

// The command in hand, which any connection to the authority may carry.
bool Session::InHandOnlyReads() const {
  return !transaction_ && !blocked_ && last_command_ != nullptr && last_command_->ReadOnly();
}

// A ready lane with room, or the error that the client gets instead.
Session::Step Session::NeedsLane() {
  if (lane_ == nullptr) lane_ = &worker_.LaneOf(key_);
  const bool ready = lane_->ready() || (lane_->reads_only() && InHandOnlyReads());
  if (ready && !lane_->full() && in_flight_ < limits::kSessionInFlightMax) return Step::kDone;
  return WaitForLane(ready);
}

Session::Step Session::WaitForLane(bool ready) {
  const std::string& refused = lane_->connection().refused();
  const std::string not_owner = lane_->reads_only() ? worker_.core().ownership.refusal() : "";
  if (ready || (refused.empty() && lane_->connection().error().empty() && not_owner.empty())) {
    if (in_flight_ >= limits::kSessionInFlightMax) {
      PauseFor(kDrain);
    } else {
      PauseFor(kLane);
      lane_->Wait(this);
    }
    return Step::kPaused;
  }
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  LeaveGate();
  if (transaction_) transaction_.reset();
  if (!refused.empty()) {
    ReplyError(ClientError::kNoAuth,
               authenticated_ || account_ ? refused : "NOAUTH Authentication required.");
    return Step::kClosed;
  }
  if (!not_owner.empty()) {
    ReplyError(ClientError::kStoreUnavailable, "ERR crossfade: " + not_owner);
    return Step::kClosed;
  }
  const StoreLink& link = lane_->connection().link();
  ReplyError(ClientError::kStoreUnavailable,
             "ERR crossfade: the " + link.role() +
                 " store (authority) is not reachable: " + lane_->connection().error());
  return Step::kClosed;
}

// In place: the bytes lie at the end of the lane's queue already.
void Session::Forward(std::string_view request) {
  OutQueue& out = lane_->out();
  if (worker_.input_block != nullptr && request.size() >= limits::kShareBytes) {
    out.AppendShared(worker_.input_block, request.data(), request.size());
  } else {
    out.Append(request);
  }
}

// Whether replies must be put in order: once the plan wants it, from the next
// moment on at which nothing is in flight.
bool Session::Ordering() {
  if (ordered_) return true;
  if (!worker_.plan().ordered() || in_flight_ > 0) return false;
  ordered_ = worker_.TakeOrdered();
  return true;
}

ReplyTo Session::NewReply(Source source, std::span<const uint64_t> hashes) {
  ++in_flight_;
  return {this, ordered_ ? ordered_->Push(source, hashes) : ReplyTo::kUnordered};
}

// A command that goes to the authority waits until the session's own reads of
// its keys have come back from the follower (design §5).
bool Session::MustWaitForFollower(std::span<const uint64_t> hashes) {
  if (!ordered_ || ordered_->unanswered(Source::kFollower) == 0) return false;
  const bool busy = std::any_of(hashes.begin(), hashes.end(), [this](uint64_t hash) {
    return ordered_->Busy(Source::kFollower, hash);
  });
  if (busy) PauseFor(kFollower);
  return busy;
}

Session::Step Session::SendPlain(const CommandSpec&, Args, std::string_view request,
                                 RequestClass type) {
  if (const Step step = NeedsLane(); step != Step::kDone) return Unpaused(step);
  // One that waits for its turn to be put in order (the plan has just changed).
  if (worker_.plan().ordered() && !Ordering()) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  const ReplyTo to = NewReply(Source::kAuthority, {});
  lane_->SentPlain(to, type, request.size());
  Forward(request);
  return Step::kDone;
}

// The hashes of all its keys, in worker_.hashes, and their names in
// worker_.names. False when they can't be known.
bool Session::HashKeysIn(uint32_t db, const CommandSpec& spec, Args args, bool& all) {
  worker_.hashes.clear();
  worker_.names.clear();
  all = false;
  worker_.single_key_at_1 = spec.single_key_at_1;
  if (spec.single_key_at_1) {
    worker_.names.push_back(args[1]);
    worker_.hashes.push_back(routing::KeyHash(db, args[1]));
    return true;
  }
  const routing::Keys keys = routing::ExtractKeys(spec, args, worker_.positions);
  // What the store will refuse for its arguments is held to concern every key.
  all = keys == routing::Keys::kAll || keys == routing::Keys::kMalformed;
  for (const routing::KeyPosition& key : worker_.positions) {
    const uint32_t key_db = key.db == routing::kSameDb ? db : static_cast<uint32_t>(key.db);
    worker_.names.push_back(args[key.arg]);
    worker_.hashes.push_back(routing::KeyHash(key_db, args[key.arg]));
  }
  return keys != routing::Keys::kUnknown;
}

Session::Step Session::SendRead(const CommandSpec& spec, Args args, std::string_view request) {
  const ActivePlan& plan = worker_.plan();
  if (!plan.ordered() && !plan.shadows && !ordered_) {
    return SendPlain(spec, args, request, RequestClass::kRead);
  }
  if (const Step step = NeedsLane(); step != Step::kDone) return Unpaused(step);
  bool all = false;
  const bool routable = HashKeys(spec, args, all) && !all && !worker_.hashes.empty();
  if (plan.ordered() && !Ordering()) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  if (routable && plan.follower_reads) {
    const routing::CompiledRoute& route = routing::RouteSet::Match(Routes(), worker_.names[0]);
    FollowerReadTicket ticket;
    const ReadReason reason = DecideRead(spec, args, ticket);
    plan.counters[route.index]->decisions[worker_.index()][static_cast<size_t>(reason)].Add();
    if (reason == ReadReason::kEligible) return SendToFollower(request, ticket);
  }
  if (MustWaitForFollower(worker_.hashes)) return Step::kPaused;
  if (routable && plan.shadows && plan.mirrors) {
    const routing::CompiledRoute& route = routing::RouteSet::Match(Routes(), worker_.names[0]);
    if (worker_.sampler().Take(route.reads.shadow_share) &&
        SendShadow(spec, args, request, route)) {
      return Step::kDone;
    }
  }
  const ReplyTo to = NewReply(Source::kAuthority, worker_.hashes);
  lane_->SentPlain(to, RequestClass::kRead, request.size());
  Forward(request);
  return Step::kDone;
}

Session::Step Session::SendWrite(const CommandSpec& spec, Args args, std::string_view request) {
  const ActivePlan& plan = worker_.plan();
  if (!plan.mirrors) {
    if (gate_held_) LeaveGate();
    // A read of before, when there was a follower, may yet have to be made again.
    if (ordered_ && ordered_->unanswered(Source::kFollower) > 0) [[unlikely]] {
      PauseFor(kFollower);
      return Step::kPaused;
    }
    if (!worker_.core().waiting.empty()) return SendUnmirroredWrite(spec, args, request);
    return SendPlain(spec, args, request, RequestClass::kWrite);
  }
  if (const Step step = NeedsLane(); step != Step::kDone) return Unpaused(step);
  bool all = false;
  if (!HashKeys(spec, args, all)) return Refuse(&spec, args, ClientError::kRefused);
  const bool script = worker_.script.what != replication::ScriptRun::What::kNone;
  if (script) [[unlikely]]
    PrepareScript(all);
  if (plan.ordered() && !Ordering()) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  if (all && ordered_ && ordered_->unanswered(Source::kFollower) > 0) {
    PauseFor(kFollower);
    return Step::kPaused;
  }
  if (MustWaitForFollower(worker_.hashes)) return Step::kPaused;

  Core& core = worker_.core();
  std::unique_lock lock(core.mutex);
  const bool wakes = !core.waiting.empty() && core.waiting.WantsAny(worker_.hashes, all);
  if (wakes && MustLetSettle(worker_.hashes)) return Step::kPaused;
  if (!EnterGate(worker_.hashes, all, true, lock)) return Step::kPaused;
  if (wakes) worker_.waking().PlanBehind(*lane_, spec, args, all);
  replication::WriteRecord& write = lane_->NewWrite();
  write.spec = &spec;
  write.argc = args.size();
  write.keys.Set(worker_.hashes, all);
  if (script) [[unlikely]]
    write.script = worker_.script;
  const bool one_key = !all && worker_.single_key_at_1;
  core.replicator.BeginWrite(write, {one_key ? args[1] : std::string_view(), request},
                             worker_.now_us());
  core.last_intent.store(write.intent, std::memory_order_relaxed);
  lock.unlock();
  const replication::AskBehind ask = replication::WhatToAskBehind(spec, args);
  if (ask) worker_.key.assign(args[ask.key_arg]);
  const bool asks = ask || (script && !worker_.kept_names.empty());
  if (asks || wakes) Protect(worker_.batch.next);
  const ReplyTo to = NewReply(Source::kAuthority, worker_.hashes);
  const bool guarded = all && RemovesReserved(spec, args) && ForwardGuarded(to, write, request);
  if (!guarded) [[likely]] {
    lane_->SentWrite(to, RequestClass::kWrite, request.size());
    ForwardWrite(write, request);
  }
  if (ask) lane_->Ask(ask, worker_.key);
  if (script) [[unlikely]] {
    lane_->MarkScript();
    AskScriptDeadlines();
  }
  if (wakes) SendWakes(lock);
  return Step::kDone;
}

// As Forward; the record learns where the bytes lie until the reply.
void Session::ForwardWrite(replication::WriteRecord& write, std::string_view request) {
  OutQueue& out = lane_->out();
  if (worker_.input_block != nullptr && request.size() >= limits::kShareBytes) {
    out.AppendShared(worker_.input_block, request.data(), request.size());
    write.request = request;
    write.block = worker_.input_block;
    return;
  }
  write.request = {out.Append(request), request.size()};
  write.block = out.block();
}

// Enters the gate for the keys, or waits there (then the session is paused, and
// the request stays at the beginning of its input). Needs the replication lock.
bool Session::EnterGate(std::span<const uint64_t> hashes, bool all, bool may_wait,
                        std::unique_lock<std::mutex>&) {
  if (gate_entered_) {
    gate_entered_ = false;
    gate_held_.reset();
    return true;
  }
  replication::KeyGate& gate = worker_.core().replicator.gate();
  const replication::GateKeys keys{hashes, all};
  if (gate.TryEnter(lane_->id(), keys)) return true;
  if (!may_wait) return false;
  gate_held_ = std::make_unique<replication::WriteKeys>();
  gate_held_->Set(hashes, all);
  gate_ticket_ = gate.Wait(lane_->id(), keys, &worker_);
  worker_.AwaitGate(gate_ticket_, [this] { OnGateEntered(); });
  PauseFor(kGate);
  return false;
}

void Session::OnGateEntered() {
  gate_entered_ = true;
  gate_ticket_ = 0;
  Resume(kGate | kOutput);  // others may be waiting for it: it must go on
}

// The request that waited, or had entered and was not sent, is not to be sent.
void Session::LeaveGate() {
  if (!gate_held_) return;
  const std::lock_guard lock(worker_.core().mutex);
  replication::KeyGate& gate = worker_.core().replicator.gate();
  const bool waiting = gate_ticket_ != 0 && gate.Cancel(gate_ticket_);
  if (gate_ticket_ != 0) worker_.StopAwaitingGate(gate_ticket_);
  if (!waiting) gate.Leave(lane_->id(), gate_held_->gate());
  gate_held_.reset();
  gate_ticket_ = 0;
  gate_entered_ = false;
}

const routing::SessionRoutes& Session::Routes() {
  Extras& own = extras();
  const ActivePlan& plan = worker_.plan();
  if (own.plan_epoch != plan.plan->epoch) {
    own.plan_epoch = plan.plan->epoch;
    own.routes = plan.routes.ForSession(UserName(), own.name, own.address);
  }
  return own.routes;
}

}  // namespace crossfade::proxy
