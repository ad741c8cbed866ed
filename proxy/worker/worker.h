// Worker: a thread with its own event loop that owns sessions, lanes, the
// follower's readers, and (worker 0) the applier and the key syncs. Everything
// but Post, Wake, OnGateEntered, the counters and Stop is for its own thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "proxy/active_plan.h"
#include "proxy/auth/auth_desk.h"
#include "proxy/auth/store_users.h"
#include "proxy/core.h"
#include "proxy/lane/lane.h"
#include "proxy/net/event_loop.h"
#include "proxy/net/stream.h"
#include "proxy/session/ordered_replies.h"
#include "proxy/worker/blocked_sessions.h"
#include "proxy/worker/client_memory.h"
#include "proxy/worker/client_pause.h"
#include "proxy/worker/stats.h"
#include "proxy/worker/waking.h"
#include "routing/breaker.h"
#include "routing/commands/keys.h"
#include "routing/policy/sampling.h"
#include "routing/resp/request.h"

namespace crossfade::proxy {

class Applier;
class FollowerAdmin;
class FollowerReader;
class KeySyncer;
class KeyVerifier;
class Relays;
class Session;
class StoreWatch;
class TlsHandshakes;

class Worker final : public replication::GateWaiter {
 public:
  Worker(Core& core, uint32_t index, ActivePlanPtr plan);
  ~Worker();

  void Start();
  void Stop();  // at once; joins the thread
  // Runs `task` in the worker's thread soon.
  void Post(std::function<void()> task);
  void Wake() { loop_.Wake(); }
  void OnGateEntered(uint64_t ticket) override;

  // ---- For what lives on this worker.
  Core& core() { return core_; }
  EventLoop& loop() { return loop_; }
  uint32_t index() const { return index_; }
  const ActivePlan& plan() const { return *plan_; }
  const config::Limits& limits() const { return plan_->plan->settings.limits; }
  const routing::CommandTable& table() const { return *table_; }
  WorkerStats& stats() { return stats_; }
  int64_t now_us() const { return now_us_; }  // of this turn
  static int64_t ClockUs();
  static int64_t UnixMs();

  // Whom sessions are at the stores; lanes log in as they say.
  StoreUsers& store_users() { return store_users_; }
  std::optional<StoreLogin> LoginOf(uint32_t user) const;
  // There from the start, unless the proxy has users of its own.
  AuthDesk& auth_desk();
  uint64_t next_session_id() const;
  Worker& WorkerOf(uint64_t session) const;  // whose session would have that id
  // Sessions with this id or a greater one that have not authenticated must.
  void RestrictAnonymous(uint64_t from_id);

  // ownership.cc: whether this proxy owns the stores, as of this turn.
  bool owns() const { return owns_; }
  void OnOwnershipChanged();

  Lane& LaneOf(const LaneKey& of);
  FollowerReader& ReaderOf(const LaneKey& of);
  FollowerAdmin& follower_admin();
  routing::Breaker& breaker() { return breaker_; }
  // How long reads take at the authority, and at the follower.
  routing::LatencyTracker& read_latency(Source source) {
    return read_latency_[static_cast<size_t>(source)];
  }
  routing::Sampler& sampler() { return sampler_; }

  // Under TLS when the listener has settings for it.
  void AddClient(int fd, std::string peer, const config::TlsPtr& tls);
  Session& AddSession(Stream stream, std::string peer);
  // A private lane, nullptr when limits.pinned of them are in use; and back.
  std::unique_ptr<Lane> TakePinned(const LaneKey& of);
  void GivePinned(std::unique_ptr<Lane> lane, bool clean);
  void QueueLaneFlush(Lane* lane) { lanes_to_flush_.push_back(lane); }
  // One waits with its bytes until their intents are on the disk.
  void NoteLaneHeld() { lanes_held_ = true; }

  const std::vector<std::unique_ptr<Session>>& sessions() const { return sessions_; }
  void QueueFlush(Session* session);
  void QueuePump(Session* session);
  void QueueRead(StoreConnection* connection) { reads_again_.push_back(connection); }
  ClientMemory& client_memory() { return client_memory_; }
  void CountError(ClientError kind) { stats_.client_errors[static_cast<size_t>(kind)].Add(); }
  void Forget(Session* session);  // closed, with nothing in flight
  void AwaitGate(uint64_t ticket, std::function<void()> entered);
  void StopAwaitingGate(uint64_t ticket) { gate_waits_.erase(ticket); }

  // CLIENT PAUSE: the copy of what all workers share, and those that it holds.
  PauseMode client_pause() const { return pause_.mode; }
  bool holds_commands() const { return holds_commands_; }  // paused so, or busy
  void AdoptClientPause();
  void Postpone(Session* session);
  void StopPostponing(Session* session);

  // busy.cc: what the authority says while it is busy with a script that was sent
  // here or by another worker; empty when it is not.
  bool authority_busy() const { return !busy_.empty() && core_.authority_busy.load(); }
  const std::string& busy_text() const { return busy_; }
  void CheckBusy();
  // What clients get instead of writing, while the intent journal can't be written.
  const std::string& writes_refused() const { return writes_refused_; }
  void RefuseWrites(std::string text);  // empty: not any more

  // Clients in blocking commands: those that live here, and those of anybody.
  BlockedSessions& blocked() { return blocked_; }
  Waking& waking() { return waking_; }
  // The applier has work: it is told, unless it knows.
  void WantFeed();

  // mirror.ack: both: completes the reply when `seq` is applied, or time is up.
  void AwaitApplied(uint64_t seq, ReplyTo to);

  std::unique_ptr<OrderedReplies> TakeOrdered();
  void GiveOrdered(std::unique_ptr<OrderedReplies> ordered);
  std::unique_ptr<std::string> TakeBuffer();
  void GiveBuffer(std::unique_ptr<std::string> buffer);

  // A copy of the bytes that lasts until the end of the turn.
  std::string_view KeepForTurn(std::string_view bytes);

  // ---- Control.
  void Adopt(ActivePlanPtr plan);
  void SetTable(const routing::CommandTable* table) { table_ = table; }
  void BeginGracefulStop();
  std::atomic<uint64_t> adopted_epoch{0};
  // Set once no command that was sent before mirroring began is in flight.
  std::atomic<bool> mirroring_settled{false};
  std::atomic<uint64_t> session_count{0};  // relayed clients too
  std::atomic<uint64_t> relayed_count{0};
  std::atomic<uint64_t> postponed_count{0};  // held by CLIENT PAUSE
  std::atomic<uint64_t> breaker_trips{0};
  std::atomic<uint8_t> breaker_state{0};
  std::atomic<bool> awaits_applied{false};  // to be woken when entries are applied

  // ---- Scratch for the request in hand.
  routing::RequestDecoder decoder;
  std::vector<routing::KeyPosition> positions;
  std::vector<uint64_t> hashes;
  std::vector<std::string_view> names;
  std::string scratch;
  // Bytes of a batch that had to make room in a lane's queue.
  struct Batch {
    const char* p = nullptr;     // the request in hand
    const char* next = nullptr;  // behind it
    const char* e = nullptr;
    bool in_place = false;
    std::string detached;
  } batch;
  replication::Block* input_block = nullptr;  // that the batch lies in, if it may be shared
  std::string* capture = nullptr;             // gets what a session would reply
  std::string inline_request, error_text, key;
  std::vector<std::string> kept_names;
  std::vector<replication::Replicator::ReadKey> read_keys;
  replication::ScriptRun script;  // that is being sent
  bool single_key_at_1 = false;   // of the command whose keys were hashed last

 private:
  void Run();
  void Turn();
  void TakeMail();
  void FlushAll();
  void FeedFollower();
  void Tick();
  void CheckApplied();
  void SetOwns(bool owns);
  bool BehindScript();
  void OnBusyAnswer(std::string text);
  void SpreadBusy(const std::string& text);
  void SetBusy(const std::string& text);
  void UpdateHolds();
  int TimeoutMs() const;
  void ReapSessions();
  void CheckSettled();
  void CountSessions();
  template <class F>
  void ForEachLane(F f) {
    for (auto& [at, lane] : lanes_) f(*lane);
    for (Lane* lane : pinned_) f(*lane);
  }
  void SortGivenLanes();
  void CloseUnusedLogins();

  Core& core_;
  const uint32_t index_;
  ActivePlanPtr plan_;
  const routing::CommandTable* table_;
  EventLoop loop_;
  std::thread thread_;
  std::atomic<bool> stop_{false};
  int64_t now_us_ = 0;
  int64_t next_tick_us_ = 0;
  bool stopping_ = false;

  std::mutex mail_mutex_;
  std::vector<std::function<void()>> mail_;
  std::vector<uint64_t> gate_mail_;
  std::atomic<bool> has_mail_{false};

  WorkerStats stats_;
  std::vector<std::unique_ptr<Session>> sessions_;
  uint64_t next_session_ = 0;
  std::unique_ptr<TlsHandshakes> handshakes_;
  std::unique_ptr<Relays> relays_;
  std::vector<Session*> to_flush_, to_pump_, dead_;
  PauseState pause_;
  bool holds_commands_ = false;
  std::string writes_refused_;
  bool owns_ = false;
  Standing standing_ = Standing::kSeeking;
  std::array<ForwardTo, 2> forward_to_;
  std::string busy_;
  bool busy_here_ = false;  // with a script that was sent from here
  std::vector<Session*> postponed_;
  std::vector<StoreConnection*> reads_again_;
  std::deque<std::string> kept_;  // for this turn; their memory is used again
  size_t kept_count_ = 0;
  std::map<LaneKey, std::unique_ptr<Lane>> lanes_;
  std::map<LaneKey, std::unique_ptr<FollowerReader>> readers_;
  std::unique_ptr<FollowerAdmin> follower_admin_;
  struct GivenLane {
    std::unique_ptr<Lane> lane;
    bool clean;
  };
  std::vector<Lane*> pinned_;           // all private lanes
  std::vector<GivenLane> given_lanes_;  // in this turn
  std::vector<std::unique_ptr<Lane>> spare_lanes_;
  std::vector<Lane*> lanes_to_flush_;
  bool lanes_held_ = false;
  StoreUsers store_users_;
  std::vector<uint32_t> unused_logins_;  // whose lanes are being closed
  std::unique_ptr<AuthDesk> auth_desk_;
  std::unordered_map<uint64_t, std::function<void()>> gate_waits_;
  std::vector<std::unique_ptr<OrderedReplies>> spare_ordered_;
  std::vector<std::unique_ptr<std::string>> spare_buffers_;
  routing::Breaker breaker_;
  std::array<routing::LatencyTracker, 2> read_latency_;
  routing::Sampler sampler_;
  struct AwaitedAck {
    uint64_t seq;
    ReplyTo to;
    int64_t deadline_us;
  };
  replication::Ring<AwaitedAck> acks_{64};
  BlockedSessions blocked_{*this};
  Waking waking_{*this};
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<KeySyncer> syncer_;
  std::unique_ptr<KeyVerifier> verifier_;
  std::vector<std::unique_ptr<StoreWatch>> watches_;
  ClientMemory client_memory_{*this};
};

}  // namespace crossfade::proxy
