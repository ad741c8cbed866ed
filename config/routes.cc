#include <algorithm>
#include <set>

#include "config/limits.h"
#include "config/match_syntax.h"
#include "config/sections.h"
#include "config/values.h"

namespace crossfade::config {
namespace {

using namespace std::chrono_literals;

const Keys kReadsKeys = {{"follower", "staleness", "shadow", "prefer", "routes"}};
const Keys kRouteKeys = {{"name", "match", "follower", "staleness", "shadow", "prefer"}};
const Keys kMatchKeys = {{"prefix", "user", "client", "network"}};

constexpr const char* kDefaultRoute = "default";
constexpr const char* kExpectedMatch = "a map with at least one of prefix, user, client, network";

// Leaves alone what is not set, so that a route inherits it.
void ReadPolicyKeys(const Section& section, ReadPolicy& policy) {
  section.Share("follower", policy.follower_share);
  section.Time("staleness", 0ms, 24h, policy.staleness);
  section.Share("shadow", policy.shadow_share);
  section.Choice<Prefer>("prefer", {{"split", Prefer::kSplit}, {"fastest", Prefer::kFastest}},
                         policy.prefer);
}

// Names stand in metrics, commands and diffs.
bool IsRouteName(const std::string& name) {
  constexpr size_t kNameMax = 64;
  return name.size() <= kNameMax && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

std::string ReadName(const Section& route, std::set<std::string>& names) {
  constexpr const char* kExpected = "a name of up to 64 letters, digits, '-', '_' and '.'";
  const std::optional<std::string> name = route.Text("name", kExpected);
  if (!route.Has("name")) route.Unexpected("name", "nothing", kExpected);
  if (!name) return "";
  if (!IsRouteName(*name)) {
    route.Unexpected("name", Quote(*name), kExpected);
  } else if (*name == kDefaultRoute) {
    route.Unexpected("name", Quote(*name), "another name (the default route is reads itself)");
  } else if (!names.insert(*name).second) {
    route.Unexpected("name", Quote(*name) + " a second time", "a name of its own");
  }
  return *name;
}

RouteMatch ReadMatch(const Section& route) {
  RouteMatch match;
  const std::optional<Section> section = route.Child("match", kMatchKeys);
  if (!section) {
    route.Unexpected("match", "nothing", kExpectedMatch);
    return match;
  }
  const YAML::Node& value = route.Find("match")->value;
  if (value.IsMap() && value.size() == 0) route.Unexpected("match", "an empty map", kExpectedMatch);
  match.key_prefix = section->Text("prefix", "what the key begins with").value_or("");
  match.user = section->Text("user", "the name of a user").value_or("");
  if (const auto glob = section->Text("client", "a glob such as \"canary-*\"")) {
    if (const Status checked = CheckGlob(*glob); checked) {
      match.client = *glob;
    } else {
      section->Unexpected("client", Quote(*glob), checked.error().message);
    }
  }
  if (const auto text = section->Text("network", "a network such as 10.0.0.0/8")) {
    if (const Result<std::string> network = ParseNetwork(*text); network) {
      match.network = *network;
    } else {
      section->Unexpected("network", Quote(*text), network.error().message);
    }
  }
  return match;
}

}  // namespace

std::vector<Route> ReadRoutes(const Section& root, Problems& problems) {
  Route last{kDefaultRoute, {}, {}};
  const std::optional<Section> reads = root.Child("reads", kReadsKeys);
  if (!reads) return {last};
  ReadPolicyKeys(*reads, last.reads);

  std::vector<Route> routes;
  std::set<std::string> names;
  const auto items = reads->List("routes", "a list of routes").value_or(std::vector<Entry>{});
  if (items.size() > limits::kRoutesMax) {
    reads->Unexpected("routes", std::to_string(items.size()) + " routes",
                      "at most " + std::to_string(limits::kRoutesMax));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const Section section(items[i], "reads.routes[" + std::to_string(i) + "]", kRouteKeys,
                          problems);
    Route route{"", {}, last.reads};
    if (items[i].value.IsMap()) {
      route.name = ReadName(section, names);
      route.match = ReadMatch(section);
      ReadPolicyKeys(section, route.reads);
    }
    routes.push_back(std::move(route));
  }
  routes.push_back(std::move(last));
  return routes;
}

}  // namespace crossfade::config
