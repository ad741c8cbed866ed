// StoreLink: one of the two stores, as all connections to it share it: where it
// is, how to log in, and what is known of it. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "config/settings.h"
#include "config/tls.h"
#include "proxy/net/socket.h"

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

  // What a connection's greeting found. Returns true when the store is another
  // process than the one known before.
  bool Greeted(const std::string& run_id, const std::string& version);
  // The process that is expected to answer there.
  void Expect(const std::string& run_id);
  void SetError(const std::string& error);
  std::string run_id() const;
  std::string version() const;
  std::string error() const;

  // Connections of ours that are ready.
  std::atomic<uint32_t> ready{0};

 private:
  const std::string role_;
  const config::Endpoint endpoint_;
  mutable std::mutex mutex_;
  std::optional<Address> address_;
  config::TlsPtr tls_;
  std::string run_id_, version_, error_;
};

}  // namespace crossfade::proxy
