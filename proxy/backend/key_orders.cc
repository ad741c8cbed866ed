#include "proxy/backend/key_orders.h"

#include "config/values.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

std::string Keys(size_t count) { return std::to_string(count) + (count == 1 ? " key" : " keys"); }

Result<std::string> Sync(Core& core, const KeyOrder& order) {
  for (const std::string& key : order.keys) {
    core.replicator.Repair(order.db, key, replication::Drift::kAsked);
  }
  return Keys(order.keys.size()) + " will be synced from the authority";
}

// Which of those that the order names are quarantined.
Result<std::vector<replication::QuarantinedKey>> Named(const replication::Quarantine& quarantine,
                                                       const KeyOrder& order) {
  if (order.all) return quarantine.List(SIZE_MAX);
  std::vector<replication::QuarantinedKey> named;
  for (const std::string& key : order.keys) {
    if (!quarantine.Contains(order.db, key)) {
      return Fail("key " + config::Quote(key) + " of db " + std::to_string(order.db) +
                  " is not quarantined; see crossfade quarantine list");
    }
    named.push_back({order.db, key, "", 0, 0, false});
  }
  return named;
}

}  // namespace

Result<std::string> CarryOut(Core& core, const KeyOrder& order) {
  const std::lock_guard lock(core.mutex);
  replication::Replicator& replicator = core.replicator;
  if (!replicator.mirrors()) return Fail("nothing is mirrored now, so nothing can be synced");
  core.feed_wanted.store(true);
  core.workers[0]->Wake();
  if (order.action == KeyOrder::Action::kSync) return Sync(core, order);
  const auto named = Named(replicator.quarantine(), order);
  if (!named) return tl::unexpected(named.error());
  if (order.action == KeyOrder::Action::kAccept) {
    for (const auto& key : *named) replicator.quarantine().Accept(key.db, key.name);
    return Keys(named->size()) + " accepted: not on the new store as on legacy, and known to be so";
  }
  if (order.all) {
    replicator.RetryQuarantined(0, {}, true);
  } else {
    for (const auto& key : *named) replicator.RetryQuarantined(key.db, key.name, false);
  }
  return Keys(named->size()) + " tried again";
}

}  // namespace crossfade::proxy
