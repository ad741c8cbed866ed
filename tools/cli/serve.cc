#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "config/loader.h"
#include "config/plan.h"
#include "proxy/admin/http_server.h"
#include "proxy/admin/server_data_plane.h"
#include "proxy/admin/version.h"
#include "proxy/control/control_loop.h"
#include "proxy/control/log.h"
#include "proxy/server.h"
#include "tools/cli/commands.h"
#include "tools/cli/embedded.h"

namespace crossfade::cli {
namespace {

namespace log = proxy::log;

constexpr uint16_t kEmbeddedPort = 6380;
constexpr uint16_t kEmbeddedAdminPort = 9380;
// Descriptors for stores, listeners, admin connections and files.
constexpr rlim_t kOwnDescriptors = 512;

// Signals wait until the control loop takes them, so that none finds the process
// half started: it would leave the children's folder behind.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigemptyset(&held_);
    for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&held_, number);
    pthread_sigmask(SIG_BLOCK, &held_, nullptr);
  }
  ~SignalsHeld() { Release(); }
  void Release() { pthread_sigmask(SIG_UNBLOCK, &held_, nullptr); }

 private:
  sigset_t held_;
};

void AllowDescriptors(uint32_t clients) {
  const rlim_t wanted = clients + kOwnDescriptors;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  const rlimit before = limit;
  limit.rlim_cur = wanted;
  limit.rlim_max = std::max(limit.rlim_max, wanted);
  // Over the hard limit only with the privilege.
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  limit = before;
  limit.rlim_cur = std::min(wanted, before.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted) return;
  log::Warn(
      "the limit of open files allows fewer clients than limits.clients; raise it (ulimit -n)",
      {{"open_files", static_cast<uint64_t>(limit.rlim_cur)},
       {"needed", static_cast<uint64_t>(wanted)}});
}

void Apply(const config::Plan& plan) {
  log::ChangeLog(plan.settings.log_level, plan.settings.log_format);
  AllowDescriptors(plan.settings.limits.clients);
}

std::string Hint(const Arguments& arguments) {
  if (arguments.config.empty()) return "; choose other ports with --port and --admin-port";
  return "; choose another address in " + arguments.config;
}

config::Endpoint WithPort(config::Endpoint endpoint, uint16_t port) {
  if (endpoint.unix_path.empty()) endpoint.port = port;
  return endpoint;
}

void LogStart(const config::Plan& plan, const proxy::Server& server, uint16_t admin_port) {
  const config::Settings& settings = plan.settings;
  for (size_t i = 0; i < settings.listen.size(); ++i) {
    const config::Endpoint& endpoint = settings.listen[i];
    const uint16_t port = endpoint.unix_path.empty() ? server.BoundPort(i) : uint16_t{0};
    log::Info("listening for clients", {{"address", WithPort(endpoint, port).Display()}});
  }
  log::Info("listening for admin requests",
            {{"url", "http://" + WithPort(settings.admin_listen, admin_port).Display() + "/"}});
  log::Info("started", {{"version", proxy::kVersion},
                        {"stage", config::Name(settings.stage)},
                        {"legacy", settings.legacy.Display()},
                        {"new", settings.new_store.Display()},
                        {"workers", uint64_t{settings.workers}},
                        {"digest", plan.digest.substr(0, 12)}});
}

// Ends the process when a second signal asked for it; the data plane still runs.
int RunUntilStopped(proxy::ControlLoop& control, proxy::AdminServer& admin,
                    std::unique_ptr<Embedded>& embedded) {
  const proxy::ControlLoop::Ending ending = control.Run();
  if (ending.at_once) {
    embedded.reset();
    _exit(kBehind);
  }
  admin.Stop();
  return ending.report.drained ? kDone : kBehind;
}

int ServePlan(const Arguments& arguments, const std::string& path, config::PlanPtr plan,
              std::unique_ptr<Embedded>& embedded, SignalsHeld& signals) {
  log::SetUpLog(plan->settings.log_level, plan->settings.log_format);
  AllowDescriptors(plan->settings.limits.clients);
  proxy::AdminServer admin(plan->settings.admin_listen, plan->settings.admin_token);
  if (const Status bound = admin.Bind(); !bound) {
    PrintError(bound.error().message + Hint(arguments));
    return kFailed;
  }
  proxy::Server server(plan);
  if (const Status listens = server.Listen(); !listens) {
    PrintError(listens.error().message + Hint(arguments));
    return kFailed;
  }
  if (const Status started = server.Start(); !started) {
    PrintError(started.error().message);
    return kFailed;
  }
  proxy::ServerDataPlane plane(server);
  proxy::ControlLoop control(plane, plan, {path, Apply});
  admin.Start(plane, control);
  LogStart(*plan, server, admin.Port());
  if (embedded) {
    embedded->WatchChildren();
    std::fputs(embedded->Welcome(server.BoundPort(0), admin.Port()).c_str(), stdout);
    std::fflush(stdout);
  }
  signals.Release();
  return RunUntilStopped(control, admin, embedded);
}

}  // namespace

int RunServe(const Arguments& arguments) {
  SignalsHeld signals;
  std::unique_ptr<Embedded> embedded;
  std::string path = arguments.config;
  if (path.empty()) {
    auto started = Embedded::Start(arguments.port.value_or(kEmbeddedPort),
                                   arguments.admin_port.value_or(kEmbeddedAdminPort));
    if (!started) {
      PrintError(started.error().message);
      return kFailed;
    }
    embedded = std::move(*started);
    path = embedded->ConfigPath();
  }
  Result<config::Settings> settings = config::LoadSettings(path);
  if (!settings) {
    PrintError("the configuration is not valid:\n" + settings.error().message);
    return kFailed;
  }
  return ServePlan(arguments, path, config::MakePlan(std::move(*settings), 1), embedded, signals);
}

}  // namespace crossfade::cli
