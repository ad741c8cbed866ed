// RunFacts: under which plan and on which stores a run was made, and what the proxy
// claims of the follower at that moment.
#pragma once

#include <cstdint>
#include <string>

#include "proxy/active_plan.h"
#include "proxy/core.h"

namespace crossfade::proxy {

struct StoreFacts {
  std::string role;     // "legacy", "new"
  std::string address;  // never with a password
  std::string version;
  std::string run_id;
};

struct RunFacts {
  std::string plan_digest;
  uint64_t plan_epoch = 0;
  std::string stage;
  StoreFacts authority, follower;
  bool exact = true;
  uint64_t doubts = 0;  // calls of scripts that may write keys that they don't declare
  std::string doubt_script, doubt_reason;
};

// Takes the replication lock.
RunFacts FactsOf(Core& core, const ActivePlan& plan);

}  // namespace crossfade::proxy
