// Session: what needs a connection to the authority of its own.
#include "proxy/session/pinned.h"

#include <algorithm>

#include "config/limits.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/commands/reserved_keys.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"

namespace crossfade::proxy {

using routing::Args;
using routing::CommandId;

namespace {

// The text at `p`, which is a bulk string; empty for anything else.
std::string_view NextText(const char*& p, const char* end) {
  return p < end ? routing::ReadHead(p, end).text : std::string_view();
}

bool IsUnsubscribe(CommandId id) {
  return id == CommandId::kUnsubscribe || id == CommandId::kPunsubscribe ||
         id == CommandId::kSunsubscribe;
}

}  // namespace

// ---- Having the connection

// kDone: it has it. Everything of before must have come back (R1).
Session::Step Session::Pin(Pinned::Reason reason) {
  if (!pinned_) {
    if (in_flight_ > 0) {
      PauseFor(kDrain);
      return Step::kPaused;
    }
    std::unique_ptr<Lane> lane = worker_.TakePinned(key_);
    if (!lane) {
      ReplyError(ClientError::kRefused,
                 "ERR crossfade: all connections for WATCH, WAIT, MONITOR, tracking and "
                 "subscriptions are taken (limits.pinned); try again later");
      return Step::kClosed;
    }
    pinned_ = std::make_unique<Pinned>();
    lane->SetOwner(this);
    lane_ = lane.get();
    pinned_->lane = std::move(lane);
  }
  if (reason == Pinned::kMonitor && pinned_->monitors == nullptr) {
    pinned_->monitors = &worker_.core().monitors;
    pinned_->monitors->fetch_add(1, std::memory_order_relaxed);
  }
  pinned_->reasons |= reason;
  return Step::kDone;
}

// The same, with the connection there. Without it nothing holds the session to it,
// but for a watch that was lost: EXEC must say so.
Session::Step Session::OwnLane(Pinned::Reason reason) {
  Step step = Pin(reason);
  if (step == Step::kDone) step = NeedsLane();
  if (step == Step::kClosed && pinned_) {
    pinned_->reasons = pinned_->watch_lost ? Pinned::kWatch : 0;
    pinned_->CountNoMonitor();
    UnpinIfFree();
  }
  return step;
}

// Back to the shared lane, once nothing holds the session on its own: a request
// that waits for this lane, or at the gate in its name, does.
void Session::UnpinIfFree() {
  if (!pinned_ || in_flight_ > 0) return;
  const bool waits = gate_held_ != nullptr || (paused_ & kLane) != 0;
  if (!closed_ && (pinned_->reasons != 0 || waits)) return;
  const bool clean = pinned_->reasons == 0 && !pinned_->soiled;
  std::unique_ptr<Pinned> pinned = std::move(pinned_);
  if (lane_ == pinned->lane.get()) lane_ = nullptr;
  worker_.GivePinned(std::move(pinned->lane), clean);
}

// What it had there (a subscription, say) is gone with the connection.
void Session::OnPinnedLost() {
  constexpr uint8_t kEnds = Pinned::kSubscribed | Pinned::kMonitor | Pinned::kTracking;
  pinned_->watch_lost = (pinned_->reasons & Pinned::kWatch) != 0;
  pinned_->awaited = Pinned::Awaited::kNothing;
  if ((pinned_->reasons & kEnds) != 0) closing_ = true;  // as a lost server would
  worker_.QueueFlush(this);
}

// ---- Commands

Session::Step Session::PinnedCommand(const routing::CommandSpec& spec, Args args,
                                     std::string_view request) {
  switch (spec.id) {
    case CommandId::kWatch: {
      const Step step = OwnLane(Pinned::kWatch);
      if (step != Step::kDone) return Unpaused(step);
      return SendPlain(spec, args, request, RequestClass::kOther);
    }
    case CommandId::kUnwatch:
      return Unwatch(spec, args, request);
    case CommandId::kWait:
      return Wait(args, request);
    case CommandId::kClientTracking:
      return Tracking(args, request);
    case CommandId::kClientCaching:
      return Caching(spec, args, request);
    case CommandId::kMonitor: {
      const Step step = OwnLane(Pinned::kMonitor);
      if (step != Step::kDone) return Unpaused(step);
      SendAwaited(Pinned::Awaited::kNothing, request);
      return Step::kTaken;
    }
    default:
      return Subscribe(spec, args, request);
  }
}

// The next command waits until the reply is there. The session is drained.
void Session::SendAwaited(Pinned::Awaited awaited, std::string_view request) {
  AwaitReply(awaited, request.size());
  Forward(request);
}

// The same with a request that is not the client's: what the client has sent
// behind `worker_.batch.next` is out of the way afterwards, its arguments are gone.
void Session::SendOwn(Pinned::Awaited awaited, std::string_view request) {
  Protect(worker_.batch.next);
  AwaitReply(awaited, request.size());
  lane_->out().Append(request);
}

void Session::AwaitReply(Pinned::Awaited awaited, size_t bytes) {
  pinned_->awaited = awaited;
  ++in_flight_;
  lane_->SentPlain({this, ReplyTo::kUnordered}, RequestClass::kOther, bytes);
  PauseFor(kDrain);
}

Session::Step Session::Unwatch(const routing::CommandSpec& spec, Args args,
                               std::string_view request) {
  if (pinned_ && (pinned_->reasons & Pinned::kWatch) != 0) {
    const Step step = SendPlain(spec, args, request, RequestClass::kOther);
    if (step == Step::kDone) pinned_->reasons &= static_cast<uint8_t>(~Pinned::kWatch);
    return step;
  }
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  Reply("+OK\r\n");
  return Step::kDone;
}

// Behind an EXEC or a DISCARD that the store does not see.
void Session::ForgetWatch() {
  if (!pinned_ || (pinned_->reasons & Pinned::kWatch) == 0) return;
  if (lane_->ready() && !pinned_->watch_lost) {
    std::string text;
    routing::AppendCommand(text, {"UNWATCH"});
    Protect(worker_.batch.next);
    lane_->SentSkipped(1, text.size());
    lane_->out().Append(text);
  }
  WatchIsOver();
}

void Session::WatchIsOver() {
  pinned_->reasons &= static_cast<uint8_t>(~Pinned::kWatch);
  pinned_->watch_lost = false;
  UnpinIfFree();
}

// A WAIT on a connection that wrote nothing tells nothing: so it writes first.
Session::Step Session::Wait(Args args, std::string_view request) {
  int64_t replicas = 0, timeout_ms = 0;
  if (!routing::ParseRedisInteger(args[1], replicas) ||
      !routing::ParseRedisInteger(args[2], timeout_ms) || timeout_ms < 0) {
    return SendPlain(*worker_.table().Find(args), args, request, RequestClass::kOther);
  }
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  if (const Step step = OwnLane(Pinned::kCommand); step != Step::kDone) return Unpaused(step);
  if (!pinned_->wait_written) {
    std::string text;
    routing::AppendCommand(text, {"MULTI"});
    routing::AppendCommand(text, {"SET", routing::kWaitKey, ""});
    routing::AppendCommand(text, {"DEL", routing::kWaitKey});
    Protect(worker_.batch.p);
    lane_->SentSkipped(3, text.size());
    lane_->out().Append(text);
    text.clear();
    routing::AppendCommand(text, {"EXEC"});
    AwaitReply(Pinned::Awaited::kWaitWrite, text.size());
    lane_->out().Append(text);
    pinned_->wait_written = true;
    return Step::kPaused;
  }
  pinned_->wait_written = false;
  if (std::exchange(pinned_->wait_refused, false)) {
    pinned_->reasons &= static_cast<uint8_t>(~Pinned::kCommand);
    ReplyError(ClientError::kRefused, "ERR crossfade: WAIT needs to write the key '" +
                                          std::string(routing::kWaitKey) +
                                          "' on the authority, which refuses it");
    UnpinIfFree();
    return Step::kDone;
  }
  if (peer_closed_ && replicas > 0) {  // nobody would hear of it
    Close();
    return Step::kTaken;
  }
  SendAwaited(Pinned::Awaited::kWait, request);
  lane_->AllowLonger(timeout_ms == 0 ? INT64_MAX : timeout_ms);
  return Step::kTaken;
}

// ---- Channels

Session::Step Session::Subscribe(const routing::CommandSpec& spec, Args args,
                                 std::string_view request) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  const bool subscribed = pinned_ && (pinned_->reasons & Pinned::kSubscribed) != 0;
  if (!subscribed && IsUnsubscribe(spec.id)) return UnsubscribeNothing(spec, args);
  if (const Step step = OwnLane(Pinned::kSubscribed); step != Step::kDone) return Unpaused(step);
  size_t confirmations = args.size() - 1;
  if (confirmations == 0) {
    const Pinned::Names& names = spec.id == CommandId::kUnsubscribe    ? pinned_->channels
                                 : spec.id == CommandId::kPunsubscribe ? pinned_->patterns
                                                                       : pinned_->shards;
    confirmations = std::max<size_t>(names.size(), 1);
  }
  reply_mode_ &= static_cast<uint8_t>(~kSkipReply);  // it has no other reply
  ++in_flight_;
  lane_->SentConfirmed({this, ReplyTo::kUnordered}, static_cast<uint32_t>(confirmations),
                       request.size());
  Forward(request);
  PauseFor(kDrain);
  return Step::kTaken;
}

// As Redis answers who has no subscription.
Session::Step Session::UnsubscribeNothing(const routing::CommandSpec& spec, Args args) {
  std::string text;
  const auto confirm = [&](std::string_view name) {
    text += resp3() ? ">3\r\n" : "*3\r\n";
    routing::AppendBulk(text, spec.name);
    if (name.data() == nullptr) {
      text += NilReply();
    } else {
      routing::AppendBulk(text, name);
    }
    routing::AppendInteger(text, 0);
  };
  for (const std::string_view name : args.subspan(1)) confirm(name);
  if (args.size() == 1) confirm({});
  reply_mode_ &= static_cast<uint8_t>(~kSkipReply);
  AddOutput(text);
  return Step::kDone;
}

// With a RESP2 subscription only RESP3 could tell messages from replies; who
// monitors may not touch keys. False: nothing was refused.
bool Session::RefusedWhilePinned(const routing::CommandSpec& spec, routing::Serving serving) {
  const bool keyspace = serving == routing::Serving::kRead || serving == routing::Serving::kWrite ||
                        serving == routing::Serving::kTransaction ||
                        serving == routing::Serving::kBlocking;
  if ((pinned_->reasons & Pinned::kMonitor) != 0 && keyspace) {
    ReplyError(ClientError::kRefused, "ERR Replica can't interact with the keyspace");
    return true;
  }
  if (resp3() || (pinned_->reasons & Pinned::kSubscribed) == 0) return false;
  switch (spec.id) {
    case CommandId::kSubscribe:
    case CommandId::kUnsubscribe:
    case CommandId::kPsubscribe:
    case CommandId::kPunsubscribe:
    case CommandId::kSsubscribe:
    case CommandId::kSunsubscribe:
    case CommandId::kPing:
    case CommandId::kQuit:
    case CommandId::kReset:
      return false;
    default:
      break;
  }
  const std::string text = "ERR Can't execute '" + spec.name +
                           "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
                           "allowed in this context";
  ReplyError(ClientError::kRefused, spec.id == CommandId::kExec ? AbortedExec(text) : text);
  return true;
}

namespace {

// The channel on which RESP2 clients hear of keys that they track.
constexpr std::string_view kInvalidations = "__redis__:invalidate";

// Whether it is what MONITOR sends, as in +1700000000.123456 [0 127.0.0.1:6379] "GET" "k".
bool ShowsCommand(std::string_view frame) {
  return frame.size() > 1 && frame[0] == '+' && frame[1] >= '0' && frame[1] <= '9' &&
         frame.find(" [") != frame.npos;
}

// Whether it is invalidated by a client that tracks every key, and nothing of the
// clients' is: `p` is behind the word itself.
bool NamesOwnKeysAlone(const char* p, const char* end) {
  const routing::ReplyHead names = routing::ReadHead(p, end);
  if (!names.IsAggregate() || names.elements < 1) return false;
  for (int64_t i = 0; i < names.elements; ++i) {
    if (!routing::IsReserved(NextText(p, end))) return false;
  }
  return true;
}

}  // namespace

// Needs no lock: nothing but the output is touched.
PushKind Session::TakePush(std::string_view frame, bool awaits_confirmation) {
  const bool subscribed = (pinned_->reasons & Pinned::kSubscribed) != 0;
  if ((pinned_->reasons & Pinned::kMonitor) != 0 && ShowsCommand(frame)) {
    if ((reply_mode_ & kRepliesOff) == 0) AddFrame(frame);
    return PushKind::kMessage;
  }
  const bool push = frame.front() == '>';
  if (!push && (resp3() || !subscribed || frame.front() != '*')) return PushKind::kNone;
  const char* p = frame.data();
  const char* const end = p + frame.size();
  if (routing::ReadHead(p, end).elements < 1) return PushKind::kNone;
  const std::string_view kind = NextText(p, end);
  const bool confirms = kind.ends_with("subscribe");
  const bool message = kind == "message" || kind == "pmessage" || kind == "smessage";
  if (!push && !confirms && !message) return PushKind::kNone;
  if (kind == "invalidate" && NamesOwnKeysAlone(p, end)) return PushKind::kMessage;
  if (message && NextText(p, end) == kInvalidations && NamesOwnKeysAlone(p, end)) {
    return PushKind::kMessage;
  }
  if (confirms) NoteSubscription(kind, NextText(p, end));
  AddFrame(frame);
  return confirms && awaits_confirmation ? PushKind::kConfirmation : PushKind::kMessage;
}

void Session::NoteSubscription(std::string_view kind, std::string_view name) {
  Pinned::Names& names = kind.front() == 'p'                                   ? pinned_->patterns
                         : kind.substr(0, 2) == "su" && kind != "sunsubscribe" ? pinned_->channels
                         : kind.front() == 's'                                 ? pinned_->shards
                                                                               : pinned_->channels;
  const bool removes = kind.find("unsub") != kind.npos;
  if (removes) {
    const auto at = names.find(name);
    if (at != names.end()) names.erase(at);
  } else {
    names.emplace(name);
  }
  if (pinned_->subscriptions() == 0) {
    pinned_->reasons &= static_cast<uint8_t>(~Pinned::kSubscribed);
  } else {
    pinned_->reasons |= Pinned::kSubscribed;
  }
}

// Who has no other subscription has none, then.
void Session::OnSubscribeRefused() {
  if (pinned_->subscriptions() == 0) pinned_->reasons &= static_cast<uint8_t>(~Pinned::kSubscribed);
}

// The last confirmation of a command has come.
void Session::Confirmed() {
  --in_flight_;
  if (in_flight_ == 0) OnDrained();
}

// ---- Replies that change the session

// True: the reply is not for the client.
bool Session::TakeAwaited(std::string_view frame) {
  const Pinned::Awaited awaited = std::exchange(pinned_->awaited, Pinned::Awaited::kNothing);
  const bool fine = frame.front() != '-';
  switch (awaited) {
    case Pinned::Awaited::kSelect:
      if (fine) {
        key_.db = pinned_->wanted_db;
        pinned_->lane->MovedTo(key_);
      }
      return false;
    case Pinned::Awaited::kTracking:
      if (fine) pinned_->tracking = pinned_->wanted_tracking;
      // The store forgets no key that it was told of: not for another client.
      pinned_->soiled = pinned_->soiled || pinned_->tracking.on;
      if (!pinned_->tracking.on) pinned_->reasons &= static_cast<uint8_t>(~Pinned::kTracking);
      return false;
    case Pinned::Awaited::kWaitWrite:
      pinned_->wait_refused = !fine || frame.front() == '_' || frame.starts_with("*-1");
      return true;
    case Pinned::Awaited::kWait:
      pinned_->reasons &= static_cast<uint8_t>(~Pinned::kCommand);
      return false;
    case Pinned::Awaited::kReset:
      return true;
    case Pinned::Awaited::kLogin:
      OwnLoginAnswered(fine);
      return false;
    case Pinned::Awaited::kNothing:
      break;
  }
  return false;
}

}  // namespace crossfade::proxy
