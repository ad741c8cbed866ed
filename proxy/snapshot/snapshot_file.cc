#include "proxy/snapshot/snapshot_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace crossfade::proxy {
namespace {

bool SyncFolderOf(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const int fd = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  return synced;
}

}  // namespace

bool FileExists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

Result<std::unique_ptr<SnapshotFile>> SnapshotFile::Open(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) return Fail(path + " can't be opened: " + std::strerror(errno));
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return Fail(path + " is no regular file");
  }
  return std::unique_ptr<SnapshotFile>(
      new SnapshotFile(path, fd, static_cast<uint64_t>(info.st_size)));
}

Result<std::unique_ptr<SnapshotFile>> SnapshotFile::OpenToRead(const std::string& path) {
  return Open(path, O_RDONLY);
}

Result<std::unique_ptr<SnapshotFile>> SnapshotFile::Open(const std::string& path) {
  auto file = Open(path, O_RDWR | O_CREAT);
  if (file && flock((*file)->fd_, LOCK_EX | LOCK_NB) != 0) {
    return Fail(path + " is being written by another crossfade");
  }
  return file;
}

SnapshotFile::~SnapshotFile() { close(fd_); }

Status SnapshotFile::Problem(const std::string& what) const {
  return Fail(path_ + " can't be " + what + ": " + std::strerror(errno));
}

Status SnapshotFile::Append(std::string_view bytes) {
  uint64_t at = size_;
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const Status problem = Problem("written");
      // Where even that fails, what is there is found torn when it is read.
      if (ftruncate(fd_, static_cast<off_t>(size_)) != 0) errno = 0;
      return problem;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  size_ = at;
  return {};
}

Status SnapshotFile::Sync() {
  if (fdatasync(fd_) == 0) return {};
  return Problem("brought to the disk");
}

Result<size_t> SnapshotFile::Read(char* to, size_t room) {
  while (true) {
    const ssize_t n = pread(fd_, to, room, static_cast<off_t>(read_at_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::unexpected(Problem("read").error());
    read_at_ += static_cast<uint64_t>(n);
    return static_cast<size_t>(n);
  }
}

Status SnapshotFile::Truncate(uint64_t size) {
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return Problem("truncated");
  size_ = size;
  return {};
}

Status SnapshotFile::Publish(const std::string& name) {
  if (fsync(fd_) != 0) return Problem("brought to the disk");
  int renamed = renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE);
  // Some file systems can't promise that the name is free.
  if (renamed != 0 && (errno == EINVAL || errno == ENOSYS)) {
    if (FileExists(name)) {
      errno = EEXIST;
    } else {
      renamed = rename(path_.c_str(), name.c_str());
    }
  }
  if (renamed != 0) return Problem("renamed to " + name);
  path_ = name;
  if (!SyncFolderOf(name)) return Problem("brought to the disk under its name");
  return {};
}

}  // namespace crossfade::proxy
