// Adapter of yaml-cpp's parser: text to one document. The library's exceptions
// and its trouble with damaged input end here. Thread-safe.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>

#include "config/problems.h"

namespace crossfade::config {

// Whether `yaml` is one document, which `root` then is (null when it is empty).
// Otherwise what is wrong is in `problems`.
bool ParseDocument(const std::string& yaml, YAML::Node& root, Problems& problems);

}  // namespace crossfade::config
