// Session: MULTI … EXEC. Commands are kept here, checked as Redis checks them,
// and go to the lane as one contiguous block.
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"

namespace crossfade::proxy {

using routing::Args;
using routing::CommandId;
using routing::Serving;

Session::Step Session::TransactionCommand(const routing::CommandSpec& spec, Args args) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  if (spec.id == CommandId::kMulti) {
    if (transaction_) {
      ReplyError(ClientError::kProtocol, "ERR MULTI calls can not be nested");
      return Step::kDone;
    }
    if (lane_ != nullptr && !lane_->connection().may_multi()) return RefuseMulti();
    transaction_ = std::make_unique<Transaction>();
    transaction_->dbs.push_back(key_.db);
    routing::AppendCommand(transaction_->bytes, args);  // as written: MONITOR shows it
    Reply("+OK\r\n");
    return Step::kDone;
  }
  if (spec.id == CommandId::kExec) return Exec(args);
  if (!transaction_) {
    ReplyError(ClientError::kProtocol, "ERR DISCARD without MULTI");
    return Step::kDone;
  }
  transaction_.reset();
  Reply("+OK\r\n");
  ForgetWatch();
  return Step::kDone;
}

// As Redis: an EXEC that is refused itself ends the transaction.
std::string Session::AbortedExec(std::string_view error) {
  if (error.starts_with("ERR ")) error.remove_prefix(4);
  std::string text = "EXECABORT Transaction discarded because of: " + std::string(error);
  // UNWATCH is refused there just as well.
  if (Watching() && pinned_->subscriptions() > 0) pinned_->soiled = true;
  transaction_.reset();
  ForgetWatch();
  return text;
}

Session::Step Session::FailTransaction(ClientError kind, std::string_view text) {
  transaction_->failed = true;
  ReplyError(kind, text);
  return Step::kDone;
}

Session::Step Session::Queue(const routing::CommandSpec& spec, Args args, std::string_view request,
                             Serving serving) {
  if (spec.id == CommandId::kWatch) {
    ReplyError(ClientError::kProtocol, "ERR WATCH inside MULTI is not allowed");
    return Step::kDone;
  }
  if ((spec.flags & routing::kNoMulti) != 0 && serving != Serving::kNotServed) {
    return FailTransaction(ClientError::kRefused, "ERR Command not allowed inside a transaction");
  }
  if (serving == Serving::kSession && RunsAtExec(spec)) return QueueLocal(spec, args, request);
  if (serving == Serving::kScript) {
    std::string refused;
    serving = QueuedScript(spec, args, refused);
    if (!refused.empty()) return FailTransaction(ClientError::kRefused, refused);
  }
  const bool harmless = spec.id == CommandId::kPing || spec.id == CommandId::kEcho ||
                        spec.id == CommandId::kUnwatch || spec.id == CommandId::kWait;
  if (serving == Serving::kRefused || serving == Serving::kNotServed ||
      ((serving == Serving::kSession || serving == Serving::kPinned) && !harmless)) {
    return FailTransaction(ClientError::kNotServed,
                           "ERR crossfade: '" + spec.name + "' is not served inside a transaction");
  }
  if (transaction_->bytes.size() + request.size() > worker_.limits().request_bytes) {
    return FailTransaction(ClientError::kRefused,
                           "ERR crossfade: the transaction is larger than limits.request");
  }
  Transaction& transaction = *transaction_;
  // Redis does not block there.
  if (serving == Serving::kBlocking) serving = spec.ReadOnly() ? Serving::kRead : Serving::kWrite;
  if (serving == Serving::kRead || serving == Serving::kWrite) {
    if (!HashQueuedKeys(spec, args)) {
      return FailTransaction(ClientError::kRefused,
                             "ERR crossfade: the keys of '" + spec.name + "' can't be known");
    }
  }
  if (serving == Serving::kWrite) {
    transaction.writes = true;
    const replication::AskBehind ask = replication::WhatToAskBehind(spec, args);
    if (ask) transaction.asked.emplace_back(ask, args[ask.key_arg]);
  }
  if (spec.id == CommandId::kInfo) {
    transaction.locals.push_back({transaction.commands, &spec, {}, InfoElement(args)});
  }
  if (ShowsKeys(spec)) {
    transaction.locals.push_back({transaction.commands, &spec, {}, ReservedFilter(spec, true)});
  }
  transaction.may_replicate |= MayReplicate(spec, args);
  transaction.bytes.append(request);
  ++transaction.commands;
  Reply("+QUEUED\r\n");
  return Step::kDone;
}

Session::Step Session::Exec(Args args) {
  if (!transaction_) {
    ReplyError(ClientError::kProtocol, "ERR EXEC without MULTI");
    return Step::kDone;
  }
  if (transaction_->failed) {
    LeaveGate();  // it may have failed while it waited there
    ShowToMonitors(args);
    transaction_.reset();
    ForgetWatch();
    ReplyError(ClientError::kProtocol,
               "EXECABORT Transaction discarded because of previous errors.");
    return Step::kDone;
  }
  if (Watching() && pinned_->watch_lost) {
    LeaveGate();
    transaction_.reset();
    WatchIsOver();
    Reply(resp3() ? "_\r\n" : "*-1\r\n");
    return Step::kDone;
  }
  if (transaction_->commands == 0 && !Watching()) {
    transaction_.reset();
    Reply("*0\r\n");
    return Step::kDone;
  }
  return SendTransaction(args);
}

// Where the store refused MULTI, what stands behind it would run all the same.
Session::Step Session::RefuseMulti() {
  LeaveGate();
  transaction_.reset();
  if (pinned_) {
    pinned_->reasons &= static_cast<uint8_t>(~Pinned::kCommand);
    UnpinIfFree();
  }
  ReplyError(ClientError::kNoPermission,
             "NOPERM this user has no permissions to run the 'multi' command");
  return Step::kDone;
}

// MONITOR is the store's, which does not see a transaction that is refused here.
size_t Session::transaction_bytes() const { return transaction_->bytes.capacity(); }

void Session::ShowToMonitors(Args exec) {
  if (worker_.core().monitors.load(std::memory_order_relaxed) == 0) return;
  if (lane_ == nullptr || !lane_->ready() || lane_->full()) return;
  std::string text(routing::FirstValue(transaction_->bytes));
  routing::AppendCommand(text, exec);
  Protect(worker_.batch.next);
  lane_->SentSkipped(2, text.size());
  lane_->out().Append(text);
}

Session::Step Session::SendTransaction(Args exec) {
  const bool mirrored = transaction_->writes && worker_.plan().mirrors;
  if (!mirrored) LeaveGate();
  if (const Step step = NeedsLaneOfTransaction(); step != Step::kDone) return Unpaused(step);
  if (!lane_->connection().may_multi()) return RefuseMulti();
  Ordering();  // nothing is in flight
  Core& core = worker_.core();
  replication::WriteRecord* write = nullptr;
  bool wakes = transaction_->writes && !core.waiting.empty();
  std::unique_lock lock(core.mutex, std::defer_lock);
  if (mirrored || wakes) lock.lock();
  wakes = wakes && core.waiting.WantsAny(transaction_->hashes, transaction_->all);
  if (wakes && MustLetSettle(transaction_->hashes)) return Step::kPaused;
  if (mirrored) {
    if (!EnterGate(transaction_->hashes, transaction_->all, true, lock)) return Step::kPaused;
    write = &lane_->NewWrite();
    write->spec = nullptr;
    write->keys.Set(transaction_->hashes, transaction_->all);
    if (transaction_->scripts) {
      write->script.what = replication::ScriptRun::What::kTransaction;
      write->script.undeclared = transaction_->undeclared;
    }
    core.replicator.BeginWrite(*write, {{}, transaction_->bytes}, worker_.now_us());
    core.last_intent.store(write->intent, std::memory_order_relaxed);
  }
  if (wakes) worker_.waking().PlanBehindTransaction(*lane_, transaction_->bytes);
  if (lock.owns_lock()) lock.unlock();
  Transaction& transaction = *transaction_;
  routing::AppendCommand(transaction.bytes, exec);
  Protect(worker_.batch.next);
  const ReplyTo to = NewReply(Source::kAuthority, transaction.hashes);
  const char* sent = lane_->out().Append(transaction.bytes);
  lane_->SentSkipped(transaction.commands + 1, 0);
  if (write != nullptr) {
    write->request = {sent, transaction.bytes.size()};
    write->block = lane_->out().block();
    lane_->SentWrite(to, RequestClass::kWrite, transaction.bytes.size());
    if (transaction.runs_scripts) lane_->MarkScript();
    // The lane may be in another db then; without these its keys are synced.
    if (transaction.selects) transaction.asked.clear();
    for (const auto& [ask, key] : transaction.asked) lane_->Ask(ask, key);
  } else {
    lane_->SentPlain(to, RequestClass::kOther, transaction.bytes.size());
    if (transaction.runs_scripts) lane_->MarkScript();
  }
  std::vector<QueuedLocal> locals = std::move(transaction.locals);
  transaction_.reset();
  if (pinned_) pinned_->reasons &= static_cast<uint8_t>(~Pinned::kWatch);
  if (wakes) SendWakes(lock);
  if (locals.empty()) return Step::kDone;
  RewriteNextReply([this, locals = std::move(locals)](std::string_view frame) mutable {
    return RewriteExec(frame, locals);
  });
  return Step::kTaken;
}

}  // namespace crossfade::proxy
