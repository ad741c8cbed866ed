// Session: what it answers by itself.
#include "proxy/mirror_events.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/commands/token.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"

namespace crossfade::proxy {

using routing::Args;
using routing::CommandId;
using routing::IsToken;

// Behind commands whose replies have not come the store may answer as well, so
// that the pipeline need not wait.
bool Session::PassesOn(const routing::CommandSpec& spec, Args args) {
  const bool same =
      (spec.id == CommandId::kPing && args.size() <= 2) || spec.id == CommandId::kEcho;
  return same && !pinned_ && lane_ != nullptr && lane_->ready() && !lane_->full();
}

Session::Step Session::Local(const routing::CommandSpec& spec, Args args) {
  if (spec.id == CommandId::kClient && !IsToken(args[1], "SETINFO") &&
      !IsToken(args[1], "NO-TOUCH")) {
    return Refuse(&spec, args, ClientError::kUnknownCommand);
  }
  if (in_flight_ > 0) {  // replies come in the order of the commands
    PauseFor(kDrain);
    return Step::kPaused;
  }
  if (spec.id == CommandId::kAuth) return Auth(args);
  if (spec.id == CommandId::kHello) {
    if (!HelloUnderstood(args)) return Step::kDone;
    if (const Step step = HelloAuth(args); step != Step::kDone) return Unpaused(step);
  }
  std::string& text = worker_.scratch;
  text.clear();
  switch (spec.id) {
    case CommandId::kAclWhoami:
      routing::AppendBulk(text, UserName());
      break;
    case CommandId::kPing:
      if (args.size() > 2) {
        ReplyError(ClientError::kArity, "ERR wrong number of arguments for 'ping' command");
      } else if (!resp3() && pinned_ && (pinned_->reasons & Pinned::kSubscribed) != 0) {
        text = "*2\r\n$4\r\npong\r\n";
        routing::AppendBulk(text, args.size() == 2 ? args[1] : std::string_view());
      } else if (args.size() == 2) {
        routing::AppendBulk(text, args[1]);
      } else {
        text = "+PONG\r\n";
      }
      break;
    case CommandId::kEcho:
      routing::AppendBulk(text, args[1]);
      break;
    case CommandId::kQuit:
      text = "+OK\r\n";
      closing_ = true;
      break;
    case CommandId::kReset:
      return Unpaused(Reset());
    case CommandId::kSelect:
      return Select(args);
    case CommandId::kHello:
      Hello(args);
      break;
    default:
      return ClientCommand(spec, args);
  }
  if (!text.empty()) Reply(text);
  return Step::kDone;
}

Session::Step Session::Select(Args args) {
  int64_t db = 0;
  if (!routing::ParseRedisInteger(args[1], db)) {
    ReplyError(ClientError::kRefused, "ERR value is not an integer or out of range");
    return Step::kDone;
  }
  if (db < 0 || db >= worker_.core().databases.load(std::memory_order_relaxed)) {
    ReplyError(ClientError::kRefused, "ERR DB index is out of range");
    return Step::kDone;
  }
  LaneKey key = key_;
  key.db = static_cast<uint32_t>(db);
  if (pinned_ && key != key_) {
    if (const Step step = NeedsLane(); step != Step::kDone) return Unpaused(step);
    pinned_->wanted_db = key.db;
    std::string text;
    routing::AppendCommand(text, {"SELECT", std::to_string(db)});
    SendOwn(Pinned::Awaited::kSelect, text);
    return Step::kTaken;
  }
  if (key_.user != 0) return SelectAsUser(key.db);
  UseLane(key);
  Reply("+OK\r\n");
  return Step::kDone;
}

// When a client has the reply, nobody publishes to it any more.
Session::Step Session::Reset() {
  constexpr uint8_t kListens = Pinned::kSubscribed | Pinned::kMonitor | Pinned::kTracking;
  if (pinned_ && (pinned_->reasons & kListens) != 0 && !pinned_->reset && lane_->ready()) {
    std::string text;
    routing::AppendCommand(text, {"RESET"});
    Protect(worker_.batch.p);
    AwaitReply(Pinned::Awaited::kReset, text.size());
    lane_->out().Append(text);
    pinned_->reset = true;
    return Step::kPaused;
  }
  transaction_.reset();
  if (pinned_) {
    pinned_->soiled = pinned_->reasons != 0;
    pinned_->reasons = 0;
    UnpinIfFree();
  }
  extras().name.clear();
  reply_mode_ = 0;
  UseLane({.user = key_.user});
  BeginAnonymous();
  Reply("+RESET\r\n");
  return Step::kDone;
}

// Its next commands go on another lane. Nothing is in flight.
void Session::UseLane(const LaneKey& key) {
  if (key == key_) return;
  key_ = key;
  if (pinned_) return pinned_->lane->SwitchProtocol(key.protocol);
  lane_ = nullptr;
}

// Nothing of a HELLO is done if anything of it is wrong. False: it was answered.
bool Session::HelloUnderstood(Args args) {
  int64_t version = 0;
  if (args.size() > 1 && !routing::ParseRedisInteger(args[1], version)) {
    ReplyError(ClientError::kProtocol, "ERR Protocol version is not an integer or out of range");
    return false;
  }
  if (args.size() > 1 && version != 2 && version != 3) {
    ReplyError(ClientError::kNotServed, "NOPROTO unsupported protocol version");
    return false;
  }
  for (size_t i = 2; i < args.size(); ++i) {
    if (IsToken(args[i], "SETNAME") && i + 1 < args.size()) {
      i += 1;
    } else if (IsToken(args[i], "AUTH") && i + 2 < args.size()) {
      i += 2;
    } else {
      ReplyError(ClientError::kProtocol,
                 "ERR Syntax error in HELLO option '" + Printable(args[i]) + "'");
      return false;
    }
  }
  return true;
}

void Session::Hello(Args args) {
  LaneKey key = key_;
  if (args.size() > 1) key.protocol = args[1] == "3" ? Protocol::kResp3 : Protocol::kResp2;
  for (size_t i = 2; i < args.size(); ++i) {
    if (IsToken(args[i], "AUTH")) {
      i += 2;  // done before
      continue;
    }
    extras().name = args[++i];
    extras().plan_epoch = 0;
  }
  UseLane(key);
  std::string text = resp3() ? "%7\r\n" : "*14\r\n";
  routing::AppendBulk(text, "server");
  routing::AppendBulk(text, "redis");
  routing::AppendBulk(text, "version");
  const std::string version = worker_.core().authority().version();
  routing::AppendBulk(text, version.empty() ? "7.0.0" : version);
  routing::AppendBulk(text, "proto");
  routing::AppendInteger(text, static_cast<int64_t>(key_.protocol));
  routing::AppendBulk(text, "id");
  routing::AppendInteger(text, static_cast<int64_t>(id_));
  routing::AppendBulk(text, "mode");
  routing::AppendBulk(text, "standalone");
  routing::AppendBulk(text, "role");
  routing::AppendBulk(text, "master");
  routing::AppendBulk(text, "modules");
  text += "*0\r\n";
  Reply(text);
}

}  // namespace crossfade::proxy
