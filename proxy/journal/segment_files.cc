#include "proxy/journal/segment_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace crossfade::proxy {
namespace {

constexpr std::string_view kSuffix = ".intents";
constexpr size_t kDigits = 16;
constexpr char kSuspect = 'S';
constexpr char kValid = 'V';

bool ParseHex(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseName(std::string_view file, SegmentName& name) {
  if (file.size() != 2 * kDigits + 1 + kSuffix.size() || !file.ends_with(kSuffix)) return false;
  return ParseHex(file.substr(0, kDigits), name.generation) &&
         ParseHex(file.substr(kDigits + 1, kDigits), name.index) && name.FileName() == file;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

std::string SegmentName::FileName() const {
  char text[2 * kDigits + 2];
  std::snprintf(text, sizeof(text), "%016llx-%016llx", static_cast<unsigned long long>(generation),
                static_cast<unsigned long long>(index));
  return text + std::string(kSuffix);
}

Result<std::unique_ptr<SegmentFiles>> SegmentFiles::Open(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Fail("journal.dir " + folder + " can't be made: " + error.message() +
                "; name a folder that this user may write to");
  }
  const bool used_before = std::filesystem::exists(folder + "/lock", error);
  const int lock = open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    return Fail("journal.dir " + folder + " can't be written: " + std::strerror(errno) +
                "; name a folder that this user may write to");
  }
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return Fail("journal.dir " + folder +
                " is in use by another crossfade; stop that one, or name another folder");
  }
  return std::unique_ptr<SegmentFiles>(new SegmentFiles(folder, lock, used_before));
}

SegmentFiles::~SegmentFiles() {
  if (fd_ >= 0) close(fd_);
  close(lock_);
}

Status SegmentFiles::Problem(const std::string& what) const {
  return Fail(what + " in " + folder_ + ": " + std::strerror(errno));
}

Result<std::vector<SegmentName>> SegmentFiles::List(const std::string& folder) {
  std::vector<SegmentName> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    SegmentName name;
    if (ParseName(at->path().filename().string(), name)) names.push_back(name);
  }
  if (error) return Fail(folder + " can't be read: " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> SegmentFiles::Read(const std::string& folder, const SegmentName& name) {
  return ReadFile(folder + "/" + name.FileName());
}

Result<std::string> SegmentFiles::ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fail(path + " can't be read: " + std::strerror(errno));
  std::string bytes;
  size_t size = 0;
  while (true) {
    constexpr size_t kStep = 1 << 20;
    bytes.resize(size + kStep);
    const ssize_t n = read(fd, bytes.data() + size, kStep);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int problem = n < 0 ? errno : 0;
      close(fd);
      if (problem != 0) return Fail(path + " can't be read: " + std::strerror(problem));
      bytes.resize(size);
      return bytes;
    }
    size += static_cast<size_t>(n);
  }
}

Status SegmentFiles::Create(const SegmentName& name, std::string_view header, bool sync) {
  if (fd_ >= 0) {
    if (sync && fdatasync(fd_) != 0) return Problem("syncing the journal");
    close(std::exchange(fd_, -1));
  }
  const std::string path = folder_ + "/" + name.FileName();
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
  if (fd_ < 0 || !WriteAll(fd_, header)) return Problem("a new segment of the journal");
  if (!sync) return {};
  if (fdatasync(fd_) != 0) return Problem("syncing the journal");
  const int of_folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = of_folder >= 0 && fsync(of_folder) == 0;
  if (of_folder >= 0) close(of_folder);
  return synced ? Status() : Problem("syncing the journal's folder");
}

Status SegmentFiles::Append(std::string_view bytes) {
  if (WriteAll(fd_, bytes)) return {};
  return Problem("writing the journal");
}

Status SegmentFiles::Sync() {
  if (fd_ < 0 || fdatasync(fd_) == 0) return {};
  return Problem("syncing the journal");
}

int SegmentFiles::Duplicate() const { return fcntl(fd_, F_DUPFD_CLOEXEC, 0); }

template <class Unwanted>
Status SegmentFiles::Remove(Unwanted unwanted) {
  const Result<std::vector<SegmentName>> names = List(folder_);
  if (!names) return tl::unexpected(names.error());
  for (const SegmentName& name : *names) {
    if (!unwanted(name)) continue;
    if (unlink((folder_ + "/" + name.FileName()).c_str()) != 0) {
      return Problem("removing segment " + name.FileName());
    }
  }
  return {};
}

Status SegmentFiles::RemoveBelow(const SegmentName& name, bool former_generations) {
  return Remove([&](const SegmentName& of) {
    if (of.generation == name.generation) return of.index < name.index;
    return former_generations && of.generation < name.generation;
  });
}

Status SegmentFiles::RemoveGeneration(uint64_t generation) {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  return Remove([=](const SegmentName& of) { return of.generation == generation; });
}

Status SegmentFiles::MarkSuspect(bool suspect) {
  const char mark = suspect ? kSuspect : kValid;
  if (pwrite(lock_, &mark, 1, 0) == 1 && fdatasync(lock_) == 0) return {};
  return Problem("marking the journal");
}

bool SegmentFiles::MarkedSuspect() const {
  char mark = kValid;
  return pread(lock_, &mark, 1, 0) < 0 || mark == kSuspect;
}

Status SegmentFiles::RemoveAll() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  return Remove([](const SegmentName&) { return true; });
}

}  // namespace crossfade::proxy
