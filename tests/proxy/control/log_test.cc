#include "proxy/control/log.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace crossfade::proxy::log {
namespace {

using nlohmann::json;

const Line kPlain{
    1'700'000'000'123, "info", "plan applied", {{"epoch", uint64_t{3}}, {"file", "a.yaml"}}};
const Line kNasty{
    1'700'000'000'000,
    "warn",
    "line\nbreak \x1b[31m",
    {{"reason", "say \"no\"\nlevel=error \\ end"}, {"empty", ""}, {"bytes", "\xff\x01"}}};

TEST(Log, TextHasTimeLevelMessageAndFields) {
  EXPECT_EQ(TextLine(kPlain), "2023-11-14T22:13:20.123Z info  plan applied epoch=3 file=a.yaml");
}

TEST(Log, TextQuotesAndEscapesSoThatNoValueForgesALine) {
  EXPECT_EQ(TextLine(kNasty),
            "2023-11-14T22:13:20.000Z warn  line\\nbreak \\x1b[31m "
            "reason=\"say \\\"no\\\"\\nlevel=error \\\\ end\" empty=\"\" bytes=\"\xff\\x01\"");
}

TEST(Log, JsonIsValidAndGivesTheValuesBack) {
  const json plain = json::parse(JsonLine(kPlain));
  EXPECT_EQ(plain["time"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(plain["epoch"], "3");
  const std::string text = JsonLine(kNasty);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const json nasty = json::parse(text);
  EXPECT_EQ(nasty["level"], "warn");
  EXPECT_EQ(nasty["message"], "line\nbreak \x1b[31m");
  EXPECT_EQ(nasty["reason"], "say \"no\"\nlevel=error \\ end");
  EXPECT_EQ(nasty["bytes"], "\xef\xbf\xbd\x01");
}

class LogOutput : public ::testing::Test {
 protected:
  void TearDown() override { SetUpLog("info", config::LogFormat::kText); }
  static std::vector<std::string> Lines(const std::function<void()>& write) {
    testing::internal::CaptureStderr();
    write();
    std::istringstream captured(testing::internal::GetCapturedStderr());
    std::vector<std::string> lines;
    for (std::string line; std::getline(captured, line);) lines.push_back(line);
    return lines;
  }
};

TEST_F(LogOutput, FieldsReachTheFormatters) {
  SetUpLog("info", config::LogFormat::kJson);
  const auto lines = Lines([] {
    Info("hello \x1e\x1f there", {{"who",
                                   "a\x1e"
                                   "b\x1f"
                                   "c"},
                                  {"n", uint64_t{7}}});
    spdlog::warn("plain {}", "call");
  });
  ASSERT_EQ(lines.size(), 2u);
  const json first = json::parse(lines[0]);
  EXPECT_EQ(first["message"], "hello    there");
  EXPECT_EQ(first["who"], "a b c");
  EXPECT_EQ(first["n"], "7");
  EXPECT_EQ(first.size(), 5u) << "marks in a value make no fields";
  const json second = json::parse(lines[1]);
  EXPECT_EQ(second["level"], "warn");
  EXPECT_EQ(second["message"], "plain call");
}

TEST_F(LogOutput, LevelAndFormatChangeWhileRunning) {
  SetUpLog("warn", config::LogFormat::kText);
  EXPECT_TRUE(Lines([] { Info("quiet"); }).empty());
  ChangeLog("debug", config::LogFormat::kJson);
  const auto lines = Lines([] { Debug("loud"); });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(json::parse(lines[0])["message"], "loud");
  ChangeLog("error", config::LogFormat::kText);
  EXPECT_TRUE(Lines([] { Warn("quiet"); }).empty());
  EXPECT_EQ(Lines([] { Error("loud"); }).size(), 1u);
}

}  // namespace
}  // namespace crossfade::proxy::log
