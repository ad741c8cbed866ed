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
constexpr milliseconds kCheckEvery{1'000};
constexpr milliseconds kConnectTimeout{1'000};
// The enumeration keeps this far ahead of the key syncs.
constexpr size_t kDirtyAhead = 20'000;

}  // namespace

MirrorDriver::MirrorDriver(Core& core, ActivePlanPtr plan) : core_(core), plan_(std::move(plan)) {
  progress_.state = plan_->mirrors ? "connecting" : "off";
  const std::lock_guard lock(core_.mutex);
  if (!plan_->mirrors) return;
  core_.replicator.SetUnfinished();
}

void MirrorDriver::AdoptFormer(const replication::Recovered& former) {
  using replication::FollowerClaim;
  const bool ours = former.claim != FollowerClaim::kNothing;
  if (ours) former_follower_ = former.state.follower_run_id;
  copied_from_ = former.state.authority_run_id;
  const bool stores_known =
      !former.state.authority_run_id.empty() && !former.state.follower_run_id.empty();
  if (plan_->mirrors && former.claim == FollowerClaim::kLive && stores_known) {
    // Other processes there than these are found when they are connected.
    core_.legacy.Expect(former.state.authority_run_id);
    core_.new_store.Expect(former.state.follower_run_id);
    core_.replicator.Resume(former.state, former.dirty);
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
  if (thread_.joinable()) thread_.join();
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
  do {
    ActivePlanPtr plan;
    {
      const std::lock_guard lock(mutex_);
      plan = plan_;
    }
    Step(*plan);
  } while (Sleep(kPace));
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

void MirrorDriver::Step(const ActivePlan& plan) {
  const auto now = std::chrono::steady_clock::now();
  const bool check = now >= next_check_;
  if (check) {
    next_check_ = now + kCheckEvery;
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
  MirrorState state = MirrorState::kOff;
  {
    const std::lock_guard lock(core_.mutex);
    if (!InForce(plan)) return;
    core_.replicator.set_memory_bytes(plan.plan->settings.mirror.memory_bytes);
    core_.replicator.scripts().set_mode(plan.plan->settings.mirror.scripts);
    if (!plan.mirrors) {
      core_.replicator.SetOff();
      NoteServedUnmirrored();
    } else {
      core_.replicator.SetUnfinished();
    }
    state = core_.replicator.state();
  }
  if (!plan.mirrors) return SetProgress("off", "");
  if (!Owns(state == MirrorState::kLive)) return;
  if (!Settled(plan)) return SetProgress("connecting", "waiting for commands sent before");
  if (state == MirrorState::kLive) {
    if (resumed_ && !FinishResuming()) return;
    SetProgress("live", "");
    return LearnExpiries(plan);
  }
  const bool again = core_.events.copy_wanted.exchange(false);
  if (check || again) StartMirroring(plan);
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
    return SetProgress("connecting", "waiting for the stores' greeting");
  }
  resumed_ = false;
  core_.follower().SetFound(Sum(*follower_counts));
  bool trusted = false;
  if (!MayBeWritten(plan, *follower, *authority_counts, *follower_counts, trusted) ||
      !MayRemove(*authority_counts, *follower_counts)) {
    return;
  }
  {
    const std::lock_guard lock(core_.mutex);
    if (!core_.replicator.Quiet())
      return SetProgress("connecting", "waiting for what was sent before");
  }
  const Result<int64_t> theirs = authority->ClockOffsetMs();
  const Result<int64_t> followers = follower->ClockOffsetMs();
  {
    const std::lock_guard lock(core_.mutex);
    if (theirs && followers) core_.replicator.set_clock_offset_ms(*theirs - *followers);
    begun_ = true;
    copied_from_ = authority_run_id;
    core_.replicator.SetStores(authority_run_id, follower_run_id);
    if (!trusted) core_.replicator.BeginCopy();
  }
  if (const Status given = LearnLibraries(*authority, &*follower); !given) {
    return SetProgress("connecting", "the functions can't be copied: " + given.error().message);
  }
  if (trusted) {
    const std::lock_guard lock(core_.mutex);
    core_.replicator.Trust();
    return;
  }
  // Counted again, now that no write goes unrecorded: a db may have had its first key.
  const Result<Counts> to_copy = CountClientKeys(*authority);
  const Result<Counts> to_check = CountClientKeys(*follower);
  if (to_copy && to_check) Copy(*authority, *follower, *to_copy, *to_check);
}

void MirrorDriver::Copy(StoreClient& authority, StoreClient& follower,
                        const Counts& authority_counts, const Counts& follower_counts) {
  {
    const std::lock_guard lock(mutex_);
    progress_.copied = 0;
    progress_.total = Sum(authority_counts);
  }
  SetProgress("copying", "");
  // What the follower alone holds is found from its side.
  if (!Enumerate(authority, authority_counts, true) ||
      !Enumerate(follower, follower_counts, false)) {
    return;
  }
  {
    const std::lock_guard lock(core_.mutex);
    core_.replicator.FinishCopy();
    if (!core_.replicator.live()) return;
  }
  SetProgress("live", "");
}

// Marks every key dirty, so that it is synced. False when the copy must begin
// again, later. What an empty db holds by now is not left from before.
bool MirrorDriver::Enumerate(StoreClient& store, const Counts& counts, bool count_progress) {
  for (const auto& [db, keys] : counts) {
    if (keys == 0) continue;
    const Result<StoreClient::Reply> selected = store.Command({"SELECT", std::to_string(db)});
    if (!selected) {
      SetProgress("connecting", "enumerating the keys failed: " + selected.error().message);
      return false;
    }
    std::string cursor = "0";
    do {
      const Result<StoreClient::Reply> page = store.Scan(cursor, kScanPage);
      if (!page) {
        SetProgress("connecting", "enumerating the keys failed: " + page.error().message);
        return false;
      }
      cursor = TextOf(*(*page)->element[0]);
      const redisReply& names = *(*page)->element[1];
      uint64_t found = 0;
      {
        const std::lock_guard lock(core_.mutex);
        if (core_.replicator.state() != MirrorState::kCopying) return false;
        for (size_t i = 0; i < names.elements; ++i) {
          const std::string_view name = TextOf(*names.element[i]);
          if (routing::IsReserved(name)) continue;
          core_.replicator.AddScanned(db, name);
          ++found;
        }
      }
      core_.feed_wanted.store(true);
      core_.workers[0]->Wake();
      if (count_progress) {
        const std::lock_guard lock(mutex_);
        progress_.copied += found;
        progress_.total = std::max(progress_.total, progress_.copied);
      }
      if (!AwaitRoom()) return false;
    } while (cursor != "0");
  }
  return true;
}

bool MirrorDriver::AwaitRoom() {
  while (true) {
    {
      const std::lock_guard lock(core_.mutex);
      if (core_.replicator.state() != MirrorState::kCopying) return false;
      if (core_.replicator.dirty().size() < kDirtyAhead) return true;
    }
    if (!Sleep(milliseconds(5))) return false;
  }
}

}  // namespace crossfade::proxy
