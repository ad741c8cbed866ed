// Carries out what an operator wants to be done about single keys. Takes the
// replication lock; from any thread. What was done, or why it can't be.
#pragma once

#include <string>

#include "config/result.h"
#include "proxy/backend/key_order.h"

namespace crossfade::proxy {

struct Core;

Result<std::string> CarryOut(Core& core, const KeyOrder& order);

}  // namespace crossfade::proxy
