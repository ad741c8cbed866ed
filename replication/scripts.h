// ScriptBook: the scripts and functions that were seen: their texts, what was
// judged of them, and what became of their calls. Bounded: the script that was
// used least recently is forgotten first, and learnt again when its text passes
// through. Knows which scripts the follower has been given, as far as the log
// says. Guarded by the replication lock, and so are the Scripts that it hands
// out; these stay usable when the book has forgotten them.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/settings.h"
#include "routing/scripts/script_verdict.h"

namespace crossfade::replication {

struct Script {
  bool function = false;
  std::string id;    // the SHA1 in lower case, or the function's name
  std::string text;  // of a script; empty while it was not seen
  routing::ScriptVerdict verdict;
  uint64_t calls = 0, replayed = 0, synced = 0, failed = 0;
  uint64_t follower_epoch = 0;  // in which the follower was given it; 0: in none
};
using ScriptRef = std::shared_ptr<Script>;

// A library as FUNCTION LOAD gives it.
struct Library {
  std::string text;
  routing::LibraryVerdict verdict;
  std::vector<std::string> names;  // as the store lists them; those of the verdict when empty
};

// How a call is run, and what its effect is made of; decided when it is sent.
struct ScriptRun {
  enum class What : uint8_t {
    kNone,         // no script
    kCall,         // of `script`
    kTransaction,  // with scripts among its commands: of the rest only `undeclared` counts
    kLibraries,    // FUNCTION LOAD, DELETE, FLUSH, RESTORE
    kForget,       // SCRIPT FLUSH
  };
  What what = What::kNone;
  ScriptRef script;
  std::shared_ptr<const Library> library;  // of FUNCTION LOAD
  bool reads = false;                      // it writes nothing
  bool replay = false;                     // its effect is to run it on the follower as well
  bool deadlines = false;                  // those of its keys are asked behind it
  bool undeclared = false;  // it enters the whole gate for keys that it may not declare
  bool WholeGate() const { return undeclared || what == What::kLibraries; }
};

struct ScriptCounters {
  uint64_t reads = 0, replayed = 0, synced = 0, failed = 0, unseen = 0, undeclared = 0, refused = 0;
};

// Whether the follower is known to be exact, but for what the log says. Scripts
// that write what they don't declare end that, until all keys were compared.
struct Claim {
  uint64_t doubts = 0;  // calls since
  std::string script;   // the last of them
  std::string reason;
  bool holds() const { return doubts == 0; }
};

class ScriptBook {
 public:
  void set_mode(config::Scripts mode) { mode_ = mode; }

  // ---- Looking up; a text that is not known comes back empty.
  ScriptRef FindText(std::string_view text);
  ScriptRef FindSha(std::string_view sha);  // in any case
  ScriptRef FindFunction(std::string_view name);
  // Of EVAL, EVALSHA, FCALL and their read-only forms.
  ScriptRef Find(const routing::CommandSpec& spec, routing::Args args);

  // ---- Learning.
  ScriptRef LearnText(std::string_view text, routing::ScriptVerdict verdict);
  // Something to count the calls of a script by whose text was not seen.
  ScriptRef LearnUnseen(bool function, std::string_view id);
  void PutLibrary(const Library& library);
  void DropLibrary(std::string_view name);
  void DropLibraries();
  void PutLibraries(const std::vector<Library>& libraries);

  ScriptRun RunOf(const ScriptRef& script) const;

  // ---- What the follower has.
  bool OnFollower(const Script& script) const { return script.follower_epoch == follower_epoch_; }
  void GivenToFollower(Script& script) { script.follower_epoch = follower_epoch_; }
  void FollowerForgot() { ++follower_epoch_; }

  // ---- Libraries of the authority. What was read of them while one changed may be of before.
  uint64_t library_changes() const { return library_changes_; }
  void LibrariesChanged() { ++library_changes_; }
  // Nothing is known of any function until the libraries are read again.
  void LibrariesUnknown();
  bool libraries_stale() const { return libraries_stale_; }

  ScriptCounters counters;
  Claim claim;
  void Doubt(const Script& script);

  size_t size() const { return scripts_.size(); }
  size_t text_bytes() const { return text_bytes_; }
  const std::list<ScriptRef>& latest_first() const { return scripts_; }

 private:
  using Place = std::list<ScriptRef>::iterator;
  ScriptRef Use(Place place);
  ScriptRef Add(ScriptRef script);
  void Forget(Place place);
  std::string KeyOf(const Script& script) const;

  config::Scripts mode_ = config::Scripts::kAuto;
  std::list<ScriptRef> scripts_;                      // the one used last first
  std::unordered_map<std::string, Place> by_id_;      // functions behind a '/', in lower case
  std::unordered_multimap<uint64_t, Place> by_text_;  // by a hash of it
  std::unordered_map<std::string, std::vector<std::string>> libraries_;  // name to functions
  size_t text_bytes_ = 0;
  uint64_t follower_epoch_ = 1;
  uint64_t library_changes_ = 0;
  bool libraries_stale_ = true;
};

// EVAL, EVALSHA, FCALL and their read-only forms.
bool IsScriptCall(const routing::CommandSpec& spec);
// FUNCTION LOAD, DELETE, FLUSH, RESTORE.
bool IsLibraryChange(const routing::CommandSpec& spec);

// 40 lower-case hex digits, as scripts are named by.
std::string Sha1Hex(std::string_view text);

}  // namespace crossfade::replication
