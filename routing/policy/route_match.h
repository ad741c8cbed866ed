// RouteSet: which route a read belongs to. Built once per plan from the
// configuration's routes, immutable, shared by all threads. What depends on the
// session alone (user, client name, address) is decided once per session; per
// key only prefixes remain, and nothing at all where no prefix can match.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "config/settings.h"
#include "routing/policy/network.h"

namespace crossfade::routing {

struct CompiledRoute {
  uint32_t index = 0;  // in the order of the configuration, dense, for counters
  std::string name;
  config::ReadPolicy reads;
  std::string key_prefix;  // empty: every key
};

// The routes that one session's keys can fall into. Borrows from the RouteSet:
// ask for it anew with a new plan, and when the session's user or name changes.
// Allocates only where prefixes must be compared.
struct SessionRoutes {
  std::vector<const CompiledRoute*> by_prefix;  // in order; the first that fits wins
  const CompiledRoute* otherwise = nullptr;     // what no prefix took
  bool any_follower_reads = false;              // of these routes
  bool any_shadow = false;
};

class RouteSet {
 public:
  // Fails when there is no last route that matches everything, or on a network
  // that can't be parsed.
  static Result<RouteSet> Build(const std::vector<config::Route>& routes);

  RouteSet(RouteSet&&) noexcept = default;
  RouteSet& operator=(RouteSet&&) noexcept = default;

  // No address (a unix socket) is in no network.
  SessionRoutes ForSession(std::string_view user, std::string_view client_name,
                           const std::optional<IpAddress>& address) const;

  // First match wins. A command with several keys is asked for key by key.
  static const CompiledRoute& Match(const SessionRoutes& routes, std::string_view key) {
    for (const CompiledRoute* route : routes.by_prefix) {
      if (key.starts_with(route->key_prefix)) return *route;
    }
    return *routes.otherwise;
  }

  bool AnyFollowerReads() const { return any_follower_reads_; }
  bool AnyShadow() const { return any_shadow_; }
  const std::vector<CompiledRoute>& routes() const { return routes_; }

 private:
  struct SessionCriteria {
    std::string user;
    std::string client;
    std::optional<Network> network;
    bool Match(std::string_view user, std::string_view client_name,
               const std::optional<IpAddress>& address) const;
  };
  RouteSet() = default;

  std::vector<CompiledRoute> routes_;  // borrowed by SessionRoutes: never changed after Build
  std::vector<SessionCriteria> criteria_;
  bool any_follower_reads_ = false;
  bool any_shadow_ = false;
};

}  // namespace crossfade::routing
