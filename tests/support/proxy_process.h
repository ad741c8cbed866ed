// ProxyProcess: the real binary `crossfade serve --config FILE` as a child, with
// a configuration that the test builds and rewrites. The binary is the one that
// the environment's CROSSFADE_BINARY names, else the build's own. The child dies
// with the thread that started it. When a test failed, the destructor prints the
// tail of the proxy's log and its last status. One thread at a time, except for
// Status, Metrics and Http, which only talk HTTP.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/free_port.h"
#include "tests/support/http_client.h"

namespace crossfade::test {

// The configuration file in pieces; values are YAML as they stand.
struct ProxyConfig {
  uint16_t legacy_port = 0;
  uint16_t new_port = 0;
  std::string legacy_login, new_login;  // "user:password@" in the URL
  int workers = 1;
  std::string stage = "mirror";
  std::map<std::string, std::string> mirror;
  std::map<std::string, std::string> ownership;
  std::map<std::string, std::string> verify;
  std::map<std::string, std::string> reads;
  std::map<std::string, std::string> journal;
  std::map<std::string, std::string> artifacts;
  // As fast as it goes, whatever the machine does beside.
  std::map<std::string, std::string> backfill = {
      {"keys_per_second", "0"}, {"bytes_per_second", "0B"}, {"max_authority_p99", "0ms"}};
  std::vector<std::string> routes;  // each a YAML map in flow style
  std::map<std::string, std::string> limits;
  std::string allow;                              // a YAML list in flow style; empty for none
  std::optional<std::vector<std::string>> users;  // each a YAML map in flow style
  std::string unix_listener;                      // path; empty for none
  std::vector<std::string> listeners;             // more of them, each a YAML map in flow style
  // YAML maps in flow style; empty: redis:// with the ports above.
  std::string legacy_store, new_store;
  std::string log_level = "info";
};

class ProxyProcess {
 public:
  explicit ProxyProcess(ProxyConfig config);
  ~ProxyProcess();
  ProxyProcess(const ProxyProcess&) = delete;
  ProxyProcess& operator=(const ProxyProcess&) = delete;

  // Starts the process; true when its admin listener answers.
  bool Launch();
  // Starts it where it will refuse to: what it wrote until it ended.
  std::string AwaitRefusal();
  // Launch, and waits until clients can be served.
  bool Start();
  bool AwaitReady(std::chrono::milliseconds timeout = std::chrono::seconds(20));
  bool running();
  void Kill();
  // SIGTERM; the exit code, -1 when killed by a signal or not gone in time.
  int Terminate(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  uint16_t port() const { return port_.port(); }
  uint16_t admin_port() const { return admin_port_.port(); }
  pid_t pid() const { return pid_; }
  const std::string& dir() const { return dir_; }

  const ProxyConfig& config() const { return config_; }
  void WriteConfig(const ProxyConfig& config);
  void WriteConfigText(const std::string& yaml);
  // Writes the file and asks for a reload; the API's answer.
  HttpAnswer Reload(const ProxyConfig& config);

  HttpAnswer Http(const std::string& method, const std::string& path) const;
  nlohmann::json Status() const;  // null when it does not answer
  std::string Metrics() const;
  // Live, the log applied, nothing dirty or being synced.
  bool AwaitDrained(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  bool AwaitStatus(const std::string& what, bool (*holds)(const nlohmann::json&),
                   std::chrono::milliseconds timeout = std::chrono::seconds(30));
  std::string LogTail(size_t lines = 40) const;

 private:
  bool Spawn();
  void ExpectCleanLog();

  ProxyConfig config_;
  std::string dir_;
  PortLease port_;
  PortLease admin_port_;
  pid_t pid_ = 0;
  mutable std::string last_status_;
};

bool IsDrained(const nlohmann::json& status);
// Sum of an object's numbers, and of a list's counts whose `field` is `value`.
uint64_t Sum(const nlohmann::json& counts);
uint64_t SumWhere(const nlohmann::json& list, const std::string& field, const std::string& value);

}  // namespace crossfade::test
