#include "proxy/admin/verify_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "proxy/admin/http_server.h"
#include "tests/proxy/admin/fakes.h"
#include "tests/proxy/admin/http_exchange.h"

namespace crossfade::proxy {
namespace {

using nlohmann::json;
using replication::DifferenceKind;
using replication::VerifyResult;

replication::Difference SampleDifference() {
  replication::Difference difference;
  difference.db = 3;
  difference.key = "k\n\xff";
  difference.kind = DifferenceKind::kExpiry;
  difference.authority = {true, replication::KeyType::kHash, 0xab, 17, 5'000, false, false};
  return difference;
}

VerifyReport SampleReport() {
  VerifyReport report;
  report.id = 7;
  report.options.sample = 250;
  report.options.prefix = "a:";
  report.state = PassState::kDone;
  report.started_unix_ms = 1'000;
  report.ended_unix_ms = 2'000;
  report.keys_walked = 30;
  report.keys_selected = 20;
  report.counters.results[static_cast<size_t>(VerifyResult::kMatched)] = 15;
  report.counters.results[static_cast<size_t>(VerifyResult::kDiffered)] = 2;
  report.counters.results[static_cast<size_t>(VerifyResult::kExpiring)] = 3;
  report.counters.kinds[static_cast<size_t>(DifferenceKind::kExpiry)] = 2;
  report.repaired = 1;
  report.examples = {SampleDifference()};
  return report;
}

TEST(VerifyJson, ARequestsOptionsHaveDefaults) {
  for (const char* body : {"", "{}"}) {
    const auto options = ParseVerifyRequest(body);
    ASSERT_TRUE(options) << body;
    EXPECT_TRUE(options->Full());
    EXPECT_FALSE(options->repair || options->delete_extra || options->scheduled);
    EXPECT_EQ(options->keys_per_second, 0u);
  }
  const auto options = ParseVerifyRequest(
      R"({"repair":true,"delete_extra":true,"sample":0.025,"prefix":"a:","keys_per_second":9})");
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->repair && options->delete_extra);
  EXPECT_EQ(options->sample, 250u);
  EXPECT_EQ(options->prefix, "a:");
  EXPECT_EQ(options->keys_per_second, 9u);
  EXPECT_FALSE(options->Full());
}

TEST(VerifyJson, WrongRequestsAreRefusedWithTheReason) {
  for (const char* body :
       {"x", "[]", R"({"repair":1})", R"({"sample":0})", R"({"sample":1.1})", R"({"sample":"all"})",
        R"({"prefix":1})", R"({"keys_per_second":-1})", R"({"rate":1})"}) {
    const auto options = ParseVerifyRequest(body);
    ASSERT_FALSE(options) << body;
    EXPECT_FALSE(options.error().message.empty());
  }
}

TEST(VerifyJson, APassSaysWhatWasComparedAndWhatWasNot) {
  const json pass = json::parse(VerifyJson({SampleReport()}))["passes"][0];
  EXPECT_EQ(pass["id"], 7);
  EXPECT_EQ(pass["state"], "done");
  EXPECT_EQ(pass["ended"], true);
  EXPECT_EQ(pass["compared"], 17);
  EXPECT_EQ(pass["matched"], 15);
  EXPECT_EQ(pass["differences"], 2);
  EXPECT_EQ(pass["kinds"]["expiry"], 2);
  EXPECT_EQ(pass["kinds"]["value"], 0);
  EXPECT_EQ(pass["skipped"]["expiring"], 3);
  EXPECT_FALSE(pass["skipped"].contains("matched"));
  EXPECT_EQ(pass["clean"], false);
  EXPECT_EQ(pass["options"]["sample"], 0.025);
  const json example = pass["examples"][0];
  EXPECT_EQ(example["key"], "k\\x0a\\xff");
  EXPECT_EQ(example["kind"], "expiry");
  EXPECT_EQ(example["authority"], (json{{"exists", true},
                                        {"type", "hash"},
                                        {"digest", "00000000000000ab"},
                                        {"bytes", 17},
                                        {"expires_at_ms", 5'000}}));
  EXPECT_EQ(example["follower"], (json{{"exists", false}}));
}

TEST(VerifyReport, IsCleanOnceAllThatDifferedIsRepaired) {
  VerifyReport report = SampleReport();
  EXPECT_FALSE(report.Clean());
  report.repaired = 2;
  EXPECT_TRUE(report.Clean());
  report.state = PassState::kStopped;
  EXPECT_FALSE(report.Clean());
}

TEST(VerifyReport, IsWholeWhenNothingWasLeftOutThatLasts) {
  VerifyReport report = SampleReport();
  EXPECT_FALSE(report.Whole());
  report.options = {};
  EXPECT_TRUE(report.Whole());
  report.counters.results[static_cast<size_t>(VerifyResult::kDirty)] = 1;
  EXPECT_FALSE(report.Whole());
}

TEST(RecentDeltas, KeepsTheNewestAndCountsTheOthers) {
  RecentDeltas deltas;
  for (size_t i = 0; i < RecentDeltas::kKept + 3; ++i) {
    deltas.Take({i, 0, DeltaAction::kFound, SampleDifference()});
  }
  const RecentDeltas::Listing listing = deltas.List();
  EXPECT_EQ(listing.deltas.size(), RecentDeltas::kKept);
  EXPECT_EQ(listing.deltas.front().pass, 3u);
  EXPECT_EQ(listing.dropped, 3u);
  const json document = json::parse(DeltasJson({{listing.deltas.front()}, 3}));
  EXPECT_EQ(document["dropped"], 3);
  EXPECT_EQ(document["differences"][0]["action"], "found");
  EXPECT_EQ(document["differences"][0]["db"], 3);
}

TEST(VerifyApi, IsServedToThoseWhoMay) {
  test::FakePlane plane;
  test::FakeControl control;
  AdminServer server(test::Loopback(0), "secret");
  ASSERT_TRUE(server.Bind());
  server.Start(plane, control);
  const auto call = [&](const std::string& method, const std::string& token,
                        const std::string& body) {
    const std::string headers = token.empty() ? "" : "Authorization: Bearer " + token + "\r\n";
    return test::HttpCall(server.Port(), method, "/api/v1/verify", headers, body);
  };
  EXPECT_EQ(call("POST", "", "{}").status, 401);
  EXPECT_EQ(call("DELETE", "", "").status, 401);
  EXPECT_FALSE(plane.verify_options());
  EXPECT_EQ(call("POST", "secret", "{\"sample\":2}").status, 400);
  const auto begun = call("POST", "secret", "{\"prefix\":\"a:\"}");
  EXPECT_EQ(begun.status, 200);
  EXPECT_EQ(begun.body, "{\"id\":7}");
  EXPECT_EQ(plane.verify_options()->prefix, "a:");
  EXPECT_EQ(call("DELETE", "secret", "").body, "{\"stopped\":true}");
  plane.SetVerify({SampleReport()}, "the mirror is not live");
  EXPECT_EQ(call("POST", "secret", "{}").status, 409);
  EXPECT_EQ(json::parse(call("GET", "", "").body)["passes"][0]["id"], 7);
}

}  // namespace
}  // namespace crossfade::proxy
