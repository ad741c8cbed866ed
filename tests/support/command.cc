#include "tests/support/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace crossfade::test {
namespace {

constexpr std::chrono::seconds kPatience{120};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void Redirect(const std::string& path, int to) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(126);
  ::close(fd);
}

}  // namespace

std::string BinaryPath() {
  const char* path = std::getenv("CROSSFADE_BINARY");
  if (path != nullptr && *path != '\0') return path;
#ifdef CROSSFADE_BINARY_PATH
  return CROSSFADE_BINARY_PATH;
#else
  return "crossfade";
#endif
}

Command::Command(const std::vector<std::string>& args, uint64_t file_bytes_max) {
  dir_ = (std::filesystem::temp_directory_path() / "crossfade_command_XXXXXX").string();
  if (::mkdtemp(dir_.data()) == nullptr) std::abort();
  const std::string binary = BinaryPath();
  std::vector<char*> argv = {const_cast<char*>(binary.c_str())};
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (file_bytes_max > 0) {
    const rlimit limit{file_bytes_max, file_bytes_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  Redirect(dir_ + "/out", STDOUT_FILENO);
  Redirect(dir_ + "/err", STDERR_FILENO);
  ::execv(binary.c_str(), argv.data());
  ::_exit(127);
}

Command::~Command() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

void Command::Signal(int number) {
  if (pid_ > 0) ::kill(pid_, number);
}

bool Command::running() {
  if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

CommandResult Command::Wait() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (running() && std::chrono::steady_clock::now() < deadline) ::poll(nullptr, 0, 2);
  CommandResult result;
  if (pid_ < 0 && WIFEXITED(status_)) result.exit_code = WEXITSTATUS(status_);
  result.out = ReadFile(dir_ + "/out");
  result.err = ReadFile(dir_ + "/err");
  return result;
}

CommandResult RunCommand(const std::vector<std::string>& args, uint64_t file_bytes_max) {
  return Command(args, file_bytes_max).Wait();
}

}  // namespace crossfade::test
