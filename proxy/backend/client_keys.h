// How many keys of clients a store holds. Stateless; blocking.
#pragma once

#include <cstdint>
#include <map>

#include "config/result.h"
#include "proxy/backend/store_client.h"

namespace crossfade::proxy {

// Per db, without the proxy's own. Selects db 0.
Result<std::map<uint32_t, uint64_t>> CountClientKeys(StoreClient& store);
uint64_t Sum(const std::map<uint32_t, uint64_t>& counts);

}  // namespace crossfade::proxy
