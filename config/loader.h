// Reads and validates a configuration file. Every error carries file:line and
// what was expected, and all errors of a file are reported at once.
#pragma once

#include <string>

#include "config/result.h"
#include "config/settings.h"

namespace crossfade::config {

Result<Settings> LoadSettings(const std::string& path);
// `name` stands for the file's path in messages.
Result<Settings> ParseSettings(const std::string& yaml, const std::string& name);

}  // namespace crossfade::config
