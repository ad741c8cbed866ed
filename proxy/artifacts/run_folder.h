// RunFolder: the folder of a run while it is written. Files in it belong to their
// owner alone; Finish makes it whole: checksums of all files, everything on the disk,
// the final name. Not finished it stays as it is, as behind a crash, unless it is
// discarded. Blocking; not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "proxy/artifacts/file_digest.h"
#include "proxy/artifacts/run_list.h"
#include "proxy/snapshot/snapshot_file.h"

namespace crossfade::proxy {

inline constexpr char kReportJson[] = "report.json";
inline constexpr char kReportMarkdown[] = "report.md";
inline constexpr char kDeltaLog[] = "deltas";
// Until what became of each difference is known.
inline constexpr char kFoundLog[] = "deltas.found";
inline constexpr char kChecksums[] = "SHA256SUMS";

class RunFolder {
 public:
  // Makes `dir`, too, where it is missing.
  static Result<std::unique_ptr<RunFolder>> Make(const std::string& dir, RunKind kind,
                                                 int64_t unix_ms);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  // Empty, to be written to.
  Result<std::unique_ptr<SnapshotFile>> MakeFile(const std::string& name);
  // Its content is final.
  Status Add(SnapshotFile& file, const std::string& name);
  Status AddFile(const std::string& name, std::string_view content);
  void RemoveFile(const std::string& name);

  // With report.json, and report.md as it makes it.
  Status Finish(const std::string& report_json);
  // Gone with all that is in it.
  void Discard();

  const RunName& name() const { return name_; }
  // Now; the final one once it is finished.
  const std::string& path() const { return path_; }

 private:
  RunFolder(std::string dir, RunName name, std::string path, int fd)
      : dir_(std::move(dir)), name_(name), path_(std::move(path)), fd_(fd) {}
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }

  const std::string dir_;
  const RunName name_;
  std::string path_;
  int fd_;  // locked while it is open
  Checksums checksums_;
};

}  // namespace crossfade::proxy
