#include "routing/policy/route_match.h"

#include "routing/policy/glob.h"

namespace crossfade::routing {

Result<RouteSet> RouteSet::Build(const std::vector<config::Route>& routes) {
  RouteSet set;
  for (const config::Route& route : routes) {
    SessionCriteria criteria{route.match.user, route.match.client, std::nullopt};
    if (!route.match.network.empty()) {
      criteria.network = Network::Parse(route.match.network);
      if (!criteria.network) {
        return Fail("route '" + route.name + "': '" + route.match.network +
                    "' is not a network, expected ADDRESS/BITS");
      }
    }
    set.criteria_.push_back(std::move(criteria));
    const auto index = static_cast<uint32_t>(set.routes_.size());
    set.routes_.push_back({index, route.name, route.reads, route.match.key_prefix});
    set.any_follower_reads_ |= route.reads.follower_share > 0;
    set.any_shadow_ |= route.reads.shadow_share > 0;
  }
  const config::RouteMatch* last = routes.empty() ? nullptr : &routes.back().match;
  if (last == nullptr || !last->key_prefix.empty() || !last->user.empty() ||
      !last->client.empty() || !last->network.empty()) {
    return Fail("the last route must match everything");
  }
  return set;
}

bool RouteSet::SessionCriteria::Match(std::string_view session_user, std::string_view client_name,
                                      const std::optional<IpAddress>& address) const {
  if (!user.empty() && user != session_user) return false;
  if (!client.empty() && !GlobMatch(client, client_name)) return false;
  return !network || (address && network->Contains(*address));
}

SessionRoutes RouteSet::ForSession(std::string_view user, std::string_view client_name,
                                   const std::optional<IpAddress>& address) const {
  SessionRoutes session;
  for (size_t i = 0; i < routes_.size() && session.otherwise == nullptr; ++i) {
    if (!criteria_[i].Match(user, client_name, address)) continue;
    const CompiledRoute& route = routes_[i];
    session.any_follower_reads |= route.reads.follower_share > 0;
    session.any_shadow |= route.reads.shadow_share > 0;
    if (route.key_prefix.empty()) {
      session.otherwise = &route;
    } else {
      session.by_prefix.push_back(&route);
    }
  }
  return session;
}

}  // namespace crossfade::routing
