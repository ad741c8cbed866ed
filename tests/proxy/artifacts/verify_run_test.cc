#include "proxy/artifacts/verify_run.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "config/values.h"
#include "proxy/artifacts/run_check.h"
#include "tests/proxy/artifacts/samples.h"

namespace crossfade::proxy {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using replication::DeltaOutcome;
using replication::DeltaRecord;

std::vector<DeltaRecord> DeltasOf(const std::string& path) {
  std::vector<DeltaRecord> records;
  const Status read =
      ReadDeltas(path, [&](const DeltaRecord& record) { records.push_back(record); });
  EXPECT_TRUE(read) << read.error().message;
  return records;
}

TEST(VerifyRun, LeavesAReportADeltaLogAndTheirChecksums) {
  const TemporaryDir dir;
  const std::string path = WriteSampleRun(dir.path(), 50);
  EXPECT_EQ(fs::path(path).filename(), "20260131T120000Z-verify-1");
  const auto checked = CheckRun(path);
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->files, 3u);
  EXPECT_EQ(checked->records, 50u);
  const json report = json::parse(checked->report_json);
  EXPECT_EQ(report["version"], 1);
  EXPECT_EQ(report["run"], "20260131T120000Z-verify-1");
  EXPECT_EQ(report["state"], "done");
  EXPECT_EQ(report["headline"], "50 of 100 keys differ; nothing was changed");
  EXPECT_EQ(report["seconds"], 2.0);
  EXPECT_EQ(report["plan"]["digest"], std::string(64, 'd'));
  EXPECT_EQ(report["authority"]["address"], "10.0.0.1:6379");
  EXPECT_EQ(report["follower"]["run_id"], "run-b");
  EXPECT_EQ(report["keys"]["compared"], 100);
  EXPECT_EQ(report["keys"]["per_second"], 50);
  EXPECT_EQ(report["differences"], 50);
  EXPECT_EQ(report["kinds"]["extra"], 10);
  EXPECT_EQ(report["not_compared"]["too_big"], 3);
  EXPECT_EQ(report["outcomes"]["left"], 50);
  EXPECT_EQ(report["deltas"], json({{"records", 50}, {"not_kept", 0}}));
  EXPECT_EQ(report["examples"].size(), VerifyReport::kExamples);
  EXPECT_NE(checked->report_markdown.find("# Verification 1\n"), std::string::npos);
}

TEST(VerifyRun, ADifferenceIsOneRecordWithBothSides) {
  const TemporaryDir dir;
  const auto records = DeltasOf(WriteSampleRun(dir.path(), 5) + "/" + kDeltaLog);
  ASSERT_EQ(records.size(), 5u);
  for (int i = 0; i < 5; ++i) {
    const replication::Difference& found = records[static_cast<size_t>(i)].difference;
    const replication::Difference expected = SampleDifference(i);
    EXPECT_EQ(found.db, expected.db);
    EXPECT_EQ(found.key, expected.key);
    EXPECT_EQ(found.kind, expected.kind);
    EXPECT_EQ(found.authority.exists, expected.authority.exists);
    EXPECT_EQ(found.authority.digest, expected.authority.digest);
    EXPECT_EQ(found.authority.deadline_ms, expected.authority.deadline_ms);
    EXPECT_EQ(found.follower.bytes, expected.follower.bytes);
    EXPECT_EQ(records[static_cast<size_t>(i)].found_unix_ms, kSomeMs + 100 + i);
  }
  const json document = json::parse(DeltaDocument(records[2], false).dump());
  EXPECT_EQ(config::Unescape(document["key"].get<std::string>()), SampleDifference(2).key);
}

TEST(VerifyRun, EachDifferenceGetsWhatBecameOfIt) {
  const TemporaryDir dir;
  VerifyReport pass = SamplePass();
  pass.options.repair = true;
  auto run = VerifyRun::Begin(dir.path(), pass, SampleFacts());
  ASSERT_TRUE(run);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE((*run)->Take(SampleDelta(i, DeltaAction::kFound)));
  // The kinds go round by five; number 1 and 6 are keys that the follower alone has.
  ASSERT_TRUE((*run)->Take(SampleDelta(0, DeltaAction::kRepaired)));
  ASSERT_TRUE((*run)->Take(SampleDelta(2, DeltaAction::kStillDifferent)));
  ASSERT_TRUE((*run)->Take(SampleDelta(3, DeltaAction::kNotRepaired)));
  const auto path = (*run)->End(EndedPass(pass, 10), SampleFacts());
  ASSERT_TRUE(path) << path.error().message;
  const std::map<int, DeltaOutcome> told = {{0, DeltaOutcome::kRepaired},
                                            {1, DeltaOutcome::kLeft},
                                            {2, DeltaOutcome::kStillDifferent},
                                            {3, DeltaOutcome::kNotDone},
                                            {6, DeltaOutcome::kLeft}};
  const auto records = DeltasOf(*path + "/" + kDeltaLog);
  ASSERT_EQ(records.size(), 10u);
  for (int i = 0; i < 10; ++i) {
    const auto expected = told.find(i);
    const DeltaRecord& record = records[static_cast<size_t>(i)];
    EXPECT_EQ(record.outcome, expected == told.end() ? DeltaOutcome::kNotReached : expected->second)
        << i;
    EXPECT_EQ(record.outcome_unix_ms > 0, i == 0 || i == 2 || i == 3) << i;
  }
  const json report = json::parse(Content(*path + "/" + kReportJson));
  EXPECT_EQ(report["outcomes"], json({{"left", 2},
                                      {"repaired", 1},
                                      {"deleted", 0},
                                      {"still_different", 1},
                                      {"not_done", 1},
                                      {"not_reached", 5}}));
  EXPECT_EQ(report["compared_again"], 2);
  EXPECT_EQ(report["examples"][0]["outcome"], "repaired");
  EXPECT_EQ(report["examples"][0]["action"], "copy");
}

TEST(VerifyRun, OneThatWasKilledIsNoWholeRun) {
  const TemporaryDir dir;
  {
    auto run = VerifyRun::Begin(dir.path(), SamplePass(), SampleFacts());
    ASSERT_TRUE(run);
    const auto runs = ListRuns(dir.path());
    ASSERT_EQ(runs->size(), 1u);
    EXPECT_EQ(runs->at(0).state, RunState::kBeingWritten);
    EXPECT_NE(DescribeUnfinished(runs->at(0)).find("is under way"), std::string::npos);
    ASSERT_TRUE((*run)->Take(SampleDelta(1, DeltaAction::kFound)));
  }
  const auto runs = ListRuns(dir.path());
  ASSERT_EQ(runs->size(), 1u);
  EXPECT_EQ(runs->at(0).state, RunState::kInterrupted);
  const std::string text = DescribeUnfinished(runs->at(0));
  EXPECT_NE(text.find("was interrupted before its end"), std::string::npos) << text;
  EXPECT_NE(text.find("1 differences were found until then"), std::string::npos) << text;
  EXPECT_FALSE(CheckRun(runs->at(0).path));
}

class RunCheck : public ::testing::Test {
 protected:
  RunCheck() : path_(WriteSampleRun(dir_.path(), 5)) {}
  std::string Problem() {
    const auto checked = CheckRun(path_);
    return checked ? "" : checked.error().message;
  }
  std::string File(const char* name) const { return path_ + "/" + name; }

  TemporaryDir dir_;
  std::string path_;
};

TEST_F(RunCheck, NoFileMayBeCutShortAnywhere) {
  ASSERT_EQ(Problem(), "");
  for (const char* name : {kReportJson, kReportMarkdown, kDeltaLog, kChecksums}) {
    const std::string whole = Content(File(name));
    ASSERT_FALSE(whole.empty()) << name;
    // What a checksum guards alone need not be tried everywhere.
    const size_t step =
        std::string_view(name) == kReportJson || std::string_view(name) == kReportMarkdown ? 37 : 1;
    for (size_t size = 0; size < whole.size(); size += step) {
      Overwrite(File(name), whole.substr(0, size));
      const std::string problem = Problem();
      EXPECT_NE(problem, "") << name << " " << size;
      EXPECT_NE(problem.find(path_), std::string::npos) << problem;
    }
    Overwrite(File(name), whole);
  }
  EXPECT_EQ(Problem(), "");
}

TEST_F(RunCheck, NoByteMayBeAltered) {
  for (const char* name : {kReportJson, kReportMarkdown, kDeltaLog, kChecksums}) {
    const std::string whole = Content(File(name));
    const size_t step =
        std::string_view(name) == kReportJson || std::string_view(name) == kReportMarkdown ? 37 : 1;
    for (size_t at = 0; at < whole.size(); at += step) {
      std::string altered = whole;
      altered[at] = static_cast<char>(altered[at] ^ 1);
      Overwrite(File(name), altered);
      EXPECT_NE(Problem(), "") << name << " " << at;
    }
    Overwrite(File(name), whole);
  }
  EXPECT_EQ(Problem(), "");
}

TEST_F(RunCheck, AFileTooFewOrTooManyIsNamed) {
  Overwrite(File("more"), "");
  EXPECT_EQ(Problem(), File("more") + " is not named by SHA256SUMS");
  fs::remove(File("more"));
  fs::remove(File(kDeltaLog));
  EXPECT_NE(Problem().find(File(kDeltaLog) + " can't be opened"), std::string::npos) << Problem();
}

// The checksums are right, and still it is not what one run has written.
TEST_F(RunCheck, FilesOfTwoRunsDoNotMix) {
  const std::string other = WriteSampleRun(dir_.path(), 10);
  fs::copy_file(other + "/" + kDeltaLog, File(kDeltaLog), fs::copy_options::overwrite_existing);
  Checksums sums;
  for (const char* name : {kReportJson, kReportMarkdown, kDeltaLog}) {
    sums[name] = *Sha256OfFile(File(name));
  }
  Overwrite(File(kChecksums), ChecksumLines(sums));
  EXPECT_EQ(Problem(), File(kDeltaLog) + " has 10 records, the report says 5");
}

TEST_F(RunCheck, AnotherNameOfTheFolderDoesNotMatter) {
  fs::rename(path_, dir_.path() + "/copy");
  EXPECT_TRUE(CheckRun(dir_.path() + "/copy"));
}

}  // namespace
}  // namespace crossfade::proxy
