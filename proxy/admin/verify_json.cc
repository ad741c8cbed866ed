#include "proxy/admin/verify_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "proxy/backend/side_json.h"
#include "proxy/mirror_events.h"

namespace crossfade::proxy {
namespace {

using nlohmann::ordered_json;
using replication::DifferenceKind;
using replication::VerifyResult;

std::string Dump(const ordered_json& document) {
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json DifferenceDocument(const replication::Difference& difference) {
  return {{"db", difference.db},
          {"key", Printable(difference.key)},
          {"kind", Name(difference.kind)},
          {"authority", SideDocument(difference.authority)},
          {"follower", SideDocument(difference.follower)}};
}

ordered_json SkippedDocument(const replication::VerifyCounters& counters) {
  ordered_json skipped = ordered_json::object();
  for (size_t i = 0; i < static_cast<size_t>(VerifyResult::kCount); ++i) {
    const auto result = static_cast<VerifyResult>(i);
    if (result == VerifyResult::kMatched || result == VerifyResult::kDiffered) continue;
    skipped[Name(result)] = counters.Of(result);
  }
  return skipped;
}

ordered_json ReportDocument(const VerifyReport& report) {
  ordered_json kinds = ordered_json::object();
  for (size_t i = 0; i < static_cast<size_t>(DifferenceKind::kCount); ++i) {
    const auto kind = static_cast<DifferenceKind>(i);
    kinds[Name(kind)] = report.counters.Of(kind);
  }
  ordered_json examples = ordered_json::array();
  for (const auto& example : report.examples) examples.push_back(DifferenceDocument(example));
  const VerifyOptions& options = report.options;
  return {{"id", report.id},
          {"scheduled", options.scheduled},
          {"options",
           {{"repair", options.repair},
            {"delete_extra", options.delete_extra},
            {"sample", static_cast<double>(options.sample) / config::kFullShare},
            {"prefix", options.prefix},
            {"keys_per_second", options.keys_per_second}}},
          {"state", Name(report.state)},
          {"ended", report.Ended()},
          {"step", report.step},
          {"error", report.error},
          {"started_unix_ms", report.started_unix_ms},
          {"ended_unix_ms", report.ended_unix_ms},
          {"keys_expected", report.keys_expected},
          {"keys_walked", report.keys_walked},
          {"keys_selected", report.keys_selected},
          {"compared", report.Compared()},
          {"matched", report.counters.Of(VerifyResult::kMatched)},
          {"by_type", report.counters.logical},
          {"differences", report.Differences()},
          {"kinds", kinds},
          {"skipped", SkippedDocument(report.counters)},
          {"clean", report.Clean()},
          {"whole", report.Whole()},
          {"repairs_wanted", report.repairs_wanted},
          {"repaired", report.repaired},
          {"deleted", report.deleted},
          {"extra_kept", report.extra_kept},
          {"differences_dropped", report.deltas_dropped},
          {"artifact", report.artifact},
          {"artifact_error", report.artifact_error},
          {"examples", examples}};
}

Status ReadSample(const ordered_json& value, VerifyOptions& options) {
  constexpr const char* kExpected = "sample: expected a share above 0 and up to 1";
  if (!value.is_number()) return Fail(kExpected);
  const double share = std::round(value.get<double>() * config::kFullShare);
  if (!(share >= 1 && share <= config::kFullShare)) return Fail(kExpected);
  options.sample = static_cast<uint32_t>(share);
  return {};
}

Status ReadOption(const std::string& name, const ordered_json& value, VerifyOptions& options) {
  if (name == "repair" || name == "delete_extra") {
    if (!value.is_boolean()) return Fail(name + ": expected true or false");
    (name == "repair" ? options.repair : options.delete_extra) = value.get<bool>();
    return {};
  }
  if (name == "sample") return ReadSample(value, options);
  if (name == "prefix") {
    if (!value.is_string()) return Fail("prefix: expected text");
    options.prefix = value.get<std::string>();
    return {};
  }
  if (name == "keys_per_second") {
    if (!value.is_number_unsigned()) return Fail("keys_per_second: expected a whole number");
    options.keys_per_second = value.get<uint64_t>();
    return {};
  }
  return Fail(name + " is no option of a verification");
}

}  // namespace

Result<VerifyOptions> ParseVerifyRequest(const std::string& body) {
  VerifyOptions options;
  if (body.empty()) return options;
  const auto document = ordered_json::parse(body, nullptr, false);
  if (!document.is_object()) return Fail("the body is no JSON object");
  for (const auto& [name, value] : document.items()) {
    if (const Status read = ReadOption(name, value, options); !read) {
      return tl::unexpected(read.error());
    }
  }
  return options;
}

std::string VerifyJson(const std::vector<VerifyReport>& reports) {
  ordered_json passes = ordered_json::array();
  for (const VerifyReport& report : reports) passes.push_back(ReportDocument(report));
  return Dump({{"passes", passes}});
}

std::string DeltasJson(const RecentDeltas::Listing& listing) {
  ordered_json differences = ordered_json::array();
  for (const Delta& delta : listing.deltas) {
    ordered_json document = DifferenceDocument(delta.difference);
    document["pass"] = delta.pass;
    document["unix_ms"] = delta.unix_ms;
    document["action"] = Name(delta.action);
    differences.push_back(std::move(document));
  }
  return Dump({{"differences", differences}, {"dropped", listing.dropped}});
}

std::string VerifyBegunJson(uint64_t id) { return Dump({{"id", id}}); }

std::string VerifyCancelledJson(bool cancelled) { return Dump({{"stopped", cancelled}}); }

}  // namespace crossfade::proxy
