#include "proxy/ownership/process_mark.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace crossfade::proxy {
namespace {

std::string ReadLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

struct ProcessStat {
  char state = 0;
  uint64_t started = 0;  // 0: not known
};

// The name, in parentheses, may hold anything; the state and 18 more fields are
// between it and the time of the start.
ProcessStat StatOf(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const size_t name_end = text.rfind(')');
  ProcessStat stat;
  if (name_end == std::string::npos) return stat;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  fields >> stat.state;
  for (int i = 0; i < 18; ++i) fields >> skipped;
  if (!(fields >> stat.started)) stat.started = 0;
  return stat;
}

// The first thread of a process may have ended before the others.
bool HasOtherThreads(int64_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/" + std::to_string(pid) + "/task", error);
  return !error && std::distance(begin(tasks), end(tasks)) > 1;
}

}  // namespace

replication::ProcessMark ThisProcess() {
  replication::ProcessMark mark;
  mark.boot = ReadLine("/proc/sys/kernel/random/boot_id");
  std::array<char, 64> link{};
  const ssize_t size = readlink("/proc/self/ns/pid", link.data(), link.size());
  if (size > 0) mark.namespace_of.assign(link.data(), static_cast<size_t>(size));
  mark.pid = getpid();
  mark.started = StatOf(mark.pid).started;
  return mark;
}

bool HasEnded(const replication::ProcessMark& process) {
  const replication::ProcessMark self = ThisProcess();
  if (process.boot.empty() || process.boot != self.boot) return false;
  if (process.namespace_of.empty() || process.namespace_of != self.namespace_of) return false;
  if (process.pid <= 0 || process.started == 0) return false;
  if (kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return true;
  const ProcessStat stat = StatOf(process.pid);
  if (stat.started == 0) return false;
  if (stat.started != process.started) return true;
  const bool dead = stat.state == 'Z' || stat.state == 'X';
  return dead && !HasOtherThreads(process.pid);
}

}  // namespace crossfade::proxy
