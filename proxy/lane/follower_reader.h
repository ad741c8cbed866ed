// FollowerReader: a worker's connection to the follower for reads, for one LaneKey.
// A reply counts only if the follower was still in step when it came (design
// §5); else, and on any error, the read is made again on the authority. Owned by
// its worker, used in its thread alone.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "proxy/backend/connection_holder.h"
#include "proxy/lane/lane.h"
#include "replication/replicator.h"
#include "replication/ring.h"
#include "routing/breaker.h"
#include "routing/resp/request.h"

namespace crossfade::proxy {

// What was so when a read was found eligible.
struct FollowerReadTicket {
  uint64_t sent_seq = 0;
  uint64_t era = 0;
  bool pending = false;  // a write on its keys was under way
  routing::Breaker::Permit permit;
};

class FollowerReader final : public ConnectionHolder {
 public:
  FollowerReader(Worker& worker, LaneKey key);

  bool ready() const { return connection_.ready(); }
  void Send(ReplyTo to, std::string_view request, uint64_t key_hash, bool one_key,
            const FollowerReadTicket& ticket);
  void Tick(int64_t now_us);

  void OnStoreReady() override;
  void OnStoreBytes() override;
  void OnStoreLost(std::string_view reason) override;
  void OnStoreUnreachable(std::string_view reason) override;

 private:
  struct Read {
    ReplyTo to;
    std::string_view request;
    uint64_t key_hash;
    bool one_key;
    FollowerReadTicket ticket;
    int64_t sent_us;
  };
  void TakeReply(const Read& read, std::string_view frame, std::unique_lock<std::mutex>& lock);
  bool Counts(const Read& read, std::string_view frame);
  void KeysOf(const Read& read, bool names);

  const LaneKey key_;
  bool told_refused_ = false;  // that the user is refused, since it was accepted last
  replication::Ring<Read> reads_{256};
  routing::RequestDecoder decoder_;
  std::vector<replication::Replicator::ReadKey> keys_;
};

}  // namespace crossfade::proxy
