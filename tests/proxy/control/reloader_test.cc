#include "proxy/control/reloader.h"

#include <gtest/gtest.h>

#include "config/loader.h"
#include "proxy/control/log.h"
#include "tests/proxy/admin/fakes.h"
#include "tests/proxy/control/scratch.h"

namespace crossfade::proxy {
namespace {

using test::ConfigText;
using test::Scratch;

class ReloaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    log::SetUpLog("off", config::LogFormat::kText);
    file_ = (scratch_ / "crossfade.yaml").string();
    Scratch::Write(file_, ConfigText("0%"));
    auto settings = config::LoadSettings(file_);
    ASSERT_TRUE(settings) << settings.error().message;
    reloader_ =
        std::make_unique<Reloader>(file_, plane_, config::MakePlan(*settings, 1),
                                   [this](const config::Plan& plan) { applied_ = plan.epoch; });
  }

  Scratch scratch_;
  std::string file_;
  test::FakePlane plane_;
  uint64_t applied_ = 0;
  std::unique_ptr<Reloader> reloader_;
};

TEST_F(ReloaderTest, AChangeIsPublishedAndTold) {
  Scratch::Write(file_, ConfigText("25%"));
  const ReloadOutcome outcome = reloader_->Reload("test");
  ASSERT_TRUE(outcome.applied) << outcome.reason;
  EXPECT_EQ(outcome.changes, std::vector<std::string>{"reads.follower: 0% -> 25%"});
  EXPECT_EQ(outcome.epoch, 2u);
  ASSERT_EQ(plane_.Published().size(), 1u);
  const config::PlanPtr plan = plane_.Published()[0];
  EXPECT_EQ(plan->settings.routes.back().reads.follower_share, 2'500u);
  EXPECT_EQ(plan->digest, outcome.digest);
  EXPECT_EQ(reloader_->Current(), plan);
  EXPECT_EQ(applied_, 2u);
}

TEST_F(ReloaderTest, AnUnchangedFilePublishesNothing) {
  const ReloadOutcome outcome = reloader_->Reload("test");
  EXPECT_TRUE(outcome.applied);
  EXPECT_TRUE(outcome.changes.empty());
  EXPECT_EQ(outcome.epoch, 1u);
  EXPECT_TRUE(plane_.Published().empty());
  EXPECT_EQ(applied_, 0u);
}

TEST_F(ReloaderTest, AnInvalidFileKeepsThePlan) {
  Scratch::Write(file_, ConfigText("125%", "stager: 3\n"));
  const ReloadOutcome outcome = reloader_->Reload("test");
  EXPECT_FALSE(outcome.applied);
  EXPECT_NE(outcome.reason.find(file_ + ":7"), std::string::npos) << outcome.reason;
  EXPECT_NE(outcome.reason.find(file_ + ":8"), std::string::npos) << outcome.reason;
  EXPECT_TRUE(plane_.Published().empty());
  EXPECT_EQ(reloader_->Current()->epoch, 1u);
  EXPECT_EQ(outcome.digest, reloader_->Current()->digest);
}

TEST_F(ReloaderTest, AMissingFileKeepsThePlan) {
  std::filesystem::remove(file_);
  const ReloadOutcome outcome = reloader_->Reload("test");
  EXPECT_FALSE(outcome.applied);
  EXPECT_FALSE(outcome.reason.empty());
  EXPECT_TRUE(plane_.Published().empty());
}

TEST_F(ReloaderTest, WhatNeedsARestartIsRefusedWhole) {
  Scratch::Write(file_, ConfigText("25%", "workers: 2\n"));
  const ReloadOutcome outcome = reloader_->Reload("test");
  EXPECT_FALSE(outcome.applied);
  EXPECT_NE(outcome.reason.find("workers"), std::string::npos) << outcome.reason;
  EXPECT_TRUE(plane_.Published().empty());
  EXPECT_EQ(reloader_->Current()->settings.routes.back().reads.follower_share, 0u);
}

TEST_F(ReloaderTest, HistoryCountsAndClearsARefusalOnceTheFileIsGoodAgain) {
  Scratch::Write(file_, "stores: [");
  reloader_->Reload("test");
  EXPECT_EQ(reloader_->History().refused, 1u);
  EXPECT_FALSE(reloader_->History().last.applied);
  Scratch::Write(file_, ConfigText("0%"));
  reloader_->Reload("test");
  EXPECT_TRUE(reloader_->History().last.applied);
  Scratch::Write(file_, ConfigText("1%"));
  reloader_->Reload("test");
  reloader_->Reload("test");
  const ReloadHistory history = reloader_->History();
  EXPECT_EQ(history.last.changes.size(), 1u) << "a reload without changes hides no real one";
  EXPECT_EQ(history.refused, 1u);
}

}  // namespace
}  // namespace crossfade::proxy
