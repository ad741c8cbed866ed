#include "tests/support/proxy_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/command.h"

namespace crossfade::test {
namespace {

using Clock = std::chrono::steady_clock;

void AppendMap(std::ostringstream& out, const char* name,
               const std::map<std::string, std::string>& values) {
  if (values.empty()) return;
  out << name << ":\n";
  for (const auto& [key, value] : values) out << "  " << key << ": " << value << "\n";
}

std::string StoreOf(const std::string& given, const std::string& login, uint16_t port) {
  if (!given.empty()) return given;
  return "{url: \"redis://" + login + "127.0.0.1:" + std::to_string(port) + "\"}";
}

std::string ToYaml(const ProxyConfig& config, uint16_t port, uint16_t admin_port) {
  std::ostringstream out;
  out << "listen:\n  - {address: 127.0.0.1:" << port << "}\n";
  if (!config.unix_listener.empty()) {
    out << "  - {address: \"unix:" << config.unix_listener << "\"}\n";
  }
  for (const std::string& listener : config.listeners) out << "  - " << listener << "\n";
  out << "workers: " << config.workers << "\nstores:\n"
      << "  legacy: " << StoreOf(config.legacy_store, config.legacy_login, config.legacy_port)
      << "\n"
      << "  new: " << StoreOf(config.new_store, config.new_login, config.new_port) << "\n"
      << "stage: " << config.stage << "\n";
  AppendMap(out, "mirror", config.mirror);
  AppendMap(out, "journal", config.journal);
  AppendMap(out, "artifacts", config.artifacts);
  AppendMap(out, "backfill", config.backfill);
  AppendMap(out, "ownership", config.ownership);
  AppendMap(out, "verify", config.verify);
  AppendMap(out, "limits", config.limits);
  if (!config.allow.empty()) out << "allow: " << config.allow << "\n";
  if (config.users) {
    out << "users:" << (config.users->empty() ? " []\n" : "\n");
    for (const std::string& user : *config.users) out << "  - " << user << "\n";
  }
  if (!config.reads.empty() || !config.routes.empty()) {
    out << "reads:\n";
    for (const auto& [key, value] : config.reads) out << "  " << key << ": " << value << "\n";
    if (!config.routes.empty()) out << "  routes:\n";
    for (const std::string& route : config.routes) out << "    - " << route << "\n";
  }
  out << "admin: {listen: 127.0.0.1:" << admin_port << "}\n"
      << "log: {level: " << config.log_level << ", format: text}\n";
  return out.str();
}

}  // namespace

bool IsDrained(const nlohmann::json& status) {
  return status.value("mirror_state", "") == "live" && status.value("log_entries", 1) == 0 &&
         status.value("dirty_keys", 1) == 0 && status.value("syncs_under_way", 1) == 0;
}

uint64_t Sum(const nlohmann::json& counts) {
  uint64_t sum = 0;
  for (const auto& item : counts.items()) sum += item.value().get<uint64_t>();
  return sum;
}

uint64_t SumWhere(const nlohmann::json& list, const std::string& field, const std::string& value) {
  uint64_t sum = 0;
  for (const auto& item : list) {
    if (item.value(field, "") == value) sum += item.value("count", uint64_t{0});
  }
  return sum;
}

ProxyProcess::ProxyProcess(ProxyConfig config) : config_(std::move(config)) {
  const char* root = std::getenv("TMPDIR");
  dir_ = std::string(root != nullptr && *root != '\0' ? root : "/tmp") + "/crossfade_proxy_XXXXXX";
  if (::mkdtemp(dir_.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
}

ProxyProcess::~ProxyProcess() {
  ExpectCleanLog();
  if (::testing::Test::HasFailure()) {
    Status();
    std::fprintf(stderr, "---- the proxy's last status\n%s\n---- the end of its log (%s)\n%s\n",
                 last_status_.c_str(), running() ? "running" : "not running", LogTail().c_str());
  }
  Kill();
  std::error_code ignored;
  if (!::testing::Test::HasFailure() || std::getenv("CROSSFADE_E2E_KEEP") == nullptr) {
    std::filesystem::remove_all(dir_, ignored);
  }
}

// A sanitizer's report need not end the process, so it must not go unread.
void ProxyProcess::ExpectCleanLog() {
  std::ifstream log(dir_ + "/crossfade.log");
  for (std::string line; std::getline(log, line);) {
    if (line.find("Sanitizer") != std::string::npos ||
        line.find("runtime error: ") != std::string::npos) {
      ADD_FAILURE() << "in the proxy's log: " << line;
      return;
    }
  }
}

bool ProxyProcess::Spawn() {
  if (pid_ != 0) return true;
  WriteConfig(config_);
  const std::string binary = BinaryPath();
  const std::string config_path = dir_ + "/crossfade.yaml";
  const std::string log_path = dir_ + "/crossfade.log";
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    const int log = ::open(log_path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::execlp(binary.c_str(), binary.c_str(), "serve", "--config", config_path.c_str(),
             static_cast<char*>(nullptr));
    std::perror(binary.c_str());
    ::_exit(127);
  }
  pid_ = child;
  return true;
}

std::string ProxyProcess::AwaitRefusal() {
  const auto deadline = Clock::now() + std::chrono::seconds(30);
  if (!Spawn()) return "";
  while (running()) {
    if (Clock::now() > deadline) {
      ADD_FAILURE() << "crossfade started: " << LogTail();
      return "";
    }
    ::poll(nullptr, 0, 5);
  }
  return LogTail();
}

bool ProxyProcess::Launch() {
  if (!Spawn()) return false;
  const auto deadline = Clock::now() + std::chrono::seconds(30);
  while (Clock::now() < deadline && running()) {
    if (Http("GET", "/healthz").status != 0) return true;
    ::poll(nullptr, 0, 5);
  }
  ADD_FAILURE() << "crossfade did not start: " << LogTail();
  return false;
}

bool ProxyProcess::Start() { return Launch() && AwaitReady(); }

bool ProxyProcess::AwaitReady(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  HttpAnswer last;
  while (Clock::now() < deadline && running()) {
    last = Http("GET", "/readyz");
    if (last.status == 200) return true;
    ::poll(nullptr, 0, 5);
  }
  ADD_FAILURE() << "crossfade is not ready: " << last.status << " " << last.body;
  return false;
}

bool ProxyProcess::running() {
  if (pid_ == 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    std::fprintf(stderr, "crossfade ended by itself: status %d\n", status);
    pid_ = 0;
  }
  return pid_ != 0;
}

void ProxyProcess::Kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

int ProxyProcess::Terminate(std::chrono::milliseconds timeout) {
  if (pid_ == 0) return -1;
  ::kill(pid_, SIGTERM);
  const auto deadline = Clock::now() + timeout;
  int status = 0;
  while (Clock::now() < deadline) {
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    ::poll(nullptr, 0, 5);
  }
  Kill();
  return -1;
}

void ProxyProcess::WriteConfig(const ProxyConfig& config) {
  config_ = config;
  WriteConfigText(ToYaml(config, port(), admin_port()));
}

void ProxyProcess::WriteConfigText(const std::string& yaml) {
  const std::string path = dir_ + "/crossfade.yaml";
  std::ofstream(path + ".tmp") << yaml;
  std::filesystem::rename(path + ".tmp", path);
}

HttpAnswer ProxyProcess::Reload(const ProxyConfig& config) {
  WriteConfig(config);
  return Http("POST", "/api/v1/reload");
}

HttpAnswer ProxyProcess::Http(const std::string& method, const std::string& path) const {
  return HttpRequest(admin_port(), method, path);
}

nlohmann::json ProxyProcess::Status() const {
  const HttpAnswer answer = Http("GET", "/api/v1/status");
  if (answer.status != 200) return {};
  last_status_ = answer.body;
  return nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
}

std::string ProxyProcess::Metrics() const { return Http("GET", "/metrics").body; }

bool ProxyProcess::AwaitDrained(std::chrono::milliseconds timeout) {
  return AwaitStatus("drained", &IsDrained, timeout);
}

bool ProxyProcess::AwaitStatus(const std::string& what, bool (*holds)(const nlohmann::json&),
                               std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (Clock::now() < deadline && running()) {
    const nlohmann::json status = Status();
    if (status.is_object() && holds(status)) return true;
    ::poll(nullptr, 0, 10);
  }
  ADD_FAILURE() << "not " << what << " after " << timeout.count() << " ms: " << last_status_;
  return false;
}

std::string ProxyProcess::LogTail(size_t lines) const {
  std::ifstream log(dir_ + "/crossfade.log");
  std::deque<std::string> tail;
  for (std::string line; std::getline(log, line);) {
    tail.push_back(line);
    if (tail.size() > lines) tail.pop_front();
  }
  std::string out;
  for (const std::string& line : tail) out += line + "\n";
  return out;
}

}  // namespace crossfade::test
