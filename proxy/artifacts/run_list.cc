#include "proxy/artifacts/run_list.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <filesystem>

namespace crossfade::proxy {
namespace {

namespace fs = std::filesystem;

// What is being removed is no run any more, whatever is left of it.
constexpr std::string_view kRemoved = ".removed";
constexpr size_t kTimeSize = 16;  // 20260131T120000Z

std::optional<int64_t> ParseSeconds(const std::string& text) {
  std::tm utc{};
  const char* end = strptime(text.c_str(), "%Y%m%dT%H%M%SZ", &utc);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return timegm(&utc);
}

std::string SecondsText(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

bool IsLocked(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0;
  close(fd);
  return locked;
}

void RemoveRest(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

const char* Name(RunKind kind) {
  switch (kind) {
    case RunKind::kVerify:
      return "verify";
    case RunKind::kScheduled:
      return "scheduled";
    case RunKind::kBackfill:
      return "backfill";
    case RunKind::kCount:
      break;
  }
  return "?";
}

const char* Name(RunState state) {
  switch (state) {
    case RunState::kWhole:
      return "whole";
    case RunState::kBeingWritten:
      return "being written";
    case RunState::kInterrupted:
      return "interrupted";
  }
  return "?";
}

std::string RunName::Text() const {
  return SecondsText(begun_unix_ms / 1000) + "-" + Name(kind) + "-" + std::to_string(number);
}

std::optional<RunName> ParseRunName(std::string_view text) {
  if (text.size() <= kTimeSize || text[kTimeSize] != '-') return std::nullopt;
  const auto seconds = ParseSeconds(std::string(text.substr(0, kTimeSize)));
  const size_t dash = text.rfind('-');
  if (!seconds || dash == kTimeSize) return std::nullopt;
  RunName name;
  name.begun_unix_ms = *seconds * 1000;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + dash + 1, end, name.number);
  if (error != std::errc() || at != end) return std::nullopt;
  const std::string_view kind = text.substr(kTimeSize + 1, dash - kTimeSize - 1);
  while (name.kind != RunKind::kCount && kind != Name(name.kind)) {
    name.kind = static_cast<RunKind>(static_cast<uint8_t>(name.kind) + 1);
  }
  // As Text writes it, and not otherwise: no two names are the same run's.
  if (name.kind == RunKind::kCount || name.Text() != text) return std::nullopt;
  return name;
}

std::optional<Run> RunAt(const std::string& path) {
  std::string name = fs::path(path).filename().string();
  if (name.empty()) name = fs::path(path).parent_path().filename().string();  // a slash behind it
  const bool unfinished = name.ends_with(kUnfinished);
  if (unfinished) name.resize(name.size() - kUnfinished.size());
  const std::optional<RunName> parsed = ParseRunName(name);
  if (!parsed) return std::nullopt;
  Run run{*parsed, RunState::kWhole, path};
  if (unfinished) run.state = IsLocked(path) ? RunState::kBeingWritten : RunState::kInterrupted;
  return run;
}

Result<std::vector<Run>> ListRuns(const std::string& dir) {
  std::vector<Run> runs;
  std::error_code error;
  fs::directory_iterator at(dir, error);
  if (error == std::errc::no_such_file_or_directory) return runs;
  for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
    std::optional<Run> run = RunAt(at->path().string());
    std::error_code ignored;
    if (run && fs::is_directory(at->path(), ignored)) runs.push_back(std::move(*run));
  }
  if (error) return Fail(dir + " can't be read: " + error.message());
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) {
    return std::tie(a.name.number, a.name.begun_unix_ms) <
           std::tie(b.name.number, b.name.begun_unix_ms);
  });
  return runs;
}

Status RemoveOldRuns(const std::string& dir, size_t keep) {
  std::error_code error;
  for (fs::directory_iterator at(dir, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.ends_with(kRemoved)) continue;
    std::string_view run = name;
    run.remove_suffix(kRemoved.size());
    if (run.ends_with(kUnfinished)) run.remove_suffix(kUnfinished.size());
    if (ParseRunName(run)) RemoveRest(at->path());
  }
  Result<std::vector<Run>> runs = ListRuns(dir);
  if (!runs) return tl::unexpected(runs.error());
  std::array<std::array<size_t, 2>, static_cast<size_t>(RunKind::kCount)> kept{};
  for (auto run = runs->rbegin(); run != runs->rend(); ++run) {
    if (run->state == RunState::kBeingWritten) continue;
    const size_t interrupted = run->state == RunState::kInterrupted ? 1 : 0;
    if (++kept[static_cast<size_t>(run->name.kind)][interrupted] <= keep) continue;
    const std::string removed = run->path + std::string(kRemoved);
    fs::rename(run->path, removed, error);
    if (error) return Fail(run->path + " can't be removed: " + error.message());
    RemoveRest(removed);
  }
  return {};
}

}  // namespace crossfade::proxy
