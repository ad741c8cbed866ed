// Session: one client's connection, from accept to close. Reads requests,
// decides where each goes, and sends the replies in the order of the commands
// (design R1). Small when idle: it holds no buffer then. Owned by its worker and
// used in its thread alone.
//
// A session that has to wait (for the gate, a lane, its own replies, room) is
// paused: what it has received stays in its input, and nothing more is read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/auth/auth_attempt.h"
#include "proxy/lane/lane.h"
#include "proxy/net/event_loop.h"
#include "proxy/net/stream.h"
#include "proxy/session/client_filter.h"
#include "proxy/session/ordered_replies.h"
#include "proxy/session/pinned.h"
#include "proxy/worker/stats.h"
#include "replication/block.h"
#include "routing/commands/command_table.h"
#include "routing/commands/serving.h"
#include "routing/policy/route_match.h"
#include "routing/resp/request.h"

namespace crossfade::proxy {

class Accounts;
class Worker;
struct Account;
struct FollowerReadTicket;

// What a client gets instead of the frame, nothing if it comes later; may be called with the
// replication lock held.
using ReplyRewrite = std::function<std::string(std::string_view)>;

class Session final : public Pollable {
 public:
  Session(Worker& worker, Stream stream, uint64_t id, std::string peer);
  ~Session();

  void OnEvents(const Readiness& ready) override;

  // ---- From lanes and the follower's readers.
  // A reply as it came; the bytes stay where they are until the turn's end.
  void Deliver(ReplyTo to, std::string_view frame);
  void Fail(ReplyTo to, ClientError kind, std::string_view text);
  // What it has seen of the follower's future: reads older than that are not for it.
  void Saw(uint64_t seq, uint64_t intent);
  void SawKeysOf(uint64_t ordered);  // needs the replication lock
  OrderedReplies* ordered() { return ordered_.get(); }
  // The follower's reply does not count: its request is sent to the authority.
  void RetryOnAuthority(uint64_t ordered, std::string_view request);

  // ---- From its own lane (pinned.cc).
  PushKind TakePush(std::string_view frame, bool awaits_confirmation);
  void Confirmed();
  void OnSubscribeRefused();
  void OnPinnedLost();
  uint64_t id() const { return id_; }

  // ---- Of a blocking command (blocking.cc). Those that give it its reply need no lock.
  void TakeWaited(std::string_view frame, uint64_t seq, uint64_t head);
  void TakeApplied();             // mirror.ack: both, and it is
  void OnBlocked(bool recorded);  // the first attempt found nothing; the lock may be held
  void OnAttemptOver();           // its waiting was to end with the attempt in flight
  void OnWaitTimer(int64_t now_us);
  Lane& LaneOfWait();

  // ---- Who its client is (auth.cc).
  std::string_view UserName() const;
  void OnAuthChecked(std::string_view reply);
  void OnAuthDue();
  void RestrictAnonymous();
  void OnPlanChanged(const Accounts* before);

  // ---- From the worker.
  void Pump();   // goes on with what it has received, and reads
  void Flush();  // sends what is ready
  void Resume(uint16_t reasons);
  void OnGateEntered();
  void OnDrained();  // nothing of it is in flight any more
  void Close();
  void CloseWhenIdle();  // at a graceful stop
  uint32_t in_flight() const { return in_flight_; }
  bool idle() const { return in_flight_ == 0 && output_ == nullptr && reply_ == nullptr; }
  // What it has buffered: requests, what is queued in MULTI, replies.
  size_t buffered_bytes() const {
    return (output_ ? output_->capacity() : 0) + (input_ ? input_->capacity() : 0) +
           (transaction_ ? transaction_bytes() : 0);
  }
  const std::string& peer() const;
  // Redis lets who waits or listens be as idle as it likes.
  bool MayIdle() const;
  int64_t last_active_us() const { return last_active_us_; }
  bool closed() const { return closed_; }

  enum Pause : uint16_t {
    kGate = 1,
    kLane = 2,          // its lane is not connected, or is full
    kDrain = 4,         // its own replies must come first
    kFollower = 8,      // its own replies from the follower must come first
    kOutput = 16,       // the client does not take its replies
    kAsking = 32,       // the other workers are being asked
    kClientPause = 64,  // CLIENT PAUSE
    kBlocked = 128,     // it waits in a blocking command
    kAuth = 256,        // who its client is must be known first
  };

  // ---- Of CLIENT LIST, KILL and the like (client_info.cc).
  bool Matches(const ClientFilter& filter) const;
  // One line as CLIENT LIST has it.
  void Describe(const RequestInHand& in_hand, std::string& out) const;
  void CloseBehindReplies() { closing_ = true; }
  // CLIENT UNBLOCK; `answer`, called in this thread, says whether that ended its
  // waiting: at once, or when an attempt that is in flight is over.
  using UnblockAnswer = std::function<void(bool unblocked)>;
  void Unblock(bool with_error, UnblockAnswer answer);

  // Places in the worker's lists.
  uint32_t list_index = 0;
  bool flush_queued = false;
  bool pump_queued = false;
  bool deleted = false;

 private:
  // kDone: the request has been taken, and whatever is owed for it will come.
  // kTaken: likewise, but none behind it may be taken now. kPaused: it stays in
  // the input. kClosed: of NeedsLane, an error was sent instead.
  enum class Step : uint8_t { kDone, kTaken, kPaused, kClosed };
  // Why the waiting in a blocking command ends without a reply of the store.
  enum class WaitEnd : uint8_t { kNone, kTimeout, kUnblocked, kError, kGone };
  struct Transaction;
  struct Blocked;
  struct QueuedLocal;
  struct Extras;

  // session_io.cc
  bool WaitsForNothingElse() const;
  size_t transaction_bytes() const;
  void ReadSmall();
  void ReadLarge();
  bool Receive(char* to, size_t room, size_t& received);
  void Consume(const char* p, const char* e);
  void ConsumeInput();
  void RefuseInput();
  void KeepInput(const char* p, const char* e);
  void Protect(const char* from);
  void AddReply(std::string_view frame);
  void AddFrame(std::string_view frame);
  void LeaveGate();
  void SendOutput();
  void AddOutput(std::string_view bytes);
  void PauseFor(Pause reason);
  void Reply(std::string_view text);
  bool Suppressed();
  void ReplyError(ClientError kind, std::string_view text);
  size_t input_size() const { return static_cast<size_t>(input_end_ - input_begin_); }

  // dispatch.cc
  Step Dispatch(routing::Args args, std::string_view request);
  Step DispatchKnown(const routing::CommandSpec& spec, routing::Args args,
                     std::string_view request);
  Step Refuse(const routing::CommandSpec* spec, routing::Args args, ClientError kind);
  Step NeedsLane();
  [[gnu::noinline]] Step WaitForLane(bool ready);  // off the usual path
  bool InHandOnlyReads() const;
  Step SendPlain(const routing::CommandSpec& spec, routing::Args args, std::string_view request,
                 RequestClass type);
  Step SendRead(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  Step SendWrite(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  bool EnterGate(std::span<const uint64_t> hashes, bool all, bool may_wait,
                 std::unique_lock<std::mutex>& lock);
  void Forward(std::string_view request);
  void ForwardWrite(replication::WriteRecord& write, std::string_view request);
  // What NeedsLane said, for the caller: an error sent instead is a request done.
  static Step Unpaused(Step step) { return step == Step::kClosed ? Step::kDone : step; }
  bool HashKeys(const routing::CommandSpec& spec, routing::Args args, bool& all) {
    return HashKeysIn(key_.db, spec, args, all);
  }
  bool HashKeysIn(uint32_t db, const routing::CommandSpec& spec, routing::Args args, bool& all);
  bool MustWaitForFollower(std::span<const uint64_t> hashes);
  ReplyTo NewReply(Source source, std::span<const uint64_t> hashes);
  bool Ordering();
  const routing::SessionRoutes& Routes();

  // read_routing.cc
  ReadReason DecideRead(const routing::CommandSpec& spec, routing::Args args,
                        FollowerReadTicket& ticket);
  Step SendToFollower(std::string_view request, const FollowerReadTicket& ticket);
  bool SendShadow(const routing::CommandSpec& spec, routing::Args args, std::string_view request,
                  const routing::CompiledRoute& route);

  // local_commands.cc
  bool PassesOn(const routing::CommandSpec& spec, routing::Args args);
  Step Local(const routing::CommandSpec& spec, routing::Args args);
  bool HelloUnderstood(routing::Args args);
  void Hello(routing::Args args);
  Step Select(routing::Args args);
  Step Reset();
  void UseLane(const LaneKey& key);

  // client_commands.cc
  Step ClientCommand(const routing::CommandSpec& spec, routing::Args args);
  Step ClientList(routing::Args args);
  Step ClientKill(routing::Args args);
  Step ClientPauseCommand(routing::Args args);
  void ClientSetName(std::string_view name);
  void ClientReply(routing::Args args);
  void ClientFlag(std::string_view value, bool Extras::*flag);
  void ClientNewer(routing::Args args);
  Step ClientUnblock(routing::Args args);
  Step RefuseSubcommand(routing::Args args);
  bool ParseClientFilter(routing::Args args, ClientFilter& filter);
  // Goes on with the reply that `ask` gathers from all workers.
  template <class Answer>
  Step AskAll(std::function<Answer(Worker&)> ask,
              std::function<std::string(std::vector<Answer>&)> reply);
  bool HeldByClientPause(const routing::CommandSpec& spec, routing::Args args) const;
  Step PostponeCommand();
  Step SpreadClientPause();
  RequestInHand InHand(routing::Args args) const;

  // client_info.cc
  std::string Address() const;
  std::string LocalAddress() const;
  std::string Flags() const;
  std::string_view user() const { return UserName(); }
  ClientType type() const {
    return pinned_ && pinned_->subscriptions() > 0 ? ClientType::kPubsub : ClientType::kNormal;
  }
  std::string VerbatimReply(std::string_view text) const;

  // info.cc
  Step Info(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  ReplyRewrite InfoElement(routing::Args args) const;
  std::string InfoSection() const;
  std::string RewriteInfo(std::string_view frame, const std::string& own) const;

  // reserved.cc
  bool NamesReserved(const routing::CommandSpec& spec, routing::Args args);
  Step RefuseReserved();
  bool ShowsKeys(const routing::CommandSpec& spec) const;
  ReplyRewrite ReservedFilter(const routing::CommandSpec& spec, bool queued);
  std::string ClientKeys(std::string_view frame) const;
  std::string ClientKey(std::string_view frame, int tries);
  void LeaveOutReserved(std::string& info) const;
  bool RemovesReserved(const routing::CommandSpec& spec, routing::Args args) const;
  bool ForwardGuarded(ReplyTo to, replication::WriteRecord& write, std::string_view request);

  // transaction_elements.cc
  Step SendRewritten(const routing::CommandSpec& spec, routing::Args args, std::string_view request,
                     ReplyRewrite rewrite);
  Step SendToBoth(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  void RewriteNextReply(ReplyRewrite rewrite);
  bool TakeReplyMode(std::string_view& frame);
  static bool RunsAtExec(const routing::CommandSpec& spec);
  Step QueueLocal(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  Step NeedsLaneOfTransaction();
  bool HashQueuedKeys(const routing::CommandSpec& spec, routing::Args args);
  std::string RewriteExec(std::string_view frame, std::vector<QueuedLocal>& locals);
  std::string RunLocal(QueuedLocal& local, std::string_view element);

  // scripts.cc
  Step Script(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  Step ScriptCall(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  Step SendScript(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  Step BesideTheLane(routing::Args args);
  bool MayReplicate(const routing::CommandSpec& spec, routing::Args args) const;
  Step RefuseForNow(std::string text);
  bool MayWrite(const routing::CommandSpec& spec, routing::Args args) const;
  replication::ScriptRun RunOfScript(const routing::CommandSpec& spec, routing::Args args);
  void PrepareScript(bool& all);
  void AskScriptDeadlines();
  std::string WhyScriptRefused(const replication::ScriptRun& run) const;
  routing::Serving QueuedScript(const routing::CommandSpec& spec, routing::Args args,
                                std::string& refused);
  // auth.cc
  void BeginAnonymous();
  std::optional<uint32_t> StoreUserOf(std::string_view name, std::string_view password);
  std::optional<uint32_t> StoreUserOf(const Account& account, std::string_view password);
  void BecomeStoreUser(uint32_t user);
  Step CheckAccess(const routing::CommandSpec& spec, routing::Args args);
  Step MayAdminister(const routing::CommandSpec& spec, routing::Args args);
  Step StayAnonymous(std::string_view refusal, bool exec);
  void AbandonCommand();
  Step RefuseAccess(ClientError kind, std::string_view text, bool exec = false);
  Step Auth(routing::Args args);
  Step HelloAuth(routing::Args args);
  Step Authenticate(routing::Args name_and_password, bool hello);
  Step RefuseAuth(std::string_view name, std::string_view reply);
  Step Accept(const Account* account, std::string_view name, std::string_view password, bool hello);
  void OwnLoginAnswered(bool fine);
  Step SelectAsUser(uint32_t db);

  // transaction.cc
  Step TransactionCommand(const routing::CommandSpec& spec, routing::Args args);
  Step Queue(const routing::CommandSpec& spec, routing::Args args, std::string_view request,
             routing::Serving serving);
  Step Exec(routing::Args args);
  Step SendTransaction(routing::Args exec);
  void ShowToMonitors(routing::Args exec);
  Step RefuseMulti();
  std::string AbortedExec(std::string_view error);
  Step FailTransaction(ClientError kind, std::string_view text);

  bool resp3() const { return key_.protocol == Protocol::kResp3; }
  std::string_view NilReply() const { return resp3() ? "_\r\n" : "$-1\r\n"; }

  // pinned.cc
  Step Pin(Pinned::Reason reason);
  Step OwnLane(Pinned::Reason reason);
  void UnpinIfFree();
  Step PinnedCommand(const routing::CommandSpec& spec, routing::Args args,
                     std::string_view request);
  void SendAwaited(Pinned::Awaited awaited, std::string_view request);
  void SendOwn(Pinned::Awaited awaited, std::string_view request);
  void AwaitReply(Pinned::Awaited awaited, size_t bytes);
  bool TakeAwaited(std::string_view frame);
  Step Unwatch(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  void ForgetWatch();
  void WatchIsOver();
  bool Watching() const { return pinned_ && (pinned_->reasons & Pinned::kWatch) != 0; }
  Step Wait(routing::Args args, std::string_view request);
  Step Subscribe(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  Step UnsubscribeNothing(const routing::CommandSpec& spec, routing::Args args);
  bool RefusedWhilePinned(const routing::CommandSpec& spec, routing::Serving serving);
  void NoteSubscription(std::string_view kind, std::string_view name);
  Step Tracking(routing::Args args, std::string_view request);
  Step TrackingInfo(const routing::CommandSpec& spec, routing::Args args);
  Step Caching(const routing::CommandSpec& spec, routing::Args args, std::string_view request);

  // blocking.cc
  Step SendBlocking(const routing::CommandSpec& spec, routing::Args args, std::string_view request);
  Step SendFirstAttempt(const routing::CommandSpec& spec, routing::Args args,
                        std::string_view request);
  Step SendUnmirroredWrite(const routing::CommandSpec& spec, routing::Args args,
                           std::string_view request);
  bool MustLetSettle(std::span<const uint64_t> hashes);
  void SendWakes(std::unique_lock<std::mutex>& lock);
  void EndWait(WaitEnd why);
  void FinishWait(std::string_view frame);
  void AnswerWaitEnd(WaitEnd why);
  void AnswerUnblock(bool unblocked);

  Extras& extras();

  Worker& worker_;
  Stream stream_;
  uint16_t paused_ = 0;
  bool readable_ = false;
  bool closing_ = false;  // no more requests; closed when all replies are out
  bool closed_ = false;
  bool peer_closed_ = false;  // it will send nothing more
  bool overflowed_ = false;   // its unsent replies are over the limit
  bool watching_writes_ = false;
  bool gate_entered_ = false;  // for the request at the beginning of its input
  enum ReplyMode : uint8_t { kRepliesOff = 1, kSkipReply = 2, kRewriteReply = 4 };
  uint8_t reply_mode_ = 0;      // CLIENT REPLY; a reply that is changed
  bool restricted_ = true;      // commands are checked for whether it may run them
  bool authenticated_ = false;  // it has said who it is
  uint32_t in_flight_ = 0;
  LaneKey key_;  // of the lane that its commands go on
  Lane* lane_ = nullptr;
  const routing::CommandSpec* last_command_ = nullptr;
  uint64_t gate_ticket_ = 0;                           // while it waits
  std::unique_ptr<replication::WriteKeys> gate_held_;  // what it waits for, or has entered for
  const uint64_t id_;
  uint64_t seen_seq_ = 0;
  uint64_t seen_intent_ = 0;
  int64_t last_active_us_ = 0;

  // Received and not consumed.
  replication::BlockRef input_;
  char* input_begin_ = nullptr;
  char* input_end_ = nullptr;
  std::string refused_text_;  // the protocol error that ends it, once all before is answered
  std::unique_ptr<routing::RequestDecoder> decoder_;  // of a large request that comes in pieces

  // To be sent: what did not fit, then one run of a lane's bytes.
  std::unique_ptr<std::string> output_;
  size_t output_sent_ = 0;  // of it
  const char* reply_ = nullptr;
  size_t reply_size_ = 0;

  const Account* account_ = nullptr;  // of the plan, where that has users
  std::unique_ptr<AuthAttempt> auth_;
  std::unique_ptr<OrderedReplies> ordered_;
  std::unique_ptr<Transaction> transaction_;
  std::unique_ptr<Pinned> pinned_;
  std::unique_ptr<Blocked> blocked_;
  std::unique_ptr<Extras> extras_;
};

// A command in MULTI that the session has a part in; it runs when EXEC's reply is there.
struct Session::QueuedLocal {
  uint32_t index;  // among the queued
  const routing::CommandSpec* spec;
  std::vector<std::string> args;
  ReplyRewrite rewrite;  // of the store's own reply, if that is all
};

struct Session::Transaction {
  bool failed = false;  // EXEC will be refused
  bool all = false;     // the whole keyspace
  bool writes = false;
  bool scripts = false;        // among its commands, that may write
  bool runs_scripts = false;   // or read
  bool undeclared = false;     // one of them may touch keys that it does not declare
  bool may_replicate = false;  // CLIENT PAUSE WRITE holds it
  bool selects = false;        // another db, or the same again
  std::vector<uint32_t> dbs;   // those that its commands may run in
  std::vector<QueuedLocal> locals;
  uint32_t commands = 0;
  std::string bytes;  // MULTI, and what is queued
  std::vector<uint64_t> hashes;
  // What is asked behind EXEC, of which keys.
  std::vector<std::pair<replication::AskBehind, std::string>> asked;
};

struct Session::Blocked {
  WaitEnd ending = WaitEnd::kNone;  // once the attempt in flight is over
  int64_t timeout_us = 0;           // 0: for ever; then when
  int64_t recheck_us = 0;           // 0: not; then in how long
  int64_t recheck_at_us = INT64_MAX;
  std::string held;  // the reply, until it is applied
  UnblockAnswer unblock_answer;
};

struct Session::Extras {
  std::string name, library, library_version;
  std::string peer;
  ReplyRewrite rewrite;
  int64_t created_us = 0;
  bool no_evict = false;
  bool no_touch = false;
  std::optional<routing::IpAddress> address;
  uint64_t plan_epoch = 0;
  routing::SessionRoutes routes;
};

}  // namespace crossfade::proxy
