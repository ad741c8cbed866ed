#include "proxy/backend/store_link.h"

#include <utility>

namespace crossfade::proxy {

void StoreLink::SetAddress(const Address& address) {
  const std::lock_guard lock(mutex_);
  address_ = address;
}

std::optional<Address> StoreLink::address() const {
  const std::lock_guard lock(mutex_);
  return address_;
}

void StoreLink::SetTls(config::TlsPtr tls) {
  const std::lock_guard lock(mutex_);
  tls_ = std::move(tls);
}

config::TlsPtr StoreLink::tls() const {
  const std::lock_guard lock(mutex_);
  return tls_;
}

bool StoreLink::Greeted(const std::string& run_id, const std::string& version) {
  const std::lock_guard lock(mutex_);
  const bool other = !run_id_.empty() && run_id_ != run_id;
  run_id_ = run_id;
  version_ = version;
  error_.clear();
  return other;
}

void StoreLink::Expect(const std::string& run_id) {
  const std::lock_guard lock(mutex_);
  run_id_ = run_id;
}

void StoreLink::SetError(const std::string& error) {
  const std::lock_guard lock(mutex_);
  error_ = error;
}

std::string StoreLink::run_id() const {
  const std::lock_guard lock(mutex_);
  return run_id_;
}

std::string StoreLink::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

std::string StoreLink::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

}  // namespace crossfade::proxy
