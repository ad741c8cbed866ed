// StoreWatch: asks a store how it is, about once a second, on a connection of its
// own; names its states, logs each change, and draws the consequences: reads that
// the follower must not answer now, data that is not what it was. One per store;
// lives on worker 0, in its thread alone.
#pragma once

#include "proxy/backend/connection_holder.h"
#include "routing/store_health.h"

namespace crossfade::proxy {

class Worker;

class StoreWatch final : public ConnectionHolder {
 public:
  StoreWatch(Worker& worker, StoreLink& link, bool authority);

  void Tick(int64_t now_us);

  void OnStoreReady() override;
  void OnStoreBytes() override;
  void OnStoreLost(std::string_view reason) override;
  void OnStoreUnreachable(std::string_view reason) override;

 private:
  void Ask();
  void TakeReply(std::string_view frame);
  void TakeReport(std::string_view frame);
  void TakeErrors();
  void NoteEvictions(bool evicted);
  bool MayHaveEvicted(const routing::StoreReport& report);
  void Publish();
  bool Settled();

  const bool authority_;
  routing::StoreHealth health_;
  routing::StoreStates told_ = 0;
  bool asked_ = false;
  bool own_keys_known_ = false;
  uint64_t own_keys_ = 0;  // of ours that it holds
  int64_t asked_us_ = 0;
  int64_t next_us_ = 0;
  // Keys were evicted: what was copied in this era of the mirror is not right.
  bool evicted_ = false;
  uint64_t evicted_era_ = 0;
};

}  // namespace crossfade::proxy
