// How a plan's canonical text differs from that of the running plan, whose
// secrets the admin API does not tell. Pure.
#pragma once

#include <string>
#include <vector>

namespace crossfade::cli {

// One line per setting: "path: running -> file", with a note where the change
// needs a restart. That a secret differs is found by the running digest.
std::vector<std::string> PlanDifference(const std::string& running_text,
                                        const std::string& running_digest,
                                        const std::string& file_text,
                                        const std::string& file_digest);

}  // namespace crossfade::cli
