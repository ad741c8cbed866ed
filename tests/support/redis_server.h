// RedisServer: a real redis-server process for tests, on a free loopback port,
// in a temporary folder of its own, without persistence unless asked for.
// The child dies with the thread that started it (PDEATHSIG), so start it from
// one that outlives it. Not thread-safe. Failures to start are test failures
// with the server's log, then abort: no test makes sense without its server.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace crossfade::test {

class RedisServer {
 public:
  // Returns when the server answers. `extra_args` come after the defaults and win.
  explicit RedisServer(std::vector<std::string> extra_args = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  // The port stays the same over Kill() and Start().
  uint16_t port() const { return port_; }
  // 0 while it is not running.
  pid_t pid() const { return pid_; }
  const std::string& dir() const { return dir_; }

  void Kill();   // SIGKILL, and awaited
  void Start();  // after Kill(); returns when it answers
  // After Kill(): the process, which may still be loading its data.
  void StartLoading(const std::vector<std::string>& more_args);
  void Pause();   // SIGSTOP, and awaited
  void Resume();  // SIGCONT

 private:
  bool Launch();
  bool AwaitAnswer();
  void ReleasePort();

  std::vector<std::string> extra_args_;
  std::string dir_;
  uint16_t port_ = 0;
  int port_lock_ = -1;  // keeps other test processes off the port
  pid_t pid_ = 0;
};

}  // namespace crossfade::test
