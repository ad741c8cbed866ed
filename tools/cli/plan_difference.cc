#include "tools/cli/plan_difference.h"

#include <map>
#include <set>
#include <sstream>
#include <string_view>

#include "config/secrets.h"
#include "proxy/admin/status_json.h"

namespace crossfade::cli {
namespace {

using Lines = std::map<std::string, std::string>;

Lines LinesOf(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const size_t middle = line.find(" = ");
    if (middle != std::string::npos) lines[line.substr(0, middle)] = line.substr(middle + 3);
  }
  return lines;
}

// The settings that a reload refuses to change.
bool NeedsRestart(std::string_view path) {
  return path == "listen" || path == "workers" || path.starts_with("stores.") ||
         path.starts_with("admin.");
}

std::string TextOr(const Lines& lines, const std::string& path) {
  const auto found = lines.find(path);
  return found == lines.end() ? "absent" : found->second;
}

// The running text with the file's secrets: it has the running digest only when
// they are the same.
bool SameSecrets(const std::string& running_text, const std::string& running_digest,
                 const Lines& file_secrets) {
  std::istringstream in(running_text);
  std::string filled;
  for (std::string line; std::getline(in, line);) {
    const size_t middle = line.find(" = ");
    if (middle != std::string::npos && line.substr(middle + 3) == "(secret)") {
      const auto secret = file_secrets.find(line.substr(0, middle));
      if (secret != file_secrets.end()) line = line.substr(0, middle + 3) + secret->second;
    }
    filled += line + "\n";
  }
  return config::Sha256Hex(filled) == running_digest;
}

}  // namespace

std::vector<std::string> PlanDifference(const std::string& running_text,
                                        const std::string& running_digest,
                                        const std::string& file_text,
                                        const std::string& file_digest) {
  if (running_digest == file_digest) return {};
  const Lines running = LinesOf(running_text);
  const Lines file = LinesOf(proxy::RedactSecrets(file_text));
  std::set<std::string> paths;
  for (const auto& [path, value] : running) paths.insert(path);
  for (const auto& [path, value] : file) paths.insert(path);
  std::vector<std::string> difference;
  for (const std::string& path : paths) {
    const std::string from = TextOr(running, path);
    const std::string to = TextOr(file, path);
    if (from == to) continue;
    difference.push_back(path + ": " + from + " -> " + to +
                         (NeedsRestart(path) ? "   (needs a restart)" : ""));
  }
  if (!SameSecrets(running_text, running_digest, LinesOf(file_text))) {
    difference.push_back("a password or token: (secret) -> another   (needs a restart)");
  }
  return difference;
}

}  // namespace crossfade::cli
