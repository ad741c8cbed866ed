#include "tools/cli/child_store.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

namespace crossfade::cli {
namespace {

constexpr int kStartAttempts = 5;  // another process may take the port before the store does
constexpr std::chrono::seconds kStartTimeout{10};
constexpr std::chrono::milliseconds kPollGap{10};

uint16_t FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(descriptor);
  return bound ? ntohs(address.sin_port) : uint16_t{0};
}

bool Answers(uint16_t port) {
  const timeval limit{1, 0};
  redisContext* connection = redisConnectWithTimeout("127.0.0.1", port, limit);
  if (connection == nullptr) return false;
  bool pong = false;
  if (connection->err == 0) {
    redisSetTimeout(connection, limit);
    auto* reply = static_cast<redisReply*>(redisCommand(connection, "PING"));
    pong = reply != nullptr && reply->type == REDIS_REPLY_STATUS;
    if (reply != nullptr) freeReplyObject(reply);
  }
  redisFree(connection);
  return pong;
}

std::string LastLine(const std::string& path) {
  std::ifstream in(path);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

std::string HowItEnded(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return "exit code " + std::to_string(info.si_status);
  return std::string("signal ") + strsignal(info.si_status);
}

// Only calls that are safe between fork and exec.
[[noreturn]] void RunChild(const char* binary, char* const* words, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  // Ctrl-C is for the proxy alone, which needs the store until it is drained.
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  const int null = open("/dev/null", O_RDWR);
  dup2(null, 0);
  dup2(null, 1);
  dup2(null, 2);
  execv(binary, words);
  _exit(127);
}

}  // namespace

std::string FindInPath(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

Result<std::unique_ptr<ChildStore>> ChildStore::Start(const std::string& binary,
                                                      const std::string& folder) {
  std::string failure;
  for (int attempt = 0; attempt < kStartAttempts; ++attempt) {
    std::unique_ptr<ChildStore> store(new ChildStore(folder, FreePort()));
    Status started = store->Launch(binary);
    if (started) started = store->AwaitAnswer();
    if (started) return store;
    failure = started.error().message;
  }
  return Fail(failure);
}

Status ChildStore::Launch(const std::string& binary) {
  std::vector<std::string> words = {
      binary,   "--port",    std::to_string(port_), "--bind", "127.0.0.1",
      "--save", "",          "--appendonly",        "no",     "--dir",
      folder_,  "--logfile", folder_ + "/redis.log"};
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return Fail(std::string("can't start ") + binary + ": " + std::strerror(errno));
  if (child == 0) RunChild(binary.c_str(), pointers.data(), parent);
  pid_ = child;
  return {};
}

Status ChildStore::AwaitAnswer() const {
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (std::chrono::steady_clock::now() < deadline) {
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid_) {
      return Fail("redis-server on port " + std::to_string(port_) + " ended (" + HowItEnded(info) +
                  "): " + LastLine(folder_ + "/redis.log"));
    }
    if (Answers(port_)) return {};
    std::this_thread::sleep_for(kPollGap);
  }
  return Fail("redis-server on port " + std::to_string(port_) + " does not answer");
}

void ChildStore::OnExit(std::function<void(const std::string& how)> callback) {
  watcher_ = std::thread([this, pid = pid_, callback = std::move(callback)] {
    siginfo_t info{};
    // Not reaped here: until the destructor does, nobody else gets the process id.
    while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0) {
      if (errno != EINTR) return;
    }
    if (!ending_) callback(HowItEnded(info));
  });
}

ChildStore::~ChildStore() {
  ending_ = true;
  if (pid_ > 0) kill(pid_, SIGKILL);
  if (watcher_.joinable()) watcher_.join();
  while (pid_ > 0 && waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::string ChildStore::RestartLine() const {
  return "redis-server --port " + std::to_string(port_) +
         " --bind 127.0.0.1 --save \"\" --appendonly no --dir " + folder_;
}

}  // namespace crossfade::cli
