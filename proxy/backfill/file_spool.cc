#include "proxy/backfill/file_spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

namespace crossfade::proxy {
namespace {

constexpr const char* kOther = ".new";

}  // namespace

Status FileSpool::Problem(const char* what) const {
  return Fail("the backfill's spool " + path_ + " can't be " + what + ": " + std::strerror(errno));
}

Result<std::unique_ptr<FileSpool>> FileSpool::Open(const std::string& path, bool sync) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  std::unique_ptr<FileSpool> file(new FileSpool(fd, path, sync));
  if (fd < 0) return tl::unexpected(file->Problem("opened").error());
  return file;
}

Result<std::unique_ptr<FileSpool>> FileSpool::OpenTemporary() {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) folder = "/tmp";
  std::string path = folder / "crossfade-spool-XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  std::unique_ptr<FileSpool> file(new FileSpool(fd, path, false));
  if (fd < 0) return tl::unexpected(file->Problem("made").error());
  unlink(path.c_str());
  file->temporary_ = true;
  return file;
}

FileSpool::~FileSpool() {
  DropOther();
  if (fd_ >= 0) close(fd_);
}

Status FileSpool::Write(uint64_t offset, std::string_view bytes) {
  return WriteTo(fd_, offset, bytes);
}

Status FileSpool::WriteTo(int fd, uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Problem("written");
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Status FileSpool::Sync() {
  if (sync_ && fdatasync(fd_) != 0) return Problem("synced");
  return {};
}

Result<std::string> FileSpool::Read(uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n =
        pread(fd_, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::unexpected(Problem("read").error());
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  if (done < size) return Fail("the backfill's spool " + path_ + " ends too early");
  return bytes;
}

uint64_t FileSpool::Size() {
  struct stat found {};
  return fstat(fd_, &found) == 0 ? static_cast<uint64_t>(found.st_size) : 0;
}

void FileSpool::DropOther() {
  if (other_ < 0) return;
  close(std::exchange(other_, -1));
  unlink((path_ + kOther).c_str());
}

Status FileSpool::BeginOther() {
  DropOther();
  other_bytes_ = 0;
  other_ = open((path_ + kOther).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  return other_ < 0 ? Problem("written anew") : Status();
}

Status FileSpool::AppendOther(std::string_view bytes) {
  const Status written = WriteTo(other_, other_bytes_, bytes);
  if (!written) {
    DropOther();
    return written;
  }
  other_bytes_ += bytes.size();
  return {};
}

// What is written later must not be to a file that is not there after a crash.
Status FileSpool::TakeOther() {
  const std::string other = path_ + kOther;
  const bool safe = !sync_ || fdatasync(other_) == 0;
  if (!safe || (!temporary_ && rename(other.c_str(), path_.c_str()) != 0)) {
    const Status problem = Problem("written anew");
    DropOther();
    return problem;
  }
  if (temporary_) unlink(other.c_str());
  close(fd_);
  fd_ = std::exchange(other_, -1);
  return sync_ ? SyncFolder() : Status();
}

Status FileSpool::SyncFolder() {
  const std::string folder = std::filesystem::path(path_).parent_path();
  const int fd = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const Status status = synced ? Status() : Problem("synced");
  if (fd >= 0) close(fd);
  return status;
}

Status FileSpool::Truncate(uint64_t size) {
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return Problem("truncated");
  return {};
}

}  // namespace crossfade::proxy
