// Reloader: takes a configuration file into force: load, validate, refuse what
// can't change while running, publish. On any failure the plan before stays.
// Reload is called on one thread (the control thread); the rest from any.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "proxy/admin/control_port.h"
#include "proxy/admin/data_plane.h"

namespace crossfade::proxy {

class Reloader {
 public:
  // `applied` runs after a plan was published, on the reloading thread.
  Reloader(std::string path, DataPlane& plane, config::PlanPtr current,
           std::function<void(const config::Plan&)> applied);

  // `cause` is for the log: "file", "signal", "api". An unchanged file counts as
  // applied, with no changes.
  ReloadOutcome Reload(const std::string& cause);

  config::PlanPtr Current() const;
  ReloadHistory History() const;
  const std::string& Path() const { return path_; }

 private:
  ReloadOutcome Load();
  // False when it tells nothing new.
  bool Record(const ReloadOutcome& outcome, bool asked);

  const std::string path_;
  DataPlane& plane_;
  const std::function<void(const config::Plan&)> applied_;
  mutable std::mutex mutex_;  // of the two below
  config::PlanPtr current_;
  ReloadHistory history_;
};

}  // namespace crossfade::proxy
