// From the YAML map of a configuration file to Settings, section by section.
// Never fails: what is wrong goes to Problems, and the default stays.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/problems.h"
#include "config/section.h"
#include "config/settings.h"
#include "config/tls.h"

namespace crossfade::config {

// `folder`: what relative paths of files are relative to.
Settings ReadSections(const Entry& root, const std::string& folder, Problems& problems);

// The part "reads": its routes, in order, with "default" at the end.
std::vector<Route> ReadRoutes(const Section& root, Problems& problems);

// The part "tls" of a listener; null when there is none.
TlsPtr ReadListenerTls(const Section& item, const std::string& folder, Problems& problems);
// The part "tls" of a store whose url says rediss://.
void ReadStoreTls(const Section& store, const std::string& folder, Endpoint& endpoint,
                  Problems& problems);
// The mode of a listener's socket file.
void ReadSocketMode(const Section& item, Endpoint& endpoint);

// The part "users"; nothing when there is none.
std::optional<std::vector<User>> ReadUsers(const Section& root, const std::string& folder,
                                           Problems& problems);

// A secret from a file, for the key that names the file.
std::optional<std::string> SecretFromFile(const Section& section, std::string_view key,
                                          const std::string& folder);

// Where artifacts go unless `artifacts.dir` says it; empty: nowhere.
std::string DefaultArtifactsDir(const JournalSettings& journal);

// What must hold between settings of different sections.
void CheckConsistency(const Settings& settings, Problems& problems);

}  // namespace crossfade::config
