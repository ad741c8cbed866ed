// The sample data of embedded mode: about a thousand keys of every type, with and
// without expiries.
#pragma once

#include <cstdint>

#include "config/result.h"

namespace crossfade::cli {

// Writes it to the store on the loopback port; returns how many keys it has then.
Result<uint64_t> WriteSampleData(uint16_t port);

}  // namespace crossfade::cli
