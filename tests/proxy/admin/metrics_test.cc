#include "proxy/admin/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "tests/proxy/admin/fakes.h"

namespace crossfade::proxy {
namespace {

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

struct Family {
  std::string type;
  std::vector<Sample> samples;
};

bool NameByte(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
         (!first && c >= '0' && c <= '9');
}

// A parser of the text format 0.0.4 that takes nothing the format does not allow:
// HELP and TYPE once and first, families in one piece, no series twice.
class StrictParser {
 public:
  std::map<std::string, Family> families;
  std::string error;

  bool Parse(const std::string& text) {
    if (text.empty() || text.back() != '\n') return Wrong("no line end at the end");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!(line.starts_with('#') ? ParseComment(line) : ParseSample(line))) return false;
    }
    for (const auto& [name, family] : families) {
      if (family.type == "histogram" && !CheckHistogram(name, family)) return false;
    }
    return true;
  }

 private:
  bool Wrong(const std::string& what) {
    error = what;
    return false;
  }

  bool ParseComment(const std::string& line) {
    std::istringstream words(line);
    std::string hash, kind, name, rest;
    words >> hash >> kind >> name;
    std::getline(words, rest);
    if (hash != "#" || rest.size() < 2) return Wrong("bad comment: " + line);
    if (kind == "HELP") {
      if (families.contains(name)) return Wrong("family twice: " + name);
      families[name];
      current_ = name;
      return true;
    }
    if (kind != "TYPE" || name != current_) return Wrong("TYPE not behind its HELP: " + line);
    const std::string type = rest.substr(1);
    if (type != "counter" && type != "gauge" && type != "histogram") return Wrong("type " + type);
    families[name].type = type;
    return true;
  }

  bool ParseSample(const std::string& line) {
    Sample sample;
    size_t at = 0;
    while (at < line.size() && NameByte(line[at], at == 0)) ++at;
    sample.name = line.substr(0, at);
    if (at < line.size() && line[at] == '{' && !ParseLabels(line, at, sample)) return false;
    if (at >= line.size() || line[at] != ' ') return Wrong("no value: " + line);
    const std::string number = line.substr(at + 1);
    char* end = nullptr;
    sample.value = std::strtod(number.c_str(), &end);
    if (number.empty() || *end != '\0') return Wrong("not a number: " + line);
    if (!series_.insert(line.substr(0, at)).second) return Wrong("series twice: " + line);
    Family& family = families[current_];
    if (family.type.empty()) return Wrong("sample before its TYPE: " + line);
    if (!NameFits(sample.name, family.type)) return Wrong("not of " + current_ + ": " + line);
    family.samples.push_back(sample);
    return true;
  }

  bool NameFits(const std::string& name, const std::string& type) const {
    if (type != "histogram") return name == current_;
    return name == current_ + "_bucket" || name == current_ + "_sum" || name == current_ + "_count";
  }

  bool ParseLabels(const std::string& line, size_t& at, Sample& sample) {
    do {
      const size_t start = ++at;
      while (at < line.size() && NameByte(line[at], at == start)) ++at;
      const std::string name = line.substr(start, at - start);
      if (name.empty() || line.compare(at, 2, "=\"") != 0) return Wrong("bad label: " + line);
      at += 2;
      std::string value;
      for (; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] != '\\') {
          value += line[at];
          continue;
        }
        const char escaped = ++at < line.size() ? line[at] : '\0';
        if (escaped != '\\' && escaped != '"' && escaped != 'n') return Wrong("escape: " + line);
        value += escaped == 'n' ? '\n' : escaped;
      }
      if (at >= line.size()) return Wrong("open label: " + line);
      if (!sample.labels.emplace(name, value).second) return Wrong("label twice: " + line);
      ++at;
    } while (at < line.size() && line[at] == ',');
    if (at >= line.size() || line[at] != '}') return Wrong("open labels: " + line);
    ++at;
    return true;
  }

  bool CheckHistogram(const std::string& name, const Family& family) {
    std::map<std::map<std::string, std::string>, std::vector<Sample>> buckets;
    std::map<std::map<std::string, std::string>, double> counts;
    for (Sample sample : family.samples) {
      const std::string le = sample.labels["le"];
      sample.labels.erase("le");
      if (sample.name == name + "_count") counts[sample.labels] = sample.value;
      if (sample.name != name + "_bucket") continue;
      Sample bucket = sample;
      bucket.labels = {{"le", le}};
      buckets[sample.labels].push_back(bucket);
    }
    if (buckets.size() != counts.size()) return Wrong("counts and buckets differ: " + name);
    for (const auto& [labels, list] : buckets) {
      double bound = -INFINITY, below = 0;
      for (const Sample& bucket : list) {
        const double le = std::strtod(bucket.labels.at("le").c_str(), nullptr);
        if (le <= bound || bucket.value < below) return Wrong("not cumulative: " + name);
        bound = le;
        below = bucket.value;
      }
      if (!std::isinf(bound)) return Wrong("no +Inf: " + name);
      if (counts[labels] != below) return Wrong("count is not the last bucket: " + name);
    }
    return true;
  }

  std::string current_;
  std::set<std::string> series_;
};

std::optional<double> Find(const StrictParser& parser, const std::string& family,
                           const std::map<std::string, std::string>& labels,
                           const std::string& suffix = "") {
  const auto found = parser.families.find(family);
  if (found == parser.families.end()) return std::nullopt;
  for (const Sample& sample : found->second.samples) {
    if (sample.name == family + suffix && sample.labels == labels) return sample.value;
  }
  return std::nullopt;
}

StrictParser Parsed(const Snapshot& snapshot, const ReloadHistory& reloads = {}) {
  StrictParser parser;
  const std::string text = RenderMetrics(snapshot, reloads);
  EXPECT_TRUE(parser.Parse(text)) << parser.error << "\n" << text;
  return parser;
}

struct Row {
  const char* family;
  const char* type;
  std::map<std::string, std::string> labels;
  double value;
};
const std::vector<Row> kRows = {
    {"crossfade_requests_total", "counter", {{"class", "read"}, {"store", "legacy"}}, 1000},
    {"crossfade_requests_total", "counter", {{"class", "write"}, {"store", "new"}}, 200},
    {"crossfade_requests_total", "counter", {{"class", "other"}, {"store", "new"}}, 30},
    {"crossfade_store_connected", "gauge", {{"store", "legacy"}}, 1},
    {"crossfade_store_connected", "gauge", {{"store", "new"}}, 0},
    {"crossfade_store_authority", "gauge", {{"store", "legacy"}}, 1},
    {"crossfade_read_decisions_total",
     "counter",
     {{"route", "default"}, {"store", "new"}, {"reason", "eligible"}},
     250},
    {"crossfade_shadow_total", "counter", {{"route", "default"}, {"result", "mismatched"}}, 1},
    {"crossfade_follower_read_retries_total", "counter", {}, 9},
    {"crossfade_authority_read_retries_total", "counter", {}, 7},
    {"crossfade_mirror_lag_seconds", "gauge", {}, 0.0125},
    {"crossfade_mirror_log_entries", "gauge", {}, 77},
    {"crossfade_mirror_log_bytes", "gauge", {}, 4096},
    {"crossfade_mirror_log_head", "gauge", {}, 9000},
    {"crossfade_mirror_watermark", "gauge", {}, 8923},
    {"crossfade_mirror_log_collapses_total", "counter", {}, 1},
    {"crossfade_mirror_syncs_typewise_total", "counter", {}, 11},
    {"crossfade_mirror_syncs_chunked_total", "counter", {}, 7},
    {"crossfade_mirror_chunks_restarted_total", "counter", {}, 2},
    {"crossfade_journal_bytes", "gauge", {}, 512},
    {"crossfade_journal_state", "gauge", {{"state", "ok"}}, 0},
    {"crossfade_journal_state", "gauge", {{"state", "failed"}}, 1},
    {"crossfade_journal_blocks_total", "counter", {}, 40},
    {"crossfade_journal_syncs_total", "counter", {}, 3},
    {"crossfade_journal_failures_total", "counter", {}, 2},
    {"crossfade_mirror_effects_total", "counter", {{"kind", "replay"}}, 8000},
    {"crossfade_drift_total", "counter", {{"reason", "reply"}}, 2},
    {"crossfade_verify_keys_total", "counter", {{"result", "matched"}}, 4000},
    {"crossfade_verify_differences_total", "counter", {{"kind", "extra"}}, 1},
    {"crossfade_verify_keys_that_differ", "gauge", {}, 3},
    {"crossfade_mirror_state", "gauge", {{"state", "copying"}}, 1},
    {"crossfade_dirty_keys", "gauge", {}, 5},
    {"crossfade_missing_commands", "gauge", {}, 1},
    {"crossfade_quarantined_keys", "gauge", {}, 13},
    {"crossfade_artifact_runs_total", "counter", {{"result", "written"}}, 6},
    {"crossfade_artifact_runs_total", "counter", {{"result", "failed"}}, 2},
    {"crossfade_syncs_under_way", "gauge", {}, 4},
    {"crossfade_ack_timeouts_total", "counter", {}, 6},
    {"crossfade_scripts_total", "counter", {{"verdict", "undeclared"}}, 3},
    {"crossfade_scripts_known", "gauge", {}, 2},
    {"crossfade_exact", "gauge", {}, 0},
    {"crossfade_exact_doubts_total", "counter", {}, 3},
    {"crossfade_libraries_refused_total", "counter", {}, 8},
    {"crossfade_backfill_keys_total", "counter", {}, 610},
    {"crossfade_backfill_kept_equal_total", "counter", {}, 17},
    {"crossfade_backfill_keys_expected", "gauge", {}, 1000},
    {"crossfade_frontier_partitions", "gauge", {}, 612},
    {"crossfade_breaker_state", "gauge", {}, 1},
    {"crossfade_reads_suspended", "gauge", {}, 1},
    {"crossfade_store_state", "gauge", {{"store", "legacy"}, {"state", "evicting"}}, 1},
    {"crossfade_store_state", "gauge", {{"store", "new"}, {"state", "up"}}, 0},
    {"crossfade_store_state_entries_total",
     "counter",
     {{"store", "legacy"}, {"state", "evicting"}},
     3},
    {"crossfade_store_evicted_keys_total", "counter", {{"store", "legacy"}}, 55},
    {"crossfade_breaker_trips_total", "counter", {}, 3},
    {"crossfade_owner", "gauge", {}, 0},
    {"crossfade_ownership_state", "gauge", {{"state", "standby"}}, 1},
    {"crossfade_owner_epoch", "gauge", {}, 7},
    {"crossfade_ownership_losses_total", "counter", {}, 2},
    {"crossfade_ownership_takeovers_total", "counter", {}, 1},
    {"crossfade_relayed_clients", "gauge", {}, 3},
    {"crossfade_stage", "gauge", {}, 2},
    {"crossfade_clients", "gauge", {}, 12},
    {"crossfade_blocked_clients", "gauge", {}, 5},
    {"crossfade_clients_accepted_total", "counter", {}, 40},
    {"crossfade_clients_rejected_total", "counter", {}, 2},
    {"crossfade_auth_failures_total", "counter", {}, 7},
    {"crossfade_client_errors_total", "counter", {{"kind", "protocol"}}, 1},
    {"crossfade_reloads_total", "counter", {{"result", "applied"}}, 4},
    {"crossfade_reloads_total", "counter", {{"result", "refused"}}, 1},
    {"crossfade_plan_epoch", "gauge", {}, 3},
    {"crossfade_plan_info", "gauge", {{"digest", std::string(64, 'a')}}, 1},
    {"crossfade_build_info", "gauge", {{"version", "0.1.0"}}, 1},
    {"crossfade_uptime_seconds", "gauge", {}, 90.5}};

TEST(Metrics, EveryFamilyHasItsTypeAndValue) {
  ReloadHistory reloads;
  reloads.applied = 4;
  reloads.refused = 1;
  const StrictParser parser = Parsed(test::SampleSnapshot(), reloads);
  std::set<std::string> named = {"crossfade_request_seconds"};
  for (const Row& row : kRows) {
    named.insert(row.family);
    EXPECT_EQ(Find(parser, row.family, row.labels), row.value) << row.family;
    if (parser.families.contains(row.family)) {
      EXPECT_EQ(parser.families.at(row.family).type, row.type) << row.family;
    }
  }
  for (const auto& [name, family] : parser.families) {
    EXPECT_TRUE(named.contains(name)) << name << " is not checked here";
  }
}

TEST(Metrics, HistogramBucketsAreCumulativeWithTheLongestOnlyInInfinity) {
  const StrictParser parser = Parsed(test::SampleSnapshot());
  const auto bucket = [&](const std::string& le) {
    return Find(parser, "crossfade_request_seconds",
                {{"class", "read"}, {"store", "legacy"}, {"le", le}}, "_bucket");
  };
  EXPECT_EQ(parser.families.at("crossfade_request_seconds").type, "histogram");
  EXPECT_EQ(bucket("1e-06"), 0);
  EXPECT_EQ(bucket("6.4e-05"), 0);
  EXPECT_EQ(bucket("0.000128"), 600);
  EXPECT_EQ(bucket("0.000512"), 990);
  EXPECT_EQ(bucket("67.108864"), 990);
  EXPECT_EQ(bucket("134.217728"), std::nullopt);
  EXPECT_EQ(bucket("+Inf"), 1000);
  const std::map<std::string, std::string> labels = {{"class", "read"}, {"store", "legacy"}};
  EXPECT_EQ(Find(parser, "crossfade_request_seconds", labels, "_sum"), 0.123456);
  EXPECT_EQ(Find(parser, "crossfade_request_seconds", labels, "_count"), 1000);
}

TEST(Metrics, LabelsComeBackAsTheyWere) {
  Snapshot snapshot = test::SampleSnapshot();
  const std::string nasty = "a\"b\\c\nd{e}=,f";
  snapshot.read_decisions = {{nasty, "new", "eligible", 1}};
  const StrictParser parser = Parsed(snapshot);
  EXPECT_EQ(Find(parser, "crossfade_read_decisions_total",
                 {{"route", nasty}, {"store", "new"}, {"reason", "eligible"}}),
            1);
}

TEST(Metrics, EqualLabelSetsAreAddedUp) {
  Snapshot snapshot = test::SampleSnapshot();
  snapshot.read_decisions = {{"r", "new", "eligible", 2}, {"r", "new", "eligible", 3}};
  snapshot.shadow = {{"r", "matched", 5}, {"r", "matched", 6}};
  const StrictParser parser = Parsed(snapshot);
  EXPECT_EQ(Find(parser, "crossfade_read_decisions_total",
                 {{"route", "r"}, {"store", "new"}, {"reason", "eligible"}}),
            5);
  EXPECT_EQ(Find(parser, "crossfade_shadow_total", {{"route", "r"}, {"result", "matched"}}), 11);
}

TEST(Metrics, AnEmptySnapshotIsValidText) { Parsed(Snapshot{}); }

TEST(Metrics, LargeCountsKeepEveryDigit) {
  Snapshot snapshot;
  snapshot.log_head = 18'446'744'073'709'551'615ull;
  EXPECT_NE(RenderMetrics(snapshot, {}).find("crossfade_mirror_log_head 18446744073709551615\n"),
            std::string::npos);
}

TEST(Metrics, StatesHaveTheirNumbers) {
  const std::vector<std::pair<std::string, double>> breakers = {
      {"closed", 0}, {"half_open", 1}, {"half-open", 1}, {"open", 2}};
  for (const auto& [name, value] : breakers) {
    Snapshot snapshot;
    snapshot.breaker = name;
    EXPECT_EQ(Find(Parsed(snapshot), "crossfade_breaker_state", {}), value) << name;
  }
  const std::vector<std::pair<std::string, double>> stages = {
      {"observe", 0}, {"mirror", 1}, {"ramp", 2}};
  for (const auto& [name, value] : stages) {
    Snapshot snapshot;
    snapshot.stage = name;
    EXPECT_EQ(Find(Parsed(snapshot), "crossfade_stage", {}), value) << name;
  }
}

// The parser itself: what it must refuse, or the tests above prove nothing.
TEST(StrictPrometheusParser, RefusesWhatTheFormatForbids) {
  const std::string head = "# HELP a help\n# TYPE a counter\n";
  const std::string histogram = "# HELP h help\n# TYPE h histogram\n";
  const std::vector<std::string> bad = {
      "",
      "a 1\n",
      head + "a 1",
      head + "a one\n",
      head + "a{l=\"1\" 1\n",
      head + "a{l=\"\\q\"} 1\n",
      head + "a{l=\"1\",l=\"2\"} 1\n",
      head + "a 1\na 2\n",
      head + "b 1\n",
      head + head,
      histogram + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
      histogram + "h_bucket{le=\"1\"} 2\nh_sum 1\nh_count 2\n",
      histogram + "h_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 1\n"};
  for (const std::string& text : bad) {
    EXPECT_FALSE(StrictParser().Parse(text)) << text;
  }
  EXPECT_TRUE(StrictParser().Parse(head + "a{l=\"x\\n\"} 1\n"));
}

}  // namespace
}  // namespace crossfade::proxy
