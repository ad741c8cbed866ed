#include "proxy/artifacts/run_list.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "proxy/artifacts/run_folder.h"
#include "tests/proxy/artifacts/samples.h"

namespace crossfade::proxy {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> NamesIn(const std::string& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// As a process that was killed leaves it.
std::string Interrupted(const std::string& dir, RunKind kind) {
  auto folder = RunFolder::Make(dir, kind, kSomeMs);
  EXPECT_TRUE(folder);
  return (*folder)->path();
}

TEST(RunName, ComesBackAsItWasWritten) {
  for (const RunKind kind : {RunKind::kVerify, RunKind::kScheduled, RunKind::kBackfill}) {
    const RunName name{kSomeMs / 1000 * 1000, kind, 17};
    const auto parsed = ParseRunName(name.Text());
    ASSERT_TRUE(parsed.has_value()) << name.Text();
    EXPECT_EQ(parsed->begun_unix_ms, name.begun_unix_ms);
    EXPECT_EQ(parsed->kind, kind);
    EXPECT_EQ(parsed->number, 17u);
  }
  EXPECT_EQ((RunName{kSomeMs, RunKind::kVerify, 3}).Text(), "20260131T120000Z-verify-3");
}

TEST(RunName, WhatIsNotWrittenSoIsNone) {
  const std::string name = "20260131T120000Z-verify-3";
  for (size_t size = 0; size < name.size(); ++size) {
    EXPECT_FALSE(ParseRunName(name.substr(0, size)).has_value()) << size;
  }
  for (const char* other :
       {"20260131T120000Z-verify-03", "20260131T120000Z-verify-3x", "20260131T120000Z-other-3",
        "20260131T120000Z--3", "20261331T120000Z-verify-3", "2026-01-31-verify-3", "verify-3",
        "20260131T120000Z-verify-3.unfinished", "20260131T120000Z-verify-99999999999999999999"}) {
    EXPECT_FALSE(ParseRunName(other).has_value()) << other;
  }
}

TEST(RunList, OldestFirstWithTheStateOfEach) {
  const TemporaryDir dir;
  EXPECT_TRUE(ListRuns(dir.path() + "/none")->empty());
  fs::create_directory(dir.path() + "/other");
  Overwrite(dir.path() + "/20260131T120000Z-verify-9", "no folder");
  WriteSampleRun(dir.path(), 0);
  Interrupted(dir.path(), RunKind::kBackfill);
  auto open = RunFolder::Make(dir.path(), RunKind::kScheduled, kSomeMs - 60'000);
  ASSERT_TRUE(open);
  const auto runs = ListRuns(dir.path());
  ASSERT_TRUE(runs);
  ASSERT_EQ(runs->size(), 3u);
  const std::vector<std::pair<std::string, RunState>> expected = {
      {"20260131T120000Z-verify-1", RunState::kWhole},
      {"20260131T120000Z-backfill-2", RunState::kInterrupted},
      {"20260131T115900Z-scheduled-3", RunState::kBeingWritten}};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ((*runs)[i].name.Text(), expected[i].first);
    EXPECT_EQ((*runs)[i].state, expected[i].second) << i;
  }
}

TEST(RunList, TheOldestOfEachKindGoBeyondThoseToKeep) {
  const TemporaryDir dir;
  for (int i = 0; i < 4; ++i) WriteSampleRun(dir.path(), 1);              // 1 to 4
  Interrupted(dir.path(), RunKind::kBackfill);                            // 5
  for (int i = 0; i < 3; ++i) Interrupted(dir.path(), RunKind::kVerify);  // 6 to 8
  auto open = RunFolder::Make(dir.path(), RunKind::kVerify, kSomeMs);     // 9
  ASSERT_TRUE(open);
  fs::create_directory(dir.path() + "/somebody's");
  fs::create_directory(dir.path() + "/20260131T120000Z-verify-0.removed");  // a crash in between
  ASSERT_TRUE(RemoveOldRuns(dir.path(), 2));
  EXPECT_EQ(NamesIn(dir.path()),
            (std::vector<std::string>{"20260131T120000Z-backfill-5.unfinished",
                                      "20260131T120000Z-verify-3", "20260131T120000Z-verify-4",
                                      "20260131T120000Z-verify-7.unfinished",
                                      "20260131T120000Z-verify-8.unfinished",
                                      "20260131T120000Z-verify-9.unfinished", "somebody's"}));
}

TEST(RunFolder, IsItsOwnersAloneAndWholeOnlyAtTheEnd) {
  const TemporaryDir dir;
  auto folder = RunFolder::Make(dir.path() + "/made/too", RunKind::kBackfill, kSomeMs);
  ASSERT_TRUE(folder) << folder.error().message;
  EXPECT_TRUE((*folder)->path().ends_with("backfill-1.unfinished"));
  EXPECT_EQ(fs::status((*folder)->path()).permissions(), fs::perms::owner_all);
  (*folder)->Discard();
  EXPECT_TRUE(NamesIn(dir.path() + "/made/too").empty());
}

TEST(RunFolder, WhereNothingCanBeMadeTheReasonIsSaid) {
  const TemporaryDir dir;
  Overwrite(dir.path() + "/file", "");
  const auto folder = RunFolder::Make(dir.path() + "/file/runs", RunKind::kVerify, kSomeMs);
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().message.find("can't be made"), std::string::npos)
      << folder.error().message;
}

TEST(Checksums, ComeBackAndAreCutShortAnywhere) {
  const Checksums sums = {{"deltas", std::string(64, 'a')}, {"report.json", std::string(64, '0')}};
  const std::string text = ChecksumLines(sums);
  EXPECT_EQ(*ParseChecksumLines(text), sums);
  for (size_t size = 0; size < text.size(); ++size) {
    const auto cut = ParseChecksumLines(text.substr(0, size));
    // At the end of a line only the files that are not named tell.
    EXPECT_TRUE(!cut || cut->size() < sums.size()) << size;
  }
  const std::string digest(64, 'a');
  for (const std::string& wrong :
       {digest + " deltas\n", digest + "  \n", digest + "  a/b\n", digest.substr(1) + "G  deltas\n",
        std::string("\n"), digest + "  x\n" + digest + "  x\n"}) {
    EXPECT_FALSE(ParseChecksumLines(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace crossfade::proxy
