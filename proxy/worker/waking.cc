#include "proxy/worker/waking.h"

#include <algorithm>

#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"
#include "routing/resp/reply.h"
#include "routing/slot.h"

namespace crossfade::proxy {

using replication::ReadyKey;
using replication::Waiter;
using replication::WaitingTable;
using routing::BlockingRequest;
using routing::Certainty;
using routing::CommandId;

namespace {

constexpr std::string_view kGroupGone =
    "-NOGROUP the consumer group this client was blocked on no longer exists\r\n";
constexpr std::string_view kStreamGone = "-UNBLOCKED the stream key no longer exists\r\n";

bool IsNil(std::string_view frame) {
  return frame == "*-1\r\n" || frame == "$-1\r\n" || frame == "_\r\n";
}

bool HasCode(std::string_view error, std::string_view code) {
  return error.size() > code.size() + 1 && error.substr(1, code.size()) == code;
}

bool IsScript(CommandId id) {
  return id == CommandId::kEval || id == CommandId::kEvalsha || id == CommandId::kFcall;
}

// What is asked before the command: what a key is, where the command's error
// does not tell it; the last id of a stream that is read from there on.
uint32_t AppendQuestions(std::string& out, const Waiter& waiter) {
  const BlockingRequest& request = waiter.request;
  uint32_t questions = 0;
  const auto ask = [&](std::initializer_list<std::string_view> question) {
    routing::AppendCommand(out, question);
    ++questions;
  };
  if (!waiter.blocked) {
    for (size_t i = 0; i < request.ids.size(); ++i) {
      if (!request.group && request.ids[i] == "$") ask({"XINFO", "STREAM", request.keys[i]});
    }
    return questions;
  }
  if (!request.group && !request.has_destination) return 0;
  for (const uint32_t key : waiter.attempt) ask({"TYPE", request.keys[key]});
  return questions;
}

std::string_view LastIdIn(std::string_view info) {
  const char* p = info.data();
  const char* end = p + info.size();
  const routing::ReplyHead head = routing::ReadHead(p, end);
  if (!head.IsAggregate()) return {};
  std::string_view rest(p, static_cast<size_t>(end - p));
  for (int64_t i = 0; i + 1 < head.elements; i += 2) {
    const std::string_view name = routing::FirstValue(rest);
    rest.remove_prefix(name.size());
    const std::string_view value = routing::FirstValue(rest);
    rest.remove_prefix(value.size());
    const char* at = name.data();
    if (routing::ReadHead(at, at + name.size()).text != "last-generated-id") continue;
    at = value.data();
    return routing::ReadHead(at, at + value.size()).text;
  }
  return {};
}

}  // namespace

Waking::Waking(Worker& worker) : worker_(worker) {}

// ---- Behind a write

void Waking::AddReady(uint32_t db, std::string_view key, const routing::Readied& readied,
                      bool sum) {
  const uint64_t hash = routing::KeyHash(db, key);
  if (!worker_.core().waiting.Wanted(hash)) return;
  // Elements of a transaction may have gone again by its end.
  const Certainty certainty =
      sum ? std::max(readied.certainty, Certainty::kBounded) : readied.certainty;
  for (ReadyKey& known : ready_) {
    if (known.hash != hash) continue;
    known.kinds |= readied.kinds;
    known.certainty = std::max(known.certainty, certainty);
    known.elements = known.certainty == Certainty::kOpen ? 0 : known.elements + readied.elements;
    return;
  }
  ready_.push_back({hash, readied.kinds, certainty, readied.elements});
}

void Waking::AddReadied(uint32_t db, const routing::CommandSpec& spec, routing::Args args,
                        bool sum) {
  if (routing::ExtractKeys(spec, args, positions_) != routing::Keys::kKnown) return;
  routing::KeysReadied(spec, args, positions_, readied_);
  for (const routing::Readied& readied : readied_) {
    const bool same = readied.db == routing::kSameDb;
    AddReady(same ? db : static_cast<uint32_t>(readied.db), args[readied.arg], readied, sum);
  }
}

void Waking::PlanBehind(Lane& lane, const routing::CommandSpec& spec, routing::Args args,
                        bool all) {
  BeginPlan();
  const bool keyspace = spec.id == CommandId::kFlushall || spec.id == CommandId::kFlushdb ||
                        spec.id == CommandId::kSwapdb || (all && IsScript(spec.id));
  if (keyspace) {
    worker_.core().waiting.ChooseEveryFirst(chosen_);
    for (size_t i = 0; i < chosen_.size(); ++i) Start(lane, *chosen_[i]);
  } else {
    AddReadied(lane.key().db, spec, args, false);
  }
  PlanRounds(lane);
}

void Waking::PlanBehindTransaction(Lane& lane, std::string_view bytes) {
  BeginPlan();
  bool keyspace = false;
  uint32_t db = lane.key().db;
  const char* p = bytes.data();
  const char* end = p + bytes.size();
  while (p < end &&
         decoder_.Decode(p, end, INT64_MAX / 2) == routing::RequestDecoder::Outcome::kRequest) {
    const routing::Args args(decoder_.args());
    const routing::CommandSpec* spec = worker_.table().Find(args);
    p += decoder_.length();
    if (spec == nullptr) continue;
    keyspace = keyspace || spec->id == CommandId::kFlushall || spec->id == CommandId::kFlushdb ||
               spec->id == CommandId::kSwapdb;
    int64_t selected = 0;
    if (spec->id == CommandId::kSelect && args.size() == 2 &&
        routing::ParseRedisInteger(args[1], selected)) {
      db = static_cast<uint32_t>(selected);
    }
    AddReadied(db, *spec, args, true);
  }
  if (keyspace) {
    worker_.core().waiting.ChooseEveryFirst(chosen_);
    for (size_t i = 0; i < chosen_.size(); ++i) Start(lane, *chosen_[i]);
  }
  PlanRounds(lane);
}

// Whoever is served may serve others: BLMOVE's destination.
void Waking::PlanRounds(Lane& lane) {
  for (size_t from = 0; from < ready_.size();) {
    chosen_.clear();
    const size_t end = ready_.size();
    for (; from < end; ++from) {
      if (worker_.core().waiting.Choose(ready_[from], chosen_)) queued_ = true;
    }
    for (size_t i = 0; i < chosen_.size(); ++i) Start(lane, *chosen_[i]);
  }
}

void Waking::BeginPlan() {
  ready_.clear();
  chosen_.clear();
  queued_ = false;
}

bool Waking::Serves(const Lane& lane, const Waiter& waiter) const {
  // Each worker numbers its own users of the stores.
  const bool same_user = lane.key().user == 0 || waiter.worker == worker_.index();
  return !lane.owned() && same_user && waiter.manner == lane.manner() && waiter.db == lane.key().db;
}

void Waking::Start(Lane& lane, Waiter& waiter) {
  const bool recorded = worker_.plan().mirrors;
  queued_ = queued_ || !Serves(lane, waiter);
  if (!queued_ && recorded) {
    keys_.clear();
    waiter.AppendHashes(keys_);
    // Behind others for its destination it takes its turn.
    queued_ = !worker_.core().replicator.gate().TryEnterBehind(lane.id(), {keys_, false});
  }
  // Nobody overtakes one who has to take another lane.
  if (queued_) return Queue(waiter);
  PlanAttempt(lane, waiter, recorded);
}

// It has entered the gate, if it is to be recorded.
void Waking::PlanAttempt(Lane& lane, Waiter& waiter, bool recorded) {
  worker_.core().waiting.Begin(waiter, lane.id());
  routing::AppendCommand(bytes_, {"MULTI"});
  const uint32_t questions = AppendQuestions(bytes_, waiter);
  routing::AppendAttempt(bytes_, waiter.request, waiter.attempt);
  routing::AppendCommand(bytes_, {"EXEC"});
  waiter.AppendHashes(hashes_);
  planned_.push_back({waiter.id, waiter.request.changes, recorded, false, questions, bytes_.size(),
                      hashes_.size()});
  if (!waiter.request.has_destination) return;
  if (!worker_.core().waiting.Wanted(waiter.destination)) return;
  ready_.push_back({waiter.destination, routing::kWaitsForList, Certainty::kBounded, 1, true});
}

void Waking::SendPlanned(Lane& lane) {
  Core& core = worker_.core();
  size_t bytes_begin = 0, hashes_begin = 0;
  for (const Planned& planned : planned_) {
    const size_t size = planned.bytes_end - bytes_begin;
    const char* sent = lane.out().Append({bytes_.data() + bytes_begin, size});
    if (planned.recorded) {
      replication::WriteRecord& write = lane.NewWrite();
      write.spec = nullptr;
      write.request = {sent, size};
      write.block = lane.out().block();
      write.keys.Set({hashes_.data() + hashes_begin, planned.hashes_end - hashes_begin},
                     planned.all);
      core.replicator.BeginWrite(write, {{}, write.request}, worker_.now_us());
      core.last_intent.store(write.intent, std::memory_order_relaxed);
    }
    lane.SentAttempt(planned.id, planned.questions, planned.recorded, planned.changes, size);
    bytes_begin = planned.bytes_end;
    hashes_begin = planned.hashes_end;
  }
  planned_.clear();
  bytes_.clear();
  hashes_.clear();
}

// ---- For one waiter

void Waking::SendFirst(Lane& lane, Waiter& waiter, std::string_view given,
                       std::span<const uint64_t> hashes, bool all, bool recorded) {
  routing::AppendCommand(bytes_, {"MULTI"});
  const uint32_t questions = AppendQuestions(bytes_, waiter);
  if (given.empty()) {
    routing::AppendAttempt(bytes_, waiter.request, {});
  } else {
    bytes_ += given;
  }
  routing::AppendCommand(bytes_, {"EXEC"});
  hashes_.insert(hashes_.end(), hashes.begin(), hashes.end());
  planned_.push_back(
      {waiter.id, waiter.request.changes, recorded, all, questions, bytes_.size(), hashes_.size()});
  BeginPlan();
  if (waiter.request.has_destination && worker_.core().waiting.Wanted(waiter.destination)) {
    ready_.push_back({waiter.destination, routing::kWaitsForList, Certainty::kBounded, 1, true});
    PlanRounds(lane);
  }
  SendPlanned(lane);
}

void Waking::Queue(Waiter& waiter) {
  if (waiter.state != Waiter::State::kIdle) return;
  Core& core = worker_.core();
  core.waiting.Queue(waiter);
  Worker* own = core.workers[waiter.worker].get();
  if (worker_.plan().mirrors) {
    keys_.clear();
    waiter.AppendHashes(keys_);
    replication::KeyGate& gate = core.replicator.gate();
    if (!gate.TryEnter(waiter.lane, {keys_, false})) {
      core.waiting.SetTicket(waiter, gate.Wait(waiter.lane, {keys_, false}, own));
      return;
    }
    waiter.entered = true;
  }
  own->Post([own, id = waiter.id] { own->waking().RunQueued(id); });
}

void Waking::OnTicket(uint64_t ticket) {
  replication::WaiterId id = 0;
  {
    const std::lock_guard lock(worker_.core().mutex);
    const Waiter* waiter = worker_.core().waiting.TakeTicket(ticket);
    if (waiter == nullptr) return;
    id = waiter->id;
  }
  RunQueued(id);
}

void Waking::RunQueued(replication::WaiterId id) {
  Core& core = worker_.core();
  const std::lock_guard lock(core.mutex);
  Waiter* waiter = core.waiting.Find(id);
  if (waiter == nullptr || waiter->state != Waiter::State::kQueued || waiter->ticket != 0) return;
  Session* session = worker_.blocked().Find(id);
  Lane* lane = session == nullptr ? nullptr : &session->LaneOfWait();
  if (lane == nullptr || !lane->ready() || lane->id() != waiter->lane) {
    // The poll will try again.
    if (waiter->entered) {
      keys_.clear();
      waiter->AppendHashes(keys_);
      core.replicator.gate().Leave(waiter->lane, {keys_, false});
    }
    std::vector<ReadyKey> none;
    core.waiting.End(*waiter, false, none);
    if (lane != nullptr) waiter->lane = lane->id();
    return;
  }
  BeginPlan();
  PlanAttempt(*lane, *waiter, waiter->entered);
  PlanRounds(*lane);
  SendPlanned(*lane);
}

void Waking::Withdraw(Waiter& waiter) {
  Core& core = worker_.core();
  replication::KeyGate& gate = core.replicator.gate();
  const bool waits = waiter.ticket != 0 && gate.Cancel(waiter.ticket);
  if (waiter.entered || (waiter.ticket != 0 && !waits)) {
    keys_.clear();
    waiter.AppendHashes(keys_);
    gate.Leave(waiter.lane, {keys_, false});
  }
  core.waiting.Remove(waiter);
}

void Waking::FinishPoll(std::span<const replication::WaiterId> waiters, bool found) {
  for (const replication::WaiterId id : waiters) {
    Waiter* waiter = worker_.core().waiting.Find(id);
    if (waiter == nullptr || waiter->state != Waiter::State::kIdle) continue;
    if (!found) {
      waiter->next.clear();
    } else if (!waiter->next.empty()) {
      Queue(*waiter);
    }
  }
}

// ---- Replies

// The blocking command's own reply; answers_ gets those to the questions.
std::string_view Waking::ReplyOf(const Attempt& attempt, std::string_view exec) {
  answers_.clear();
  if (attempt.refused) return worker_.KeepForTurn(attempt.error);
  const char* p = exec.data();
  const char* end = p + exec.size();
  const routing::ReplyHead head = routing::ReadHead(p, end);
  if (head.IsError() || head.nil || !head.IsAggregate() || head.elements != attempt.questions + 1) {
    return attempt.error.empty() ? exec : worker_.KeepForTurn(attempt.error);
  }
  std::string_view rest(p, static_cast<size_t>(end - p));
  for (uint32_t i = 0; i < attempt.questions; ++i) {
    answers_.push_back(routing::FirstValue(rest));
    rest.remove_prefix(answers_.back().size());
  }
  return rest;
}

// True when the client gets this reply, false when it goes on waiting.
bool Waking::Judge(const Waiter& waiter, std::string_view& reply) {
  if (IsNil(reply)) return waiter.request.keys.empty();
  if (!waiter.blocked || !reply.starts_with('-')) return true;
  if (HasCode(reply, "NOPERM") || HasCode(reply, "NOAUTH")) return true;
  const bool wrong_type = HasCode(reply, "WRONGTYPE");
  // Its source is not to blame: the destination is, and it will not wait for that.
  if (waiter.request.has_destination) {
    return wrong_type && !answers_.empty() && answers_[0] == "+list\r\n";
  }
  if (!waiter.request.group || !(wrong_type || HasCode(reply, "NOGROUP"))) return false;
  const bool streams = std::all_of(answers_.begin(), answers_.end(),
                                   [](std::string_view type) { return type == "+stream\r\n"; });
  reply = streams && !wrong_type ? kGroupGone : kStreamGone;
  return true;
}

// "$" means the last id at the moment of the first attempt.
void Waking::ResolveLastIds(Waiter& waiter) {
  size_t answer = 0;
  for (std::string& id : waiter.request.ids) {
    if (waiter.request.group || id != "$") continue;
    const std::string_view last =
        answer < answers_.size() ? LastIdIn(answers_[answer]) : std::string_view();
    ++answer;
    id = last.empty() ? "0-0" : last;
  }
}

void Waking::Finish(Lane& lane, const Attempt& attempt, std::string_view exec) {
  Core& core = worker_.core();
  Waiter* waiter = core.waiting.Find(attempt.waiter);  // none: its worker has stopped
  std::string_view reply = ReplyOf(attempt, exec);
  const bool served = waiter != nullptr && Judge(*waiter, reply);
  const uint32_t worker = waiter != nullptr ? waiter->worker : 0;
  if (waiter != nullptr) PlanNext(lane, *waiter, served, reply.starts_with('-'));
  Answer answer{reply};
  if (attempt.recorded) {
    replication::WriteRecord& write = lane.OldestWrite();
    write.deadlines_unknown = attempt.refused;  // then nothing is known of what it did
    answer.seq = core.replicator.FinishWrite(lane.id(), write, exec, Worker::UnixMs());
    lane.PopWrite();
    if (answer.seq != 0) worker_.WantFeed();
  }
  answer.head = core.replicator.log().head_seq();
  if (served) {
    HandOver(worker, attempt.waiter, answer);
  } else if (waiter != nullptr) {
    Stay(*waiter, attempt.recorded);
  }
  SendPlanned(lane);
}

// Those who are next enter before the keys of this attempt are free for others.
// A waiter that is served is removed.
void Waking::PlanNext(Lane& lane, Waiter& waiter, bool served, bool error) {
  WaitingTable& waiting = worker_.core().waiting;
  BeginPlan();
  const bool moved = served && !error && waiter.request.has_destination;
  const bool left = served && error && waiter.blocked && waiter.request.has_destination;
  const uint64_t destination = waiter.destination;
  const uint64_t source = left ? waiter.places.front().queue->hash : 0;
  waiting.End(waiter, served && !error, ready_);
  if (served) waiting.Remove(waiter);
  if (moved) waiting.ChooseFirst(destination, routing::kWaitsForList, chosen_);
  if (left) waiting.ChooseFirst(source, routing::kWaitsForList, chosen_);
  for (size_t i = 0; i < chosen_.size(); ++i) Start(lane, *chosen_[i]);
  PlanRounds(lane);
}

void Waking::Stay(Waiter& waiter, bool recorded) {
  if (!waiter.blocked) {
    ResolveLastIds(waiter);
    worker_.core().waiting.MarkBlocked(waiter);
    if (Session* session = worker_.blocked().Find(waiter.id)) session->OnBlocked(recorded);
  }
  if (waiter.ending) {
    TellOver(waiter);
  } else if (!waiter.next.empty()) {
    Queue(waiter);
  }
}

// What it had in flight is lost, and may have been executed.
void Waking::Lost(const Attempt& attempt, std::string_view error_frame) {
  Core& core = worker_.core();
  Waiter* waiter = core.waiting.Find(attempt.waiter);
  if (waiter == nullptr) return;
  std::vector<ReadyKey> none;
  core.waiting.End(*waiter, false, none);
  if (waiter->blocked && !waiter->request.changes) {
    if (waiter->ending) TellOver(*waiter);
    return;
  }
  const uint32_t worker = waiter->worker;
  core.waiting.Remove(*waiter);
  HandOver(worker, attempt.waiter, {error_frame});
}

void Waking::HandOver(uint32_t worker, replication::WaiterId id, const Answer& answer) {
  Worker* own = worker_.core().workers[worker].get();
  if (own == &worker_) {
    if (Session* session = worker_.blocked().Find(id)) {
      session->TakeWaited(answer.frame, answer.seq, answer.head);
    }
    return;
  }
  own->Post([own, id, frame = std::string(answer.frame), seq = answer.seq, head = answer.head] {
    Session* session = own->blocked().Find(id);
    if (session != nullptr) session->TakeWaited(own->KeepForTurn(frame), seq, head);
  });
}

void Waking::TellOver(const Waiter& waiter) {
  Worker* own = worker_.core().workers[waiter.worker].get();
  own->Post([own, id = waiter.id] {
    if (Session* session = own->blocked().Find(id)) session->OnAttemptOver();
  });
}

}  // namespace crossfade::proxy
