#include "proxy/worker/worker.h"

#include <time.h>

#include <algorithm>

#include "proxy/applier/applier.h"
#include "proxy/applier/key_syncer.h"
#include "proxy/applier/key_verifier.h"
#include "proxy/backend/store_watch.h"
#include "proxy/lane/follower_admin.h"
#include "proxy/lane/follower_reader.h"
#include "proxy/relay/relays.h"
#include "proxy/session/session.h"
#include "proxy/session/tls_handshakes.h"

namespace crossfade::proxy {
namespace {

constexpr int64_t kTickUs = 10'000;
constexpr size_t kSpares = 256;
constexpr size_t kSpareBufferBytes = 64 * 1024;
constexpr size_t kSpareLanes = 32;
constexpr int64_t kLatencyTimeConstantUs = 1'000'000;

thread_local Worker* current_worker = nullptr;

}  // namespace

Worker::Worker(Core& core, uint32_t index, ActivePlanPtr plan)
    : core_(core),
      index_(index),
      plan_(std::move(plan)),
      table_(core.table.load()),
      now_us_(ClockUs()),
      breaker_({}, 0x9E3779B97F4A7C15ull + index),
      read_latency_{routing::LatencyTracker(kLatencyTimeConstantUs),
                    routing::LatencyTracker(kLatencyTimeConstantUs)},
      sampler_(0xD1B54A32D192ED03ull + index) {
  handshakes_ = std::make_unique<TlsHandshakes>(*this);
  relays_ = std::make_unique<Relays>(*this);
  adopted_epoch = plan_->plan->epoch;
  mirroring_settled = plan_->mirrors;
}

Worker::~Worker() { Stop(); }

int64_t Worker::ClockUs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1'000;
}

int64_t Worker::UnixMs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000 + now.tv_nsec / 1'000'000;
}

void Worker::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Worker::Stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  loop_.Wake();
  thread_.join();
}

void Worker::Run() {
  current_worker = this;
  now_us_ = ClockUs();
  OnOwnershipChanged();
  if (index_ == 0) {
    applier_ = std::make_unique<Applier>(*this);
    syncer_ = std::make_unique<KeySyncer>(*this);
    verifier_ = std::make_unique<KeyVerifier>(*this);
    watches_.push_back(std::make_unique<StoreWatch>(*this, core_.authority(), true));
    watches_.push_back(std::make_unique<StoreWatch>(*this, core_.follower(), false));
  }
  LaneOf({});
  if (!plan_->accounts) auth_desk();
  while (!stop_.load(std::memory_order_relaxed)) Turn();
  handshakes_->CloseAll();
  relays_->CloseAll();
  for (auto& session : sessions_) session->Close();
  sessions_.clear();
  acks_.clear();
  auth_desk_.reset();
  applier_.reset();
  watches_.clear();
  readers_.clear();
  follower_admin_.reset();
  given_lanes_.clear();
  spare_lanes_.clear();
  lanes_.clear();
  current_worker = nullptr;
}

void Worker::Turn() {
  loop_.Wait(TimeoutMs());
  now_us_ = ClockUs();
  // Before anything else: the process may have been stopped for long.
  if (core_.ownership.MayWrite(now_us_) != owns_) [[unlikely]]
    SetOwns(!owns_);
  loop_.Dispatch();
  if (has_mail_.load(std::memory_order_acquire)) TakeMail();
  // Sessions that go on, and stores that had more than one read took.
  std::vector<Session*> pump;
  pump.swap(to_pump_);
  for (Session* session : pump) {
    session->pump_queued = false;
    session->Pump();
  }
  pump.clear();
  if (to_pump_.empty()) to_pump_.swap(pump);
  std::vector<StoreConnection*> again;
  again.swap(reads_again_);
  for (StoreConnection* connection : again) connection->ReadMore();
  if (relays_->pending()) relays_->GoOn();
  if (now_us_ >= next_tick_us_) Tick();
  if (now_us_ >= blocked_.next_timer_us()) blocked_.RunTimers(now_us_);
  FlushAll();
}

int Worker::TimeoutMs() const {
  if (!to_pump_.empty() || !reads_again_.empty() || !to_flush_.empty() || relays_->pending()) {
    return 0;
  }
  if (index_ == 0 && core_.feed_wanted.load(std::memory_order_relaxed)) return 0;
  const int64_t to_timer_us = blocked_.next_timer_us() - now_us_;
  if (to_timer_us >= kTickUs) return static_cast<int>(kTickUs / 1'000);
  return to_timer_us <= 0 ? 0 : static_cast<int>((to_timer_us + 999) / 1'000);
}

void Worker::FlushAll() {
  CheckApplied();
  // Who unsubscribes, and tells another client who publishes then, expects it to be done.
  for (Lane* lane : lanes_to_flush_) lane->connection().Flush();
  lanes_to_flush_.clear();
  if (std::exchange(lanes_held_, false)) {
    for (Lane* lane : pinned_) lane->connection().Flush();
  }
  for (auto& [at, lane] : lanes_) lane->connection().Flush();
  for (auto& [at, reader] : readers_) reader->connection().Flush();
  if (follower_admin_) follower_admin_->connection().Flush();
  if (auth_desk_) auth_desk_->Flush();
  for (size_t i = 0; i < to_flush_.size(); ++i) to_flush_[i]->Flush();
  to_flush_.clear();
  for (size_t i = 0; i < kept_count_; ++i) {
    if (kept_[i].capacity() > kSpareBufferBytes) std::string().swap(kept_[i]);
  }
  kept_count_ = 0;
  if (index_ == 0 && core_.feed_wanted.exchange(false, std::memory_order_acq_rel)) FeedFollower();
  ReapSessions();
}

void Worker::Tick() {
  next_tick_us_ = now_us_ + kTickUs;
  ForEachLane([this](Lane& lane) { lane.Tick(now_us_); });
  for (auto& [at, reader] : readers_) reader->Tick(now_us_);
  if (follower_admin_) follower_admin_->Tick(now_us_);
  blocked_.Poll();
  if (auth_desk_) auth_desk_->Tick(now_us_);
  if (store_users_.size() > 0) CloseUnusedLogins();
  for (const auto& watch : watches_) watch->Tick(now_us_);
  if (applier_) {
    applier_->Tick(now_us_);
    core_.feed_wanted.store(true, std::memory_order_relaxed);
  }
  const int64_t idle_us = std::chrono::microseconds(limits().client_idle).count();
  if (idle_us > 0) {
    for (auto& session : sessions_) {
      if (session->idle() && !session->MayIdle() && now_us_ - session->last_active_us() > idle_us) {
        session->Close();
      }
    }
  }
  client_memory_.Tick(now_us_);
  if (pause_.mode != PauseMode::kNone && now_us_ >= pause_.until_us) AdoptClientPause();
  CheckBusy();
  if (handshakes_->Tick(now_us_)) CountSessions();
  relays_->Tick(now_us_);
  breaker_trips = breaker_.trips();
  breaker_state = static_cast<uint8_t>(breaker_.state(now_us_));
  if (!mirroring_settled && plan_->mirrors) CheckSettled();
  if (stopping_) {
    for (auto& session : sessions_) session->CloseWhenIdle();
  }
}

// ---- Mail

void Worker::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mail_mutex_);
    mail_.push_back(std::move(task));
  }
  has_mail_.store(true, std::memory_order_release);
  if (current_worker != this) loop_.Wake();
}

void Worker::OnGateEntered(uint64_t ticket) {
  {
    const std::lock_guard lock(mail_mutex_);
    gate_mail_.push_back(ticket);
  }
  has_mail_.store(true, std::memory_order_release);
  loop_.Wake();
}

void Worker::TakeMail() {
  std::vector<std::function<void()>> tasks;
  std::vector<uint64_t> tickets;
  {
    const std::lock_guard lock(mail_mutex_);
    tasks.swap(mail_);
    tickets.swap(gate_mail_);
    has_mail_.store(false, std::memory_order_release);
  }
  for (const uint64_t ticket : tickets) {
    const auto it = gate_waits_.find(ticket);
    if (it == gate_waits_.end()) {  // a waiting client's attempt, or it left meanwhile
      waking_.OnTicket(ticket);
      continue;
    }
    const std::function<void()> entered = std::move(it->second);
    gate_waits_.erase(it);
    entered();
  }
  for (const auto& task : tasks) task();
}

void Worker::AwaitGate(uint64_t ticket, std::function<void()> entered) {
  gate_waits_.emplace(ticket, std::move(entered));
}

// ---- Connections

Lane& Worker::LaneOf(const LaneKey& of) {
  std::unique_ptr<Lane>& lane = lanes_[of];
  if (!lane) lane = std::make_unique<Lane>(*this, of);
  return *lane;
}

FollowerAdmin& Worker::follower_admin() {
  if (!follower_admin_) follower_admin_ = std::make_unique<FollowerAdmin>(*this);
  return *follower_admin_;
}

FollowerReader& Worker::ReaderOf(const LaneKey& of) {
  std::unique_ptr<FollowerReader>& reader = readers_[of];
  if (!reader) reader = std::make_unique<FollowerReader>(*this, of);
  return *reader;
}

void Worker::AddClient(int fd, std::string peer, const config::TlsPtr& tls) {
  if (standing_ == Standing::kStandby) {
    relays_->Begin(fd, tls != nullptr, forward_to_[tls != nullptr]);
  } else if (!tls) {
    AddSession(Stream(fd), std::move(peer));
  } else {
    handshakes_->Begin(fd, std::move(peer), tls);
  }
  CountSessions();
}

// Those that nobody has don't count: they may be another worker's.
std::unique_ptr<Lane> Worker::TakePinned(const LaneKey& of) {
  if (core_.pinned_count.fetch_add(1) >= limits().pinned) {
    core_.pinned_count.fetch_sub(1);
    return nullptr;
  }
  const auto spare = std::find_if(spare_lanes_.begin(), spare_lanes_.end(),
                                  [&of](const auto& lane) { return lane->key() == of; });
  if (spare != spare_lanes_.end()) {
    std::unique_ptr<Lane> lane = std::move(*spare);
    spare_lanes_.erase(spare);
    return lane;
  }
  auto lane = std::make_unique<Lane>(*this, of);
  pinned_.push_back(lane.get());
  return lane;
}

// May be called from within the lane: what becomes of it is seen at the turn's end.
void Worker::GivePinned(std::unique_ptr<Lane> lane, bool clean) {
  lane->SetOwner(nullptr);
  core_.pinned_count.fetch_sub(1);
  given_lanes_.push_back({std::move(lane), clean});
}

void Worker::SortGivenLanes() {
  for (GivenLane& given : given_lanes_) {
    Lane& lane = *given.lane;
    // One that was lost with writes unanswered sees to it that they are over (R8).
    const bool reusable = given.clean && lane.ready() && spare_lanes_.size() < kSpareLanes;
    if (reusable || lane.uncertain()) {
      lane.connection().Flush();
      spare_lanes_.push_back(std::move(given.lane));
      continue;
    }
    std::erase(reads_again_, &lane.connection());
    std::erase(pinned_, &lane);
  }
  given_lanes_.clear();
}

Session& Worker::AddSession(Stream stream, std::string peer) {
  const uint64_t id = next_session_id();
  ++next_session_;
  const int fd = stream.fd();
  auto session = std::make_unique<Session>(*this, std::move(stream), id, std::move(peer));
  session->list_index = static_cast<uint32_t>(sessions_.size());
  loop_.Add(fd, session.get());
  sessions_.push_back(std::move(session));
  stats_.accepted.Add();
  return *sessions_.back();
}

void Worker::CountSessions() {
  session_count.store(sessions_.size() + handshakes_->size() + relays_->size(),
                      std::memory_order_relaxed);
  relayed_count.store(relays_->size(), std::memory_order_relaxed);
}

void Worker::QueueFlush(Session* session) {
  if (session->flush_queued) return;
  session->flush_queued = true;
  to_flush_.push_back(session);
}

void Worker::QueuePump(Session* session) {
  if (session->pump_queued) return;
  session->pump_queued = true;
  to_pump_.push_back(session);
}

void Worker::Forget(Session* session) {
  if (session->deleted) return;
  session->deleted = true;
  dead_.push_back(session);
}

void Worker::ReapSessions() {
  if (!given_lanes_.empty()) SortGivenLanes();
  if (relays_->Reap()) CountSessions();
  if (dead_.empty()) return;
  for (Session* session : dead_) {
    std::erase(to_pump_, session);
    std::erase(to_flush_, session);
    const uint32_t at = session->list_index;
    std::swap(sessions_[at], sessions_.back());
    sessions_[at]->list_index = at;
    sessions_.pop_back();
  }
  dead_.clear();
  CountSessions();
}

// Those held try again, and may be held again.
void Worker::AdoptClientPause() {
  pause_ = core_.client_pause.state();
  if (pause_.until_us <= now_us_) pause_ = {};
  UpdateHolds();
  std::vector<Session*> held;
  held.swap(postponed_);
  postponed_count.store(0, std::memory_order_relaxed);
  for (Session* session : held) session->Resume(Session::kClientPause);
}

void Worker::Postpone(Session* session) {
  postponed_.push_back(session);
  postponed_count.store(postponed_.size(), std::memory_order_relaxed);
}

void Worker::StopPostponing(Session* session) {
  std::erase(postponed_, session);
  postponed_count.store(postponed_.size(), std::memory_order_relaxed);
}

// ---- mirror.ack: both

void Worker::AwaitApplied(uint64_t seq, ReplyTo to) {
  const int64_t timeout =
      std::chrono::microseconds(plan_->plan->settings.mirror.ack_timeout).count();
  acks_.Push() = {seq, to, now_us_ + timeout};
  awaits_applied.store(true);
}

// In the order of their numbers, but for those of several lanes.
void Worker::CheckApplied() {
  if (acks_.empty()) return;
  const uint64_t applied = core_.applied_seq.load();
  const uint64_t dropped = core_.last_dropped.load();
  while (!acks_.empty()) {
    const AwaitedAck ack = acks_.front();
    const bool done = ack.seq <= applied;
    if (!done && now_us_ < ack.deadline_us) return;
    if (!done || ack.seq <= dropped) stats_.ack_timeouts.Add();
    acks_.pop();
    Session* session = ack.to.session;
    if (ack.to.ordered == ReplyTo::kUnordered) {
      session->TakeApplied();
      continue;
    }
    const std::string reply = session->ordered()->TakeHeld(ack.to.ordered);
    session->Deliver(ack.to, KeepForTurn(reply));
  }
  awaits_applied.store(false);
}

// ---- Spares

std::string_view Worker::KeepForTurn(std::string_view bytes) {
  if (kept_count_ == kept_.size()) kept_.emplace_back();
  std::string& kept = kept_[kept_count_++];
  kept.assign(bytes);
  return kept;
}

std::unique_ptr<OrderedReplies> Worker::TakeOrdered() {
  if (spare_ordered_.empty()) return std::make_unique<OrderedReplies>();
  std::unique_ptr<OrderedReplies> ordered = std::move(spare_ordered_.back());
  spare_ordered_.pop_back();
  return ordered;
}

void Worker::GiveOrdered(std::unique_ptr<OrderedReplies> ordered) {
  if (spare_ordered_.size() < kSpares) spare_ordered_.push_back(std::move(ordered));
}

std::unique_ptr<std::string> Worker::TakeBuffer() {
  if (spare_buffers_.empty()) return std::make_unique<std::string>();
  std::unique_ptr<std::string> buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

void Worker::GiveBuffer(std::unique_ptr<std::string> buffer) {
  if (buffer->capacity() > kSpareBufferBytes || spare_buffers_.size() >= kSpares) return;
  buffer->clear();
  spare_buffers_.push_back(std::move(buffer));
}

// ---- Control

void Worker::Adopt(ActivePlanPtr plan) {
  const bool mirrored = plan_->mirrors;
  const ActivePlanPtr before = std::exchange(plan_, std::move(plan));
  if (plan_->mirrors && !mirrored) {
    ForEachLane([](Lane& lane) { lane.MarkUnrecorded(); });
    CheckSettled();
  } else if (!plan_->mirrors) {
    mirroring_settled = false;
  }
  // What a session saw before it was kept account of.
  const uint64_t head = core_.head_seq.load(), intent = core_.last_intent.load();
  for (auto& session : sessions_) session->Saw(head, intent);
  for (auto& session : sessions_) session->OnPlanChanged(before->accounts.get());
  adopted_epoch = plan_->plan->epoch;
}

void Worker::CheckSettled() {
  bool settled = true;
  ForEachLane([&settled](const Lane& lane) { settled = settled && !lane.HasUnrecorded(); });
  mirroring_settled = settled;
}

void Worker::BeginGracefulStop() {
  stopping_ = true;
  handshakes_->CloseAll();
  relays_->Drain();
  CountSessions();
  for (auto& session : sessions_) session->CloseWhenIdle();
}

}  // namespace crossfade::proxy
