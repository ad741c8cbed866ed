// SegmentFiles: the intent journal's folder: segments by generation and index,
// and a lock that keeps a second proxy out. Blocking; for whoever holds the
// committer's mutex.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace crossfade::proxy {

struct SegmentName {
  uint64_t generation = 0;
  uint64_t index = 0;
  auto operator<=>(const SegmentName&) const = default;
  std::string FileName() const;
};

class SegmentFiles {
 public:
  // Makes the folder where it is missing, and locks it.
  static Result<std::unique_ptr<SegmentFiles>> Open(const std::string& folder);
  ~SegmentFiles();
  SegmentFiles(const SegmentFiles&) = delete;
  SegmentFiles& operator=(const SegmentFiles&) = delete;

  // In order. Also for a folder that is not locked.
  static Result<std::vector<SegmentName>> List(const std::string& folder);
  static Result<std::string> Read(const std::string& folder, const SegmentName& name);
  static Result<std::string> ReadFile(const std::string& path);

  // The segment that Append writes to from now on; the one before is on the disk.
  Status Create(const SegmentName& name, std::string_view header, bool sync);
  Status Append(std::string_view bytes);
  Status Sync();
  // The open segment's descriptor again, to be synced and closed by the caller.
  int Duplicate() const;
  // Those of this generation below the index, and all of former generations.
  Status RemoveBelow(const SegmentName& name, bool former_generations);
  Status RemoveAll();
  Status RemoveGeneration(uint64_t generation);
  // One byte beside the segments, which takes no room on a full disk: that they are
  // not complete, whatever they say. It is on the disk when this returns.
  Status MarkSuspect(bool suspect);
  bool MarkedSuspect() const;  // or it can't be read
  const std::string& folder() const { return folder_; }
  // The folder was another run's before.
  bool used_before() const { return used_before_; }

 private:
  SegmentFiles(std::string folder, int lock, bool used_before)
      : folder_(std::move(folder)), lock_(lock), used_before_(used_before) {}
  Status Problem(const std::string& what) const;
  template <class Unwanted>
  Status Remove(Unwanted unwanted);

  const std::string folder_;
  const int lock_;
  const bool used_before_;
  int fd_ = -1;
};

}  // namespace crossfade::proxy
