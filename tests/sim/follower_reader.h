// FollowerReader, Applier and KeySyncer: what the files of these names below
// proxy/lane and proxy/applier do, in virtual time.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "tests/sim/lane.h"
#include "tests/sim/process.h"

namespace crossfade::sim {

struct FollowerReadTicket {
  uint64_t sent_seq = 0;
  uint64_t era = 0;
  bool pending = false;
};

class FollowerReader final : public StoreConnectionOwner {
 public:
  FollowerReader(Worker& worker, uint32_t db);

  bool ready() const { return connection_.ready(); }
  void Send(ReplyTo to, std::string_view request, const FollowerReadTicket& ticket);
  void Tick();
  void Drop() { connection_.Drop(); }

  void OnStoreReady(bool other_process) override;
  void OnStoreReply(std::string_view frame, uint64_t stamp) override;
  void OnStoreLost() override;

 private:
  struct Read {
    ReplyTo to;
    std::string request;
    FollowerReadTicket ticket;
    int64_t sent_us;
  };
  bool Counts(const Read& read, std::string_view frame);

  Process& process_;
  const uint32_t db_;
  StoreConnection connection_;
  std::deque<Read> reads_;
};

class Applier final : public StoreConnectionOwner {
 public:
  explicit Applier(Process& process);

  bool ready() const { return connection_.ready(); }
  void Feed();
  void Tick();
  void Drop() { connection_.Drop(); }

  void OnStoreReady(bool other_process) override;
  void OnStoreReply(std::string_view frame, uint64_t stamp) override;
  void OnStoreLost() override;

 private:
  Process& process_;
  StoreConnection connection_;
  std::vector<replication::Piece> pieces_;
  int64_t last_reply_us_ = 0;
};

class KeySyncer {
 public:
  explicit KeySyncer(Process& process) : process_(process) {}
  void Run();

 private:
  void Read(const replication::KeyToSync& key, uint64_t hash);

  Process& process_;
};

}  // namespace crossfade::sim
