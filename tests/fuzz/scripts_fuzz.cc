// Whatever text a client gives as a script: it is judged, and the judgement does
// not contradict itself.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/check.h"
#include "routing/scripts/script_verdict.h"

namespace {

using namespace crossfade::routing;

void CheckVerdict(const ScriptVerdict& verdict) {
  CROSSFADE_CHECK(verdict.seen);
  const bool good = verdict.replayable && !verdict.undeclared;
  CROSSFADE_CHECK(good == verdict.reason.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const CommandTable& table = CommandTable::Redis70();
  CheckVerdict(JudgeScript(text, table));
  for (const FunctionVerdict& function : JudgeLibrary(text, table).functions) {
    CheckVerdict(function.verdict);
  }
  return 0;
}
