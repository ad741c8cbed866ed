#include "proxy/control/config_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <vector>

namespace crossfade::proxy {
namespace {

namespace fs = std::filesystem;

// As many as the kernel follows.
constexpr int kLinksMax = 40;

// Not IN_MODIFY: a file that is being written is read when it is closed.
constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

void PushFront(std::deque<std::string>& parts, const fs::path& path) {
  std::vector<std::string> fresh;
  for (const fs::path& part : path.relative_path()) fresh.push_back(part.string());
  parts.insert(parts.begin(), fresh.begin(), fresh.end());
}

}  // namespace

ConfigWatch::~ConfigWatch() {
  if (descriptor_ >= 0) close(descriptor_);
}

ConfigWatch::Entries ConfigWatch::EntriesOf(const std::string& path) {
  Entries entries;
  std::error_code error;
  std::deque<std::string> parts;
  PushFront(parts, fs::absolute(path, error));
  fs::path folder = "/";
  int links = 0;
  while (!parts.empty()) {
    const std::string part = parts.front();
    parts.pop_front();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      folder = folder.parent_path();
      continue;
    }
    const fs::path target = fs::read_symlink(folder / part, error);
    const bool link = !error;
    if (link || parts.empty()) entries[folder.string()].insert(part);
    if (!link) {
      folder /= part;
      continue;
    }
    if (++links > kLinksMax) break;
    if (target.is_absolute()) folder = "/";
    PushFront(parts, target);
  }
  return entries;
}

Status ConfigWatch::Open() {
  descriptor_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor_ < 0) {
    return Fail(std::string("can't watch the configuration file: inotify: ") +
                std::strerror(errno));
  }
  return Arm();
}

Status ConfigWatch::Arm() {
  std::map<int, std::set<std::string>> armed;
  std::string failed;
  for (const auto& [folder, names] : EntriesOf(path_)) {
    const int watch = inotify_add_watch(descriptor_, folder.c_str(), kEvents);
    if (watch < 0) {
      failed = "can't watch " + folder + ": " + std::strerror(errno);
    } else {
      armed[watch].insert(names.begin(), names.end());
    }
  }
  for (const auto& [watch, names] : names_) {
    if (!armed.contains(watch)) inotify_rm_watch(descriptor_, watch);
  }
  names_ = std::move(armed);
  if (!failed.empty()) return Fail(failed);
  return {};
}

bool ConfigWatch::Drain() {
  bool concerned = false;
  alignas(inotify_event) char buffer[16 * 1024];
  while (true) {
    const ssize_t size = read(descriptor_, buffer, sizeof buffer);
    if (size <= 0) return concerned;
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof *event + event->len);
      const auto names = names_.find(event->wd);
      if ((event->mask & IN_Q_OVERFLOW) != 0) concerned = true;
      if (names == names_.end()) continue;
      const std::string name = event->len > 0 ? event->name : "";
      if (name.empty() || names->second.contains(name)) concerned = true;
      if ((event->mask & IN_IGNORED) != 0) names_.erase(names);
    }
  }
}

}  // namespace crossfade::proxy
