#include "proxy/artifacts/report_page.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "proxy/artifacts/report_json.h"
#include "tests/proxy/artifacts/samples.h"

namespace crossfade::proxy {
namespace {

using Tone = ReportPage::Tone;

VerifyRunReport Sample(uint64_t differences) {
  VerifyRunReport report;
  report.name = {kSomeMs, RunKind::kVerify, 17};
  report.begun = report.ended = SampleFacts();
  report.pass = EndedPass(SamplePass(), differences);
  report.outcomes[0] = differences;
  report.recorded = differences;
  for (int i = 0; i < static_cast<int>(differences); ++i) {
    report.examples.push_back({SampleDifference(i), kSomeMs, {}, 0});
  }
  return report;
}

ReportPage PageFrom(const VerifyRunReport& report) {
  const auto page = PageOf(ReportJson(report));
  EXPECT_TRUE(page) << page.error().message;
  return page.value_or(ReportPage{});
}

std::string StepsOf(const VerifyRunReport& report) {
  std::string steps;
  for (const std::string& step : PageFrom(report).next) steps += step + "\n";
  return steps;
}

TEST(ReportPage, TheResultComesFirst) {
  struct Case {
    VerifyRunReport report;
    Tone tone;
    const char* headline;
  };
  VerifyRunReport failed = Sample(5);
  failed.pass.state = PassState::kFailed;
  failed.pass.error = "the new store: gone\x1b[2J";
  VerifyRunReport stopped = Sample(0);
  stopped.pass.state = PassState::kStopped;
  VerifyRunReport nothing = Sample(0);
  nothing.pass.counters = {};
  VerifyRunReport repaired = Sample(5);
  repaired.pass.options.repair = true;
  repaired.pass.repaired = 5;
  const std::vector<Case> cases = {
      {Sample(0), Tone::kGood, "all 100 keys that were compared are equal"},
      {Sample(5), Tone::kBad, "5 of 100 keys differ; nothing was changed"},
      {repaired, Tone::kGood, "5 of 100 keys differ; repaired 5, left 0"},
      {failed, Tone::kWarn,
       "could not be finished: the new store: gone [2J (100 keys compared, 5 differ)"},
      {stopped, Tone::kWarn, "stopped before its end: 100 keys compared, 0 differ"},
      {nothing, Tone::kWarn, "no key was compared"}};
  for (const Case& c : cases) {
    const ReportPage page = PageFrom(c.report);
    EXPECT_EQ(page.headline, c.headline);
    EXPECT_EQ(page.tone, c.tone) << c.headline;
    EXPECT_EQ(page.title, "Verification 17");
    EXPECT_FALSE(page.next.empty());
    EXPECT_TRUE(Markdown(page).starts_with("# Verification 17\n\n**")) << Markdown(page);
  }
}

TEST(ReportPage, SaysWhatToDoNext) {
  EXPECT_NE(StepsOf(Sample(5)).find("`crossfade verify --repair`"), std::string::npos);
  EXPECT_NE(StepsOf(Sample(5)).find("--delete-extra"), std::string::npos);
  EXPECT_NE(StepsOf(Sample(0)).find("too large"), std::string::npos);
  VerifyRunReport clean = Sample(0);
  clean.pass.counters.results[static_cast<size_t>(replication::VerifyResult::kTooBig)] = 0;
  EXPECT_EQ(StepsOf(clean), "Nothing: all keys of both stores were compared.\n");
  clean.pass.options.sample = 100;
  EXPECT_NE(StepsOf(clean).find("a part of them"), std::string::npos);
  clean.ended.exact = false;
  EXPECT_NE(StepsOf(clean).find("claim of exactness"), std::string::npos);
}

TEST(ReportPage, WhatKeysAreCalledIsNoMarkup) {
  const ReportPage page = PageFrom(Sample(5));
  const std::string html = Html(page);
  EXPECT_EQ(html.find("<b>"), std::string::npos);
  EXPECT_NE(html.find("<code>a|`&lt;b&gt;\\x00\\xff0</code>"), std::string::npos) << html;
  EXPECT_EQ(html.find("http"), html.find("http-equiv")) << "it needs nothing else";
  const std::string markdown = Markdown(page);
  EXPECT_NE(markdown.find("| `` a\\|`<b>\\x00\\xff0 `` |"), std::string::npos) << markdown;
}

TEST(ReportPage, ALongNameIsCutAndItsLengthTold) {
  VerifyRunReport report = Sample(5);
  report.examples[0].difference.key = std::string(5'000, 'k');
  const auto document = nlohmann::json::parse(ReportJson(report))["examples"][0];
  EXPECT_EQ(document["key"], std::string(kNameShown, 'k'));
  EXPECT_EQ(document["key_bytes"], 5'000);
  EXPECT_NE(Markdown(PageFrom(report)).find("kkk... (4.9 KiB)"), std::string::npos);
  EXPECT_EQ(DeltaDocument(report.examples[0], false)["key"], std::string(5'000, 'k'));
}

TEST(ReportPage, ABackfillHasOneToo) {
  BackfillRunReport report;
  report.name = {kSomeMs, RunKind::kBackfill, 4};
  report.begun = report.ended = SampleFacts();
  report.backfill.state = "done";
  report.backfill.resumed = true;
  report.backfill.begun_under = "abc";
  report.backfill.started_unix_ms = kSomeMs;
  report.backfill.ended_unix_ms = kSomeMs + 10'000;
  report.backfill.keys_copied = 1'000;
  report.backfill.keys_copied_before = 400;
  report.backfill.partitions_finished = 1'024;
  auto page = PageOf(ReportJson(report));
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->title, "Backfill 4");
  EXPECT_EQ(page->headline, "1,000 keys copied, all partitions are live");
  EXPECT_EQ(page->tone, Tone::kGood);
  EXPECT_NE(Markdown(*page).find("600 (60 a second)"), std::string::npos) << Markdown(*page);
  report.quarantined = 2;
  report.examples = {{0, "k\n", "OOM", 5, 3, false}};
  page = PageOf(ReportJson(report));
  EXPECT_EQ(page->tone, Tone::kWarn);
  EXPECT_NE(page->headline.find("; 2 keys are in quarantine"), std::string::npos);
  EXPECT_NE(Html(*page).find("<code>k\\x0a</code></td><td>OOM"), std::string::npos);
}

TEST(ReportPage, WhatIsNoReportIsRefused) {
  for (const char* text : {"", "[]", "{}", R"({"format":"crossfade-run"})",
                           R"({"format":"crossfade-run","version":1,"kind":"verify"})",
                           R"({"format":"crossfade-run","version":"1"})"}) {
    EXPECT_FALSE(PageOf(text)) << text;
  }
  const auto later = PageOf(R"({"format":"crossfade-run","version":2})");
  EXPECT_EQ(later.error().message, "of version 2; this crossfade reads version 1");
}

}  // namespace
}  // namespace crossfade::proxy
