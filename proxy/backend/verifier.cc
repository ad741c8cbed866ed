#include "proxy/backend/verifier.h"

#include <spdlog/spdlog.h>

#include <random>
#include <utility>

#include "proxy/backend/client_keys.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

using replication::VerifyResult;
using std::chrono::milliseconds;

constexpr milliseconds kPace{50};
constexpr std::chrono::seconds kScheduledEvery{60};
constexpr size_t kReportsKept = 16;

uint64_t NewSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

void LogEnd(const VerifyReport& report) {
  const auto level = report.Differences() > 0 || !report.error.empty() ? spdlog::level::warn
                     : report.options.scheduled                        ? spdlog::level::debug
                                                                       : spdlog::level::info;
  spdlog::log(level,
              "verification {} pass={} compared={} matched={} differences={} repaired={} "
              "expiring={} dirty={} error=\"{}\"",
              Name(report.state), report.id, report.Compared(),
              report.counters.Of(VerifyResult::kMatched), report.Differences(), report.repaired,
              report.counters.Of(VerifyResult::kExpiring), report.counters.Of(VerifyResult::kDirty),
              report.error);
}

}  // namespace

Verifier::Verifier(Core& core, ActivePlanPtr plan) : core_(core), plan_(std::move(plan)) {}

Verifier::~Verifier() { Stop(); }

void Verifier::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Verifier::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  interrupt_.Raise();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(core_.mutex);
  core_.replicator.verification().Stop();
}

void Verifier::SetPlan(ActivePlanPtr plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
  wake_.notify_all();
}

Result<uint64_t> Verifier::Begin(const VerifyOptions& options) {
  if (options.delete_extra && !options.repair) {
    return Fail("delete_extra is for a repair: ask for both");
  }
  {
    const std::lock_guard lock(core_.mutex);
    const auto state = core_.replicator.state();
    if (state != replication::MirrorState::kLive) {
      return Fail(std::string("the mirror is not live but ") + replication::Name(state) +
                  ": there is nothing to compare yet");
    }
  }
  const std::lock_guard lock(mutex_);
  if (stop_) return Fail("the proxy is stopping");
  if (operators_) return Fail("a verification is under way; stop it first");
  operators_ = true;
  cancelled_ = false;
  request_ = options;
  request_->scheduled = false;
  request_id_ = next_id_++;
  VerifyReport report;
  report.id = request_id_;
  report.options = *request_;
  report.started_unix_ms = Worker::UnixMs();
  Put(report);
  wake_.notify_all();
  return request_id_;
}

bool Verifier::Cancel() {
  const std::lock_guard lock(mutex_);
  if (!operators_) return false;
  cancelled_ = true;
  wake_.notify_all();
  return true;
}

std::vector<VerifyReport> Verifier::Reports() const {
  const std::lock_guard lock(mutex_);
  return {reports_.begin(), reports_.end()};
}

bool Verifier::Sleep(milliseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, time, [this] { return stop_; });
  return !stop_;
}

std::optional<VerifyOptions> Verifier::TakeRequest(uint64_t& id) {
  const std::lock_guard lock(mutex_);
  id = request_id_;
  return std::exchange(request_, std::nullopt);
}

VerifyOptions Verifier::Scheduled() const {
  const std::lock_guard lock(mutex_);
  const config::VerifySettings& settings = plan_->plan->settings.verify;
  VerifyOptions options;
  options.scheduled = true;
  options.repair = settings.repair;
  options.keys_per_second = settings.keys_per_second;
  return options;
}

bool Verifier::ScheduleIsDue() {
  if (Clock::now() < next_scheduled_) return false;
  if (Scheduled().keys_per_second == 0 || OutsideOfWindow()) return false;
  const std::lock_guard lock(core_.mutex);
  return core_.replicator.live();
}

void Verifier::Run() {
  do {
    uint64_t id = 0;
    if (const std::optional<VerifyOptions> request = TakeRequest(id)) {
      RunPass(*request, id);
    } else if (ScheduleIsDue()) {
      next_scheduled_ = Clock::now() + kScheduledEvery;
      {
        const std::lock_guard lock(mutex_);
        id = next_id_++;
      }
      RunPass(Scheduled(), id);
    }
  } while (Sleep(kPace));
}

void Verifier::RunPass(const VerifyOptions& options, uint64_t id) {
  Pass pass;
  pass.report.id = id;
  pass.report.options = options;
  pass.report.started_unix_ms = Worker::UnixMs();
  pass.seed = NewSeed();
  {
    const std::lock_guard lock(core_.mutex);
    pass.doubts = core_.replicator.scripts().claim.doubts;
    core_.replicator.verification().suspects.BeginRound();
  }
  pass.authority_run_id = core_.authority().run_id();
  pass.follower_run_id = core_.follower().run_id();
  Publish(pass);
  for (DeltaSink* sink : sinks_) sink->PassBegan(pass.report);
  Conclude(pass, Carry(pass));
}

Status Verifier::Carry(Pass& pass) {
  Result<Stores> stores = Connect();
  if (!stores) return tl::unexpected(stores.error());
  const auto authority_keys = CountClientKeys(stores->authority);
  const auto follower_keys = CountClientKeys(stores->follower);
  if (!authority_keys) return Fail("the legacy store: " + authority_keys.error().message);
  if (!follower_keys) return Fail("the new store: " + follower_keys.error().message);
  pass.report.keys_expected = Sum(*authority_keys) + Sum(*follower_keys);
  SetState(pass, PassState::kRunning, "comparing the keys of the legacy store");
  if (const Status walked = Walk(pass, *stores, false); !walked) return walked;
  SetState(pass, PassState::kRunning, "looking for keys that the new store alone has");
  if (const Status walked = Walk(pass, *stores, true); !walked) return walked;
  if (const Status settled = Settle(pass); !settled) return settled;
  if (const Status handed = HandInOldSuspects(pass); !handed) return handed;
  return Repair(pass);
}

// A comparison near a deadline counts on this machine's clock.
void Verifier::LookAtClocks(Pass& pass, Stores& stores) {
  constexpr std::chrono::seconds kEvery{10};
  if (Clock::now() < pass.clocks_due) return;
  pass.clocks_due = Clock::now() + kEvery;
  int64_t margin = 0;
  for (StoreClient* store : {&stores.authority, &stores.follower}) {
    const Result<int64_t> offset = store->ClockOffsetMs();
    if (offset) margin = std::max(margin, 1'000 + std::abs(*offset));
  }
  milliseconds tolerance{};
  {
    const std::lock_guard lock(mutex_);
    tolerance = plan_->plan->settings.verify.expiry_tolerance;
  }
  const std::lock_guard lock(core_.mutex);
  core_.replicator.verification().margin_ms = margin;
  core_.replicator.verification().expiry_tolerance_ms = tolerance.count();
}

void Verifier::Conclude(Pass& pass, const Status& carried) {
  VerifyReport& report = pass.report;
  if (!carried) GiveUpKeys(pass);
  Account(pass);
  const bool stopped = Ending(pass);
  report.state = carried ? PassState::kDone : stopped ? PassState::kStopped : PassState::kFailed;
  if (!carried && !stopped) report.error = carried.error().message;
  report.step.clear();
  if (report.Whole() && report.Clean()) {
    const std::lock_guard lock(core_.mutex);
    if (report.Differences() == 0) core_.replicator.ConfirmExact(pass.doubts);
    core_.replicator.verification().suspects.ClearOverflow();
    core_.read_suspension.Set(ReadSuspension::kFollowerDiffers, false);
  }
  report.ended_unix_ms = Worker::UnixMs();
  LogEnd(report);
  for (DeltaSink* sink : sinks_) sink->PassEnded(report);
  const std::lock_guard lock(mutex_);
  if (!report.options.scheduled) operators_ = false;  // before anybody sees that it has ended
  Put(report);
}

void Verifier::Publish(const Pass& pass) {
  const std::lock_guard lock(mutex_);
  Put(pass.report);
}

void Verifier::Put(const VerifyReport& report) {
  for (VerifyReport& known : reports_) {
    if (known.id != report.id) continue;
    known = report;
    return;
  }
  reports_.push_front(report);
  if (reports_.size() > kReportsKept) reports_.pop_back();
}

}  // namespace crossfade::proxy
