#include "proxy/control/control_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <thread>

#include "config/loader.h"
#include "proxy/control/log.h"
#include "tests/proxy/admin/fakes.h"
#include "tests/proxy/control/scratch.h"

namespace crossfade::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::ConfigText;
using test::Scratch;

class ControlLoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    log::SetUpLog("off", config::LogFormat::kText);
    file_ = (scratch_ / "crossfade.yaml").string();
    Scratch::Write(file_, ConfigText("0%", "limits: {stop_timeout: 1234ms}\n"));
    Launch();
  }
  void Launch() {
    auto settings = config::LoadSettings(file_);
    ASSERT_TRUE(settings) << settings.error().message;
    loop_ = std::make_unique<ControlLoop>(plane_, config::MakePlan(*settings, 1),
                                          ControlLoop::Options{file_, nullptr});
    ending_ = std::async(std::launch::async, [this] { return loop_->Run(); });
    // Answered by the loop, so from here on it watches.
    ASSERT_TRUE(loop_->Reload().applied);
  }
  void TearDown() override {
    plane_.HoldStop(false);
    if (!ending_.valid()) return;
    loop_->RequestStop();
    ending_.get();
  }
  std::string Config(const std::string& follower) {
    return ConfigText(follower, "limits: {stop_timeout: 1234ms}\n");
  }

  Scratch scratch_;
  std::string file_;
  test::FakePlane plane_;
  std::unique_ptr<ControlLoop> loop_;
  std::future<ControlLoop::Ending> ending_;
};

TEST_F(ControlLoopTest, AChangedFileTakesEffectWithinATenthOfASecond) {
  milliseconds best = milliseconds::max();
  for (size_t i = 1; i <= 5; ++i) {
    const auto start = steady_clock::now();
    Scratch::Replace(file_, Config(std::to_string(i) + "%"));
    ASSERT_TRUE(plane_.AwaitPublished(i));
    best = std::min(best, std::chrono::duration_cast<milliseconds>(steady_clock::now() - start));
    EXPECT_EQ(plane_.Published()[i - 1]->settings.routes.back().reads.follower_share, i * 100);
  }
  // The best of five: a busy machine delays any one of them.
  EXPECT_LT(best, milliseconds(100));
  EXPECT_EQ(loop_->Reload().epoch, 6u);
}

TEST_F(ControlLoopTest, AWriteInPlaceTakesEffect) {
  Scratch::Write(file_, Config("7%"));
  ASSERT_TRUE(plane_.AwaitPublished(1));
}

TEST_F(ControlLoopTest, ASwappedConfigMapTakesEffect) {
  namespace fs = std::filesystem;
  loop_->RequestStop();
  ending_.get();
  fs::remove(file_);
  for (const char* version : {"..v1", "..v2"}) fs::create_directory(scratch_ / version);
  Scratch::Write(scratch_ / "..v1" / "crossfade.yaml", Config("0%"));
  Scratch::Write(scratch_ / "..v2" / "crossfade.yaml", Config("42%"));
  fs::create_symlink("..v1", scratch_ / "..data");
  fs::create_symlink("..data/crossfade.yaml", file_);
  Launch();
  fs::create_symlink("..v2", scratch_ / "..data_tmp");
  fs::rename(scratch_ / "..data_tmp", scratch_ / "..data");
  ASSERT_TRUE(plane_.AwaitPublished(1));
  EXPECT_EQ(plane_.Published()[0]->settings.routes.back().reads.follower_share, 4'200u);
}

TEST_F(ControlLoopTest, ARequestedReloadGetsTheDifference) {
  Scratch::Replace(file_, Config("25%"));
  const ReloadOutcome outcome = loop_->Reload();
  EXPECT_TRUE(outcome.applied);
  // The watch may have been faster, but never both of them.
  ASSERT_TRUE(plane_.AwaitPublished(1));
  EXPECT_EQ(loop_->CurrentPlan()->epoch, 2u);
  EXPECT_EQ(loop_->Reload().epoch, 2u);
}

TEST_F(ControlLoopTest, ARefusedReloadGivesTheReasonAndTheOldPlanServesOn) {
  Scratch::Replace(file_, "nonsense: 1\n");
  const ReloadOutcome outcome = loop_->Reload();
  EXPECT_FALSE(outcome.applied);
  EXPECT_NE(outcome.reason.find("nonsense"), std::string::npos) << outcome.reason;
  EXPECT_EQ(loop_->CurrentPlan()->epoch, 1u);
  Scratch::Replace(file_, Config("3%"));
  ASSERT_TRUE(plane_.AwaitPublished(1));
}

TEST_F(ControlLoopTest, ReloadsFromManyThreadsAreSerialised) {
  std::vector<std::thread> callers;
  std::atomic<int> applied{0};
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      for (int j = 0; j < 10; ++j) {
        if (i == 0) Scratch::Replace(file_, Config(std::to_string(j) + "%"));
        if (loop_->Reload().applied) ++applied;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(applied, 80);
  uint64_t epoch = 1;
  for (const config::PlanPtr& plan : plane_.Published()) EXPECT_EQ(plan->epoch, ++epoch);
  EXPECT_EQ(loop_->CurrentPlan()->settings.routes.back().reads.follower_share, 900u);
}

TEST_F(ControlLoopTest, SighupReloads) {
  // A hard link is written through: no event carries the watched name.
  std::filesystem::create_directory(scratch_ / "aside");
  std::filesystem::create_hard_link(file_, scratch_ / "aside" / "same");
  Scratch::Write(scratch_ / "aside" / "same", Config("9%"));
  ASSERT_EQ(kill(getpid(), SIGHUP), 0);
  ASSERT_TRUE(plane_.AwaitPublished(1));
  EXPECT_EQ(plane_.Published()[0]->settings.routes.back().reads.follower_share, 900u);
}

TEST_F(ControlLoopTest, SigtermStopsWithTheLimitOfThePlanInForce) {
  StopReport report;
  report.entries_left = 17;
  plane_.SetReport(report);
  ASSERT_EQ(kill(getpid(), SIGTERM), 0);
  const ControlLoop::Ending ending = ending_.get();
  EXPECT_FALSE(ending.at_once);
  EXPECT_FALSE(ending.report.drained);
  EXPECT_EQ(ending.report.entries_left, 17u);
  EXPECT_EQ(plane_.StopDeadline(), milliseconds(1234));
  EXPECT_TRUE(loop_->Stopping());
}

TEST_F(ControlLoopTest, ASecondSignalEndsAtOnce) {
  plane_.HoldStop(true);
  ASSERT_EQ(kill(getpid(), SIGINT), 0);
  ASSERT_TRUE(plane_.AwaitStop());
  EXPECT_TRUE(loop_->Stopping());
  ASSERT_EQ(kill(getpid(), SIGTERM), 0);
  EXPECT_TRUE(ending_.get().at_once);
}

TEST_F(ControlLoopTest, WhileStoppingReloadsAreRefused) {
  plane_.HoldStop(true);
  loop_->RequestStop();
  ASSERT_TRUE(plane_.AwaitStop());
  Scratch::Replace(file_, Config("50%"));
  const ReloadOutcome outcome = loop_->Reload();
  EXPECT_FALSE(outcome.applied);
  EXPECT_EQ(outcome.reason, "the proxy is stopping");
  plane_.HoldStop(false);
  EXPECT_TRUE(ending_.get().report.drained);
  EXPECT_EQ(loop_->Reload().reason, "the proxy is stopping");
  EXPECT_TRUE(plane_.Published().empty());
}

}  // namespace
}  // namespace crossfade::proxy
