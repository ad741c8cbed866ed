#include "proxy/backend/client_keys.h"

#include <algorithm>
#include <numeric>

#include "routing/commands/reserved_keys.h"

namespace crossfade::proxy {

Result<std::map<uint32_t, uint64_t>> CountClientKeys(StoreClient& store) {
  auto counts = store.CountKeys();
  if (!counts || !counts->contains(0)) return counts;
  if (const auto db = store.Command({"SELECT", "0"}); !db) return Fail(db.error().message);
  const auto own =
      store.Command({"EXISTS", routing::kOwnerKey, routing::kTenureKey, routing::kWaitKey});
  if (!own) return Fail(own.error().message);
  uint64_t& keys = counts->at(0);
  keys -= std::min(keys, static_cast<uint64_t>((*own)->integer));
  return counts;
}

uint64_t Sum(const std::map<uint32_t, uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0},
                         [](uint64_t sum, const auto& of_db) { return sum + of_db.second; });
}

}  // namespace crossfade::proxy
