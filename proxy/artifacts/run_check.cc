#include "proxy/artifacts/run_check.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "config/secrets.h"
#include "proxy/admin/format.h"
#include "proxy/artifacts/file_digest.h"
#include "proxy/artifacts/report_page.h"
#include "proxy/artifacts/run_folder.h"
#include "proxy/snapshot/snapshot_file.h"

namespace crossfade::proxy {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSmallFileMax = 16 * 1024 * 1024;

std::string PathOf(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

Result<std::string> ReadSmall(const std::string& path) {
  Result<std::string> content = config::ReadBoundedFile(path, kSmallFileMax);
  if (!content) return Fail(path + " " + content.error().message);
  return content;
}

Result<Checksums> ReadChecksums(const std::string& folder) {
  const std::string path = PathOf(folder, kChecksums);
  const Result<std::string> text = ReadSmall(path);
  if (!text) return tl::unexpected(text.error());
  Result<Checksums> checksums = ParseChecksumLines(*text);
  if (!checksums) return Fail(path + " " + checksums.error().message);
  for (const char* name : {kReportJson, kReportMarkdown}) {
    if (checksums->count(name) == 0) return Fail(path + " does not name " + name);
  }
  return checksums;
}

Status CheckFiles(const std::string& folder, const Checksums& checksums) {
  for (const auto& [name, expected] : checksums) {
    const std::string path = PathOf(folder, name);
    const Result<std::string> found = Sha256OfFile(path);
    if (!found) return tl::unexpected(found.error());
    if (*found != expected) {
      return Fail(path + " is not as it was written: its SHA-256 is " + *found + ", expected " +
                  expected);
    }
  }
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name == kChecksums || checksums.count(name) > 0) continue;
    return Fail(at->path().string() + " is not named by " + kChecksums);
  }
  if (error) return Fail(folder + " can't be read: " + error.message());
  return {};
}

// The report's own words about the delta log.
Status CheckDeltas(const std::string& folder, const Checksums& checksums, CheckedRun& run) {
  const auto report = nlohmann::json::parse(run.report_json, nullptr, false);
  const auto deltas = report.value("deltas", nlohmann::json());
  const bool there = checksums.count(kDeltaLog) > 0;
  if (!deltas.is_object() && !there) return {};
  const std::string path = PathOf(folder, kDeltaLog);
  if (deltas.is_object() != there) return Fail(path + " and the report do not belong together");
  const Status read = ReadDeltas(path, [&run](const replication::DeltaRecord&) { ++run.records; });
  if (!read) return read;
  if (deltas.value("records", nlohmann::json()) != run.records) {
    return Fail(path + " has " + FormatCount(run.records) + " records, the report says " +
                deltas.value("records", nlohmann::json()).dump());
  }
  return {};
}

}  // namespace

Result<CheckedRun> CheckRun(const std::string& path) {
  const Result<Checksums> checksums = ReadChecksums(path);
  if (!checksums) return tl::unexpected(checksums.error());
  if (const Status whole = CheckFiles(path, *checksums); !whole) {
    return tl::unexpected(whole.error());
  }
  CheckedRun run;
  run.files = checksums->size();
  const std::string report_path = PathOf(path, kReportJson);
  Result<std::string> json = ReadSmall(report_path);
  Result<std::string> markdown = ReadSmall(PathOf(path, kReportMarkdown));
  if (!json) return tl::unexpected(json.error());
  if (!markdown) return tl::unexpected(markdown.error());
  run.report_json = std::move(*json);
  run.report_markdown = std::move(*markdown);
  if (const auto page = PageOf(run.report_json); !page) {
    return Fail(report_path + ": " + page.error().message);
  }
  if (const Status right = CheckDeltas(path, *checksums, run); !right) {
    return tl::unexpected(right.error());
  }
  return run;
}

Status ReadDeltas(const std::string& file,
                  const std::function<void(const replication::DeltaRecord&)>& take) {
  const auto source = SnapshotFile::OpenToRead(file);
  if (!source) return tl::unexpected(source.error());
  replication::DeltaReader reader(**source);
  const auto wrong = [&](const Error& error) {
    return reader.unreadable() ? Fail(error.message) : Fail(file + " is " + error.message);
  };
  if (const Status header = reader.ReadHeader(); !header) return wrong(header.error());
  replication::DeltaRecord record;
  while (true) {
    const Result<bool> next = reader.Next(record);
    if (!next) return wrong(next.error());
    if (!*next) return {};
    take(record);
  }
}

std::string DescribeUnfinished(const Run& run) {
  const std::string begun = run.name.Text() + ", begun " + FormatTime(run.name.begun_unix_ms);
  if (run.state == RunState::kBeingWritten) return begun + ", is under way and still written";
  std::string text = begun +
                     ", was interrupted before its end: it says nothing about what it did "
                     "not come to";
  uint64_t records = 0;
  // It ends where the process did.
  (void)ReadDeltas(PathOf(run.path, kFoundLog),
                   [&records](const replication::DeltaRecord&) { ++records; });
  if (records > 0) {
    text += "; " + FormatCount(records) + " differences were found until then, see --deltas";
  }
  return text;
}

}  // namespace crossfade::proxy
