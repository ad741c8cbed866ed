#include "config/address.h"
#include "config/sections.h"
#include "config/values.h"

namespace crossfade::config {
namespace {

// Reading an endpoint failed, or it was not there.
bool IsMissing(const Endpoint& endpoint) {
  return endpoint.host.empty() && endpoint.unix_path.empty();
}

struct Place {
  std::string path;
  const Endpoint* endpoint;
};

void CheckAddresses(const Settings& settings, Problems& problems) {
  std::vector<Place> listeners;
  for (size_t i = 0; i < settings.listen.size(); ++i) {
    listeners.push_back({"listen[" + std::to_string(i) + "].address", &settings.listen[i]});
  }
  listeners.push_back({"admin.listen", &settings.admin_listen});
  for (size_t i = 1; i < listeners.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (IsMissing(*listeners[i].endpoint) || IsMissing(*listeners[j].endpoint)) continue;
      if (!Collide(*listeners[i].endpoint, *listeners[j].endpoint)) continue;
      problems.Add(listeners[i].path, "found " + listeners[i].endpoint->Display() +
                                          ", which is taken by " + listeners[j].path +
                                          ", expected another address");
      break;
    }
  }

  const std::vector<Place> stores = {{"stores.legacy.url", &settings.legacy},
                                     {"stores.new.url", &settings.new_store}};
  for (const Place& store : stores) {
    for (const Place& listener : listeners) {
      if (IsMissing(*store.endpoint) || IsMissing(*listener.endpoint)) continue;
      if (!Reaches(*store.endpoint, *listener.endpoint)) continue;
      problems.Add(store.path, "found " + store.endpoint->Display() +
                                   ", which is this proxy's own " + listener.path +
                                   ", expected the address of a store");
      break;
    }
  }
  if (!IsMissing(settings.legacy) && !IsMissing(settings.new_store) &&
      SameAddress(settings.legacy, settings.new_store)) {
    problems.Add("stores.new.url", "found " + settings.new_store.Display() +
                                       ", which is also stores.legacy.url, expected another store");
  }
}

void CheckObserves(const std::string& path, uint32_t share, Problems& problems) {
  // What a route inherits is reported where it stands.
  if (share == 0 || !problems.IsSet(path)) return;
  problems.Add(path, "found " + ShareText(share) +
                         " in stage observe, which does not write to the follower, expected 0%"
                         " (or stage: mirror)");
}

void CheckStage(const Settings& settings, Problems& problems) {
  if (settings.stage != Stage::kObserve) return;
  for (size_t i = 0; i < settings.routes.size(); ++i) {
    const bool last = i + 1 == settings.routes.size();
    const std::string path = last ? "reads" : "reads.routes[" + std::to_string(i) + "]";
    CheckObserves(path + ".follower", settings.routes[i].reads.follower_share, problems);
    CheckObserves(path + ".shadow", settings.routes[i].reads.shadow_share, problems);
  }
}

}  // namespace

void CheckConsistency(const Settings& settings, Problems& problems) {
  CheckAddresses(settings, problems);
  CheckStage(settings, problems);
}

}  // namespace crossfade::config
