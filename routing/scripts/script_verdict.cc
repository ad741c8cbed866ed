#include "routing/scripts/script_verdict.h"

#include "routing/scripts/lua_syntax.h"
#include "routing/scripts/script_judge.h"

namespace crossfade::routing {
namespace {

ScriptVerdict NotUnderstood(std::string_view why) {
  ScriptVerdict verdict;
  verdict.seen = true;
  verdict.reason = why;
  return verdict;
}

constexpr std::string_view kNoLua = "the text is not Lua 5.1, or is nested too deeply";
constexpr std::string_view kTooLong = "the text is longer than what is judged";

// The line "#!lua flags=…" that a script may begin with; `text` begins behind it.
struct Shebang {
  bool fine = true;
  bool no_writes = false;
  std::string_view line;
};

Shebang TakeShebang(std::string_view& text) {
  Shebang shebang;
  if (!text.starts_with("#!")) return shebang;
  const size_t end = text.find('\n');
  shebang.line = text.substr(0, end);
  shebang.fine = end != std::string_view::npos && shebang.line.starts_with("#!lua");
  if (end != std::string_view::npos) text.remove_prefix(end);  // the line still counts
  for (size_t at = 0; at != std::string_view::npos;) {
    const std::string_view word = shebang.line.substr(at, shebang.line.find(' ', at) - at);
    std::string_view flags = word.starts_with("flags=") ? word.substr(6) : std::string_view();
    while (!flags.empty()) {
      const size_t comma = flags.find(',');
      shebang.no_writes = shebang.no_writes || flags.substr(0, comma) == "no-writes";
      flags = comma == std::string_view::npos ? std::string_view() : flags.substr(comma + 1);
    }
    at = shebang.line.find(' ', at);
    if (at != std::string_view::npos) ++at;
  }
  return shebang;
}

}  // namespace

ScriptVerdict JudgeScript(std::string_view text, const CommandTable& table) {
  if (text.size() > kJudgedTextMax) return NotUnderstood(kTooLong);
  const Shebang shebang = TakeShebang(text);
  const auto chunk = shebang.fine ? lua::ParseLua(text) : std::nullopt;
  if (!chunk) return NotUnderstood(kNoLua);
  ScriptVerdict verdict = lua::ScriptJudge(*chunk, table, false).Judge(0);
  // The store itself sees to it.
  verdict.declares_no_writes = shebang.no_writes;
  if (shebang.no_writes) verdict.writes = false;
  return verdict;
}

bool DeclaresNoWrites(std::string_view text) { return TakeShebang(text).no_writes; }

LibraryVerdict JudgeLibrary(std::string_view text, const CommandTable& table) {
  LibraryVerdict library;
  if (text.size() > kJudgedTextMax) return library;
  const Shebang shebang = TakeShebang(text);
  const size_t name = shebang.line.find(" name=");
  if (name != std::string_view::npos) {
    const std::string_view rest = shebang.line.substr(name + 6);
    library.name = rest.substr(0, rest.find_first_of(" \t\r"));
  }
  const auto chunk = shebang.fine ? lua::ParseLua(text) : std::nullopt;
  if (!chunk) return library;
  const lua::ScriptJudge judge(*chunk, table, true);
  // One name twice, or one that can't be told, leaves open which function is which.
  if (judge.flow().registers_unknown()) return library;
  for (const lua::Registration& registration : judge.flow().registrations()) {
    FunctionVerdict& function = library.functions.emplace_back();
    function.name = registration.name;
    function.verdict = judge.Judge(registration.function);
    function.verdict.declares_no_writes = registration.no_writes;
    if (registration.no_writes) function.verdict.writes = false;
  }
  return library;
}

}  // namespace crossfade::routing
