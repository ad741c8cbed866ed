// TlsHandshakes: clients of a worker whose TLS handshake is under way. When it is
// done, the client becomes a session; when it fails or takes longer than
// limits.connect_timeout, the connection is closed, counted and logged. Owned by
// the worker, used in its thread alone.
#pragma once

#include <cstdint>
#include <list>
#include <string>

#include "proxy/net/event_loop.h"
#include "proxy/net/stream.h"

namespace crossfade::proxy {

class Worker;

class TlsHandshakes {
 public:
  explicit TlsHandshakes(Worker& worker) : worker_(worker) {}
  ~TlsHandshakes() { CloseAll(); }

  void Begin(int fd, std::string peer, const config::TlsPtr& settings);
  // Closes those that are late, and tells of them; whether their number changed
  // since the last call.
  bool Tick(int64_t now_us);
  void CloseAll();
  size_t size() const { return under_way_.size(); }

 private:
  struct Handshake final : Pollable {
    Handshake(TlsHandshakes& of, Stream with, std::string from)
        : owner(of), stream(std::move(with)), peer(std::move(from)) {}
    void OnEvents(const Readiness&) override { owner.Continue(*this); }
    TlsHandshakes& owner;
    Stream stream;
    std::string peer;
    int64_t began_us = 0;
    bool watching_writes = false;
    std::list<Handshake>::iterator place;
  };

  void Continue(Handshake& handshake);
  void Fail(Handshake& handshake, const std::string& reason);
  // It is deleted later, since it may be what called.
  void End(Handshake& handshake);

  Worker& worker_;
  std::list<Handshake> under_way_;
  std::list<Handshake> ended_;
  int64_t next_log_us_ = 0;
  uint64_t not_logged_ = 0;
};

}  // namespace crossfade::proxy
