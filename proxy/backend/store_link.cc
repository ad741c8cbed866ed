#include "proxy/backend/store_link.h"

#include <algorithm>
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

// Whoever greets it while another is still telling of the replacement tells it too:
// then all know before the connection is used.
void StoreLink::Greeted(const std::string& run_id, const std::string& version) {
  uint64_t replacements = 0, handled = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!run_id_.empty() && run_id_ != run_id) ++replacements_;
    replacements = replacements_;
    handled = replacements_handled_;
    run_id_ = run_id;
    version_ = version;
    error_.clear();
  }
  if (handled >= replacements) return;
  if (replaced) replaced();
  const std::lock_guard lock(mutex_);
  replacements_handled_ = std::max(replacements_handled_, replacements);
}

void StoreLink::SetFound(uint64_t keys) {
  const std::lock_guard lock(mutex_);
  if (found_in_ == run_id_) return;
  found_in_ = run_id_;
  found_keys_ = keys;
}

std::optional<uint64_t> StoreLink::found(const std::string& run_id) const {
  const std::lock_guard lock(mutex_);
  if (found_in_ != run_id) return std::nullopt;
  return found_keys_;
}

void StoreLink::SetCondition(Condition condition) {
  const std::lock_guard lock(mutex_);
  condition_ = std::move(condition);
}

StoreLink::Condition StoreLink::condition() const {
  const std::lock_guard lock(mutex_);
  return condition_;
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
