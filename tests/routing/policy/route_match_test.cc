#include "routing/policy/route_match.h"

#include <gtest/gtest.h>

namespace crossfade::routing {
namespace {

config::Route MakeRoute(std::string name, config::RouteMatch match, uint32_t follower = 0,
                        uint32_t shadow = 0) {
  config::Route route;
  route.name = std::move(name);
  route.match = std::move(match);
  route.reads.follower_share = follower;
  route.reads.shadow_share = shadow;
  return route;
}

RouteSet Build(const std::vector<config::Route>& routes) {
  auto set = RouteSet::Build(routes);
  EXPECT_TRUE(set) << set.error().message;
  return std::move(*set);
}

class RouteMatchTest : public testing::Test {
 protected:
  std::string Matched(std::string_view user, std::string_view client, const char* address,
                      std::string_view key) const {
    const auto session =
        set_.ForSession(user, client, address == nullptr ? std::nullopt : ParseIpAddress(address));
    return RouteSet::Match(session, key).name;
  }

  RouteSet set_ = Build({
      MakeRoute("sessions", {"session:", "", "", ""}, 2500, 1000),
      MakeRoute("app-carts", {"cart:", "app", "", ""}, 10),
      MakeRoute("canary", {"", "", "canary-*", ""}, 10'000),
      MakeRoute("office", {"", "ann", "", "10.1.0.0/16"}),
      MakeRoute("late-prefix", {"late:", "", "", ""}),
      MakeRoute("default", {}),
  });
};

TEST_F(RouteMatchTest, FirstThatFitsWins) {
  EXPECT_EQ(Matched("app", "", "10.1.2.3", "session:1"), "sessions");
  EXPECT_EQ(Matched("app", "canary-1", "10.1.2.3", "session:1"), "sessions");
  EXPECT_EQ(Matched("app", "canary-1", "10.1.2.3", "cart:1"), "app-carts");
  EXPECT_EQ(Matched("bob", "canary-1", "10.1.2.3", "cart:1"), "canary");
  EXPECT_EQ(Matched("bob", "", "10.1.2.3", "cart:1"), "default");
  EXPECT_EQ(Matched("ann", "", "10.1.2.3", "late:1"), "office");
  EXPECT_EQ(Matched("ann", "", "10.2.2.3", "late:1"), "late-prefix");
  EXPECT_EQ(Matched("ann", "", nullptr, "x"), "default") << "a unix socket is in no network";
  EXPECT_EQ(Matched("bob", "", "10.1.2.3", "late:1"), "late-prefix");
  EXPECT_EQ(Matched("", "", nullptr, ""), "default");
  EXPECT_EQ(Matched("", "", nullptr, "session"), "default");
}

TEST_F(RouteMatchTest, ASessionKeepsOnlyWhatItsKeysCanFallInto) {
  const SessionRoutes canary = set_.ForSession("bob", "canary-1", std::nullopt);
  EXPECT_EQ(canary.by_prefix.size(), 1u) << "nothing behind a route that takes every key";
  EXPECT_EQ(canary.otherwise->name, "canary");
  EXPECT_TRUE(canary.any_follower_reads);

  const RouteSet plain =
      Build({MakeRoute("vip", {"", "vip", "", ""}, 1, 1), MakeRoute("default", {})});
  const SessionRoutes session = plain.ForSession("app", "", std::nullopt);
  EXPECT_TRUE(session.by_prefix.empty()) << "no prefix is compared";
  EXPECT_EQ(session.by_prefix.capacity(), 0u) << "nothing is allocated";
  EXPECT_EQ(session.otherwise->index, 1u);
  EXPECT_FALSE(session.any_follower_reads);
  EXPECT_FALSE(session.any_shadow);
  EXPECT_TRUE(plain.AnyFollowerReads());
  EXPECT_TRUE(plain.AnyShadow());
}

TEST_F(RouteMatchTest, KnowsWhetherAnythingIsReadElsewhere) {
  EXPECT_TRUE(set_.AnyFollowerReads());
  EXPECT_TRUE(set_.AnyShadow());
  const RouteSet none = Build({MakeRoute("default", {})});
  EXPECT_FALSE(none.AnyFollowerReads());
  EXPECT_FALSE(none.AnyShadow());
  ASSERT_EQ(set_.routes().size(), 6u);
  for (uint32_t i = 0; i < 6; ++i) EXPECT_EQ(set_.routes()[i].index, i);
}

TEST_F(RouteMatchTest, SessionRoutesOutliveAMoveOfTheSet) {
  RouteSet set = Build({MakeRoute("a", {"a:", "", "", ""}), MakeRoute("default", {})});
  const SessionRoutes session = set.ForSession("", "", std::nullopt);
  const RouteSet moved = std::move(set);
  EXPECT_EQ(&RouteSet::Match(session, "a:1"), &moved.routes()[0]);
}

TEST(RouteSetTest, NeedsALastRouteForEverythingAndRealNetworks) {
  EXPECT_FALSE(RouteSet::Build({}));
  EXPECT_FALSE(RouteSet::Build({MakeRoute("x", {"p", "", "", ""})}));
  const auto bad =
      RouteSet::Build({MakeRoute("x", {"", "", "", "10.0.0/8"}), MakeRoute("default", {})});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "route 'x': '10.0.0/8' is not a network, expected ADDRESS/BITS");
}

}  // namespace
}  // namespace crossfade::routing
