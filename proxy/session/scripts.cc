// Session: scripts and functions. What is known of them decides how they are sent.
#include <algorithm>

#include "config/limits.h"
#include "proxy/backend/side_commands.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/scripts/script_verdict.h"

namespace crossfade::proxy {

using replication::ScriptRef;
using replication::ScriptRun;
using routing::Args;
using routing::CommandId;
using routing::CommandSpec;
using routing::Serving;

namespace {

bool BringsText(const CommandSpec& spec) {
  return spec.id == CommandId::kEval || spec.id == CommandId::kEvalRo;
}

// A function may be another one by the time it runs, so that FCALL is always a write
// whose effect is judged then.
bool OnlyReads(const CommandSpec& spec, const ScriptRun& run) {
  return spec.ReadOnly() || (run.reads && spec.id != CommandId::kFcall);
}

std::shared_ptr<const replication::Library> JudgedLibrary(Args args,
                                                          const routing::CommandTable& table) {
  auto library = std::make_shared<replication::Library>();
  library->verdict = routing::JudgeLibrary(args.back(), table);
  return library;
}

}  // namespace

Session::Step Session::Script(const CommandSpec& spec, Args args, std::string_view request) {
  ScriptRun& run = worker_.script;
  run = {};
  Step step = Step::kDone;
  switch (spec.id) {
    case CommandId::kScriptKill:
    case CommandId::kFunctionKill:
    case CommandId::kFunctionStats:
      // Behind the script that runs, on its lane, they would come too late.
      if (spec.id != CommandId::kFunctionStats || !resp3()) return BesideTheLane(args);
      return SendPlain(spec, args, request, RequestClass::kOther);
    case CommandId::kFunctionLoad:
      run.library = JudgedLibrary(args, worker_.table());
      [[fallthrough]];
    case CommandId::kFunctionDelete:
    case CommandId::kFunctionFlush:
    case CommandId::kFunctionRestore:
      run.what = ScriptRun::What::kLibraries;
      step = SendWrite(spec, args, request);
      break;
    case CommandId::kScriptFlush:
      run.what = ScriptRun::What::kForget;
      step = SendWrite(spec, args, request);
      break;
    case CommandId::kScriptLoad:
      RunOfScript(spec, args);
      step = SendWrite(spec, args, request);
      break;
    default:
      step = ScriptCall(spec, args, request);
      break;
  }
  run = {};
  return step;
}

Session::Step Session::ScriptCall(const CommandSpec& spec, Args args, std::string_view request) {
  const auto before = in_flight_;
  const Step step = SendScript(spec, args, request);
  // Of a write that others wait for, it is not the last.
  const bool mirrored = worker_.script.what != ScriptRun::What::kNone;
  if (step == Step::kDone && !mirrored && in_flight_ != before) lane_->MarkScript();
  return step;
}

Session::Step Session::SendScript(const CommandSpec& spec, Args args, std::string_view request) {
  if (!worker_.plan().mirrors) return SendWrite(spec, args, request);
  ScriptRun& run = worker_.script;
  run = RunOfScript(spec, args);
  if (OnlyReads(spec, run)) {
    const ScriptRef script = run.script;
    run = {};
    LeaveGate();  // what it waited for it does not need any more
    const Step step = SendRead(spec, args, request);
    if (step != Step::kDone) return step;
    const std::lock_guard lock(worker_.core().mutex);
    ++script->calls;
    ++worker_.core().replicator.scripts().counters.reads;
    return step;
  }
  const std::string refused = WhyScriptRefused(run);
  if (refused.empty()) return SendWrite(spec, args, request);
  LeaveGate();
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  {
    const std::lock_guard lock(worker_.core().mutex);
    ++worker_.core().replicator.scripts().counters.refused;
  }
  ReplyError(ClientError::kRefused, refused);
  return Step::kDone;
}

// Learns the text that comes with it, and sees to it that the follower has it: after
// a cutover clients will call it by its name there. A text is judged once.
ScriptRun Session::RunOfScript(const CommandSpec& spec, Args args) {
  Core& core = worker_.core();
  const bool loads = spec.id == CommandId::kScriptLoad;
  const std::string_view text = loads ? args[2] : args[1];
  std::unique_lock lock(core.mutex);
  replication::ScriptBook& book = core.replicator.scripts();
  ScriptRef script = loads ? book.FindText(text) : book.Find(spec, args);
  if (!script && (loads || BringsText(spec))) {
    lock.unlock();
    routing::ScriptVerdict verdict = routing::JudgeScript(text, worker_.table());
    lock.lock();
    script = book.LearnText(text, std::move(verdict));
  } else if (!script) {
    const bool function = spec.id == CommandId::kFcall || spec.id == CommandId::kFcallRo;
    script = book.LearnUnseen(function, text);
  }
  // What SCRIPT LOAD brings is mirrored as it is.
  if (!loads && core.replicator.GiveScript(*script)) worker_.WantFeed();
  return book.RunOf(script);
}

// The keys of the request have been hashed.
void Session::PrepareScript(bool& all) {
  ScriptRun& run = worker_.script;
  all = all || run.WholeGate();
  if (run.deadlines && worker_.names.size() > limits::kScriptDeadlinesMax) {
    run.deadlines = false;
    run.replay = false;
  }
  // What is known of it has changed while it waited.
  if (gate_entered_ && gate_held_->all() != all) LeaveGate();
  worker_.kept_names.clear();
  if (!run.deadlines) return;
  worker_.kept_names.assign(worker_.names.begin(), worker_.names.end());
}

void Session::AskScriptDeadlines() {
  for (const std::string& name : worker_.kept_names) lane_->AskDeadline(name);
}

std::string Session::WhyScriptRefused(const ScriptRun& run) const {
  if (worker_.plan().plan->settings.mirror.undeclared_keys == config::UndeclaredKeys::kReplay) {
    return {};
  }
  const replication::Script& script = *run.script;
  if (!script.verdict.seen && script.function) {
    return "ERR crossfade: the library of this function was not seen, so it may touch keys that it "
           "does not declare; load it through the proxy (mirror.undeclared_keys is refuse)";
  }
  if (!script.verdict.seen) {
    return "NOSCRIPT crossfade: the text of this script was not seen, so it may touch keys that it "
           "does not declare. Please use EVAL or SCRIPT LOAD (mirror.undeclared_keys is refuse)";
  }
  if (!run.undeclared) return {};
  return "ERR crossfade: this script may touch keys that it does not declare (" +
         script.verdict.reason + "); mirror.undeclared_keys is refuse";
}

// Inside MULTI: as what it counts among the other commands.
Serving Session::QueuedScript(const CommandSpec& spec, Args args, std::string& refused) {
  transaction_->runs_scripts |= replication::IsScriptCall(spec);
  if (!worker_.plan().mirrors) return Serving::kWrite;
  switch (spec.id) {
    case CommandId::kScriptKill:
    case CommandId::kFunctionKill:
    case CommandId::kFunctionStats:
      return Serving::kAuthority;
    case CommandId::kFunctionLoad:
    case CommandId::kFunctionDelete:
    case CommandId::kFunctionFlush:
    case CommandId::kFunctionRestore:
      transaction_->all = true;
      return Serving::kWrite;
    case CommandId::kScriptFlush:
      return Serving::kWrite;
    case CommandId::kScriptLoad:
      RunOfScript(spec, args);
      return Serving::kWrite;
    default:
      break;
  }
  const ScriptRun run = RunOfScript(spec, args);
  if (OnlyReads(spec, run)) return Serving::kRead;
  refused = WhyScriptRefused(run);
  transaction_->scripts = true;
  transaction_->undeclared = transaction_->undeclared || run.undeclared;
  transaction_->all = transaction_->all || run.undeclared;
  return Serving::kWrite;
}

// On a connection of its own, in its place among the session's commands.
Session::Step Session::BesideTheLane(Args args) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  Ordering();
  const ReplyTo to = NewReply(Source::kAuthority, {});
  PauseFor(kAsking);
  worker_.core().side_commands.Ask(worker_.core().authority(), worker_.LoginOf(key_.user),
                                   std::vector<std::string>(args.begin(), args.end()),
                                   [this, to, worker = &worker_](std::string reply) {
                                     worker->Post([this, to, worker, reply = std::move(reply)] {
                                       Resume(kAsking);
                                       Deliver(to, worker->KeepForTurn(reply));
                                     });
                                   });
  return Step::kTaken;
}

// One that says that it does not write is held to that by the store.
bool Session::MayReplicate(const CommandSpec& spec, Args args) const {
  if (!replication::IsScriptCall(spec) || spec.ReadOnly()) return routing::MayReplicate(spec);
  if (BringsText(spec)) return !routing::DeclaresNoWrites(args[1]);
  const std::lock_guard lock(worker_.core().mutex);
  const ScriptRef script = worker_.core().replicator.scripts().Find(spec, args);
  return !script || !script->verdict.declares_no_writes;
}

// A command that can't run now, and may a moment later.
Session::Step Session::RefuseForNow(std::string text) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  AbandonCommand();
  if (last_command_->id == CommandId::kExec) {
    text = "EXECABORT Transaction discarded because of: " + text;
    if (transaction_) ForgetWatch();
    transaction_.reset();
  } else if (transaction_) {
    transaction_->failed = true;
  }
  ReplyError(ClientError::kStoreUnavailable, text);
  return Step::kDone;
}

}  // namespace crossfade::proxy
