#include "config/loader.h"

#include <filesystem>

#include "config/limits.h"
#include "config/problems.h"
#include "config/secrets.h"
#include "config/sections.h"
#include "config/values.h"
#include "config/yaml_document.h"

namespace crossfade::config {

Result<Settings> ParseSettings(const std::string& yaml, const std::string& name) {
  if (yaml.size() > limits::kSettingsFileMax) {
    return Fail(name + ": is too big: expected at most " + SizeText(limits::kSettingsFileMax));
  }
  Problems problems;
  Settings settings;
  YAML::Node root;
  if (ParseDocument(yaml, root, problems)) {
    const std::string folder = std::filesystem::path(name).parent_path().string();
    settings = ReadSections(Entry{"", 1, root}, folder, problems);
  }
  if (!problems.Empty()) return Fail(problems.Render(name));
  return settings;
}

Result<Settings> LoadSettings(const std::string& path) {
  const Result<std::string> yaml = ReadBoundedFile(path, limits::kSettingsFileMax);
  if (!yaml) return Fail(path + ": " + yaml.error().message);
  return ParseSettings(*yaml, path);
}

}  // namespace crossfade::config
