// StoreConnection: one connection to a store, made and made again: connects,
// logs in, selects its db, sees to it that its predecessor is dead on the
// server (design R8), becomes the user whom it serves, and then carries bytes. For one worker's
// thread; its owner must outlive it.
//
// States: waiting (for the next try) -> connecting -> handshake (of TLS) ->
// greeting -> ready -> waiting. While it is not ready, what is queued to be sent is not touched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/auth/store_users.h"
#include "proxy/backend/store_link.h"
#include "proxy/lane/lane_key.h"
#include "proxy/net/event_loop.h"
#include "proxy/net/in_buffer.h"
#include "proxy/net/out_queue.h"
#include "proxy/net/stream.h"
#include "routing/resp/reply.h"

namespace crossfade::proxy {

class StoreConnectionOwner {
 public:
  virtual void OnStoreReady() = 0;
  // Bytes have come: in() holds them, to be consumed.
  virtual void OnStoreBytes() = 0;
  // More bytes may be there than one read took: Read is to be called next turn.
  virtual void OnStoreHasMore() = 0;
  // What was sent and not answered is lost; in() and out() are cleared after this.
  virtual void OnStoreLost(std::string_view reason) = 0;
  // Not ready, and a try has failed.
  virtual void OnStoreUnreachable(std::string_view reason) = 0;
  // Whether what is queued may be sent now. Who says no sees to it that Flush is called.
  virtual bool MaySend() { return true; }

 protected:
  ~StoreConnectionOwner() = default;
};

class StoreConnection final : public Pollable {
 public:
  struct Options {
    std::string name;  // for CLIENT SETNAME
    uint32_t db = 0;
    Protocol protocol = Protocol::kResp2;
    bool kill_former = false;  // it carries writes
    bool bare = false;         // sends nothing of its own, and is ready once it is connected
    std::optional<StoreLogin> login{};  // whom it serves, if not whom the address names
    int64_t connect_timeout_us = 1'000'000;
  };
  StoreConnection(EventLoop& loop, StoreLink& link, Options options, StoreConnectionOwner& owner);
  ~StoreConnection();

  void Open(int64_t now_us);
  bool ready() const { return state_ == State::kReady; }
  OutQueue& out() { return out_; }
  InBuffer& in() { return in_; }
  StoreLink& link() { return link_; }
  int64_t client_id() const { return client_id_; }       // at the store
  const std::string& run_id() const { return run_id_; }  // the store's, as it greeted
  // Its owner has changed db, protocol or user, by commands of its own: so will the
  // next one be.
  void MovedTo(const LaneKey& key, std::optional<StoreLogin> login) {
    options_.db = key.db;
    options_.protocol = key.protocol;
    options_.login = std::move(login);
  }
  // The store's error for the login, while it has no connection because of it.
  const std::string& refused() const { return refused_; }
  // Whether MULTI … EXEC may be sent: where it is refused, what stands between
  // would run all the same.
  bool may_multi() const { return may_multi_; }

  // Sends what is queued, as far as the socket takes it.
  void Flush();
  // Retries and time-outs; called every few milliseconds.
  void Tick(int64_t now_us);
  // Gives the connection up (the owner hears of it), and makes it anew.
  void Drop(std::string_view reason);
  // The same, where nothing is wrong with the store.
  void Abandon(std::string_view reason);
  // Why its last try to connect failed; empty before it, and once it is ready, or
  // another connection has been since: then it tries again at once.
  const std::string& error() const;
  // Reads once, unless it has in this turn: views into in() last for a turn.
  void Read();
  void ReadMore() {  // as asked for by OnStoreHasMore
    more_queued_ = false;
    Read();
  }

  void OnEvents(const Readiness& ready) override;

 private:
  enum class State : uint8_t { kClosed, kWaiting, kConnecting, kHandshake, kGreeting, kReady };
  void Connect(int64_t now_us);
  void Connected();
  void Handshake();
  void Greet();
  void ReadGreeting();
  bool TakeGreetingReply(std::string_view frame, std::string& problem);
  bool GreetAsLogin(std::string& problem);
  bool TakeLoginReply(int step, const routing::ReplyHead& head, std::string& problem);
  void FinishGreeting();
  bool Overtaken() const;
  void WatchWrites(bool watch);
  void WantMore();
  void Close();
  void Lose(std::string_view reason);
  void Fail(std::string_view reason);

  EventLoop& loop_;
  StoreLink& link_;
  Options options_;
  StoreConnectionOwner& owner_;
  State state_ = State::kClosed;
  Stream stream_;
  bool watching_writes_ = false;
  uint64_t read_in_turn_ = 0;
  bool more_queued_ = false;  // the owner was told that there is more
  bool peer_closed_ = false;
  int64_t now_us_ = 0;
  int64_t deadline_us_ = 0;  // of connecting and greeting; of the next try
  int64_t backoff_us_ = 0;
  uint64_t failed_at_ = 0;  // of the link's greetings
  int greeting_step_ = 0;
  int64_t client_id_ = 0;
  std::string run_id_, version_, error_;
  int64_t former_id_ = 0;  // of the predecessor that may not be dead
  std::string former_run_id_;
  bool refusing_ = false;  // the try that is being given up
  std::string refused_;
  bool may_multi_ = true;
  bool ask_multi_ = true;
  OutQueue out_;
  InBuffer in_;
  routing::ReplyScanner scanner_;
};

}  // namespace crossfade::proxy
