// What one store holds of a key that differs, as the admin API and the artifacts of a
// run tell it. Pure.
#pragma once

#include <nlohmann/json.hpp>

#include "replication/verification.h"

namespace crossfade::proxy {

// {"exists", "type", "digest", "bytes", "expires_at_ms"}: the type where it is known,
// the time where there is one.
nlohmann::ordered_json SideDocument(const replication::KeySide& side);

}  // namespace crossfade::proxy
