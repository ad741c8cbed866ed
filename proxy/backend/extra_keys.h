// Keys of clients that the follower holds and the authority does not. Stateless;
// blocking: all of the follower's are enumerated.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "config/result.h"
#include "proxy/backend/store_client.h"

namespace crossfade::proxy {

struct ExtraKeys {
  uint64_t count = 0;
  std::string examples;  // as an operator may read them
};

// One that the follower is about to expire does not count: the authority's clock may
// be ahead. What clients write meanwhile may be missed.
Result<ExtraKeys> FindExtras(StoreClient& authority, StoreClient& follower,
                             const std::map<uint32_t, uint64_t>& follower_counts);

// Names of a few keys that a store holds.
std::string Examples(StoreClient& store, const std::map<uint32_t, uint64_t>& counts);

}  // namespace crossfade::proxy
