#include "proxy/session/tls_handshakes.h"

#include <chrono>
#include <iterator>
#include <utility>

#include "proxy/control/log.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

constexpr int64_t kLogEveryUs = 1'000'000;

}  // namespace

void TlsHandshakes::Begin(int fd, std::string peer, const config::TlsPtr& settings) {
  Stream stream(fd, TlsStream::Accepting(fd, settings));
  Handshake& begun = under_way_.emplace_back(*this, std::move(stream), std::move(peer));
  begun.place = std::prev(under_way_.end());
  begun.began_us = worker_.now_us();
  worker_.loop().Add(fd, &begun);
}

void TlsHandshakes::Continue(Handshake& handshake) {
  const TlsStream::Progress progress = handshake.stream.tls()->Handshake();
  if (progress == TlsStream::Progress::kFailed) {
    return Fail(handshake, handshake.stream.tls()->problem());
  }
  const bool blocked = progress == TlsStream::Progress::kWantsWrite;
  if (blocked != handshake.watching_writes) {
    handshake.watching_writes = blocked;
    worker_.loop().WatchWrites(handshake.stream.fd(), &handshake, blocked);
  }
  if (progress != TlsStream::Progress::kDone) return;
  worker_.loop().Remove(handshake.stream.fd(), &handshake);
  Session& session = worker_.AddSession(std::move(handshake.stream), std::move(handshake.peer));
  End(handshake);
  // What came with the last of the handshake is not told of again.
  Readiness ready;
  ready.readable = true;
  session.OnEvents(ready);
}

void TlsHandshakes::Fail(Handshake& handshake, const std::string& reason) {
  worker_.CountError(ClientError::kTls);
  if (worker_.now_us() >= next_log_us_) {
    next_log_us_ = worker_.now_us() + kLogEveryUs;
    log::Warn("TLS handshake with a client failed",
              {{"peer", handshake.peer}, {"reason", reason}, {"not_logged", not_logged_}});
    not_logged_ = 0;
  } else {
    ++not_logged_;
  }
  worker_.loop().Remove(handshake.stream.fd(), &handshake);
  handshake.stream.Close();
  End(handshake);
}

void TlsHandshakes::End(Handshake& handshake) {
  ended_.splice(ended_.end(), under_way_, handshake.place);
}

bool TlsHandshakes::Tick(int64_t now_us) {
  const int64_t limit = std::chrono::microseconds(worker_.limits().connect_timeout).count();
  for (auto next = under_way_.begin(); next != under_way_.end();) {
    Handshake& handshake = *next++;
    if (now_us - handshake.began_us >= limit) Fail(handshake, "not finished in time");
  }
  const bool changed = !ended_.empty();
  ended_.clear();
  return changed;
}

void TlsHandshakes::CloseAll() {
  for (Handshake& handshake : under_way_) {
    worker_.loop().Remove(handshake.stream.fd(), &handshake);
  }
  under_way_.clear();
}

}  // namespace crossfade::proxy
