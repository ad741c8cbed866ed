#include "proxy/backend/mirror_driver.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "proxy/backend/client_keys.h"
#include "proxy/worker/worker.h"
#include "routing/commands/reserved_keys.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {
namespace {

using replication::MirrorState;
using std::chrono::milliseconds;

constexpr milliseconds kPace{20};
constexpr milliseconds kBusyPace{2};
constexpr milliseconds kCheckEvery{1'000};
constexpr milliseconds kGreetingPace{50};
constexpr milliseconds kConnectTimeout{1'000};

}  // namespace

MirrorDriver::MirrorDriver(Core& core, ActivePlanPtr plan)
    : core_(core), backfiller_(core, interrupt_), plan_(std::move(plan)) {
  progress_.state = plan_->mirrors ? "connecting" : "off";
  const std::lock_guard lock(core_.mutex);
  if (!plan_->mirrors) return;
  core_.replicator.SetUnfinished();
}

void MirrorDriver::AdoptFormer(const replication::Recovered& former) {
  using replication::FollowerClaim;
  backfiller_.RememberQuarantine();
  const bool ours = former.claim != FollowerClaim::kNothing;
  if (ours) former_follower_ = former.state.follower_run_id;
  copied_from_ = former.state.authority_run_id;
  const bool stores_known =
      !former.state.authority_run_id.empty() && !former.state.follower_run_id.empty();
  const auto finished = FormerlyFinished(former);
  if (plan_->mirrors && finished && stores_known) {
    // Other processes there than these are found when they are connected.
    core_.legacy.Expect(former.state.authority_run_id);
    core_.new_store.Expect(former.state.follower_run_id);
    core_.replicator.Resume(former.state, former.dirty, *finished);
    if (!core_.replicator.live()) core_.replicator.CompareFirst(KeepsEqual(*plan_));
    resumed_ = true;
    spdlog::info("the intent journal is whole: the mirror goes on keys_to_sync={} blocks={}",
                 former.dirty.size(), former.blocks);
    return;
  }
  if (ours) core_.replicator.NoteFollowerIsOurs();
  journal_failed_ = former.blocks > 0 || !former.reason.empty();
  if (!former.reason.empty()) {
    spdlog::warn(
        "the intent journal can't be relied on, so that all keys are to be compared "
        "reason=\"{}\"",
        former.reason);
  }
  // Should the follower prove to hold what the authority holds, then nothing
  // written from the first moment on may have been missed.
  const bool trust = plan_->plan->settings.mirror.follower_data == config::FollowerData::kTrust;
  if (plan_->mirrors && trust) core_.replicator.BeginCopy();
}

// In which partitions the mirror may go on.
std::optional<replication::PartitionSet> MirrorDriver::FormerlyFinished(
    const replication::Recovered& former) {
  if (former.claim == replication::FollowerClaim::kLive) {
    backfiller_.NoteFormerlyDone();
    return replication::PartitionSet().set();
  }
  if (former.claim != replication::FollowerClaim::kPart) return std::nullopt;
  auto finished = backfiller_.Former();
  if (!finished) return std::nullopt;
  if (const Status resumed = backfiller_.Resume(former); !resumed) {
    spdlog::warn("the backfill begins again reason=\"{}\"", resumed.error().message);
    return std::nullopt;
  }
  return finished;
}

MirrorDriver::~MirrorDriver() { Stop(); }

void MirrorDriver::Start() {
  LookUpAddresses();
  thread_ = std::thread([this] { Run(); });
}

void MirrorDriver::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  interrupt_.Raise();
  if (!thread_.joinable()) return;
  thread_.join();
  backfiller_.Stopped();
}

Result<StoreClient> MirrorDriver::Connect(const StoreLink& link) {
  return StoreClient::Connect(link, kConnectTimeout, interrupt_);
}

void MirrorDriver::SetPlan(ActivePlanPtr plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
  wake_.notify_all();
}

MirrorDriver::Progress MirrorDriver::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

Result<std::string> MirrorDriver::Order(const BackfillOrder& order) {
  using Action = BackfillOrder::Action;
  switch (order.action) {
    case Action::kStart: {
      const std::string state = progress().state;
      if (state == "off") return Fail("nothing is mirrored in this stage, so nothing is copied");
      if (state == "live") return Fail("all keys are copied, and mirrored");
      start_wanted_ = true;
      backfiller_.Pause(false);
      return state == "copying" ? "the backfill is under way" : "the backfill begins";
    }
    case Action::kPause:
      backfiller_.Pause(true);
      return "the backfill is paused; what clients write is mirrored or noted as before";
    case Action::kResume:
      backfiller_.Pause(false);
      return "the backfill goes on";
    case Action::kThrottle:
      return backfiller_.SetBounds(order.bounds);
  }
  return Fail("an unknown order");
}

bool MirrorDriver::InForce(const ActivePlan& plan) const {
  const std::lock_guard lock(mutex_);
  return plan_.get() == &plan;
}

void MirrorDriver::SetProgress(std::string state, std::string detail) {
  const std::lock_guard lock(mutex_);
  if (progress_.state != state || progress_.detail != detail) {
    spdlog::info("mirror state={} detail=\"{}\"", state, detail);
  }
  progress_.state = std::move(state);
  progress_.detail = std::move(detail);
}

bool MirrorDriver::Sleep(milliseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, time, [this] { return stop_; });
  return !stop_;
}

void MirrorDriver::Run() {
  bool more = false;
  do {
    ActivePlanPtr plan;
    {
      const std::lock_guard lock(mutex_);
      plan = plan_;
    }
    more = Step(*plan);
  } while (Sleep(more ? milliseconds(0) : backfiller_.active() ? kBusyPace : kPace));
}

// An address that changed is used from the next connection on.
void MirrorDriver::LookUpAddresses() {
  for (StoreLink* link : {&core_.legacy, &core_.new_store}) {
    if (link->ready.load() > 0 && link->address()) continue;
    const Result<Address> address = Resolve(link->endpoint());
    if (address) {
      link->SetAddress(*address);
    } else {
      link->SetError(address.error().message);
    }
  }
}

void MirrorDriver::Learn(const ActivePlan& plan) {
  LookUpAddresses();
  const bool other = core_.authority().run_id() != commands_of_;
  bool stale = false;
  {
    const std::lock_guard lock(core_.mutex);
    stale = plan.mirrors && core_.replicator.scripts().libraries_stale();
  }
  if ((other || stale) && core_.authority().ready.load() > 0) {
    Result<StoreClient> authority = Connect(core_.authority());
    if (authority && other) LearnCommands(*authority);
    if (authority && stale) (void)LearnLibraries(*authority, nullptr);  // tried again
  }
  const std::string follower = core_.follower().run_id();
  if (!commands_.empty() && follower != lacks_of_ && core_.follower().ready.load() > 0) {
    LearnMissingCommands(follower);
  }
}

bool MirrorDriver::MayGoOn(const ActivePlan& plan, MirrorState& state) {
  {
    const std::lock_guard lock(core_.mutex);
    if (!InForce(plan)) return false;
    core_.replicator.set_memory_bytes(plan.plan->settings.mirror.memory_bytes);
    core_.replicator.set_big_key_bytes(plan.plan->settings.mirror.big_key_bytes);
    core_.replicator.scripts().set_mode(plan.plan->settings.mirror.scripts);
    if (!plan.mirrors) {
      core_.replicator.SetOff();
      NoteServedUnmirrored();
    } else {
      core_.replicator.SetUnfinished();
    }
    state = core_.replicator.state();
  }
  if (state != MirrorState::kLive && state != MirrorState::kCopying && backfiller_.active()) {
    backfiller_.Abandon();
  }
  if (!plan.mirrors) {
    SetProgress("off", "");
    return false;
  }
  // Partitions may have left live because the follower is down.
  if (state == MirrorState::kCopying && !backfiller_.active()) backfiller_.Reopen();
  if (!Owns(state == MirrorState::kLive || backfiller_.active())) return false;
  if (Settled(plan)) return true;
  SetProgress("connecting", "waiting for commands sent before");
  return false;
}

bool MirrorDriver::Step(const ActivePlan& plan) {
  const auto now = std::chrono::steady_clock::now();
  const bool check = now >= next_check_;
  if (check) {
    next_check_ = now + kCheckEvery;
    Learn(plan);
  }
  MirrorState state = MirrorState::kOff;
  if (!MayGoOn(plan, state)) return false;
  if (state == MirrorState::kCopying && !backfiller_.active()) backfiller_.Reopen();
  if (state == MirrorState::kLive || backfiller_.active()) {
    const bool more = backfiller_.Step(plan);
    if (resumed_ && !FinishResuming()) return false;
    if (state == MirrorState::kLive) {
      SetProgress("live", "");
      LearnExpiries(plan);
    } else {
      SetProgress("copying", backfiller_.progress().error);
    }
    return more;
  }
  const bool again = core_.events.copy_wanted.exchange(false);
  if (check || again) StartMirroring(plan);
  return backfiller_.active();
}

// What was known of the follower is void once somebody else may have mirrored.
bool MirrorDriver::Owns(bool live) {
  const Ownership::View view = core_.ownership.view();
  if (view.standing == Standing::kNotNeeded) return true;
  if (view.round != round_ && view.standing == Standing::kOwner) {
    // A journal that was found at the start is as good as what we knew ourselves.
    const bool others = view.former && !view.journal_holds;
    if (round_ != 0 || (live && others)) {
      begun_ = false;
      former_follower_.clear();
      NoteServedUnmirrored();
      const std::lock_guard lock(core_.mutex);
      core_.replicator.LeaveLive("another proxy has owned the stores");
    }
    round_ = view.round;
    if (others) next_check_ = {};
  }
  if (view.standing != Standing::kOwner) {
    SetProgress(view.standing == Standing::kStandby ? "standby" : "connecting", view.detail);
    return false;
  }
  if (view.follower_claimed || live) return true;
  SetProgress(core_.follower().ready.load() > 0 ? "refused" : "connecting", view.follower_detail);
  return false;
}

bool MirrorDriver::Settled(const ActivePlan& plan) const {
  return std::all_of(core_.workers.begin(), core_.workers.end(), [&plan](const auto& worker) {
    return worker->adopted_epoch.load() >= plan.plan->epoch && worker->mirroring_settled.load();
  });
}

void MirrorDriver::LearnCommands(StoreClient& authority) {
  const std::string run_id = core_.authority().run_id();
  const Result<std::string> databases = authority.Config("databases");
  if (databases) core_.databases.store(std::max<int64_t>(1, std::atoll(databases->c_str())));
  const Result<StoreClient::Reply> reply = authority.Command({"COMMAND"});
  if (!reply) return;
  std::string resp;
  AppendAsResp(resp, **reply);
  Result<routing::CommandTable> table = routing::CommandTable::FromCommandReply(resp);
  if (!table) {
    spdlog::warn("the authority's COMMAND reply is not understood error=\"{}\"",
                 table.error().message);
    return;
  }
  commands_of_ = run_id;
  commands_ = std::move(resp);
  lacks_of_.clear();
  tables_.push_back(std::make_unique<routing::CommandTable>(std::move(*table)));
  const routing::CommandTable* learnt = tables_.back().get();
  {
    const std::lock_guard lock(core_.mutex);
    core_.replicator.set_table(learnt);
    core_.table.store(learnt);
  }
  for (const auto& worker : core_.workers) {
    Worker* target = worker.get();
    target->Post([target, learnt] { target->SetTable(learnt); });
  }
}

// What of the authority's commands the follower does not have.
void MirrorDriver::LearnMissingCommands(const std::string& follower_run_id) {
  Result<StoreClient> follower = Connect(core_.follower());
  if (!follower) return;
  const Result<StoreClient::Reply> reply = follower->Command({"COMMAND"});
  if (!reply) return;
  lacks_of_ = follower_run_id;
  std::string resp;
  AppendAsResp(resp, **reply);
  Result<routing::CommandSet> missing =
      routing::MissingCommands(*core_.table.load(), commands_, resp);
  if (!missing) {
    spdlog::warn("the follower's COMMAND reply is not understood error=\"{}\"",
                 missing.error().message);
    return;
  }
  if (!missing->names().empty()) {
    spdlog::warn("the follower lacks {} commands that the authority has; what they write is synced",
                 missing->names().size());
  }
  missing_.push_back(std::make_unique<routing::CommandSet>(std::move(*missing)));
  const std::lock_guard lock(core_.mutex);
  core_.follower_lacks.store(missing_.back().get());
  core_.replicator.set_follower_lacks(missing_.back()->names().empty() ? nullptr
                                                                       : missing_.back().get());
}

void MirrorDriver::StartMirroring(const ActivePlan& plan) {
  Result<StoreClient> authority = Connect(core_.authority());
  if (!authority) {
    return SetProgress("connecting", "the legacy store (authority) is not reachable: " +
                                         authority.error().message);
  }
  Result<StoreClient> follower = Connect(core_.follower());
  if (!follower) {
    return SetProgress("connecting",
                       "the new store (follower) is not reachable: " + follower.error().message);
  }
  if (!IsMaster(*authority, core_.authority(), "authority") ||
      !IsMaster(*follower, core_.follower(), "follower")) {
    return;
  }
  const Result<Counts> authority_counts = CountClientKeys(*authority);
  const Result<Counts> follower_counts = CountClientKeys(*follower);
  if (!authority_counts || !follower_counts) {
    const std::string& reason =
        authority_counts ? follower_counts.error().message : authority_counts.error().message;
    return SetProgress("connecting", "a store does not answer: " + reason);
  }
  const std::string authority_run_id = core_.authority().run_id();
  const std::string follower_run_id = core_.follower().run_id();
  if (authority_run_id.empty() || follower_run_id.empty()) {
    next_check_ = std::chrono::steady_clock::now() + kGreetingPace;
    return SetProgress("connecting", "waiting for the stores' greeting");
  }
  resumed_ = false;
  core_.follower().SetFound(Sum(*follower_counts));
  bool trusted = false;
  if (!MayBeWritten(plan, *follower, *authority_counts, *follower_counts, trusted) ||
      !MayRemove(*authority_counts, *follower_counts)) {
    return;
  }
  if (!trusted && !begun_ && !plan.plan->settings.backfill.auto_start && !start_wanted_) {
    return SetProgress("waiting", "backfill.auto_start is false: `crossfade backfill start`");
  }
  {
    const std::lock_guard lock(core_.mutex);
    if (!core_.replicator.Quiet())
      return SetProgress("connecting", "waiting for what was sent before");
  }
  const Result<int64_t> theirs = authority->ClockOffsetMs();
  const Result<int64_t> followers = follower->ClockOffsetMs();
  const bool compare = ComparesFirst(plan, Sum(*authority_counts), Sum(*follower_counts));
  {
    const std::lock_guard lock(core_.mutex);
    if (theirs && followers) core_.replicator.set_clock_offset_ms(*theirs - *followers);
    begun_ = true;
    copied_from_ = authority_run_id;
    core_.replicator.SetStores(authority_run_id, follower_run_id);
    if (!trusted) core_.replicator.BeginCopy();
    core_.replicator.CompareFirst(compare);
  }
  if (const Status given = LearnLibraries(*authority, &*follower); !given) {
    return SetProgress("connecting", "the functions can't be copied: " + given.error().message);
  }
  if (trusted) {
    const std::lock_guard lock(core_.mutex);
    core_.replicator.Trust();
    return;
  }
  // The keys are counted again, now that no write goes unrecorded.
  if (const Status begun = backfiller_.Begin(plan, *authority, *follower); !begun) {
    return SetProgress("connecting", "the backfill can't begin: " + begun.error().message);
  }
  SetProgress("copying", "");
}

}  // namespace crossfade::proxy
