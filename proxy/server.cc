#include "proxy/server.h"

#include <spdlog/spdlog.h>
#include <condition_variable>
#include <map>

#include "proxy/acceptor.h"
#include "proxy/artifacts/run_artifacts.h"
#include "proxy/backend/key_orders.h"
#include "proxy/backend/mirror_driver.h"
#include "proxy/backend/verifier.h"
#include "proxy/control/log.h"
#include "proxy/core.h"
#include "proxy/journal/intent_committer.h"
#include "proxy/net/listener.h"
#include "proxy/ownership/owner_keeper.h"
#include "proxy/server_snapshot.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPollEvery{5};

// What the driver says may be a moment old; what the replicator says is so now.
void AddMirrorState(Core& core, const MirrorDriver::Progress& progress, Snapshot& snapshot) {
  const std::lock_guard lock(core.mutex);
  const replication::Replicator& replicator = core.replicator;
  using replication::MirrorState;
  snapshot.mirror_state = progress.state;
  snapshot.mirror_detail = progress.detail;
  switch (replicator.state()) {
    case MirrorState::kOff:
      snapshot.mirror_state = "off";
      return;
    case MirrorState::kUnfinished:
      if (progress.state != "live" && progress.state != "copying") return;
      snapshot.mirror_state = "connecting";
      snapshot.mirror_detail = "the follower will be copied again: " + core.events.copy_reason();
      return;
    case MirrorState::kCopying:
      if (progress.state == "live") snapshot.mirror_state = "connecting";
      return;
    case MirrorState::kLive:
      snapshot.mirror_state = replicator.follower_ready() ? "live" : "disconnected";
      snapshot.mirror_detail =
          replicator.follower_ready()
              ? ""
              : "the new store (follower) is not reachable, writes wait in the mirror log: " +
                    core.follower().error();
      return;
  }
}

BackfillSnapshot BackfillOf(const Backfiller::Progress& progress) {
  BackfillSnapshot backfill;
  backfill.phase = replication::Name(progress.phase);
  backfill.paused = progress.paused;
  backfill.keys_found = progress.names;
  backfill.keys_copied = progress.copied;
  backfill.kept_equal = progress.kept;
  backfill.keys_total = progress.total;
  backfill.partitions_finished = progress.finished;
  if (progress.partition < limits::kPartitions) backfill.partition = progress.partition;
  backfill.keys_per_second = progress.keys_per_second;
  backfill.limit_keys_per_second = progress.rate_limit;
  backfill.held_back = progress.held_back;
  backfill.spool_bytes = progress.spool_bytes;
  backfill.error = progress.error;
  return backfill;
}

void WarnOfUnknownCommands(const std::vector<config::User>& users) {
  for (const config::User& user : users) {
    for (const std::string& command : routing::UnknownCommands(user)) {
      log::Warn(
          "a user's rule names a command that Redis 7.0 does not have: it only counts where "
          "the store has it",
          {{"user", user.name}, {"command", command}});
    }
  }
}

}  // namespace

struct Server::Impl {
  explicit Impl(config::PlanPtr first) : core(*first, routing::CommandTable::Redis70()) {
    plan = Activate(std::move(first));
  }

  ActivePlanPtr Activate(config::PlanPtr from);
  std::shared_ptr<RouteCounters> CountersOf(const std::string& name, size_t workers);
  // Runs a task on every worker and waits for it.
  template <class F>
  void OnEveryWorker(F task);
  void MakeKeeper();
  bool AwaitNoClients(steady_clock::time_point deadline);
  Status BeginJournal();

  Core core;
  ActivePlanPtr plan;
  std::vector<std::shared_ptr<RouteCounters>> counters;  // by id
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<std::unique_ptr<Acceptor>> acceptors;
  std::unique_ptr<RunArtifacts> artifacts;  // told by the two below
  std::unique_ptr<MirrorDriver> driver;
  std::unique_ptr<OwnerKeeper> keeper;
  RecentDeltas deltas;
  std::unique_ptr<Verifier> verifier;
  steady_clock::time_point started = steady_clock::now();
  bool running = false;
};

std::shared_ptr<RouteCounters> Server::Impl::CountersOf(const std::string& name, size_t workers) {
  for (const auto& known : counters) {
    if (known->name == name) return known;
  }
  auto made = std::make_shared<RouteCounters>();
  made->name = name;
  made->id = static_cast<uint32_t>(counters.size());
  made->decisions = decltype(made->decisions)(workers);
  counters.push_back(made);
  return made;
}

ActivePlanPtr Server::Impl::Activate(config::PlanPtr from) {
  const config::Settings& settings = from->settings;
  Result<routing::RouteSet> routes = routing::RouteSet::Build(settings.routes);
  CROSSFADE_CHECK(routes.has_value());  // the configuration has been validated
  auto active = std::make_shared<ActivePlan>(from, std::move(*routes));
  if (settings.users) {
    active->accounts = std::make_shared<Accounts>(*settings.users);
    WarnOfUnknownCommands(*settings.users);
  }
  active->mirrors = from->Mirrors();
  active->follower_reads = active->mirrors && active->routes.AnyFollowerReads();
  active->shadows = active->mirrors && active->routes.AnyShadow();
  active->ack_both = active->mirrors && settings.mirror.ack == config::Ack::kBoth;
  for (const routing::CompiledRoute& route : active->routes.routes()) {
    active->counters.push_back(CountersOf(route.name, settings.workers));
  }
  return active;
}

template <class F>
void Server::Impl::OnEveryWorker(F task) {
  std::mutex mutex;
  std::condition_variable done;
  size_t left = core.workers.size();
  for (const auto& worker : core.workers) {
    Worker* target = worker.get();
    target->Post([&, target] {
      task(*target);
      const std::lock_guard lock(mutex);
      --left;
      done.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  done.wait(lock, [&left] { return left == 0; });
}

// Before any worker runs: what was left behind is known before the first write.
Status Server::Impl::BeginJournal() {
  const config::Settings& settings = plan->plan->settings;
  replication::Recovered former;
  if (settings.journal.Wanted()) {
    core.journal = std::make_unique<IntentCommitter>(core, settings);
    Result<replication::Recovered> found = core.journal->Open();
    if (!found) return Fail(found.error().message);
    former = std::move(*found);
  }
  if (const Status opened = driver->Open(); !opened) return opened;
  const auto adopt = [&](replication::Replicator&) { driver->AdoptFormer(former); };
  if (core.journal) return core.journal->Begin(adopt);
  const std::lock_guard lock(core.mutex);
  adopt(core.replicator);
  return {};
}

void Server::Impl::MakeKeeper() {
  const config::Settings& settings = plan->plan->settings;
  OwnerKeeperOptions options{settings.ownership, settings.listen, settings.admin_listen.Display(),
                             settings.journal.Wanted() ? settings.journal.dir + "/owner" : ""};
  for (size_t i = 0; i < options.listeners.size(); ++i) {
    if (options.listeners[i].unix_path.empty()) options.listeners[i].port = listeners[i]->port();
  }
  keeper = std::make_unique<OwnerKeeper>(
      core.ownership, core.authority(), core.follower(), std::move(options), [this] {
        for (const auto& worker : core.workers) {
          Worker* target = worker.get();
          target->Post([target] { target->OnOwnershipChanged(); });
        }
      });
}

Server::Server(config::PlanPtr plan) : impl_(std::make_unique<Impl>(std::move(plan))) {}

Server::~Server() {
  if (impl_->running) Stop(milliseconds(0));
}

Status Server::Listen() {
  Impl& impl = *impl_;
  const config::Settings& settings = impl.plan->plan->settings;
  for (const config::Endpoint& endpoint : settings.listen) {
    Result<std::unique_ptr<Listener>> listener = Listener::Open(endpoint);
    if (!listener) return Fail(listener.error().message);
    impl.listeners.push_back(std::move(*listener));
  }
  return {};
}

Status Server::Start() {
  Impl& impl = *impl_;
  const config::Settings& settings = impl.plan->plan->settings;
  for (uint32_t i = 0; i < settings.workers; ++i) {
    impl.core.workers.push_back(std::make_unique<Worker>(impl.core, i, impl.plan));
  }
  impl.driver = std::make_unique<MirrorDriver>(impl.core, impl.plan);
  impl.verifier = std::make_unique<Verifier>(impl.core, impl.plan);
  impl.artifacts = std::make_unique<RunArtifacts>(impl.core, impl.plan);
  impl.verifier->AddSink(*impl.artifacts);
  impl.verifier->AddSink(impl.deltas);
  impl.driver->backfiller().SetSink(*impl.artifacts);
  impl.MakeKeeper();
  if (const Status journal = impl.BeginJournal(); !journal) return journal;
  impl.keeper->Start(impl.plan->mirrors);
  impl.driver->Start();
  for (const auto& worker : impl.core.workers) worker->Start();
  impl.verifier->Start();
  Worker* first = impl.core.workers.front().get();
  for (size_t i = 0; i < impl.listeners.size(); ++i) {
    const int fd = impl.listeners[i]->fd();
    impl.acceptors.push_back(std::make_unique<Acceptor>(impl.core, fd, i));
    Acceptor* acceptor = impl.acceptors.back().get();
    first->Post([first, fd, acceptor] { first->loop().AddListener(fd, acceptor); });
  }
  impl.running = true;
  return {};
}

uint16_t Server::BoundPort(size_t index) const { return impl_->listeners.at(index)->port(); }

void Server::Publish(config::PlanPtr plan) {
  Impl& impl = *impl_;
  ActivePlanPtr active = impl.Activate(std::move(plan));
  impl.core.legacy.SetTls(active->plan->settings.legacy.tls);
  impl.core.new_store.SetTls(active->plan->settings.new_store.tls);
  if (!active->mirrors) {  // before the first write goes unrecorded
    impl.driver->NoteServedUnmirrored();
    impl.driver->SetPlan(active);  // which does not begin it again
    {
      const std::lock_guard lock(impl.core.mutex);
      impl.core.replicator.SetOff();
    }
    if (impl.core.journal) impl.core.journal->Settle();
  }
  // The lease first, if anything is to be mirrored; last, if nothing is any more.
  if (active->mirrors) impl.keeper->SetNeeded(true);
  impl.OnEveryWorker([&active](Worker& worker) { worker.Adopt(active); });
  if (!active->mirrors) impl.keeper->SetNeeded(false);
  impl.plan = active;
  impl.artifacts->SetPlan(active);
  impl.driver->SetPlan(active);
  impl.verifier->SetPlan(active);
}

bool Server::Ready(std::string& why) const {
  const Ownership::View ownership = impl_->core.ownership.view();
  if (ownership.standing == Standing::kStandby) {
    const std::array<ForwardTo, 2> forward = impl_->core.ownership.forward_to();
    const bool forwards = forward[0].address || forward[1].address;
    why = forwards ? "" : forward[0].refusal;
    return forwards;
  }
  StoreLink& authority = impl_->core.authority();
  if (authority.ready.load() > 0) {
    why = ownership.detail;
    return ownership.standing != Standing::kSeeking;
  }
  const std::string error = authority.error();
  why = "the " + authority.role() + " store (authority) at " + authority.endpoint().Display() +
        " is not connected" + (error.empty() ? "" : ": " + error);
  return false;
}

std::string Server::Resume(const std::string& reason) {
  Core& core = impl_->core;
  const uint32_t reasons = core.read_suspension.reasons();
  if (impl_->driver->loss_refused()) {
    log::Info("an operator takes the authority as it is", {{"reason", reason}});
    impl_->driver->AcceptLoss();
    return "the new store is made equal to the legacy store as it is now";
  }
  log::Info("an operator resumes follower reads",
            {{"reason", reason}, {"suspended", core.read_suspension.Text()}});
  if ((reasons & ReadSuspension::kAuthorityEvicted) == 0) {
    return reasons == 0 ? "follower reads are not suspended" : core.read_suspension.Text();
  }
  core.LeaveLive("an operator asked for it, after the authority had evicted keys");
  return "the follower is copied again, then reads go on unless the authority evicts meanwhile";
}

Result<std::string> Server::Order(const BackfillOrder& order) {
  const Result<std::string> done = impl_->driver->Order(order);
  if (done) log::Info("an operator's order to the backfill", {{"done", *done}});
  return done;
}

Result<std::string> Server::Order(const KeyOrder& order) {
  Result<std::string> done = CarryOut(impl_->core, order);
  if (done && order.action == KeyOrder::Action::kAccept) {
    const Status saved = impl_->driver->backfiller().AwaitQuarantineSaved();
    if (!saved) done = tl::unexpected(saved.error());
  }
  if (done) log::Info("an operator's order about keys", {{"done", *done}});
  return done;
}

QuarantineList Server::Quarantined(size_t at_most) const {
  const std::lock_guard lock(impl_->core.mutex);
  const replication::Quarantine& quarantine = impl_->core.replicator.quarantine();
  return {quarantine.size(), quarantine.accepted(), quarantine.List(at_most)};
}

Result<uint64_t> Server::BeginVerify(const VerifyOptions& options) {
  return impl_->verifier->Begin(options);
}
bool Server::CancelVerify() { return impl_->verifier->Cancel(); }
std::vector<VerifyReport> Server::VerifyReports() const { return impl_->verifier->Reports(); }
RecentDeltas::Listing Server::VerifyDeltas() const { return impl_->deltas.List(); }

Snapshot Server::TakeSnapshot() const {
  const Impl& impl = *impl_;
  Snapshot snapshot = SnapshotOf(impl_->core, *impl.plan, impl.counters);
  snapshot.uptime_ms = static_cast<uint64_t>(
      std::chrono::duration_cast<milliseconds>(steady_clock::now() - impl.started).count());
  const MirrorDriver::Progress progress = impl.driver->progress();
  const Backfiller::Progress backfill = impl.driver->backfiller().progress();
  snapshot.backfill = BackfillOf(backfill);
  {
    const std::lock_guard lock(impl_->core.mutex);
    const uint64_t kept = impl.core.replicator.counters().kept_equal;
    snapshot.backfill.kept_equal += kept - backfill.kept_seen;
  }
  AddMirrorState(impl_->core, progress, snapshot);
  snapshot.artifacts = impl.artifacts->Figures();
  return snapshot;
}

bool Server::Impl::AwaitNoClients(steady_clock::time_point deadline) {
  while (true) {
    uint64_t clients = 0;
    for (const auto& worker : core.workers) clients += worker->session_count.load();
    if (clients == 0) return true;
    if (steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPollEvery);
  }
}

StopReport Server::Stop(milliseconds deadline) {
  Impl& impl = *impl_;
  StopReport report;
  if (!impl.running) return report;
  impl.running = false;
  const auto until = steady_clock::now() + deadline;
  impl.verifier->Stop();
  impl.OnEveryWorker([&impl](Worker& worker) {
    if (worker.index() == 0) {
      for (size_t i = 0; i < impl.listeners.size(); ++i) {
        worker.loop().Remove(impl.listeners[i]->fd(), impl.acceptors[i].get());
      }
    }
    worker.BeginGracefulStop();
  });
  if (!impl.AwaitNoClients(until)) {
    for (const auto& worker : impl.core.workers) {
      report.clients_closed += worker->session_count.load();
    }
  }
  const auto drained = [&impl] {
    const std::lock_guard lock(impl.core.mutex);
    return impl.core.replicator.Drained();
  };
  while (!drained() && steady_clock::now() < until) std::this_thread::sleep_for(kPollEvery);
  impl.driver->Stop();
  impl.core.side_commands.Stop();
  impl.core.busy_watch.Stop();
  for (const auto& worker : impl.core.workers) worker->Stop();
  // Clients that were not closed in time may have written until now.
  bool in_step = false;
  {
    const std::lock_guard lock(impl.core.mutex);
    const replication::Replicator& replicator = impl.core.replicator;
    report.drained = replicator.Drained();
    report.entries_left = replicator.log().size();
    report.dirty_keys_left = replicator.dirty().size();
    in_step = report.drained && replicator.live();
  }
  if (impl.core.journal) impl.core.journal->Close();
  impl.keeper->Stop(in_step);
  return report;
}

}  // namespace crossfade::proxy
