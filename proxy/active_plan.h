// ActivePlan: a plan with what the data path wants to know of it worked out.
// Immutable; shared by all workers.
#pragma once

#include <memory>
#include <vector>

#include "config/plan.h"
#include "proxy/auth/accounts.h"
#include "proxy/worker/stats.h"
#include "routing/commands/allow_list.h"
#include "routing/policy/route_match.h"

namespace crossfade::proxy {

struct ActivePlan {
  ActivePlan(config::PlanPtr from, routing::RouteSet compiled)
      : plan(std::move(from)), routes(std::move(compiled)), allow(plan->settings.allow) {}

  config::PlanPtr plan;
  routing::RouteSet routes;
  routing::AllowList allow;
  std::vector<std::shared_ptr<RouteCounters>> counters;  // by the route's index
  std::shared_ptr<const Accounts> accounts;              // nullptr: the authority authenticates
  bool mirrors = false;
  bool follower_reads = false;  // of any route
  bool shadows = false;
  bool ack_both = false;
  // Replies may have to be put back into order.
  bool ordered() const { return follower_reads || ack_both; }
};

using ActivePlanPtr = std::shared_ptr<const ActivePlan>;

}  // namespace crossfade::proxy
