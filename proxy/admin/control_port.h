// ControlPort: what the admin API asks of the control loop. Every function may
// be called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/plan.h"

namespace crossfade::proxy {

struct ReloadOutcome {
  bool applied = false;
  std::string reason;                // why it was refused; several lines when several errors
  std::vector<std::string> changes;  // "path: old -> new"; empty when nothing differs
  uint64_t epoch = 0;                // of the plan in force afterwards
  std::string digest;
};

struct ReloadHistory {
  uint64_t applied = 0;
  uint64_t refused = 0;
  bool any = false;
  ReloadOutcome last;
  int64_t last_unix_ms = 0;
};

class ControlPort {
 public:
  virtual ~ControlPort() = default;

  // Waits for the result; refused with a reason when the control loop has ended.
  virtual ReloadOutcome Reload() = 0;
  virtual config::PlanPtr CurrentPlan() const = 0;
  virtual ReloadHistory Reloads() const = 0;
  virtual bool Stopping() const = 0;
  virtual std::string ConfigPath() const = 0;
};

}  // namespace crossfade::proxy
