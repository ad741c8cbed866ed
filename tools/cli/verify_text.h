// What `crossfade verify` prints, from the admin API's document of a pass. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/cli/arguments.h"
#include "tools/cli/progress_bar.h"

namespace crossfade::cli {

// The pass with this number; null when there is none.
nlohmann::json PassOf(const nlohmann::json& answer, uint64_t id);
Progress ProgressOf(const nlohmann::json& pass);
// What was found, and what was or would be done about it.
std::string VerifySummary(const nlohmann::json& pass, const Arguments::Verify& asked);
// Exit code of the command; `why` gets the reason of kCouldNotRun.
int VerifyOutcome(const nlohmann::json& pass, std::string& why);

}  // namespace crossfade::cli
