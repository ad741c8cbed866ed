// Lane: a worker's pipelined connection to the authority, for one LaneKey. Keeps
// what is in flight in order, and gives each reply to whom it belongs: to a
// session as it is, and before that to the replicator if it was a write. Owned
// by its worker, used in its thread alone; takes the replication lock by itself.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "proxy/backend/connection_holder.h"
#include "proxy/lane/attempt.h"
#include "proxy/lane/lane_key.h"
#include "proxy/snapshot.h"
#include "replication/replicator.h"
#include "replication/ring.h"

namespace crossfade::proxy {

class Session;
class Worker;

// Whose reply: the session, and its number there when replies are put in order.
struct ReplyTo {
  Session* session = nullptr;
  uint64_t ordered = kUnordered;
  static constexpr uint64_t kUnordered = UINT64_MAX;
};

class Lane final : public ConnectionHolder {
 public:
  Lane(Worker& worker, LaneKey key);
  ~Lane();

  replication::LaneId id() const { return id_; }
  const LaneKey& key() const { return key_; }
  // Connected, and not held.
  bool ready() const { return connection_.ready() && !held_; }
  // While this proxy does not own the stores, nothing but reads may be sent.
  bool held() const { return held_; }
  bool reads_only() const { return connection_.ready() && held_; }
  void Hold(bool hold);
  OutQueue& out() { return connection_.out(); }
  bool full() const;

  // The request's bytes have been committed or appended to out(). A plain
  // command: its reply goes to the session, and nothing else.
  void SentPlain(ReplyTo to, RequestClass type, size_t bytes);
  // While it is being connected; fails if that does.
  void ReadWhenReady(ReplyTo to, std::string_view request);
  // Replies that nobody wants: MULTI's and QUEUED.
  void SentSkipped(uint32_t count, size_t bytes);
  // A write (or shadowed read) that has entered the gate; the record is filled
  // in but for the keys' bookkeeping. What is asked behind it follows.
  replication::WriteRecord& NewWrite();
  replication::WriteRecord& LastWrite() { return writes_.back(); }
  void SentWrite(ReplyTo to, RequestClass type, size_t bytes);
  // A write in a transaction of nine more commands, whose reply is EXEC's fourth.
  void SentGuarded(ReplyTo to, size_t bytes);
  void Ask(const replication::AskBehind& ask, std::string_view key);
  void AskDeadline(std::string_view key) { Ask({.deadline = true}, key); }
  // Reads a key's state under the gate, which it has entered (syncs.cc).
  void SendSync(const replication::KeyToSync& key);
  void SendVerify(replication::Verification::Slot slot);

  // attempts.cc: an attempt for a client that waits; whether any key is there of
  // those that clients wait for.
  void SentAttempt(replication::WaiterId waiter, uint32_t questions, bool recorded, bool changes,
                   size_t bytes);
  void SendPoll(std::string_view request, std::vector<replication::WaiterId> waiters);
  replication::WriteRecord& OldestWrite();
  void PopWrite();
  // It carries nothing but what its owner sent.
  bool owned() const { return owner_ != nullptr; }
  // Equal for lanes whose replies a session can be given, and whose rights it has.
  uint64_t manner() const { return uint64_t{key_.user} << 8 | static_cast<uint8_t>(key_.protocol); }

  // Mirroring has begun: what is in flight now was sent without being recorded.
  void MarkUnrecorded() { recorded_from_ = in_flight_.tail(); }
  bool HasUnrecorded() const { return in_flight_.head() < recorded_from_; }

  // ---- A session's own lane: it gets what the store sends unasked.
  void SetOwner(Session* owner);
  // Its reply are `count` confirmations, which the owner knows when it sees them.
  void SentConfirmed(ReplyTo to, uint32_t count, size_t bytes);
  // What was sent last may take so much longer than limits.command_timeout.
  void AllowLonger(int64_t ms);
  // It runs a script, behind which the store may be busy.
  void MarkScript() { scripts_end_ = in_flight_.tail(); }
  bool BehindScript(int64_t since_us) const;
  void MovedTo(const LaneKey& key);  // the store has said so
  void SwitchProtocol(Protocol protocol);
  bool quiet() const { return in_flight_.empty(); }
  // Lost with commands unanswered that its server may yet execute.
  bool uncertain() const { return uncertain_; }

  void Wait(Session* session) { waiting_.push_back(session); }
  void StopWaiting(Session* session);
  void Tick(int64_t now_us);

  void OnStoreReady() override;
  void OnStoreBytes() override;
  void OnStoreLost(std::string_view reason) override;
  void OnStoreUnreachable(std::string_view reason) override;
  bool MaySend() override;

 private:
  enum class Kind : uint8_t {
    kPlain,
    kSkip,
    kConfirm,
    kWrite,
    kDeadline,
    kSync,
    kAttempt,
    kPoll,
    kGuarded,
    kVerify
  };
  struct InFlight {
    Kind kind;
    RequestClass type;
    bool again;  // its first connection was lost
    uint32_t count;
    uint64_t bytes;
    ReplyTo to;
    int64_t sent_us;
  };
  InFlight& Push(Kind kind, RequestClass type, size_t bytes, ReplyTo to);
  bool TakePush(std::string_view frame);
  void TakeReply(std::string_view frame, std::unique_lock<std::mutex>& lock);
  void TakePlain(InFlight& item, std::string_view frame, std::unique_lock<std::mutex>& lock);
  void TakeWrite(InFlight& item, std::string_view frame, std::unique_lock<std::mutex>& lock);
  void TakeDeadline(std::string_view frame, std::unique_lock<std::mutex>& lock);
  // syncs.cc
  void TakeSync(std::string_view frame, std::unique_lock<std::mutex>& lock);
  // verifies.cc
  bool TakeVerify(std::string_view frame, std::unique_lock<std::mutex>& lock);
  bool TakeAttempt(InFlight& item, std::string_view frame, std::unique_lock<std::mutex>& lock);
  void TakePoll(std::string_view frame, std::unique_lock<std::mutex>& lock);
  void ResumeWaiting();
  void WakeWaiting();
  void FinishWrite(ReplyTo to, std::string_view reply);

  // loss.cc
  struct Failed {
    ReplyTo to;
    uint32_t count;
  };
  void FailInFlight(std::string_view reason);
  void LoseItem(const InFlight& item, std::string_view text, std::vector<Failed>& failed);
  void Fail(const std::vector<Failed>& failed, std::string_view text);
  bool OnlyReads(const InFlight& item) const;
  std::unordered_set<const Session*> WhoOnlyReads() const;
  void KeepForAgain(InFlight item, size_t offset, std::vector<InFlight>& kept);
  void SendAgain();
  void FailAgain(std::string_view reason);
  void HoldSyncs(bool hold);
  void AwaitJournalOfLastWrite();
  bool AwaitsJournal();

  LaneKey key_;
  const replication::LaneId id_;
  Session* owner_ = nullptr;
  replication::Ring<InFlight> in_flight_{256};
  replication::Ring<replication::WriteRecord> writes_{256};
  replication::Ring<replication::KeyToSync> syncs_{16};
  replication::Ring<replication::Verification::Slot> verifies_{16};
  replication::Ring<Attempt> attempts_{16};
  replication::Ring<std::vector<replication::WaiterId>> polls_{4};
  ReplyTo write_to_;        // of the write whose deadlines are awaited
  std::string held_reply_;  // its reply
  uint64_t recorded_from_ = 0;
  uint64_t scripts_end_ = 0;       // behind the last script
  int64_t busy_us_ = 0;            // when the authority was last known to be busy
  uint64_t held_bytes_ = 0;        // answered, but its request is still wanted
  std::vector<Session*> waiting_;  // for the connection to be ready, or to have room
  std::string lost_run_id_;
  std::string again_;           // requests of the reads in flight while there is no connection
  bool may_send_again_ = true;  // of the present connection
  uint64_t last_intent_ = 0;    // to be in the intent journal before it is sent
  bool uncertain_ = false;      // lost with writes unanswered; syncs wait until it is back
  bool held_;                   // this proxy does not own the stores
};

}  // namespace crossfade::proxy
