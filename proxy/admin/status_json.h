// The JSON documents of the admin API. The status has the snapshot's fields under
// their own names. Pure; texts that are not UTF-8 (a store's error message may be
// anything) get replacement characters.
#pragma once

#include <cstdint>
#include <string>

#include "config/plan.h"
#include "proxy/admin/control_port.h"
#include "proxy/snapshot.h"

namespace crossfade::proxy {

struct StatusInput {
  Snapshot snapshot;
  config::PlanPtr plan;
  ReloadHistory reloads;
  std::string config_path;
  bool ready = false;
  std::string ready_reason;
  bool stopping = false;
  int64_t sampled_us = 0;  // on a monotonic clock, for rates
};

std::string StatusJson(const StatusInput& input);
// The canonical text, with "(secret)" for each password and token.
std::string PlanJson(const config::Plan& plan);
std::string ReloadJson(const ReloadOutcome& outcome);
// Where runs leave their reports, and whether that works.
std::string ArtifactsJson(const Snapshot& snapshot);
std::string DoneJson(const std::string& done);
// The "reason" of a request's body; empty when it has none.
std::string ReasonOf(const std::string& body);
std::string ErrorJson(const std::string& message);

// Replaces the values of secret lines in a canonical text.
std::string RedactSecrets(const std::string& canonical_text);

}  // namespace crossfade::proxy
