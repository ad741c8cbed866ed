#include "tools/cli/progress_bar.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace crossfade::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const ProgressTime kBegin{seconds(1'000)};

Progress Of(uint64_t done, uint64_t total) {
  Progress progress;
  progress.label = "copy";
  progress.done = done;
  progress.total = total;
  return progress;
}

TEST(RateMeter, TellsTheRateOfTheLastSeconds) {
  RateMeter meter;
  EXPECT_EQ(meter.per_second(), 0);
  meter.Add(0, kBegin);
  EXPECT_EQ(meter.per_second(), 0) << "one sample is no rate";
  meter.Add(500, kBegin + milliseconds(500));
  EXPECT_DOUBLE_EQ(meter.per_second(), 1'000);
  // Ten seconds at another rate: what was before counts no more.
  uint64_t done = 500;
  for (int i = 1; i <= 20; ++i) meter.Add(done += 50, kBegin + milliseconds(500 + i * 500));
  EXPECT_DOUBLE_EQ(meter.per_second(), 100);
}

TEST(RateMeter, WorkThatBeginsAnewHasNoRateYet) {
  RateMeter meter;
  meter.Add(100, kBegin);
  meter.Add(200, kBegin + seconds(1));
  meter.Add(0, kBegin + seconds(2));
  EXPECT_EQ(meter.per_second(), 0);
  meter.Add(10, kBegin + seconds(3));
  EXPECT_DOUBLE_EQ(meter.per_second(), 10);
}

TEST(Remaining, IsKnownOnlyWithATotalAndARate) {
  EXPECT_EQ(Remaining(Of(10, 100), 9), seconds(10));
  EXPECT_EQ(Remaining(Of(10, 101), 90), seconds(2)) << "rounded up";
  EXPECT_EQ(Remaining(Of(100, 100), 9), seconds(0));
  EXPECT_EQ(Remaining(Of(120, 100), 9), seconds(0)) << "the total was a guess";
  EXPECT_FALSE(Remaining(Of(10, 0), 9).has_value());
  EXPECT_FALSE(Remaining(Of(10, 100), 0).has_value());
  EXPECT_FALSE(Remaining(Of(0, UINT64_MAX), 0.5).has_value());
}

TEST(ProgressText, BarHasWhatItTellsAndFillsTheRestOfTheLine) {
  EXPECT_EQ(BarText(Of(500, 1'000), 100, 60),
            "copy  [######-------] 50%  500 of 1,000 keys  100/s  5s left");
  Progress worse = Of(1'000, 1'000);
  worse.errors = 1'200;
  worse.note = "partition 17";
  EXPECT_EQ(BarText(worse, 0, 120),
            "copy  [########################################] 100%  1,000 of 1,000 keys  1,200 "
            "errors  partition 17");
}

TEST(ProgressText, ALineThatIsTooNarrowIsCutAndNeverWider) {
  Progress progress = Of(123'456, 2'000'000);
  progress.note = "db 3";
  for (size_t columns = 0; columns < 150; ++columns) {
    EXPECT_LE(BarText(progress, 1'234, columns).size(), columns);
  }
  EXPECT_EQ(BarText(progress, 1'234, 20), "copy  6%  123,456 of");
}

TEST(ProgressText, WithoutATotalThereIsNoBar) {
  EXPECT_EQ(BarText(Of(1'234, 0), 2.5, 80), "copy  1,234 keys  2.5/s");
  EXPECT_EQ(LineText(Of(1'234, 0), 0), "copy  1,234 keys");
}

TEST(ProgressText, JsonHasEverythingForPrograms) {
  Progress progress = Of(25, 100);
  progress.errors = 2;
  progress.note = "db 1";
  const auto object = nlohmann::json::parse(JsonText(progress, 10.4));
  EXPECT_EQ(object, (nlohmann::json{{"event", "progress"},
                                    {"label", "copy"},
                                    {"done", 25},
                                    {"total", 100},
                                    {"unit", "keys"},
                                    {"per_second", 10},
                                    {"seconds_left", 8},
                                    {"errors", 2},
                                    {"note", "db 1"}}));
  EXPECT_TRUE(nlohmann::json::parse(JsonText(Of(1, 0), 0)).at("seconds_left").is_null());
}

TEST(ProgressBar, JsonIsALineASecondHoweverOftenItIsShown) {
  testing::internal::CaptureStdout();
  {
    ProgressBar bar(ProgressBar::Style::kJson);
    for (int i = 0; i <= 3'000; ++i) {
      bar.Show(Of(static_cast<uint64_t>(i), 3'000), kBegin + milliseconds(i));
    }
    bar.Finish(Of(3'000, 3'000), kBegin + milliseconds(3'000));
  }
  const std::string shown = testing::internal::GetCapturedStdout();
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 4) << shown;
  EXPECT_EQ(nlohmann::json::parse(shown.substr(0, shown.find('\n'))).at("per_second"), 1'000);
}

TEST(ProgressBar, OtherWorkHasARateOfItsOwn) {
  testing::internal::CaptureStdout();
  ProgressBar bar(ProgressBar::Style::kJson);
  bar.Show(Of(0, 1'000'000), kBegin);
  bar.Show(Of(1'000'000, 1'000'000), kBegin + seconds(2));
  Progress other = Of(0, 10);
  other.label = "check";
  bar.Show(other, kBegin + seconds(3));
  other.done = 10;
  bar.Finish(other, kBegin + seconds(4));
  const std::string shown = testing::internal::GetCapturedStdout();
  const std::string last = shown.substr(shown.find('\n') + 1);
  EXPECT_EQ(nlohmann::json::parse(last).at("per_second"), 10) << shown;
}

TEST(ProgressBar, IsTakenAwayBeforeSomethingElseIsPrinted) {
  testing::internal::CaptureStderr();
  ProgressBar bar(ProgressBar::Style::kBar);
  bar.Clear();
  bar.Show(Of(0, 10), kBegin);
  bar.Show(Of(5, 10), kBegin + seconds(1));
  bar.Clear();
  bar.Finish(Of(10, 10), kBegin + seconds(2));
  bar.Clear();
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_NE(shown.find("5 of 10 keys  5.0/s"), std::string::npos) << shown;
  EXPECT_NE(shown.find("\r\x1b[K\rcopy"), std::string::npos) << shown;
  EXPECT_TRUE(shown.ends_with("\n")) << shown;
}

}  // namespace
}  // namespace crossfade::cli
