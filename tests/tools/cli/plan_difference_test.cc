#include "tools/cli/plan_difference.h"

#include <gtest/gtest.h>

#include "config/plan.h"
#include "proxy/admin/status_json.h"

namespace crossfade::cli {
namespace {

using Lines = std::vector<std::string>;

config::Settings Sample() {
  config::Settings settings;
  config::Route route;
  route.name = "default";
  settings.routes = {route};
  settings.legacy.host = settings.new_store.host = settings.admin_listen.host = "127.0.0.1";
  settings.legacy.password = "old";
  return settings;
}

Lines DifferenceOf(const config::Settings& running, const config::Settings& file) {
  const config::PlanPtr from = config::MakePlan(running, 1);
  const config::PlanPtr to = config::MakePlan(file, 1);
  return PlanDifference(proxy::RedactSecrets(config::CanonicalText(running)), from->digest,
                        config::CanonicalText(file), to->digest);
}

TEST(PlanDifference, EqualPlansHaveNone) { EXPECT_EQ(DifferenceOf(Sample(), Sample()), Lines{}); }

TEST(PlanDifference, SettingsAreNamedAndRestartsAreMarked) {
  config::Settings file = Sample();
  file.routes[0].reads.follower_share = 2'500;
  file.workers = 2;
  EXPECT_EQ(DifferenceOf(Sample(), file),
            (Lines{"reads.follower: 0% -> 25%", "workers: 1 -> 2   (needs a restart)"}));
}

TEST(PlanDifference, AnotherSecretIsFoundWithoutKnowingIt) {
  config::Settings file = Sample();
  file.legacy.password = "new";
  const Lines only = DifferenceOf(Sample(), file);
  ASSERT_EQ(only.size(), 1u);
  EXPECT_NE(only[0].find("password"), std::string::npos);
  file.stage = config::Stage::kObserve;
  EXPECT_EQ(DifferenceOf(Sample(), file).size(), 2u);
}

TEST(PlanDifference, SameSecretsAreNoDifferenceBesideOthers) {
  config::Settings file = Sample();
  file.stage = config::Stage::kObserve;
  EXPECT_EQ(DifferenceOf(Sample(), file), Lines{"stage: mirror -> observe"});
}

TEST(PlanDifference, ASecretThatCameOrWentIsNamed) {
  config::Settings file = Sample();
  file.admin_token = "t";
  const Lines lines = DifferenceOf(Sample(), file);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0], "admin.token: none -> (secret)   (needs a restart)");
}

}  // namespace
}  // namespace crossfade::cli
