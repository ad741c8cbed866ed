// Lane: proxy/lane/lane.cc in virtual time: what is in flight to the authority in
// order, and whose reply each is; the replicator hears of writes and key syncs
// before the session does.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/process.h"

namespace crossfade::sim {

// Whose reply: the session, its number there when replies are put in order, and
// the client's own number of the command.
struct ReplyTo {
  Session* session = nullptr;
  uint64_t ordered = kUnordered;
  uint64_t issue = 0;
  static constexpr uint64_t kUnordered = UINT64_MAX;
};

class Lane final : public StoreConnectionOwner {
 public:
  Lane(Worker& worker, uint32_t db);

  replication::LaneId id() const { return id_; }
  uint32_t db() const { return db_; }
  bool ready() const { return connection_.ready(); }
  bool unreachable() const { return unreachable_; }

  // `skipped`: replies before its own, of MULTI and QUEUED.
  void SendPlain(ReplyTo to, bool is_read, std::string_view request, uint32_t skipped,
                 uint64_t tag);
  // A write or a shadowed read; to be filled in, then sent.
  replication::WriteRecord& NewWrite();
  void SendWrite(ReplyTo to, bool is_read, std::string_view request, uint32_t skipped,
                 uint64_t tag);
  void AskDeadline(std::string_view key);
  void SendSync(const replication::KeyToSync& key);
  void SendVerify(replication::Verification::Slot slot);

  void MarkUnrecorded() { recorded_from_ = next_; }
  bool HasUnrecorded() const { return next_ - in_flight_.size() < recorded_from_; }
  void Wait(Session* session) { waiting_.push_back(session); }
  void Tick();
  void Drop() { connection_.Drop(); }
  // Sends what is queued, if the journal lets it.
  void Flush();

  void OnStoreReady(bool other_process) override;
  void OnStoreReply(std::string_view frame, uint64_t stamp) override;
  void OnStoreLost() override;
  void OnStoreUnreachable() override;

 private:
  enum class Kind : uint8_t { kPlain, kSkip, kWrite, kDeadline, kSync, kVerify };
  struct Item {
    Kind kind;
    bool is_read;
    ReplyTo to;
    int64_t sent_us;
  };
  struct Write {
    std::string bytes;
    replication::WriteRecord record;
  };
  void Queue(std::string_view bytes, uint64_t tag);
  void Push(Kind kind, bool is_read, ReplyTo to);
  void TakeWrite(ReplyTo to, std::string_view frame, uint64_t stamp);
  void TakeDeadline(std::string_view frame);
  void TakeSync(std::string_view frame, uint64_t stamp);
  void TakeVerify(std::string_view frame, uint64_t stamp);
  void FinishWrite(ReplyTo to, std::string_view reply, uint64_t stamp);
  void HoldSyncs(bool hold);
  void ResumeWaiting();

  Worker& worker_;
  Process& process_;
  const uint32_t db_;
  const replication::LaneId id_;
  StoreConnection connection_;
  std::vector<std::pair<std::string, uint64_t>> out_;  // bytes and tags
  bool flush_queued_ = false;
  uint64_t last_intent_ = 0;  // to be in the journal before it is sent
  bool unreachable_ = false;  // and the last try has failed
  std::deque<Item> in_flight_;
  uint64_t next_ = 0;  // number of the next item
  uint64_t recorded_from_ = 0;
  std::deque<std::unique_ptr<Write>> writes_;
  std::deque<replication::KeyToSync> syncs_;
  std::deque<replication::Verification::Slot> verifies_;
  ReplyTo write_to_;
  std::string held_reply_;
  uint64_t write_stamp_ = 0;
  std::vector<Session*> waiting_;
  uint64_t lost_run_ = 0;
  bool uncertain_ = false;
};

}  // namespace crossfade::sim
