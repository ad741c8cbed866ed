// Verifier: how fast keys are handed in, when that pauses, and what came of them.
#include <algorithm>
#include <ctime>

#include "proxy/backend/verifier.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFullQueuePause{2};
constexpr milliseconds kPause{20};
// Of keys that were found different and are to be repaired; the others are counted.
constexpr size_t kFoundMax = 100'000;

uint32_t MinuteOfDay() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return static_cast<uint32_t>(local.tm_hour * 60 + local.tm_min);
}

}  // namespace

bool Verifier::Ending(const Pass& pass) const {
  const std::lock_guard lock(mutex_);
  if (stop_) return true;
  if (!pass.report.options.scheduled) return cancelled_;
  return plan_->plan->settings.verify.keys_per_second == 0;
}

bool Verifier::OutsideOfWindow() const {
  const std::lock_guard lock(mutex_);
  const auto& window = plan_->plan->settings.verify.window;
  return window && !window->Contains(MinuteOfDay());
}

std::string Verifier::WhyPaused(const Pass& pass) const {
  if (pass.report.options.scheduled && OutsideOfWindow()) return "outside of verify.window";
  const std::lock_guard lock(core_.mutex);
  if (!core_.replicator.live()) return "the mirror is not live";
  return core_.replicator.follower_ready() ? "" : "the new store is not connected";
}

void Verifier::SetState(Pass& pass, PassState state, const std::string& step) {
  pass.report.state = state;
  pass.report.step = step;
  Publish(pass);
}

// Returns when it may, or the reason why the pass ends.
Status Verifier::MayGoOn(Pass& pass) {
  const PassState state = pass.report.state;
  const std::string step = pass.report.step;
  while (true) {
    Account(pass);
    if (Ending(pass)) return Fail("stopped");
    if (core_.authority().run_id() != pass.authority_run_id ||
        core_.follower().run_id() != pass.follower_run_id) {
      return Fail("a store is another process than when the verification began");
    }
    if (pass.report.options.scheduled) {
      uint64_t id = 0;
      if (const std::optional<VerifyOptions> request = TakeRequest(id)) {
        if (const Status settled = Settle(pass); !settled) return settled;
        RunPass(*request, id);
        continue;
      }
      pass.report.options.keys_per_second = Scheduled().keys_per_second;
    }
    const std::string paused = WhyPaused(pass);
    if (paused.empty()) break;
    SetState(pass, PassState::kPaused, paused);
    if (!Sleep(kPause)) return Fail("stopped");
  }
  if (pass.report.state != state) SetState(pass, state, step);
  return {};
}

Status Verifier::Pace(Pass& pass, size_t keys, uint64_t keys_per_second) {
  if (keys_per_second == 0) return {};
  // What was not used while it paused is not made up for.
  const auto now = Clock::now();
  pass.due = std::max(pass.due, now - milliseconds(100)) +
             std::chrono::microseconds(keys * 1'000'000 / keys_per_second);
  while (Clock::now() < pass.due) {
    if (const Status go_on = MayGoOn(pass); !go_on) return go_on;
    const auto left = std::chrono::ceil<milliseconds>(pass.due - Clock::now());
    if (!Sleep(std::clamp(left, milliseconds(0), kPause))) return Fail("stopped");
  }
  return {};
}

Status Verifier::HandIn(Pass& pass, uint32_t db, const std::vector<std::string_view>& names) {
  size_t handed = 0;
  while (true) {
    const size_t before = handed;
    {
      const std::lock_guard lock(core_.mutex);
      replication::Verification& verification = core_.replicator.verification();
      while (handed < names.size() && verification.HandIn(db, names[handed])) ++handed;
    }
    if (handed > before) {
      core_.feed_wanted.store(true);
      core_.workers[0]->Wake();
    }
    pass.report.keys_selected += handed - before;
    if (const Status go_on = MayGoOn(pass); !go_on) return go_on;
    if (handed == names.size()) return {};
    if (!Sleep(kFullQueuePause)) return Fail("stopped");
  }
}

// Until every key that was handed in has its result.
Status Verifier::Settle(Pass& pass) {
  while (true) {
    Account(pass);
    {
      const std::lock_guard lock(core_.mutex);
      if (core_.replicator.verification().outstanding() == 0) break;
    }
    if (Ending(pass)) return Fail("stopped");
    if (!Sleep(kFullQueuePause)) return Fail("stopped");
  }
  Account(pass);
  return {};
}

// What is under way comes to its end by itself: replies, or lost connections.
void Verifier::GiveUpKeys(Pass& pass) {
  const auto until = Clock::now() + std::chrono::seconds(30);
  while (true) {
    Account(pass);
    {
      const std::lock_guard lock(core_.mutex);
      core_.replicator.verification().Stop();
      if (core_.replicator.verification().outstanding() == 0) return;
    }
    if (!Sleep(kFullQueuePause) || Clock::now() > until) return;
  }
}

void Verifier::Account(Pass& pass) {
  replication::VerifyCounters now;
  std::vector<replication::Difference> differences;
  bool overflowed = false;
  {
    const std::lock_guard lock(core_.mutex);
    replication::Verification& verification = core_.replicator.verification();
    now = verification.counters();
    differences = verification.TakeDifferences();
    overflowed = verification.suspects.overflowed();
  }
  core_.read_suspension.Set(ReadSuspension::kFollowerDiffers, overflowed);
  VerifyReport& report = pass.report;
  if (!pass.again) {
    for (size_t i = 0; i < now.results.size(); ++i) {
      report.counters.results[i] += now.results[i] - seen_.results[i];
    }
    for (size_t i = 0; i < now.kinds.size(); ++i) {
      report.counters.kinds[i] += now.kinds[i] - seen_.kinds[i];
    }
    report.counters.logical += now.logical - seen_.logical;
  }
  seen_ = now;
  for (replication::Difference& difference : differences) {
    Tell(pass, pass.again ? DeltaAction::kStillDifferent : DeltaAction::kFound, difference);
    if (pass.again) {
      pass.differ_again.emplace(difference.db, std::move(difference.key));
      continue;
    }
    if (report.examples.size() < VerifyReport::kExamples) report.examples.push_back(difference);
    if (!report.options.repair) continue;
    if (pass.found.size() < kFoundMax) {
      pass.found.push_back(std::move(difference));
    } else {
      ++report.deltas_dropped;
    }
  }
  Publish(pass);
}

}  // namespace crossfade::proxy
