#include "replication/scripts.h"

#include <openssl/evp.h>

#include <algorithm>

#include "config/check.h"
#include "config/limits.h"
#include "routing/commands/command_id.h"
#include "routing/commands/token.h"

namespace crossfade::replication {

using routing::CommandId;

namespace {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), routing::LowerCase);
  return lower;
}

std::string FunctionKey(std::string_view name) { return "/" + LowerCase(name); }

uint64_t HashOf(std::string_view text) { return std::hash<std::string_view>()(text); }

}  // namespace

bool IsScriptCall(const routing::CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kEval:
    case CommandId::kEvalRo:
    case CommandId::kEvalsha:
    case CommandId::kEvalshaRo:
    case CommandId::kFcall:
    case CommandId::kFcallRo:
      return true;
    default:
      return false;
  }
}

bool IsLibraryChange(const routing::CommandSpec& spec) {
  switch (spec.id) {
    case CommandId::kFunctionLoad:
    case CommandId::kFunctionDelete:
    case CommandId::kFunctionFlush:
    case CommandId::kFunctionRestore:
      return true;
    default:
      return false;
  }
}

std::string Sha1Hex(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CROSSFADE_CHECK(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

// ---- Looking up

ScriptRef ScriptBook::Use(Place place) {
  scripts_.splice(scripts_.begin(), scripts_, place);
  return *place;
}

ScriptRef ScriptBook::FindText(std::string_view text) {
  const auto [begin, end] = by_text_.equal_range(HashOf(text));
  for (auto it = begin; it != end; ++it) {
    if ((*it->second)->text == text) return Use(it->second);
  }
  return nullptr;
}

ScriptRef ScriptBook::FindSha(std::string_view sha) {
  const auto it = by_id_.find(LowerCase(sha));
  return it == by_id_.end() ? nullptr : Use(it->second);
}

ScriptRef ScriptBook::FindFunction(std::string_view name) {
  const auto it = by_id_.find(FunctionKey(name));
  return it == by_id_.end() ? nullptr : Use(it->second);
}

ScriptRef ScriptBook::Find(const routing::CommandSpec& spec, routing::Args args) {
  switch (spec.id) {
    case CommandId::kEval:
    case CommandId::kEvalRo:
      return FindText(args[1]);
    case CommandId::kEvalsha:
    case CommandId::kEvalshaRo:
      return FindSha(args[1]);
    default:
      return FindFunction(args[1]);
  }
}

// ---- Learning

std::string ScriptBook::KeyOf(const Script& script) const {
  return script.function ? FunctionKey(script.id) : script.id;
}

ScriptRef ScriptBook::Add(ScriptRef script) {
  scripts_.push_front(script);
  by_id_[KeyOf(*script)] = scripts_.begin();
  if (!script->text.empty()) by_text_.emplace(HashOf(script->text), scripts_.begin());
  text_bytes_ += script->text.size();
  while (scripts_.size() > 1 &&
         (scripts_.size() > limits::kScriptsMax || text_bytes_ > limits::kScriptTextBytes)) {
    Forget(std::prev(scripts_.end()));
  }
  return script;
}

void ScriptBook::Forget(Place place) {
  const Script& script = **place;
  by_id_.erase(KeyOf(script));
  const auto [begin, end] = by_text_.equal_range(HashOf(script.text));
  for (auto it = begin; it != end; ++it) {
    if (it->second != place) continue;
    by_text_.erase(it);
    break;
  }
  text_bytes_ -= script.text.size();
  scripts_.erase(place);
}

ScriptRef ScriptBook::LearnText(std::string_view text, routing::ScriptVerdict verdict) {
  auto script = std::make_shared<Script>();
  script->id = Sha1Hex(text);
  script->text = text;
  script->verdict = std::move(verdict);
  if (const auto known = by_id_.find(script->id); known != by_id_.end()) {
    const ScriptRef before = *known->second;
    if (!before->text.empty()) return Use(known->second);
    script->calls = before->calls;  // it was called by its name before
    script->synced = before->synced;
    script->failed = before->failed;
    Forget(known->second);
  }
  return Add(std::move(script));
}

ScriptRef ScriptBook::LearnUnseen(bool function, std::string_view id) {
  auto script = std::make_shared<Script>();
  script->function = function;
  // What is no name of a script or function is refused by the store.
  script->id = (function ? std::string(id) : LowerCase(id)).substr(0, 256);
  script->verdict.reason = "its text was never seen";
  if (const auto known = by_id_.find(KeyOf(*script)); known != by_id_.end()) {
    return Use(known->second);
  }
  return Add(std::move(script));
}

void ScriptBook::DropLibrary(std::string_view name) {
  const auto library = libraries_.find(std::string(name));
  if (library == libraries_.end()) return;
  for (const std::string& function : library->second) {
    if (const auto it = by_id_.find(function); it != by_id_.end()) Forget(it->second);
  }
  libraries_.erase(library);
}

void ScriptBook::DropLibraries() {
  while (!libraries_.empty()) DropLibrary(libraries_.begin()->first);
}

void ScriptBook::PutLibrary(const Library& library) {
  DropLibrary(library.verdict.name);
  std::vector<std::string>& functions = libraries_[library.verdict.name];
  const auto put = [&](std::string_view name, const routing::ScriptVerdict& verdict) {
    const std::string key = FunctionKey(name);
    if (const auto known = by_id_.find(key); known != by_id_.end()) Forget(known->second);
    auto script = std::make_shared<Script>();
    script->function = true;
    script->id = name;
    script->verdict = verdict;
    functions.push_back(key);
    Add(std::move(script));
  };
  for (const routing::FunctionVerdict& function : library.verdict.functions) {
    put(function.name, function.verdict);
  }
  routing::ScriptVerdict not_found;
  not_found.seen = true;
  not_found.reason = "its library's text does not show which function it is";
  for (const std::string& name : library.names) {
    if (by_id_.find(FunctionKey(name)) == by_id_.end()) put(name, not_found);
  }
}

void ScriptBook::PutLibraries(const std::vector<Library>& libraries) {
  DropLibraries();
  for (const Library& library : libraries) PutLibrary(library);
  libraries_stale_ = false;
}

void ScriptBook::LibrariesUnknown() {
  ++library_changes_;
  DropLibraries();
  libraries_stale_ = true;
}

// ---- Running

ScriptRun ScriptBook::RunOf(const ScriptRef& script) const {
  const routing::ScriptVerdict& verdict = script->verdict;
  ScriptRun run;
  run.what = ScriptRun::What::kCall;
  run.script = script;
  if (!verdict.seen) return run;
  run.reads = !verdict.writes;
  run.undeclared = verdict.writes && verdict.undeclared;
  switch (mode_) {
    case config::Scripts::kAuto:
      run.replay = verdict.replayable;
      break;
    case config::Scripts::kReplay:
      run.replay = true;
      break;
    case config::Scripts::kSync:
      break;
  }
  run.deadlines = run.replay && verdict.sets_expiry;
  return run;
}

void ScriptBook::Doubt(const Script& script) {
  ++claim.doubts;
  claim.script = script.id;
  claim.reason = script.verdict.reason;
}

}  // namespace crossfade::replication
