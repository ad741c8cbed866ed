// ClientMemory: keeps what all clients have buffered within limits.memory: over it
// the client with the most is closed, then the next. Each worker counts its own a
// few times a second, and sees the others' figures. Lives on its worker.
#pragma once

#include <atomic>
#include <cstdint>

namespace crossfade::proxy {

class Session;
class Worker;

class ClientMemory {
 public:
  explicit ClientMemory(Worker& worker) : worker_(worker) {}

  void Tick(int64_t now_us);
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t largest() const { return largest_.load(std::memory_order_relaxed); }

 private:
  Session* Count();  // the one with the most, nullptr when nobody has anything
  bool MustClose() const;

  Worker& worker_;
  int64_t next_us_ = 0;
  std::atomic<uint64_t> bytes_{0}, largest_{0};
};

}  // namespace crossfade::proxy
