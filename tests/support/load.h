// Load: many connections that send RandomCommands in pipelines of mixed depth to
// one port, on a thread of its own, until stopped. Every reply is checked for
// being plausible; a lost connection, a protocol error, an error that no plain
// redis-server sends, and silence are failures. Start, AwaitAnswered and Stop
// are for the thread that owns it; answered() for any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/random_commands.h"

namespace crossfade::test {

struct LoadOptions {
  uint16_t port = 0;
  uint64_t seed = 1;
  int connections = 16;
  int max_pipeline = 50;
  uint64_t commands_per_second = 0;  // 0: as fast as it goes
  RandomOptions commands;
  // Errors that the test expects besides a server's own (a store that is down).
  std::function<bool(const std::string& error)> tolerated;
  bool losable = false;  // connections may be lost
};

struct LoadReport {
  uint64_t answered = 0;
  uint64_t errors = 0;                // all error replies
  uint64_t tolerated_errors = 0;      // those of them that `tolerated` took
  std::vector<std::string> failures;  // at most kFailuresMax of them
  std::map<std::string, uint64_t> error_texts;
};

class Load {
 public:
  static constexpr size_t kFailuresMax = 20;

  explicit Load(LoadOptions options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void Start();
  uint64_t answered() const { return answered_.load(); }
  // False when that many more are not answered in time.
  bool AwaitAnswered(uint64_t more, std::chrono::milliseconds timeout = std::chrono::minutes(5));
  // Sends nothing more, awaits the replies under way, closes.
  LoadReport Stop();
  // Start, that many commands, Stop.
  LoadReport Run(uint64_t commands);

 private:
  struct Connection;
  void Loop();
  void Refill(Connection& connection);
  void Take(Connection& connection);
  void Check(Connection& connection, const Value& reply);
  void Fail(std::string what);

  LoadOptions options_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::atomic<uint64_t> answered_{0};
  std::atomic<uint64_t> sent_max_{UINT64_MAX};
  uint64_t sent_ = 0;
  std::atomic<bool> stop_{false};
  LoadReport report_;
  std::thread thread_;
};

// The report's failures as a message.
std::string Describe(const LoadReport& report);

}  // namespace crossfade::test
