// Applier: the pipelined connection that applies the mirror log to the follower,
// in order. The rules are the replicator's; this carries the bytes. Lives on
// worker 0, in its thread alone.
#pragma once

#include <vector>

#include "proxy/backend/connection_holder.h"
#include "replication/replicator.h"

namespace crossfade::proxy {

class Worker;

class Applier final : public ConnectionHolder {
 public:
  explicit Applier(Worker& worker);

  bool ready() const { return connection_.ready() && !unclaimed_; }
  // Takes from the log what may be sent, and sends it.
  void Feed();
  void Tick(int64_t now_us);
  void Halt();  // the follower is not ours any more

  void OnStoreReady() override;
  void OnStoreBytes() override;
  void OnStoreLost(std::string_view reason) override;

 private:
  void Begin();
  void PublishFigures();  // needs the replication lock

  std::vector<replication::Piece> pieces_;
  int64_t last_reply_us_ = 0;
  bool unclaimed_ = false;  // connected, but the follower is not ours
};

}  // namespace crossfade::proxy
