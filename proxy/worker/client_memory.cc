#include "proxy/worker/client_memory.h"

#include <algorithm>

#include "proxy/control/log.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

constexpr int64_t kEveryUs = 50'000;

}  // namespace

Session* ClientMemory::Count() {
  uint64_t bytes = 0, largest = 0;
  Session* most = nullptr;
  for (const auto& session : worker_.sessions()) {
    const uint64_t buffered = session->closed() ? 0 : session->buffered_bytes();
    bytes += buffered;
    if (buffered <= largest) continue;
    largest = buffered;
    most = session.get();
  }
  bytes_.store(bytes, std::memory_order_relaxed);
  largest_.store(largest, std::memory_order_relaxed);
  return most;
}

// It is too much in all, and no other worker has a client with more.
bool ClientMemory::MustClose() const {
  uint64_t bytes = 0, largest = 0;
  for (const auto& worker : worker_.core().workers) {
    bytes += worker->client_memory().bytes();
    largest = std::max(largest, worker->client_memory().largest());
  }
  return bytes > worker_.limits().memory_bytes && this->largest() >= largest;
}

void ClientMemory::Tick(int64_t now_us) {
  if (now_us < next_us_) return;
  next_us_ = now_us + kEveryUs;
  for (Session* most = Count(); most != nullptr && MustClose(); most = Count()) {
    log::Warn("clients have buffered more than limits.memory: the one with the most is closed",
              {{"client", most->peer()},
               {"id", std::to_string(most->id())},
               {"bytes", std::to_string(most->buffered_bytes())},
               {"bytes_of_all", std::to_string(bytes())},
               {"limit", std::to_string(worker_.limits().memory_bytes)}});
    worker_.CountError(ClientError::kMemoryLimit);
    most->Close();
  }
}

}  // namespace crossfade::proxy
