// SnapshotFile: a snapshot's file, written to at its end and read from its start.
// Blocking; owns the descriptor, and with it the lock that keeps a second process
// off a file that is being made. Not thread-safe. Messages name the path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "config/result.h"
#include "replication/byte_stream.h"

namespace crossfade::proxy {

class SnapshotFile final : public replication::ByteSink, public replication::ByteSource {
 public:
  // To be written: made where it is missing, readable to its owner alone, locked.
  static Result<std::unique_ptr<SnapshotFile>> Open(const std::string& path);
  static Result<std::unique_ptr<SnapshotFile>> OpenToRead(const std::string& path);
  ~SnapshotFile() override;
  SnapshotFile(const SnapshotFile&) = delete;
  SnapshotFile& operator=(const SnapshotFile&) = delete;

  // What did not go in whole is taken out again.
  Status Append(std::string_view bytes) override;
  Status Sync() override;
  Result<size_t> Read(char* to, size_t room) override;

  // The next Read begins at the start again.
  void Rewind() { read_at_ = 0; }
  // What is behind so many bytes is gone; the next Append goes there.
  Status Truncate(uint64_t size);
  uint64_t size() const { return size_; }
  uint64_t read_at() const { return read_at_; }
  const std::string& path() const { return path_; }

  // The file's new name, which must be free; on the disk when this returns.
  Status Publish(const std::string& name);

 private:
  SnapshotFile(std::string path, int fd, uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}
  static Result<std::unique_ptr<SnapshotFile>> Open(const std::string& path, int flags);
  Status Problem(const std::string& what) const;

  std::string path_;
  const int fd_;
  uint64_t size_;
  uint64_t read_at_ = 0;
};

bool FileExists(const std::string& path);

}  // namespace crossfade::proxy
