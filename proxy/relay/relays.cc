#include "proxy/relay/relays.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr int kReadsPerTurn = 8;

}  // namespace

void Relays::Begin(int fd, bool tls, const ForwardTo& to) {
  std::string refusal = to.refusal;
  if (to.address) {
    const Result<int> owner = StartConnect(*to.address);
    if (owner) {
      Relay& relay = relays_.emplace_back(*this, fd, *owner, tls, to.display);
      relay.place = std::prev(relays_.end());
      relay.deadline_us =
          worker_.now_us() + std::chrono::microseconds(worker_.limits().connect_timeout).count();
      worker_.loop().Add(fd, &relay.client);
      worker_.loop().Add(*owner, &relay.owner);
      Watch(relay.owner, true);
      worker_.stats().accepted.Add();
      return;
    }
    refusal = "the owner at " + to.display + " is not reachable: " + owner.error().message;
  }
  RefuseClient(fd, tls, refusal);
}

// Under TLS nothing can be said.
void Relays::RefuseClient(int fd, bool tls, std::string_view text) {
  worker_.CountError(ClientError::kStoreUnavailable);
  if (!tls) {
    const std::string error =
        "-ERR crossfade: this proxy is a standby and can't forward: " + std::string(text) + "\r\n";
    send(fd, error.data(), error.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  close(fd);
}

void Relays::Side::OnEvents(const Readiness& ready) { relay.relays.OnEvents(*this, ready); }

void Relays::OnEvents(Side& side, const Readiness& ready) {
  Relay& relay = side.relay;
  if (relay.closed) return;
  if (ready.readable || ready.failed) side.readable = true;
  if (ready.writable && side.watching_writes) Watch(side, false);
  if (!relay.connected) {
    if (&side != &relay.owner) return;
    if (const int error = ConnectError(side.fd); error != 0) {
      return Refuse(relay, std::strerror(error));
    }
    if (!ready.writable) return;
    relay.connected = true;
  }
  Pump(relay);
}

void Relays::Pump(Relay& relay) {
  bool more = Move(relay, relay.client, relay.owner);
  if (!relay.closed) more |= Move(relay, relay.owner, relay.client);
  if (relay.closed) return;
  // Who has closed its half of the connection to the owner may be owed replies; once
  // the owner has, there is nothing more to come.
  if (relay.owner.ended && relay.owner.unsent.empty()) return Close(relay);
  if (more) Queue(relay);
}

// True when there may be more to read.
bool Relays::Move(Relay& relay, Side& from, Side& to) {
  std::array<char, kReadBytes> bytes;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (!from.unsent.empty()) {
      const ssize_t n = send(to.fd, from.unsent.data(), from.unsent.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN && errno != EINTR) {
        Close(relay);
        return false;
      }
      if (n > 0) from.unsent.erase(0, static_cast<size_t>(n));
      if (!from.unsent.empty()) {
        if (!to.watching_writes) Watch(to, true);
        return false;
      }
      std::string().swap(from.unsent);
    }
    if (from.ended && !to.shut) {
      shutdown(to.fd, SHUT_WR);
      to.shut = true;
    }
    if (!from.readable || from.ended) return false;
    const ssize_t n = recv(from.fd, bytes.data(), bytes.size(), 0);
    if (n > 0) {
      from.unsent.assign(bytes.data(), static_cast<size_t>(n));
    } else if (n == 0) {
      from.ended = true;
    } else if (errno == EAGAIN) {
      from.readable = false;
    } else if (errno != EINTR) {
      Close(relay);
      return false;
    }
  }
  return true;
}

void Relays::Watch(Side& side, bool watch) {
  side.watching_writes = watch;
  worker_.loop().WatchWrites(side.fd, &side, watch);
}

void Relays::Queue(Relay& relay) {
  if (std::exchange(relay.queued, true)) return;
  again_.push_back(&relay);
}

void Relays::GoOn() {
  std::vector<Relay*> again;
  again.swap(again_);
  for (Relay* relay : again) {
    relay->queued = false;
    if (!relay->closed) Pump(*relay);
  }
}

void Relays::Refuse(Relay& relay, const std::string& reason) {
  worker_.loop().Remove(relay.client.fd, &relay.client);
  RefuseClient(std::exchange(relay.client.fd, -1), relay.tls,
               "the owner at " + relay.to + " is not reachable: " + reason +
                   "; this proxy takes over when its lease has ended");
  Close(relay);
}

void Relays::Close(Relay& relay) {
  if (std::exchange(relay.closed, true)) return;
  for (Side* side : {&relay.client, &relay.owner}) {
    if (side->fd < 0) continue;
    worker_.loop().Remove(side->fd, side);
    close(side->fd);
  }
  worker_.stats().closed.Add();
  ended_.splice(ended_.end(), relays_, relay.place);
}

void Relays::Tick(int64_t now_us) {
  for (auto next = relays_.begin(); next != relays_.end();) {
    Relay& relay = *next++;
    if (!relay.connected && now_us >= relay.deadline_us) Refuse(relay, "connecting timed out");
  }
}

bool Relays::Reap() {
  if (ended_.empty()) return false;
  std::erase_if(again_, [](const Relay* relay) { return relay->closed; });
  ended_.clear();
  return true;
}

void Relays::Drain() {
  for (auto next = relays_.begin(); next != relays_.end();) {
    Relay& relay = *next++;
    if (!relay.connected) {
      Close(relay);
      continue;
    }
    relay.client.ended = true;
    Pump(relay);
  }
}

void Relays::CloseAll() {
  while (!relays_.empty()) Close(relays_.front());
  again_.clear();
  ended_.clear();
}

}  // namespace crossfade::proxy
