// StoreLink: one of the two stores, as all connections to it share it: where it
// is, how to log in, and what is known of it. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "config/tls.h"
#include "proxy/net/socket.h"
#include "routing/store_health.h"

namespace crossfade::proxy {

class StoreLink {
 public:
  StoreLink(std::string role, config::Endpoint endpoint)
      : role_(std::move(role)), endpoint_(std::move(endpoint)), tls_(endpoint_.tls) {}

  const std::string& role() const { return role_; }
  const config::Endpoint& endpoint() const { return endpoint_; }

  // Looked up by the background thread, since that may block.
  void SetAddress(const Address& address);
  std::optional<Address> address() const;

  // Of the connections to come; null: plain.
  void SetTls(config::TlsPtr tls);
  config::TlsPtr tls() const;

  // What a connection's greeting found: when the store is another process than the
  // one known before, `replaced` is called before the connection carries anything.
  // Needs that the replication lock is not held.
  void Greeted(const std::string& run_id, const std::string& version);
  // Set once, before the first connection.
  std::function<void()> replaced;
  // The process that is expected to answer there.
  void Expect(const std::string& run_id);
  void SetError(const std::string& error);
  // An error that it has answered, from any worker: a whole frame. The watch takes
  // the time of the last one of each kind.
  void NoteError(std::string_view frame, int64_t now_us) {
    const auto error = static_cast<size_t>(routing::ClassifyError(frame));
    if (error != 0) errors_[error].store(now_us, std::memory_order_relaxed);
  }
  int64_t TakeError(routing::StoreError error) {
    return errors_[static_cast<size_t>(error)].exchange(0, std::memory_order_relaxed);
  }

  // How many keys the process held before it was filled, where that was looked at.
  void SetFound(uint64_t keys);
  std::optional<uint64_t> found(const std::string& run_id) const;

  // What the watch has found.
  struct Condition {
    routing::StoreStates states = 0;
    std::array<uint64_t, static_cast<size_t>(routing::StoreState::kCount)> entries{};
    std::string detail;  // of the worst of them
    uint64_t keys = 0, evicted_keys = 0, used_memory = 0, max_memory = 0;
  };
  void SetCondition(Condition condition);
  Condition condition() const;

  std::string run_id() const;
  std::string version() const;
  std::string error() const;

  // Connections of ours that are ready, and how many have become so.
  std::atomic<uint32_t> ready{0};
  std::atomic<uint64_t> greetings{0};

 private:
  const std::string role_;
  const config::Endpoint endpoint_;
  mutable std::mutex mutex_;
  std::optional<Address> address_;
  config::TlsPtr tls_;
  std::string run_id_, version_, error_;
  Condition condition_;
  std::string found_in_;  // run id
  uint64_t found_keys_ = 0;
  uint64_t replacements_ = 0, replacements_handled_ = 0;
  std::array<std::atomic<int64_t>, 5> errors_{};  // by StoreError
};

}  // namespace crossfade::proxy
