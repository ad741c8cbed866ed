// What POST /api/v1/backfill takes: {"action": "start|pause|resume|throttle"} and,
// with throttle, the bounds in the notations of the configuration file.
#pragma once

#include <string>

#include "config/result.h"
#include "proxy/backfill/backfill_order.h"

namespace crossfade::proxy {

// An error says what was found and what was expected.
Result<BackfillOrder> ParseBackfillOrder(const std::string& body);

}  // namespace crossfade::proxy
