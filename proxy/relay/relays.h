// Relays: a standby's clients, each with a connection to the proxy that owns the
// stores; bytes go both ways as they are, TLS included, so that every command
// works. What one side does not take is not read from the other. Lives on one
// worker, in its thread alone.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/net/event_loop.h"
#include "proxy/ownership/ownership.h"

namespace crossfade::proxy {

class Worker;

class Relays {
 public:
  explicit Relays(Worker& worker) : worker_(worker) {}
  ~Relays() { CloseAll(); }

  // Takes over a client's socket, which nothing has been read from.
  void Begin(int fd, bool tls, const ForwardTo& to);
  void Tick(int64_t now_us);
  void GoOn();   // with those that had more to read than fits into a turn
  bool Reap();   // forgets those that are closed; whether there were any
  void Drain();  // the owner answers what it was sent, then they are closed
  void CloseAll();
  size_t size() const { return relays_.size(); }
  bool pending() const { return !again_.empty(); }

 private:
  struct Relay;
  struct Side final : Pollable {
    Side(Relay& whole, int descriptor) : relay(whole), fd(descriptor) {}
    void OnEvents(const Readiness& ready) override;
    Relay& relay;
    int fd;
    bool readable = false;
    bool ended = false;  // it will send nothing more
    bool shut = false;   // it was told that nothing more will come
    bool watching_writes = false;
    std::string unsent;  // for the other side
  };
  struct Relay {
    Relay(Relays& all, int client_fd, int owner_fd, bool under_tls, std::string display)
        : relays(all),
          client(*this, client_fd),
          owner(*this, owner_fd),
          tls(under_tls),
          to(std::move(display)) {}
    Relays& relays;
    Side client, owner;
    const bool tls;
    const std::string to;
    bool connected = false;
    bool closed = false;
    bool queued = false;
    int64_t deadline_us = 0;  // of connecting
    std::list<Relay>::iterator place;
  };

  void OnEvents(Side& side, const Readiness& ready);
  void Pump(Relay& relay);
  bool Move(Relay& relay, Side& from, Side& to);
  void Refuse(Relay& relay, const std::string& reason);
  void RefuseClient(int fd, bool tls, std::string_view text);
  void Watch(Side& side, bool watch);
  void Queue(Relay& relay);
  void Close(Relay& relay);

  Worker& worker_;
  std::list<Relay> relays_, ended_;
  std::vector<Relay*> again_;
};

}  // namespace crossfade::proxy
