// ControlLoop: signals, reloads and the stop. Run is the control thread; it owns
// the process's handling of SIGTERM, SIGINT and SIGHUP. The other functions may be
// called from any thread. Borrows the data plane, which must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/admin/control_port.h"
#include "proxy/admin/data_plane.h"

namespace crossfade::proxy {

class ControlLoop final : public ControlPort {
 public:
  struct Options {
    std::string config_path;
    // Runs on the control thread after each applied reload.
    std::function<void(const config::Plan&)> applied;
  };
  struct Ending {
    bool at_once = false;  // by a second signal: the data plane is still stopping
    StopReport report;     // when not at_once
  };

  ControlLoop(DataPlane& plane, config::PlanPtr plan, Options options);
  // Waits for a stop of the data plane that is still under way.
  ~ControlLoop() override;

  // Until the stop is complete, or a second signal asked to end at once; after
  // that the caller ends the process without unwinding.
  Ending Run();
  // As SIGTERM.
  void RequestStop();

  ReloadOutcome Reload() override;
  config::PlanPtr CurrentPlan() const override;
  ReloadHistory Reloads() const override;
  bool Stopping() const override;
  std::string ConfigPath() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crossfade::proxy
