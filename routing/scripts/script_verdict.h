// ScriptVerdict: what a script or a function can do, judged from its text alone
// (design.md §3): whether it writes, whether a follower that holds the same keys
// may run it as well, and whether it keeps to the keys that its caller declares.
// Where the text does not prove it, the answer is the careful one. Pure
// functions of any bytes; time is nearly linear in the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/commands/command_table.h"

namespace crossfade::routing {

struct ScriptVerdict {
  bool seen = false;                // its text is known
  bool writes = true;               // it may write
  bool replayable = false;          // run on the follower as it is, it does the same
  bool undeclared = true;           // it may touch keys that are not declared
  bool sets_expiry = true;          // it may give a key a deadline
  bool all_keys = false;            // it names FLUSHALL, FLUSHDB or SWAPDB
  bool declares_no_writes = false;  // its flags say so
  // In words: why it is not replayable, and which key may be undeclared.
  std::string reason;
};

struct FunctionVerdict {
  std::string name;
  ScriptVerdict verdict;
};

struct LibraryVerdict {
  std::string name;
  std::vector<FunctionVerdict> functions;  // those whose names can be told
};

// A longer text is not judged: it counts as not understood.
inline constexpr size_t kJudgedTextMax = 256 * 1024;

// Of EVAL's script. A text that is no Lua 5.1 is seen, and nothing good is said of it.
ScriptVerdict JudgeScript(std::string_view text, const CommandTable& table);
// From its first line alone.
bool DeclaresNoWrites(std::string_view text);
// Of FUNCTION LOAD's code.
LibraryVerdict JudgeLibrary(std::string_view text, const CommandTable& table);

}  // namespace crossfade::routing
