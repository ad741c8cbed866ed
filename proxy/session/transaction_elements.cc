// Session: commands inside MULTI that are about the session itself, and replies
// of the store that are changed on their way to the client.
#include <algorithm>

#include "config/limits.h"
#include "proxy/lane/follower_admin.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"
#include "routing/resp/reply.h"

namespace crossfade::proxy {

using routing::Args;
using routing::CommandId;

namespace {

// The store answers for them, so that the reply has their place.
constexpr std::string_view kPlaceholder = "*1\r\n$4\r\nPING\r\n";

}  // namespace

// ---- A reply that is changed

// Nothing behind the command is taken before its reply is there. The session is drained.
Session::Step Session::SendRewritten(const routing::CommandSpec& spec, Args args,
                                     std::string_view request, ReplyRewrite rewrite) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  const Step step = SendPlain(spec, args, request, RequestClass::kOther);
  if (step != Step::kDone || in_flight_ == 0) return step;
  RewriteNextReply(std::move(rewrite));
  return Step::kTaken;
}

// On the follower once the authority has executed it; the reply waits for both.
Session::Step Session::SendToBoth(const routing::CommandSpec& spec, Args args,
                                  std::string_view request) {
  const auto then = [this, copy = std::string(request)](std::string_view frame) {
    if (frame.front() == '-') return std::string(frame);
    ++in_flight_;
    worker_.follower_admin().Run({this}, copy, std::string(frame));
    return std::string();
  };
  return SendRewritten(spec, args, request, then);
}

void Session::RewriteNextReply(ReplyRewrite rewrite) {
  extras().rewrite = std::move(rewrite);
  reply_mode_ |= kRewriteReply;
  PauseFor(kDrain);
}

// False: the reply is not for the client. The frame may be another afterwards.
bool Session::TakeReplyMode(std::string_view& frame) {
  if ((reply_mode_ & kRewriteReply) != 0) {
    reply_mode_ &= static_cast<uint8_t>(~kRewriteReply);
    const ReplyRewrite rewrite = std::move(extras().rewrite);
    extras().rewrite = nullptr;
    frame = worker_.KeepForTurn(rewrite(frame));
    if (frame.empty()) return false;
  }
  return !Suppressed();
}

// ---- Inside MULTI

// A transaction that selects another db runs on a connection of its own, which is
// in the session's db before it; where it is afterwards EXEC's reply says.
Session::Step Session::NeedsLaneOfTransaction() {
  const bool selects = transaction_->selects;
  Step step = selects ? Pin(Pinned::kCommand) : Step::kDone;
  if (step == Step::kDone) step = NeedsLane();
  if (step != Step::kClosed) return step;
  transaction_.reset();
  LeaveGate();
  if (selects && pinned_) {
    pinned_->reasons &= static_cast<uint8_t>(~Pinned::kCommand);
    UnpinIfFree();
  }
  return step;
}

// The hashes of the command's keys in each db that may be the one, since a SELECT
// before it may be refused when it runs.
bool Session::HashQueuedKeys(const routing::CommandSpec& spec, Args args) {
  Transaction& transaction = *transaction_;
  for (const uint32_t db : transaction.dbs) {
    bool all = false;
    if (!HashKeysIn(db, spec, args, all)) return false;
    transaction.all = transaction.all || all;
    transaction.hashes.insert(transaction.hashes.end(), worker_.hashes.begin(),
                              worker_.hashes.end());
  }
  return true;
}

bool Session::RunsAtExec(const routing::CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kSelect:
    case CommandId::kClientId:
    case CommandId::kClientInfo:
    case CommandId::kClientGetname:
    case CommandId::kClientSetname:
    case CommandId::kClientNoEvict:
    case CommandId::kClientPause:
    case CommandId::kClientUnpause:
    case CommandId::kClient:
      return true;
    default:
      return spec.name == "client|setinfo" || spec.name == "client|no-touch";
  }
}

Session::Step Session::QueueLocal(const routing::CommandSpec& spec, Args args,
                                  std::string_view request) {
  Transaction& transaction = *transaction_;
  QueuedLocal local{transaction.commands, &spec, {args.begin(), args.end()}, nullptr};
  if (spec.id == CommandId::kSelect) {
    int64_t db = 0;
    const bool known = routing::ParseRedisInteger(args[1], db) && db >= 0;
    if (known && db >= limits::kDatabasesMax) {
      return FailTransaction(ClientError::kRefused, "ERR DB index is out of range");
    }
    const auto selected = static_cast<uint32_t>(db);
    const auto& dbs = transaction.dbs;
    if (known && std::find(dbs.begin(), dbs.end(), selected) == dbs.end()) {
      transaction.dbs.push_back(selected);
    }
    transaction.selects = true;
    transaction.bytes.append(request);
  } else {
    transaction.bytes.append(kPlaceholder);
  }
  transaction.locals.push_back(std::move(local));
  ++transaction.commands;
  Reply("+QUEUED\r\n");
  return Step::kDone;
}

// EXEC's reply with the elements put in that are answered here; what they do is
// done now. May be called with the replication lock held.
std::string Session::RewriteExec(std::string_view frame, std::vector<QueuedLocal>& locals) {
  if (pinned_) pinned_->reasons &= static_cast<uint8_t>(~Pinned::kCommand);
  const char* p = frame.data();
  const char* const end = p + frame.size();
  const routing::ReplyHead head = routing::ReadHead(p, end);
  std::string text(frame.substr(0, static_cast<size_t>(p - frame.data())));
  if (!head.IsAggregate() || head.nil) return std::string(frame);
  std::string_view rest(p, static_cast<size_t>(end - p));
  auto next = locals.begin();
  for (uint32_t i = 0; !rest.empty(); ++i) {
    const std::string_view element = routing::FirstValue(rest);
    rest.remove_prefix(element.size());
    if (next == locals.end() || next->index != i) {
      text.append(element);
      continue;
    }
    text.append(RunLocal(*next, element));
    ++next;
  }
  return text;
}

std::string Session::RunLocal(QueuedLocal& local, std::string_view element) {
  if (local.rewrite) return local.rewrite(element);
  const std::vector<std::string_view> args(local.args.begin(), local.args.end());
  if (local.spec->id == CommandId::kSelect) {
    int64_t db = 0;
    if (element.front() == '+' && routing::ParseRedisInteger(args[1], db)) {
      key_.db = static_cast<uint32_t>(db);
      pinned_->lane->MovedTo(key_);
    }
    return std::string(element);
  }
  std::string text;
  worker_.capture = &text;
  ClientCommand(*local.spec, args);
  worker_.capture = nullptr;
  return text;
}

}  // namespace crossfade::proxy
