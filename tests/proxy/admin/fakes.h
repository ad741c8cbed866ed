// A data plane and a control port that answer what a test sets. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proxy/admin/control_port.h"
#include "proxy/admin/data_plane.h"

namespace crossfade::test {

inline proxy::StoreSnapshot SampleStore(const std::string& role) {
  proxy::StoreSnapshot store;
  store.role = role;
  store.authority = store.role == "legacy";
  store.address = store.authority ? "127.0.0.1:7001" : "127.0.0.1:7002";
  store.connected = store.authority;
  store.version = "7.0.15";
  store.last_error = store.authority ? "" : "connection refused";
  store.state = store.authority ? "evicting" : "down";
  store.state_detail = store.authority ? "it uses 10 bytes" : "connection refused";
  store.states = {{"up", store.authority}, {"evicting", store.authority}};
  store.state_entries = {{"evicting", store.authority ? 3 : 0}};
  store.evicted_keys = store.authority ? 55 : 0;
  store.requests = {1000, 200, 30};
  store.latency[0].counts[7] = 600;  // below 128 us
  store.latency[0].counts[9] = 390;  // below 512 us
  store.latency[0].counts[27] = 10;  // longer than all bounds
  store.latency[0].total_us = 123'456;
  store.latency[1].counts[0] = 200;
  return store;
}

inline proxy::Snapshot SampleSnapshot() {
  proxy::Snapshot s;
  s.plan_epoch = 3;
  s.plan_digest = std::string(64, 'a');
  s.stage = "ramp";
  s.ownership = {"standby", "00ff", 7, "why", "11ee", "a:1", "a onto b", 2, 1, 3};
  s.mirror_state = "copying";
  s.mirror_detail = "partition 612 of 1,024";
  s.stores = {SampleStore("legacy"), SampleStore("new")};
  s.uptime_ms = 90'500;
  s.clients = 12;
  s.clients_accepted = 40;
  s.clients_blocked = 5;
  s.clients_rejected = 2;
  s.auth_failures = 7;
  s.lag_seconds = 0.0125;
  s.log_entries = 77;
  s.log_bytes = 4096;
  s.log_head = 9000;
  s.watermark = 8923;
  s.log_collapses = 1;
  s.dirty_keys = 5;
  s.journal = {"failed", "no space left", 512, 40, 3, 2};
  s.artifacts = {"failed", "the disk is full", "/srv/runs", 20, "/srv/runs/one", 6, 2};
  s.syncs_under_way = 4;
  s.quarantined_keys = 13;
  s.syncs_typewise = 11;
  s.syncs_chunked = 7;
  s.chunks_restarted = 2;
  s.ack_timeouts = 6;
  s.effects = {{"replay", 8000}, {"sync", 1000}};
  s.drift = {{"reply", 2}};
  s.missing_commands = {{"copy", true}, {"lmove", false}};
  s.exact = false;
  s.exact_doubts = 3;
  s.doubt_script = "da39a3ee";
  s.doubt_reason = "line 1: a key of SET may not be declared";
  s.script_calls = {{"replay", 20}, {"undeclared", 3}};
  s.scripts_known = 2;
  s.libraries_refused = 8;
  s.scripts = {
      {"da39a3ee", false, "undeclared", "line 1: a key of SET may not be declared", 3, 3, 0, 1}};
  s.backfill.phase = "copying";
  s.backfill.keys_copied = 610;
  s.backfill.kept_equal = 17;
  s.backfill.keys_total = 1000;
  s.live_partitions = 612;
  s.breaker = "half_open";
  s.breaker_trips = 3;
  s.follower_read_retries = 9;
  s.authority_read_retries = 7;
  s.verified = {{"matched", 4000}, {"differed", 3}, {"dirty", 1}};
  s.verify_differences = {{"extra", 1}, {"value", 2}};
  s.keys_that_differ = 3;
  s.reads_suspended = "the authority has evicted keys";
  s.read_decisions = {{"default", "legacy", "percentage", 750},
                      {"default", "new", "eligible", 250}};
  s.shadow = {{"default", "matched", 99}, {"default", "mismatched", 1}};
  s.client_errors = {{"protocol", 1}};
  return s;
}

inline config::Endpoint Loopback(uint16_t port) {
  config::Endpoint endpoint;
  endpoint.host = "127.0.0.1";
  endpoint.port = port;
  return endpoint;
}

inline proxy::StopReport Drained() {
  proxy::StopReport report;
  report.drained = true;
  return report;
}

class FakePlane final : public proxy::DataPlane {
 public:
  void Publish(config::PlanPtr plan) override {
    std::lock_guard lock(mutex_);
    published_.push_back(std::move(plan));
    changed_.notify_all();
  }
  proxy::Snapshot TakeSnapshot() override {
    std::lock_guard lock(mutex_);
    return snapshot_;
  }
  bool Ready(std::string& why) override {
    std::lock_guard lock(mutex_);
    why = why_not_;
    return why_not_.empty();
  }
  std::string Resume(const std::string& reason) override {
    std::lock_guard lock(mutex_);
    resumed_ = reason;
    return "done so";
  }
  Result<std::string> Order(const proxy::BackfillOrder& order) override {
    std::lock_guard lock(mutex_);
    orders_.push_back(order);
    if (order.action == proxy::BackfillOrder::Action::kStart) return Fail("it can't begin");
    return "ordered so";
  }
  Result<std::string> Order(const proxy::KeyOrder& order) override {
    std::lock_guard lock(mutex_);
    key_orders_.push_back(order);
    return "done about keys";
  }
  proxy::QuarantineList Quarantined(size_t at_most) override {
    return {at_most, 1, {{2, "k", "no", 5, 3, true}}};
  }
  std::vector<proxy::KeyOrder> key_orders() {
    std::lock_guard lock(mutex_);
    return key_orders_;
  }
  std::vector<proxy::BackfillOrder> orders() {
    std::lock_guard lock(mutex_);
    return orders_;
  }
  std::string resumed() {
    std::lock_guard lock(mutex_);
    return resumed_;
  }
  Result<uint64_t> BeginVerify(const proxy::VerifyOptions& options) override {
    std::lock_guard lock(mutex_);
    if (!why_no_verify_.empty()) return Fail(why_no_verify_);
    verify_options_ = options;
    return 7;
  }
  bool CancelVerify() override { return verify_options().has_value(); }
  std::vector<proxy::VerifyReport> VerifyReports() override {
    std::lock_guard lock(mutex_);
    return reports_;
  }
  proxy::RecentDeltas::Listing VerifyDeltas() override { return {}; }
  std::optional<proxy::VerifyOptions> verify_options() {
    std::lock_guard lock(mutex_);
    return verify_options_;
  }
  void SetVerify(std::vector<proxy::VerifyReport> reports, std::string why_not) {
    std::lock_guard lock(mutex_);
    reports_ = std::move(reports);
    why_no_verify_ = std::move(why_not);
  }
  proxy::StopReport Stop(std::chrono::milliseconds deadline) override {
    std::unique_lock lock(mutex_);
    stop_deadline_ = deadline;
    stop_called_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !hold_stop_; });
    return report_;
  }

  void SetSnapshot(proxy::Snapshot snapshot) {
    std::lock_guard lock(mutex_);
    snapshot_ = std::move(snapshot);
  }
  void SetNotReady(std::string why) {
    std::lock_guard lock(mutex_);
    why_not_ = std::move(why);
  }
  void SetReport(proxy::StopReport report) {
    std::lock_guard lock(mutex_);
    report_ = report;
  }
  void HoldStop(bool hold) {
    std::lock_guard lock(mutex_);
    hold_stop_ = hold;
    changed_.notify_all();
  }
  // False when it did not come to that in time.
  bool AwaitPublished(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return published_.size() >= count; });
  }
  bool AwaitStop() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return stop_called_; });
  }
  std::vector<config::PlanPtr> Published() const {
    std::lock_guard lock(mutex_);
    return published_;
  }
  std::chrono::milliseconds StopDeadline() const {
    std::lock_guard lock(mutex_);
    return stop_deadline_;
  }

 private:
  static constexpr std::chrono::seconds kPatience{20};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  proxy::Snapshot snapshot_ = SampleSnapshot();
  std::vector<proxy::BackfillOrder> orders_;
  std::vector<proxy::KeyOrder> key_orders_;
  std::string why_not_, resumed_, why_no_verify_;
  std::optional<proxy::VerifyOptions> verify_options_;
  std::vector<proxy::VerifyReport> reports_;
  std::vector<config::PlanPtr> published_;
  proxy::StopReport report_ = Drained();
  std::chrono::milliseconds stop_deadline_{0};
  bool stop_called_ = false;
  bool hold_stop_ = false;
};

inline config::PlanPtr SamplePlan() {
  config::Settings settings;
  settings.listen.push_back(Loopback(0));
  settings.legacy = Loopback(7001);
  settings.legacy.password = "legacy-secret";
  settings.new_store = Loopback(7002);
  settings.admin_listen = Loopback(0);
  settings.stage = config::Stage::kRamp;
  config::Route canary;
  canary.name = "canary";
  canary.match.client = "canary-*";
  canary.reads.follower_share = config::kFullShare;
  config::Route rest;
  rest.name = "default";
  rest.reads.follower_share = 2'500;
  rest.reads.shadow_share = 100;
  settings.routes = {canary, rest};
  return config::MakePlan(settings, 3);
}

class FakeControl final : public proxy::ControlPort {
 public:
  proxy::ReloadOutcome Reload() override {
    std::lock_guard lock(mutex_);
    ++reloads_;
    return outcome_;
  }
  config::PlanPtr CurrentPlan() const override { return plan_; }
  proxy::ReloadHistory Reloads() const override {
    std::lock_guard lock(mutex_);
    return history_;
  }
  bool Stopping() const override {
    std::lock_guard lock(mutex_);
    return stopping_;
  }
  std::string ConfigPath() const override { return "/etc/crossfade.yaml"; }

  void SetOutcome(proxy::ReloadOutcome outcome) {
    std::lock_guard lock(mutex_);
    outcome_ = std::move(outcome);
  }
  void SetHistory(proxy::ReloadHistory history) {
    std::lock_guard lock(mutex_);
    history_ = std::move(history);
  }
  void SetStopping(bool stopping) {
    std::lock_guard lock(mutex_);
    stopping_ = stopping;
  }
  int ReloadCalls() const {
    std::lock_guard lock(mutex_);
    return reloads_;
  }

 private:
  mutable std::mutex mutex_;
  config::PlanPtr plan_ = SamplePlan();
  proxy::ReloadOutcome outcome_{true, "", {}, 3, "d"};
  proxy::ReloadHistory history_;
  bool stopping_ = false;
  int reloads_ = 0;
};

}  // namespace crossfade::test
