#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "proxy/admin/status_json.h"
#include "proxy/admin/status_text.h"
#include "tests/proxy/admin/fakes.h"

namespace crossfade::proxy {
namespace {

using nlohmann::json;

StatusInput SampleInput() {
  StatusInput input;
  input.snapshot = test::SampleSnapshot();
  input.plan = test::SamplePlan();
  input.config_path = "/etc/crossfade.yaml";
  input.ready = true;
  input.sampled_us = 1'000'000;
  return input;
}

TEST(StatusJson, EveryFieldOfTheSnapshotIsThere) {
  const json status = json::parse(StatusJson(SampleInput()));
  const json expected = json::parse(R"({
    "plan_epoch": 3, "stage": "ramp", "mirror_state": "copying",
    "mirror_detail": "partition 612 of 1,024", "uptime_ms": 90500, "clients": 12,
    "clients_accepted": 40, "clients_rejected": 2, "auth_failures": 7, "lag_seconds": 0.0125, "log_entries": 77,
    "log_bytes": 4096, "log_head": 9000, "watermark": 8923, "log_collapses": 1, "dirty_keys": 5,
    "syncs_under_way": 4, "syncs_typewise": 11, "syncs_chunked": 7, "chunks_restarted": 2, "ack_timeouts": 6, "effects": {"replay": 8000, "sync": 1000},
    "journal": {"state": "failed", "reason": "no space left", "bytes": 512, "blocks": 40,
                "syncs": 3, "failures": 2},
    "drift": {"reply": 2}, "exact": false, "exact_doubts": 3, "doubt_script": "da39a3ee",
    "script_calls": {"replay": 20, "undeclared": 3}, "libraries_refused": 8,
    "scripts": [{"id": "da39a3ee", "function": false, "verdict": "undeclared",
                 "reason": "line 1: a key of SET may not be declared",
                 "calls": 3, "replayed": 3, "synced": 0, "failed": 1}], 
    "backfill": {"phase": "copying", "paused": false, "keys_found": 0, "keys_copied": 610,
                 "kept_equal": 17, "keys_total": 1000, "partitions_finished": 0, "partition": -1, "keys_per_second": 0,
                 "limit_keys_per_second": 0, "held_back": false, "spool_bytes": 0, "error": ""},
    "live_partitions": 612, "breaker": "half_open", "breaker_trips": 3,
    "follower_read_retries": 9, "client_errors": {"protocol": 1},
    "read_decisions": [
      {"route": "default", "store": "legacy", "reason": "percentage", "count": 750},
      {"route": "default", "store": "new", "reason": "eligible", "count": 250}],
    "shadow": [{"route": "default", "result": "matched", "count": 99},
               {"route": "default", "result": "mismatched", "count": 1}]})");
  for (const auto& [name, value] : expected.items()) EXPECT_EQ(status[name], value) << name;
  EXPECT_EQ(status["plan_digest"], std::string(64, 'a'));
  EXPECT_EQ(status["stores"][1]["last_error"], "connection refused");
  EXPECT_EQ(status["stores"][0]["requests"]["write"], 200);
  EXPECT_EQ(status["stores"][0]["latency"]["read"]["counts"][7], 600);
  EXPECT_EQ(status["routes"][1]["follower_share"], 0.25);
}

TEST(StatusJson, BytesThatAreNotUtf8AreReplaced) {
  StatusInput input = SampleInput();
  input.snapshot.stores[1].last_error = "bad \xff\xfe \"bytes\"\n";
  const json status = json::parse(StatusJson(input));
  EXPECT_EQ(status["stores"][1]["last_error"], "bad \xef\xbf\xbd\xef\xbf\xbd \"bytes\"\n");
}

TEST(StatusJson, TheLastReloadIsTold) {
  StatusInput input = SampleInput();
  EXPECT_FALSE(json::parse(StatusJson(input))["reloads"].contains("last"));
  input.reloads = {1, 1, true, {false, "line 3: no", {}, 3, "d"}, 1700000000000};
  const json reloads = json::parse(StatusJson(input))["reloads"];
  EXPECT_EQ(reloads["refused"], 1);
  EXPECT_EQ(reloads["last"]["error"], "line 3: no");
}

TEST(RedactSecrets, OnlyValuesThatAreHashes) {
  EXPECT_EQ(RedactSecrets("a = 1\nb.password = sha256:abc\nc = none\n"),
            "a = 1\nb.password = (secret)\nc = none\n");
}

std::string Rendered(const std::string& before, const std::string& now) {
  const Result<std::string> text = RenderStatus(before, now, {});
  EXPECT_TRUE(text) << (text ? "" : text.error().message);
  return text.value_or("");
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(StatusText, TellsWhatMatters) {
  const std::string text = Rendered("", StatusJson(SampleInput()));
  EXPECT_TRUE(Has(text, "ready  up 1m 30s")) << text;
  EXPECT_TRUE(Has(text, "plan #3 aaaaaaaaaaaa\n")) << text;
  EXPECT_TRUE(Has(text, "NOT CONNECTED: connection refused")) << text;
  EXPECT_TRUE(Has(text, "[##################------------] 61%  610 of ~1,000 keys, 612 of 1,024"))
      << text;
  EXPECT_TRUE(Has(text, "12 ms  log 77 entries, 4.0 KiB of 256 MiB")) << text;
  EXPECT_TRUE(Has(text, "drift 2 (reply 2)")) << text;
  EXPECT_TRUE(Has(text, "replay 20  undeclared 3")) << text;
  EXPECT_TRUE(Has(text, "NOT EXACT  3 calls may have written keys")) << text;
  EXPECT_TRUE(Has(text, "half_open  trips 3")) << text;
  EXPECT_TRUE(
      Has(text, "reports  FAILED  the last run's artifacts are not kept: the disk is full"));
  EXPECT_TRUE(Has(text, " evicting: it uses 10 bytes\n")) << text;
  EXPECT_TRUE(Has(text, "reads    SUSPENDED  the authority has evicted keys\n")) << text;
  EXPECT_TRUE(Has(text, "canary           follower 100%")) << text;
  EXPECT_FALSE(Has(text, "\x1b")) << "no colours were asked for";
}

TEST(StatusText, RatesAndQuantilesAreOfTheTimeBetween) {
  StatusInput input = SampleInput();
  const std::string before = StatusJson(input);
  input.sampled_us += 500'000;
  input.snapshot.stores[0].requests[0] += 600;
  input.snapshot.stores[0].latency[0].counts[5] += 600;
  input.snapshot.read_decisions[1].count += 50;
  const std::string text = Rendered(before, StatusJson(input));
  EXPECT_TRUE(Has(text, "1,200/s   <32 us   <32 us")) << text;
  EXPECT_TRUE(Has(text, "eligible                    100/s            300")) << text;
}

TEST(StatusText, ARestartOfTheProxyIsNotADifference) {
  StatusInput input = SampleInput();
  json before = json::parse(StatusJson(input));
  before["pid"] = 1;
  before["stores"][0]["requests"]["read"] = 1'000'000'000;
  input.sampled_us += 1'000'000;
  const std::string text = Rendered(before.dump(), StatusJson(input));
  EXPECT_TRUE(Has(text, "11/s")) << text;  // 1,000 since the start, 90.5 s ago
}

TEST(StatusText, NotReadyAndRefusedStandOut) {
  StatusInput input = SampleInput();
  input.ready = false;
  input.ready_reason = "legacy is not connected";
  input.reloads = {0, 1, true, {false, "crossfade.yaml:3: no", {}, 3, "d"}, 1};
  const std::string text = Rendered("", StatusJson(input));
  EXPECT_TRUE(Has(text, "NOT READY: legacy is not connected")) << text;
  EXPECT_TRUE(Has(text, "crossfade.yaml:3: no")) << text;
}

TEST(StatusText, AFullBarMeansAllPartitionsLive) {
  StatusInput input = SampleInput();
  input.snapshot.backfill.keys_copied = 5'000;  // more than the estimate
  EXPECT_TRUE(Has(Rendered("", StatusJson(input)), "-] 99%"));
  input.snapshot.mirror_state = "live";
  input.snapshot.live_partitions = 1'024;
  EXPECT_TRUE(Has(Rendered("", StatusJson(input)), "#] 100%"));
}

TEST(StatusText, OtherDocumentsAreErrors) {
  EXPECT_FALSE(RenderStatus("", "", {}));
  EXPECT_FALSE(RenderStatus("", "{}", {}));
  EXPECT_FALSE(RenderStatus("", "[1]", {}));
  EXPECT_FALSE(RenderStatus("{}", StatusJson(SampleInput()), {}));
}

}  // namespace
}  // namespace crossfade::proxy
