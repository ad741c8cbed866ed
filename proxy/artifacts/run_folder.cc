#include "proxy/artifacts/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "proxy/artifacts/report_page.h"

namespace crossfade::proxy {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> Problem(const std::string& path, const char* what) {
  return Fail(path + " can't be " + what + ": " + std::strerror(errno));
}

Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const Status status = synced ? Status() : Problem(path, "brought to the disk");
  if (fd >= 0) close(fd);
  return status;
}

}  // namespace

Result<std::unique_ptr<RunFolder>> RunFolder::Make(const std::string& dir, RunKind kind,
                                                   int64_t unix_ms) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return Fail(dir + " can't be made: " + error.message());
  const Result<std::vector<Run>> runs = ListRuns(dir);
  if (!runs) return tl::unexpected(runs.error());
  RunName name{unix_ms / 1000 * 1000, kind, 1};
  if (!runs->empty()) name.number = runs->back().name.number + 1;
  const std::string path = dir + "/" + name.Text() + std::string(kUnfinished);
  if (mkdir(path.c_str(), 0700) != 0) return Problem(path, "made");
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const auto problem = Problem(path, "locked");
    if (fd >= 0) close(fd);
    rmdir(path.c_str());
    return problem;
  }
  return std::unique_ptr<RunFolder>(new RunFolder(dir, name, path, fd));
}

RunFolder::~RunFolder() {
  if (fd_ >= 0) close(fd_);
}

Result<std::unique_ptr<SnapshotFile>> RunFolder::MakeFile(const std::string& name) {
  return SnapshotFile::Open(PathOf(name));
}

Status RunFolder::Add(SnapshotFile& file, const std::string& name) {
  if (const Status synced = file.Sync(); !synced) return synced;
  Result<std::string> digest = Sha256OfFile(PathOf(name));
  if (!digest) return tl::unexpected(digest.error());
  checksums_[name] = std::move(*digest);
  return {};
}

Status RunFolder::AddFile(const std::string& name, std::string_view content) {
  const auto file = MakeFile(name);
  if (!file) return tl::unexpected(file.error());
  if (const Status written = (*file)->Append(content); !written) return written;
  return Add(**file, name);
}

void RunFolder::RemoveFile(const std::string& name) {
  checksums_.erase(name);
  unlink(PathOf(name).c_str());
}

Status RunFolder::Finish(const std::string& report_json) {
  const Result<ReportPage> page = PageOf(report_json);
  if (!page) return tl::unexpected(page.error());
  Status added = AddFile(kReportJson, report_json);
  if (added) added = AddFile(kReportMarkdown, Markdown(*page));
  if (!added) return added;
  const auto sums = MakeFile(kChecksums);
  if (!sums) return tl::unexpected(sums.error());
  if (const Status written = (*sums)->Append(ChecksumLines(checksums_)); !written) return written;
  if (const Status synced = (*sums)->Sync(); !synced) return synced;
  if (fsync(fd_) != 0) return Problem(path_, "brought to the disk");
  const std::string whole = dir_ + "/" + name_.Text();
  if (rename(path_.c_str(), whole.c_str()) != 0) return Problem(path_, "renamed");
  path_ = whole;
  return SyncFolder(dir_);
}

void RunFolder::Discard() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace crossfade::proxy
