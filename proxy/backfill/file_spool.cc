#include "proxy/backfill/file_spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace crossfade::proxy {

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
  return file;
}

FileSpool::~FileSpool() {
  if (fd_ >= 0) close(fd_);
}

Status FileSpool::Write(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
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

Status FileSpool::Truncate(uint64_t size) {
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return Problem("truncated");
  return {};
}

}  // namespace crossfade::proxy
