#include <algorithm>

#include "tests/sim/process.h"

namespace crossfade::sim {
namespace {

constexpr int64_t kFirstBackoffUs = 10'000;
constexpr int64_t kLongestBackoffUs = 500'000;
constexpr int64_t kConnectTimeoutUs = 1'000'000;
constexpr int64_t kTickUs = 10'000;  // a lost one is made again in the next tick

}  // namespace

StoreConnection::StoreConnection(Process& process, StoreLink& link, uint32_t db, bool kill_former,
                                 StoreConnectionOwner& owner)
    : process_(process), link_(link), db_(db), kill_former_(kill_former), owner_(owner) {}

StoreConnection::~StoreConnection() {
  if (connection_) connection_->Cut();
}

void StoreConnection::Open() {
  const uint64_t attempt = ++attempt_;
  process_.After(process_.Delay(), [this, attempt] {
    if (attempt == attempt_) Greet();
  });
}

// The greeting has come to the store.
void StoreConnection::Greet() {
  Store& store = link_.store;
  if (!store.up()) return Fail();
  const int64_t paused_us = store.paused_until_us() - process_.now_us();
  if (paused_us > kConnectTimeoutUs) return Fail();
  const uint64_t attempt = attempt_;
  if (paused_us > 0) {
    return process_.After(paused_us + process_.Delay(), [this, attempt] {
      if (attempt == attempt_) Greet();
    });
  }
  if (former_) std::exchange(former_, nullptr)->Kill();
  if (kill_former_ && !std::exchange(link_.former_killed, true)) store.KillAll();
  Env& env = process_.world.env;
  connection_ = std::make_shared<Connection>(env, store, *this, process_.world.config.slow_us, db_);
  process_.After(process_.Delay(), [this, attempt, run = store.run()] {
    if (attempt != attempt_) return;
    ready_ = true;
    backoff_us_ = 0;
    ++link_.ready;
    owner_.OnStoreReady(link_.Greeted(run));
  });
}

void StoreConnection::Fail() {
  ++attempt_;
  connection_.reset();
  backoff_us_ = std::clamp(backoff_us_ * 2, kFirstBackoffUs, kLongestBackoffUs);
  const uint64_t attempt = attempt_;
  process_.After(backoff_us_, [this, attempt] {
    if (attempt == attempt_) Open();
  });
  owner_.OnStoreUnreachable();
}

void StoreConnection::Lose() {
  ready_ = false;
  --link_.ready;
  if (kill_former_) {
    former_ = std::move(connection_);
  } else {
    connection_.reset();
  }
  const uint64_t attempt = ++attempt_;
  process_.After(process_.world.env.random.Between(0, kTickUs), [this, attempt] {
    if (attempt == attempt_) Open();
  });
  owner_.OnStoreLost();
}

void StoreConnection::Drop() {
  if (!ready_) return;
  connection_->Cut();
  Lose();
}

void StoreConnection::OnReset() {
  if (ready_) return Lose();
  Fail();
}

void StoreConnection::OnReply(std::string_view frame, uint64_t stamp) {
  owner_.OnStoreReply(frame, stamp);
}

void StoreConnection::Send(std::string_view commands, uint64_t tag) {
  routing::RequestDecoder decoder;
  while (!commands.empty()) {
    decoder.Decode(commands.data(), commands.data() + commands.size(), INT64_MAX / 2);
    connection_->Send(commands.substr(0, decoder.length()), tag);
    commands.remove_prefix(decoder.length());
  }
}

}  // namespace crossfade::sim
