// ReportPage: a run's report for people: the result first, then what was compared,
// what differs, and what to do about it; from report.json, as Markdown or as one HTML
// page that needs nothing else. Pure.
#pragma once

#include <string>
#include <vector>

#include "config/result.h"

namespace crossfade::proxy {

struct ReportTable {
  std::string title;
  std::vector<std::string> head;  // empty: names and values
  std::vector<std::vector<std::string>> rows;
  std::string note;      // below it
  int code_column = -1;  // shown as it is typed
};

struct ReportPage {
  enum class Tone { kGood, kWarn, kBad };
  std::string title;     // "Verification 17"
  std::string headline;  // the result, one sentence
  Tone tone = Tone::kWarn;
  std::vector<ReportTable> tables;
  std::vector<std::string> next;  // what to do
};

// Fails when the text is no report.json that this crossfade reads.
Result<ReportPage> PageOf(const std::string& report_json);

std::string Markdown(const ReportPage& page);
std::string Html(const ReportPage& page);

}  // namespace crossfade::proxy
