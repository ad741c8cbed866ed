// The data plane's figures gathered into a Snapshot. Takes the replication lock
// for a moment; workers' counters are read as they are.
#pragma once

#include <memory>
#include <vector>

#include "proxy/active_plan.h"
#include "proxy/core.h"
#include "proxy/snapshot.h"

namespace crossfade::proxy {

Snapshot SnapshotOf(Core& core, const ActivePlan& plan,
                    const std::vector<std::shared_ptr<RouteCounters>>& counters);

}  // namespace crossfade::proxy
