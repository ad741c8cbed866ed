#include "tools/cli/verify_text.h"

#include <gtest/gtest.h>

#include "tools/cli/commands.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;

json Pass() {
  return {{"id", 7},
          {"state", "done"},
          {"ended", true},
          {"options", {{"prefix", ""}, {"sample", 1.0}}},
          {"keys_expected", 2'000},
          {"keys_walked", 1'500},
          {"keys_selected", 1'200},
          {"compared", 1'190},
          {"differences", 0},
          {"kinds", {{"missing", 0}, {"extra", 0}, {"value", 0}}},
          {"skipped", {{"dirty", 0}, {"expiring", 10}}},
          {"clean", true},
          {"repairs_wanted", 0},
          {"repaired", 0},
          {"deleted", 0},
          {"extra_kept", 0},
          {"examples", json::array()}};
}

json Differing() {
  json pass = Pass();
  pass["differences"] = 3;
  pass["clean"] = false;
  pass["kinds"] = {{"missing", 0}, {"extra", 1}, {"value", 2}};
  pass["examples"] = json::array(
      {{{"db", 2},
        {"key", "a:1"},
        {"kind", "value"},
        {"authority",
         {{"exists", true}, {"type", "hash"}, {"digest", "0123456789abcdef"}, {"bytes", 17}}},
        {"follower", {{"exists", false}}}}});
  return pass;
}

TEST(VerifyText, SaysHowManyWereComparedAndWhatWasLeftOut) {
  EXPECT_EQ(VerifySummary(Pass(), {}),
            "1,190 keys compared: all are equal\n10 not compared (expiring 10)\n");
}

TEST(VerifyText, SaysWhereTheReportIsOrWhyItIsNowhere) {
  json pass = Pass();
  pass["artifact"] = "/runs/one";
  pass["artifact_error"] = "";
  const auto ends_with = [&pass](const char* line) {
    return VerifySummary(pass, {}).ends_with(line);
  };
  EXPECT_TRUE(ends_with("\nthe report is in /runs/one (crossfade report)\n"));
  pass["artifact"] = "";
  EXPECT_TRUE(ends_with("\nno report is kept: artifacts.dir is not set\n"));
  pass["artifact_error"] = "the disk is full\x1b";
  EXPECT_TRUE(ends_with("\nthe report could not be kept: the disk is full \n"));
}

TEST(VerifyText, ShowsExamplesOfWhatDiffers) {
  const std::string text = VerifySummary(Differing(), {});
  EXPECT_NE(text.find("3 differ (extra 1, value 2)"), std::string::npos) << text;
  EXPECT_NE(text.find("  db 2  a:1  value  legacy: hash 17 B 01234567; new: none\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("  and 2 more\n"), std::string::npos) << text;
  EXPECT_NE(text.find("nothing was changed; `crossfade verify --repair`"), std::string::npos);
}

TEST(VerifyText, ThePlanOfARepairChangesNothing) {
  Arguments::Verify asked;
  asked.repair = true;
  std::string text = VerifySummary(Differing(), asked);
  EXPECT_NE(text.find("would copy 2 keys"), std::string::npos) << text;
  EXPECT_NE(text.find("would leave 1 keys"), std::string::npos) << text;
  EXPECT_NE(text.find("--yes does it"), std::string::npos) << text;
  asked.delete_extra = true;
  text = VerifySummary(Differing(), asked);
  EXPECT_NE(text.find("would delete 1 keys"), std::string::npos) << text;
}

TEST(VerifyText, ARepairSaysWhatIsLeft) {
  Arguments::Verify asked;
  asked.repair = asked.yes = true;
  json pass = Differing();
  pass["repairs_wanted"] = 2;
  pass["repaired"] = 2;
  pass["extra_kept"] = 1;
  const std::string text = VerifySummary(pass, asked);
  EXPECT_NE(text.find("repaired 2 keys\n1 keys still differ, of which 1"), std::string::npos)
      << text;
}

TEST(VerifyText, TheOutcomeIsTheExitCode) {
  std::string why;
  EXPECT_EQ(VerifyOutcome(Pass(), why), kDone);
  EXPECT_EQ(VerifyOutcome(Differing(), why), kFailed);
  json pass = Pass();
  pass["state"] = "failed";
  pass["error"] = "a store is another process";
  EXPECT_EQ(VerifyOutcome(pass, why), kCouldNotRun);
  EXPECT_EQ(why, "a store is another process");
  pass["state"] = "stopped";
  EXPECT_EQ(VerifyOutcome(pass, why), kCouldNotRun);
  pass = Pass();
  pass["options"]["prefix"] = "a:";
  EXPECT_EQ(VerifyOutcome(pass, why), kDone);
  pass["keys_selected"] = 0;
  EXPECT_EQ(VerifyOutcome(pass, why), kCouldNotRun);
  EXPECT_NE(why.find("no key of either store begins with \"a:\""), std::string::npos) << why;
}

TEST(VerifyText, FindsItsPassAmongOthers) {
  json other = Pass();
  other["id"] = 8;
  const json answer = {{"passes", json::array({other, Pass()})}};
  EXPECT_EQ(PassOf(answer, 7).value("id", 0), 7);
  EXPECT_TRUE(PassOf(answer, 9).is_null());
  EXPECT_TRUE(PassOf(json(), 7).is_null());
}

TEST(VerifyText, ProgressIsOfTheKeysWalkedThenOfTheRepairs) {
  Progress progress = ProgressOf(Pass());
  EXPECT_EQ(progress.label, "verify");
  EXPECT_EQ(progress.done, 1'500u);
  EXPECT_EQ(progress.total, 2'000u);
  json pass = Differing();
  pass["state"] = "repairing";
  pass["repairs_wanted"] = 2;
  pass["repaired"] = 1;
  progress = ProgressOf(pass);
  EXPECT_EQ(progress.label, "repair");
  EXPECT_EQ(progress.done, 1u);
  EXPECT_EQ(progress.total, 2u);
  EXPECT_EQ(progress.errors, 3u);
}

}  // namespace
}  // namespace crossfade::cli
