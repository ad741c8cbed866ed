// OwnerKeeper: takes, renews and releases the lease on the authority and the claim
// on the follower, each from a background thread of its own, since a store may
// hang; what they find is in Ownership. Looks who owns the stores when it is not
// us. Start, SetNeeded and Stop are for the control thread.
//
// A claim on the follower is lost with the applier's connection, and taken again
// before the next: so no two proxies write to it whoever was cut off for how long.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "config/settings.h"
#include "proxy/backend/store_client.h"
#include "proxy/backend/store_link.h"
#include "proxy/ownership/lease_store.h"
#include "proxy/ownership/ownership.h"
#include "replication/ownership/lease.h"

namespace crossfade::proxy {

struct OwnerKeeperOptions {
  config::OwnershipSettings settings;
  std::vector<config::Endpoint> listeners;  // with the ports that they got
  std::string admin;
  // The file in the journal's folder that says who wrote the journal; empty: none.
  std::string journal_owner;
};

class OwnerKeeper {
 public:
  // `changed` is called, from its threads, when another state is to be adopted.
  OwnerKeeper(Ownership& ownership, const StoreLink& authority, const StoreLink& follower,
              OwnerKeeperOptions options, std::function<void()> changed);
  ~OwnerKeeper();

  // Tries once before it returns, so that a proxy on free stores serves at once.
  void Start(bool needed);
  // Whether anything is to be mirrored. When it is from now on, nothing may be
  // written until the lease is had; returns when that has been tried.
  void SetNeeded(bool needed);
  // Ends the threads and releases what is held. `in_step`: the follower holds what
  // the authority holds. All connections that carry commands must be closed.
  void Stop(bool in_step);

 private:
  using Connection = std::unique_ptr<StoreClient>;

  using Milliseconds = std::chrono::milliseconds;

  template <class Step>
  void Run(Step step);
  Result<StoreClient*> Connect(Connection& connection, const StoreLink& link);

  // owner_keeper.cc: the authority
  Milliseconds AuthorityStep();
  Milliseconds RestWithoutNeed(bool unguarded);
  Status CloseBefore(Connection& connection, const StoreLink& link);
  Status Decide(LeaseStore& store);
  Status Acquire(LeaseStore& store, const replication::Sighting& seen);
  Status Renew(LeaseStore& store, bool restore);
  Status CloseFormer(LeaseStore& store);
  std::optional<replication::Sighting> LookAtFollower();
  void BecomeOwner();
  void BecomeStandby(const replication::OwnerRecord& other);
  void Seek(const std::string& reason);
  void NoteLoss();
  void Adopt(Standing standing, const std::string& detail);
  // follower_claim.cc
  Milliseconds FollowerStep();
  Milliseconds FollowerStepUnguarded();
  Status ClaimFollower(LeaseStore& store);
  Status TakeFollower(LeaseStore& store, const replication::Sighting& seen,
                      const replication::OwnerRecord& self);
  void Claimed(const replication::OwnerRecord& self, uint64_t losses);
  void Unclaim(const std::string& reason);
  // owner_records.cc
  replication::OwnerRecord RecordOf(uint64_t epoch, const std::string& pair) const;
  std::string Advertised(bool tls) const;
  ForwardTo ForwardingTo(const replication::OwnerRecord& other, bool tls) const;
  std::string Explain(const StoreLink& link, const std::string& error) const;
  void Release(bool in_step);
  std::string ReadJournalOwner() const;
  void WriteJournalOwner() const;

  Ownership& ownership_;
  const StoreLink& authority_;
  const StoreLink& follower_;
  const OwnerKeeperOptions options_;
  const std::function<void()> changed_;
  const int64_t lease_us_;

  // Guarded by Ownership's mutex for waiting.
  bool stop_ = false;
  bool needed_ = false;
  bool unguarded_ = false;  // something is mirrored, and ownership is switched off
  uint64_t tries_ = 0;      // of the authority's thread
  uint64_t raise_above_ = 0;
  std::optional<replication::OwnerRecord> self_;  // while we own the authority
  Interrupt interrupt_;
  std::thread authority_thread_, follower_thread_;

  // Of the authority's thread.
  Connection connection_, look_connection_;
  std::string authority_run_id_;
  replication::Lease lease_;
  bool owner_ = false;
  bool former_closed_ = false;       // of this tenure; unguarded: since the start
  replication::OwnerRecord record_;  // as it was written last
  // Of the follower's thread.
  Connection follower_connection_;
  bool follower_closed_ = false;  // unguarded: what was there before
};

}  // namespace crossfade::proxy
