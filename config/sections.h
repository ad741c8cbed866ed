// From the YAML map of a configuration file to Settings, section by section.
// Never fails: what is wrong goes to Problems, and the default stays.
#pragma once

#include <string>

#include "config/problems.h"
#include "config/section.h"
#include "config/settings.h"

namespace crossfade::config {

// `folder`: what relative paths of files are relative to.
Settings ReadSections(const Entry& root, const std::string& folder, Problems& problems);

// The part "reads": its routes, in order, with "default" at the end.
std::vector<Route> ReadRoutes(const Section& root, Problems& problems);

// What must hold between settings of different sections.
void CheckConsistency(const Settings& settings, Problems& problems);

}  // namespace crossfade::config
