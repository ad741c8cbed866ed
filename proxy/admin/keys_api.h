// What POST /api/v1/sync and /api/v1/quarantine take, {"db": 0, "keys": ["name"]},
// the latter with {"action": "retry|accept"} and, instead of keys, {"all": true};
// and what GET /api/v1/quarantine gives. Names are escaped as in the log: \xNN.
#pragma once

#include <string>

#include "config/result.h"
#include "proxy/backend/key_order.h"

namespace crossfade::proxy {

Result<KeyOrder> ParseSyncOrder(const std::string& body);
Result<KeyOrder> ParseQuarantineOrder(const std::string& body);

std::string QuarantineJson(const QuarantineList& list);

}  // namespace crossfade::proxy
