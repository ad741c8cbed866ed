// Replicator: scripts and function libraries.
#include "replication/replicator.h"
#include "routing/commands/command_id.h"
#include "routing/resp/encode.h"

namespace crossfade::replication {
namespace {

// The store's own words for what it did not begin to run. A script might say them
// itself, so that its declared keys are synced all the same.
bool NeverRan(std::string_view reply) {
  for (const std::string_view words :
       {"-NOSCRIPT No matching script", "-ERR Error compiling script", "-ERR Function not found",
        "-BUSY ", "-NOPERM ", "-OOM command not allowed"}) {
    if (reply.starts_with(words)) return true;
  }
  return false;
}

}  // namespace

bool Replicator::GiveScript(Script& script) {
  if (!recorded() || script.text.empty() || scripts_.OnFollower(script)) return false;
  std::string command;
  routing::AppendCommand(command, {"SCRIPT", "LOAD", script.text});
  log_.Append(EntryKind::kEffect, {}, command, {}, nullptr).keys.Set({}, false);
  scripts_.GivenToFollower(script);
  return true;
}

void Replicator::GiveLibraries(const std::vector<Library>& libraries, bool alone) {
  if (!recorded()) return;
  const auto give = [this](std::initializer_list<std::string_view> args) {
    std::string command;
    routing::AppendCommand(command, args);
    log_.Append(EntryKind::kLibrary, {}, command, {}, nullptr).keys.Set({}, false);
  };
  if (alone) give({"FUNCTION", "FLUSH"});
  for (const Library& library : libraries) give({"FUNCTION", "LOAD", "REPLACE", library.text});
}

// Libraries may have changed between the sending and the run. Replies come in the
// order of the runs, so what is known now is what ran.
void Replicator::JudgeAgain(ScriptRun& run, const routing::CommandSpec& spec) {
  const bool function = spec.id == routing::CommandId::kFcall;
  if (!function && run.script->verdict.seen) return;
  const routing::Args args(parsed_args_);
  ScriptRef script = scripts_.Find(spec, args);
  if (!script) script = scripts_.LearnUnseen(function, args[1]);
  if (script == run.script) return;
  ScriptRun now = scripts_.RunOf(script);
  now.deadlines = run.deadlines;  // whether they were asked
  now.undeclared = now.undeclared || run.undeclared;
  run = std::move(now);
}

// Of what was parsed last; the deadlines were asked in the order of its keys.
void Replicator::DeriveScriptEffect(WriteRecord& write, std::string_view reply) {
  JudgeAgain(write.script, *write.spec);
  const ScriptRun& run = write.script;
  transaction_deadlines_.clear();
  bool known = run.deadlines && !write.deadlines_unknown;
  ForEachKey(write.db, [&](std::string_view name, routing::Access, uint32_t) {
    const size_t i = transaction_deadlines_.size();
    known = known && i < write.deadlines.size();
    if (known) transaction_deadlines_.push_back({name, write.deadlines[i]});
  });
  std::optional<std::span<const Deadline>> deadlines;
  if (known) deadlines = transaction_deadlines_;
  const routing::ScriptVerdict& verdict = run.script->verdict;
  DeriveScript({run.reads, run.replay, verdict.sets_expiry, verdict.all_keys, {}}, write.request,
               reply, deadlines, effect_);
  CountScript(run, reply);
  // What it is called by must be known there; should it be dropped on its way, the
  // reply will tell.
  if (effect_.kind != Effect::Kind::kNothing && effect_.kind != Effect::Kind::kSync &&
      write.spec->id == routing::CommandId::kEvalsha) {
    GiveScript(*run.script);
  }
}

void Replicator::CountScript(const ScriptRun& run, std::string_view reply) {
  const bool failed = reply.starts_with('-');
  Script& script = *run.script;
  ++script.calls;
  if (run.reads) {
    ++scripts_.counters.reads;
    return;
  }
  const bool synced = effect_.kind == Effect::Kind::kSync || !run.replay;
  ++(synced ? script.synced : script.replayed);
  if (failed) {
    ++script.failed;
    ++scripts_.counters.failed;
  } else if (!script.verdict.seen) {
    ++scripts_.counters.unseen;
  } else if (run.undeclared) {
    ++scripts_.counters.undeclared;
  } else {
    ++(synced ? scripts_.counters.synced : scripts_.counters.replayed);
  }
  const bool doubtful = script.verdict.undeclared || !script.verdict.seen;
  if (doubtful && !NeverRan(reply)) scripts_.Doubt(script);
}

// `ran`: EXEC was not refused; `reply`: this command's in it.
std::optional<ScriptTraits> Replicator::TraitsInTransaction(const routing::CommandSpec& spec,
                                                            routing::Args args, bool ran,
                                                            std::string_view reply) {
  if (ran && IsLibraryChange(spec)) {
    scripts_.LibrariesUnknown();
  }
  if (!IsScriptCall(spec) || args.size() < 3) return std::nullopt;
  if (spec.ReadOnly()) return ScriptTraits{true, false, false, false, {}};
  const bool function = spec.id == routing::CommandId::kFcall;
  ScriptRef script = scripts_.Find(spec, args);
  if (!script) script = scripts_.LearnUnseen(function, args[1]);
  const ScriptRun run = scripts_.RunOf(script);
  effect_.kind = run.replay && !run.deadlines ? Effect::Kind::kReplay : Effect::Kind::kSync;
  if (ran) CountScript(run, reply);
  effect_.Clear();
  const bool by_sha = spec.id == routing::CommandId::kEvalsha;
  transaction_scripts_.push_back(script);  // its text is wanted until the effect is derived
  return ScriptTraits{run.reads, run.replay, script->verdict.sets_expiry, script->verdict.all_keys,
                      by_sha ? std::string_view(script->text) : std::string_view()};
}

// It ran alone, so that the follower's run of it comes at the same place; what it
// did beyond its declared keys is not known.
uint64_t Replicator::AppendUndeclared(WriteRecord& write, std::string_view reply) {
  if (state_ == MirrorState::kCopying) {
    MarkWritten(write.db, Drift::kSpread, log_.head_seq(), false);
  } else if (!dirty_.empty() && AnyKeyAwaitsSync(write.db)) {
    MarkWritten(write.db, Drift::kSpread, log_.head_seq(), true);
  }
  if (!recorded()) return 0;
  if (dirty_.in_chunks() > 0) ++sync_round_;  // it may find keys half copied
  return AppendEffect(write, EntryKind::kUndeclared, reply);
}

// It succeeded.
void Replicator::NoteLibraryCommand(const WriteRecord& write) {
  const routing::Args args(parsed_args_);
  scripts_.LibrariesChanged();
  switch (write.spec->id) {
    case routing::CommandId::kFunctionLoad:
      if (write.script.library) return scripts_.PutLibrary(*write.script.library);
      break;
    case routing::CommandId::kFunctionDelete:
      return scripts_.DropLibrary(args[2]);
    case routing::CommandId::kFunctionFlush:
      return scripts_.DropLibraries();
    default:
      break;
  }
  scripts_.LibrariesUnknown();
}

}  // namespace crossfade::replication
