#include "tests/support/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace crossfade::test {
namespace {

// Below the ephemeral range, so that no outgoing connection takes a port
// between a kill and a restart; port + 10000 (a cluster's bus) fits as well.
constexpr uint32_t kFirstPort = 11000;
constexpr uint32_t kPorts = 10000;
constexpr auto kStartTimeout = std::chrono::seconds(60);

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool PortIsFree(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

std::string TempRoot() {
  const char* root = std::getenv("TMPDIR");
  return root != nullptr && *root != '\0' ? root : "/tmp";
}

// Takes a port that no other RedisServer of any process holds.
uint16_t TakePort(int& lock) {
  static std::atomic<uint32_t> next{static_cast<uint32_t>(::getpid()) * 37u};
  const std::string dir = TempRoot() + "/crossfade_test_ports";
  ::mkdir(dir.c_str(), 0777);
  ::chmod(dir.c_str(), 0777);
  for (uint32_t i = 0; i < kPorts; ++i) {
    const auto port = static_cast<uint16_t>(kFirstPort + next++ % kPorts);
    const int fd =
        ::open((dir + "/" + std::to_string(port)).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && PortIsFree(port)) {
      lock = fd;
      return port;
    }
    ::close(fd);
  }
  return 0;
}

// Whether the server on `port` is the process `pid` and takes commands.
bool Answers(uint16_t port, pid_t pid) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{2, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  const sockaddr_in address = Loopback(port);
  const std::string wanted = "process_id:" + std::to_string(pid) + "\r\n";
  std::string received;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string_view ask = "PING\r\nINFO server\r\n";
    if (::send(fd, ask.data(), ask.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(ask.size())) {
      char bytes[4096];
      ssize_t n;
      while (received.find(wanted) == std::string::npos && received.rfind("-", 0) != 0 &&
             (n = ::recv(fd, bytes, sizeof bytes, 0)) > 0) {
        received.append(bytes, static_cast<size_t>(n));
      }
    }
  }
  ::close(fd);
  return received.rfind("+PONG", 0) == 0 && received.find(wanted) != std::string::npos;
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> extra_args) : extra_args_(std::move(extra_args)) {
  std::string pattern = TempRoot() + "/crossfade_redis_XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  dir_ = pattern;
  Start();
}

RedisServer::~RedisServer() {
  Kill();
  ReleasePort();
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

void RedisServer::ReleasePort() {
  if (port_lock_ >= 0) ::close(port_lock_);
  port_lock_ = -1;
  port_ = 0;
}

void RedisServer::Start() {
  if (pid_ != 0) return;
  const bool keep_port = port_ != 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (port_ == 0) port_ = TakePort(port_lock_);
    if (port_ != 0 && Launch() && AwaitAnswer()) return;
    Kill();
    if (!keep_port) ReleasePort();
  }
  std::ostringstream log;
  log << std::ifstream(dir_ + "/redis.log").rdbuf();
  std::fprintf(stderr, "redis-server did not start in %s:\n%s\n", dir_.c_str(), log.str().c_str());
  std::abort();
}

void RedisServer::StartLoading(const std::vector<std::string>& more_args) {
  const std::vector<std::string> args = extra_args_;
  extra_args_.insert(extra_args_.end(), more_args.begin(), more_args.end());
  if (pid_ == 0) Launch();
  extra_args_ = args;
}

bool RedisServer::Launch() {
  std::vector<std::string> words = {
      "redis-server", "--port",    std::to_string(port_), "--bind",      "127.0.0.1",
      "--save",       "",          "--appendonly",        "no",          "--dir",
      dir_,           "--logfile", dir_ + "/redis.log",   "--daemonize", "no"};
  words.insert(words.end(), extra_args_.begin(), extra_args_.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, 0);
    ::dup2(null, 1);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  pid_ = child;
  return true;
}

bool RedisServer::AwaitAnswer() {
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (std::chrono::steady_clock::now() < deadline) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      return false;
    }
    if (Answers(port_, pid_)) return true;
    ::poll(nullptr, 0, 5);
  }
  return false;
}

void RedisServer::Kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

void RedisServer::Pause() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGSTOP);
  while (::waitpid(pid_, nullptr, WUNTRACED) < 0 && errno == EINTR) {
  }
}

void RedisServer::Resume() {
  if (pid_ != 0) ::kill(pid_, SIGCONT);
}

}  // namespace crossfade::test
