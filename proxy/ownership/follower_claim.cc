// OwnerKeeper: the claim on the follower.
#include <algorithm>
#include <utility>

#include "proxy/control/log.h"
#include "proxy/ownership/owner_keeper.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

using replication::FollowerVerdict;
using replication::OwnerRecord;
using replication::Sighting;
using replication::TenureRecord;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kTryEvery{100};

}  // namespace

OwnerKeeper::Milliseconds OwnerKeeper::FollowerStep() {
  bool owner = false, unguarded = false;
  {
    const std::lock_guard lock(ownership_.wake_mutex_);
    owner = self_.has_value();
    unguarded = unguarded_;
  }
  if (unguarded) return FollowerStepUnguarded();
  if (!owner) {
    follower_connection_.reset();
    return Milliseconds(lease_us_ / 1'000);
  }
  const Result<StoreClient*> client = Connect(follower_connection_, follower_);
  Status done;
  if (client) {
    LeaseStore store(**client);
    done = ClaimFollower(store);
  } else {
    done = tl::unexpected(client.error());
  }
  if (!done) {
    follower_connection_.reset();
    const std::lock_guard lock(ownership_.mutex_);
    ownership_.view_.follower_detail = Explain(follower_, done.error().message);
    return kTryEvery;
  }
  return ownership_.follower_claimed_.load() ? Milliseconds(lease_us_ / 3'000) : kTryEvery;
}

// Nobody else is looked for; what was there before is closed once.
OwnerKeeper::Milliseconds OwnerKeeper::FollowerStepUnguarded() {
  if (!follower_closed_) {
    const Status closed = CloseBefore(follower_connection_, follower_);
    if (!closed) {
      const std::lock_guard lock(ownership_.mutex_);
      ownership_.view_.follower_detail = Explain(follower_, closed.error().message);
      return kTryEvery;
    }
    follower_closed_ = true;
    follower_connection_.reset();
  }
  ownership_.follower_claimed_.store(true);
  return Milliseconds(lease_us_ / 1'000);
}

Status OwnerKeeper::ClaimFollower(LeaseStore& store) {
  const uint64_t losses = ownership_.follower_losses_.load();
  const Result<Sighting> seen = store.Look();
  if (!seen) return tl::unexpected(seen.error());
  OwnerRecord self;
  {
    const std::lock_guard lock(ownership_.wake_mutex_);
    if (!self_) return store.Forget();
    self = *self_;
  }
  switch (replication::JudgeFollower(self, *seen)) {
    case FollowerVerdict::kRenew: {
      const Result<bool> extended = store.Extend(self.lease_ms);
      if (!extended) return tl::unexpected(extended.error());
      if (*extended) Claimed(self, losses);
      return {};
    }
    case FollowerVerdict::kTake: {
      const Status taken = TakeFollower(store, *seen, self);
      if (taken) Claimed(self, losses);
      return taken;
    }
    case FollowerVerdict::kRaise: {
      const std::lock_guard lock(ownership_.wake_mutex_);
      raise_above_ = std::max({raise_above_, seen->owner ? seen->owner->epoch : 0,
                               seen->tenure ? seen->tenure->epoch : 0});
      ++ownership_.looks_wanted_;
      break;
    }
    case FollowerVerdict::kRefused:
      Unclaim(seen->owner
                  ? "the " + follower_.role() + " store is owned by proxy " + seen->owner->id +
                        (seen->owner->address.empty() ? "" : " at " + seen->owner->address) +
                        ", which mirrors " + seen->owner->stores
                  : "the key crossfade:owner on the " + follower_.role() +
                        " store holds what no proxy wrote; remove it");
      break;
  }
  ownership_.wake_.notify_all();
  return store.Forget();
}

Status OwnerKeeper::TakeFollower(LeaseStore& store, const Sighting& seen, const OwnerRecord& self) {
  const Result<bool> written =
      store.Write(self, {self.id, self.epoch, self.pair, TenureRecord::State::kHeld});
  if (!written) return tl::unexpected(written.error());
  if (!*written) return Fail("its owner's record is being changed");
  const bool others =
      (seen.owner && seen.owner->id != self.id) || (seen.tenure && seen.tenure->id != self.id);
  const Result<size_t> closed = store.CloseOthers(self.id);
  if (!closed && others) return tl::unexpected(closed.error());
  if (!others) return seen.tenure ? Status() : store.Sweep();
  log::Info("the follower is claimed",
            {{"store", follower_.role()}, {"epoch", self.epoch}, {"connections_closed", *closed}});
  const std::lock_guard lock(ownership_.mutex_);
  Ownership::View& view = ownership_.view_;
  const std::optional<TenureRecord>& former = seen.tenure;
  view.follower_known = former && former->pair == self.pair;
  view.in_step = former && view.former && *former == *view.former &&
                 former->state == TenureRecord::State::kInStep;
  return {};
}

// Unless the applier's connection was lost meanwhile, or the tenure is over.
void OwnerKeeper::Claimed(const OwnerRecord& self, uint64_t losses) {
  {
    const std::lock_guard lock(ownership_.wake_mutex_);
    if (!self_ || self_->epoch != self.epoch || ownership_.follower_losses_.load() != losses) {
      ++ownership_.looks_wanted_;
      return;
    }
  }
  {
    const std::lock_guard lock(ownership_.mutex_);
    ownership_.view_.follower_detail.clear();
  }
  if (!ownership_.follower_claimed_.exchange(true)) changed_();
}

void OwnerKeeper::Unclaim(const std::string& reason) {
  ownership_.follower_claimed_.store(false);
  {
    const std::lock_guard lock(ownership_.mutex_);
    if (ownership_.view_.follower_detail == reason) return;
    ownership_.view_.follower_detail = reason;
  }
  log::Warn("the follower can't be claimed", {{"reason", reason}});
  changed_();
}

}  // namespace crossfade::proxy
