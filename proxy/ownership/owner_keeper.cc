// OwnerKeeper: the threads, and the lease on the authority.
#include "proxy/ownership/owner_keeper.h"

#include <algorithm>
#include <utility>

#include "proxy/control/log.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

using replication::Lease;
using replication::Sighting;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kConnectTimeout{1'000};
// Who doesn't own the stores looks this often; who is asked to look rests so long.
constexpr milliseconds kLookEvery{100};
constexpr milliseconds kRest{10};
constexpr milliseconds kUnneeded{1'000};
constexpr milliseconds kFirstTry{1'500};
constexpr int64_t kRenewalsPerLease = 3;

}  // namespace

OwnerKeeper::OwnerKeeper(Ownership& ownership, const StoreLink& authority,
                         const StoreLink& follower, OwnerKeeperOptions options,
                         std::function<void()> changed)
    : ownership_(ownership),
      authority_(authority),
      follower_(follower),
      options_(std::move(options)),
      changed_(std::move(changed)),
      lease_us_(options_.settings.lease.count() * 1'000),
      lease_(ownership.id(), lease_us_) {}

OwnerKeeper::~OwnerKeeper() { Stop(false); }

// ---- Control

void OwnerKeeper::Start(bool needed) {
  needed_ = needed && options_.settings.enabled;
  unguarded_ = needed && !options_.settings.enabled;
  AuthorityStep();
  if (owner_ || unguarded_) FollowerStep();
  authority_thread_ = std::thread([this] { Run([this] { return AuthorityStep(); }); });
  follower_thread_ = std::thread([this] { Run([this] { return FollowerStep(); }); });
}

void OwnerKeeper::SetNeeded(bool needed) {
  std::unique_lock lock(ownership_.wake_mutex_);
  const bool unguarded = needed && !options_.settings.enabled;
  needed = needed && options_.settings.enabled;
  if (needed == needed_ && unguarded == unguarded_) return;
  needed_ = needed;
  unguarded_ = unguarded;
  if (needed || unguarded) ownership_.deadline_us_.store(0);
  ++ownership_.looks_wanted_;
  ownership_.wake_.notify_all();
  const uint64_t before = tries_;
  ownership_.wake_.wait_for(lock, kFirstTry, [&] {
    return tries_ > before && (!needed || ownership_.standing() != Standing::kNotNeeded);
  });
}

void OwnerKeeper::Stop(bool in_step) {
  {
    const std::lock_guard lock(ownership_.wake_mutex_);
    if (std::exchange(stop_, true)) return;
  }
  ownership_.wake_.notify_all();
  interrupt_.Raise();
  if (authority_thread_.joinable()) authority_thread_.join();
  if (follower_thread_.joinable()) follower_thread_.join();
  if (lease_.epoch() != 0) Release(in_step);
}

template <class Step>
void OwnerKeeper::Run(Step step) {
  std::unique_lock lock(ownership_.wake_mutex_);
  while (!stop_) {
    const uint64_t looks = ownership_.looks_wanted_;
    lock.unlock();
    const milliseconds time = step();
    lock.lock();
    ownership_.wake_.wait_for(lock, std::min(kRest, time), [this] { return stop_; });
    ownership_.wake_.wait_for(lock, time,
                              [&] { return stop_ || ownership_.looks_wanted_ != looks; });
  }
}

Result<StoreClient*> OwnerKeeper::Connect(Connection& connection, const StoreLink& link) {
  if (connection) return connection.get();
  const milliseconds patience =
      std::min(kConnectTimeout, milliseconds(lease_us_ / 1'000 / (kRenewalsPerLease + 1)));
  Result<StoreClient> client = StoreClient::Connect(link, patience, interrupt_, patience);
  if (!client) return tl::unexpected(client.error());
  connection = std::make_unique<StoreClient>(std::move(*client));
  return connection.get();
}

// ---- Steps

OwnerKeeper::Milliseconds OwnerKeeper::AuthorityStep() {
  bool needed = false, unguarded = false;
  {
    const std::lock_guard lock(ownership_.wake_mutex_);
    needed = needed_;
    unguarded = unguarded_;
    lease_.RaiseAbove(raise_above_);
  }
  Milliseconds rest = kLookEvery;
  if (!needed) {
    rest = RestWithoutNeed(unguarded);
  } else {
    NoteLoss();
    const Result<StoreClient*> client = Connect(connection_, authority_);
    Status done;
    if (client) {
      LeaseStore store(**client);
      done = Decide(store);
    } else {
      done = tl::unexpected(client.error());
    }
    if (!done) {
      connection_.reset();
      authority_run_id_.clear();
      NoteLoss();
      if (!owner_) Seek(Explain(authority_, done.error().message));
    } else if (owner_) {
      rest = Milliseconds(lease_us_ / 1'000 / kRenewalsPerLease);
    }
  }
  {
    const std::lock_guard lock(ownership_.wake_mutex_);
    ++tries_;
  }
  ownership_.wake_.notify_all();
  return rest;
}

OwnerKeeper::Milliseconds OwnerKeeper::RestWithoutNeed(bool unguarded) {
  if (ownership_.standing() == Standing::kNotNeeded && ownership_.MayWrite(INT64_MAX - 1)) {
    return kUnneeded;
  }
  if (lease_.epoch() != 0) Release(false);
  lease_.Lose();
  owner_ = false;
  look_connection_.reset();
  if (unguarded && !former_closed_) {
    if (const Status closed = CloseBefore(connection_, authority_); !closed) {
      Seek(Explain(authority_, closed.error().message));
      return kLookEvery;
    }
    former_closed_ = true;
  }
  connection_.reset();
  if (!unguarded) ownership_.follower_claimed_.store(false);
  ownership_.deadline_us_.store(INT64_MAX);
  Adopt(Standing::kNotNeeded, "");
  return kUnneeded;
}

// Whoever mirrored before, a process that was killed or one that should not be there:
// nothing of theirs is executed after this (design R8).
Status OwnerKeeper::CloseBefore(Connection& connection, const StoreLink& link) {
  const Result<StoreClient*> client = Connect(connection, link);
  if (!client) return tl::unexpected(client.error());
  const Result<size_t> closed = LeaseStore(**client).CloseOthers(ownership_.id());
  if (!closed) {
    connection.reset();
    return tl::unexpected(closed.error());
  }
  if (*closed > 0) {
    log::Info("connections of other proxies were closed",
              {{"store", link.role()}, {"connections", *closed}});
  }
  return {};
}

Status OwnerKeeper::Decide(LeaseStore& store) {
  if (authority_run_id_.empty()) {
    const Result<std::string> run_id = store.RunId();
    if (!run_id) return tl::unexpected(run_id.error());
    authority_run_id_ = *run_id;
  }
  Result<Sighting> seen = store.Look();
  if (!seen) return tl::unexpected(seen.error());
  seen->run_id = authority_run_id_;
  const bool free = seen->owner_text.empty() || seen->owner_ended ||
                    (seen->owner && seen->owner->id == ownership_.id());
  std::optional<Sighting> there;
  if (!owner_ && free) there = LookAtFollower();
  const Lease::Decision decision =
      lease_.Judge(Worker::ClockUs(), *seen, there ? &*there : nullptr);
  if (decision.step == Lease::Step::kAcquire) {
    NoteLoss();
    return Acquire(store, *seen);
  }
  if (decision.step != Lease::Step::kWait) {
    return Renew(store, decision.step == Lease::Step::kRestore);
  }
  NoteLoss();
  const Status forgotten = store.Forget();
  if (decision.other) {
    BecomeStandby(*decision.other);
  } else {
    Seek("the key crossfade:owner on the " + authority_.role() +
         " store (authority) holds what no proxy wrote; remove it");
  }
  return forgotten;
}

// Only for those that take the lease, who must not overlook the follower's record.
std::optional<Sighting> OwnerKeeper::LookAtFollower() {
  const Result<StoreClient*> client = Connect(look_connection_, follower_);
  if (!client) return std::nullopt;
  LeaseStore store(**client);
  Result<Sighting> seen = store.Look();
  if (!seen || !store.Forget()) {
    look_connection_.reset();
    return std::nullopt;
  }
  return std::move(*seen);
}

Status OwnerKeeper::Acquire(LeaseStore& store, const Sighting& seen) {
  const Lease::Tenure begun = lease_.begun();
  const std::string pair = begun.pair.empty() ? RandomId() : begun.pair;
  record_ = RecordOf(begun.epoch, pair);
  const int64_t sent_us = Worker::ClockUs();
  const Result<bool> written = store.Write(
      record_, {record_.id, begun.epoch, pair, replication::TenureRecord::State::kHeld});
  if (!written) return tl::unexpected(written.error());
  if (!*written) {  // somebody was faster
    ownership_.Look();
    return {};
  }
  lease_.Acquired(sent_us, pair);
  const std::string journal_owner = ReadJournalOwner();
  if (!begun.kept) WriteJournalOwner();
  former_closed_ = begun.kept;
  {
    const std::lock_guard lock(ownership_.mutex_);
    Ownership::View& view = ownership_.view_;
    view.epoch = begun.epoch;
    if (!begun.kept) {
      ++view.round;
      view.former = begun.former;
      view.journal_holds = begun.former && begun.former->id == journal_owner;
      view.follower_known = view.in_step = false;
      if (begun.former && begun.former->id != record_.id) ++view.takeovers;
    }
  }
  if (const Status closed = CloseFormer(store); !closed) return closed;
  if (!begun.kept && begun.former && begun.former->id != record_.id) {
    log::Warn("the stores are taken over from another proxy",
              {{"former", begun.former->id},
               {"former_epoch", begun.former->epoch},
               {"former_ended", uint64_t{seen.owner_ended}},
               {"epoch", begun.epoch}});
  }
  BecomeOwner();
  return {};
}

Status OwnerKeeper::Renew(LeaseStore& store, bool restore) {
  const int64_t sent_us = Worker::ClockUs();
  const Result<bool> renewed = restore
                                   ? store.Write(record_, {record_.id, record_.epoch, record_.pair,
                                                           replication::TenureRecord::State::kHeld})
                                   : store.Extend(record_.lease_ms);
  if (!renewed) return tl::unexpected(renewed.error());
  if (!*renewed) {
    ownership_.Look();
    return {};
  }
  lease_.Renewed(sent_us);
  if (restore) {
    log::Warn("the records of ownership were removed and are written again",
              {{"store", authority_.role()}});
    if (const Status swept = store.Sweep(); !swept) return swept;
  }
  if (const Status closed = CloseFormer(store); !closed) return closed;
  if (!owner_) {
    BecomeOwner();
  } else {
    ownership_.deadline_us_.store(lease_.deadline_us());
  }
  return {};
}

// Without having closed them we are not the owner yet. On stores that nobody has
// owned there can be none.
Status OwnerKeeper::CloseFormer(LeaseStore& store) {
  if (former_closed_) return {};
  const Result<size_t> closed = store.CloseOthers(ownership_.id());
  if (!closed && ownership_.view().former) return tl::unexpected(closed.error());
  former_closed_ = true;
  if (closed && *closed > 0) {
    log::Info("connections of other proxies were closed",
              {{"store", authority_.role()}, {"connections", *closed}});
  }
  return {};
}

// ---- Outcomes

void OwnerKeeper::Adopt(Standing standing, const std::string& detail) {
  {
    const std::lock_guard lock(ownership_.mutex_);
    Ownership::View& view = ownership_.view_;
    if (ownership_.standing() == standing && view.detail == detail) return;
    view.standing = standing;
    view.detail = detail;
    if (standing != Standing::kStandby) view.other.reset();
    if (standing != Standing::kOwner) ownership_.records_.reset();
    ownership_.standing_.store(standing, std::memory_order_release);
  }
  log::Info("ownership", {{"state", Name(standing)},
                          {"id", ownership_.id()},
                          {"epoch", lease_.epoch()},
                          {"detail", detail}});
  changed_();
}

void OwnerKeeper::BecomeOwner() {
  owner_ = true;
  {
    const std::lock_guard lock(ownership_.wake_mutex_);
    self_ = record_;
    ++ownership_.looks_wanted_;
  }
  {
    const std::lock_guard lock(ownership_.mutex_);
    const replication::TenureRecord tenure{record_.id, record_.epoch, record_.pair};
    ownership_.records_ = std::make_shared<const Ownership::Records>(
        Ownership::Records{Encode(record_), Encode(tenure), record_.lease_ms});
  }
  ownership_.deadline_us_.store(lease_.deadline_us());
  Adopt(Standing::kOwner, "");
  ownership_.wake_.notify_all();
}

void OwnerKeeper::BecomeStandby(const replication::OwnerRecord& other) {
  const std::array<ForwardTo, 2> forward{ForwardingTo(other, false), ForwardingTo(other, true)};
  {
    const std::lock_guard lock(ownership_.mutex_);
    ownership_.view_.other = other;
    ownership_.forward_to_ = forward;
  }
  const std::string at = other.address.empty() ? other.tls_address : other.address;
  Adopt(Standing::kStandby, "proxy " + other.id + (at.empty() ? "" : " at " + at) + " (process " +
                                std::to_string(other.process.pid) + ", epoch " +
                                std::to_string(other.epoch) +
                                ") owns the stores; clients are forwarded to it");
}

void OwnerKeeper::Seek(const std::string& reason) { Adopt(Standing::kSeeking, reason); }

void OwnerKeeper::NoteLoss() {
  if (!owner_ || lease_.Holds(Worker::ClockUs())) return;
  owner_ = false;
  ownership_.deadline_us_.store(0);
  ownership_.follower_claimed_.store(false);
  {
    const std::lock_guard lock(ownership_.wake_mutex_);
    self_.reset();
  }
  {
    const std::lock_guard lock(ownership_.mutex_);
    ++ownership_.view_.losses;
  }
  log::Warn("the lease on the stores is lost: mirroring and reads from the follower stop",
            {{"epoch", lease_.epoch()}});
  Seek("");  // why is known when it could not be taken again
}

}  // namespace crossfade::proxy
