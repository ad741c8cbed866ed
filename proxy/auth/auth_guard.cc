#include "proxy/auth/auth_guard.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"
#include "proxy/control/log.h"
#include "proxy/mirror_events.h"

namespace crossfade::proxy {
namespace {

constexpr int64_t kFreeFailures = 3;
constexpr int64_t kFirstDelayUs = 50'000;
constexpr int64_t kForgetOneUs = 10'000'000;  // one failure is forgotten in this time
constexpr int64_t kFailuresMax = 64;
constexpr int64_t kLineEveryUs = 100'000;

}  // namespace

int64_t AuthGuard::Address::FailuresAt(int64_t now_us) const {
  return std::max<int64_t>(0, failures - (now_us - last_us) / kForgetOneUs);
}

// All of a host's ports are one, and so are all clients of a unix socket.
std::string AuthGuard::AddressOf(std::string_view peer) {
  const size_t colon = peer.rfind(':');
  return std::string(colon == std::string_view::npos ? peer : peer.substr(0, colon));
}

int64_t AuthGuard::DelayUs(std::string_view peer, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (addresses_.empty()) return 0;
  const auto found = addresses_.find(AddressOf(peer));
  if (found == addresses_.end()) return 0;
  const int64_t over = found->second.FailuresAt(now_us) - kFreeFailures;
  if (over < 0) return 0;
  const int64_t delay = over > 16 ? limits::kAuthDelayMaxUs : kFirstDelayUs << over;
  return std::min(delay, limits::kAuthDelayMaxUs);
}

void AuthGuard::Failed(std::string_view peer, std::string_view user, int64_t now_us) {
  uint64_t held_back = 0;
  int64_t failures = 0;
  {
    const std::lock_guard lock(mutex_);
    if (addresses_.size() >= limits::kAuthAddressesMax) {
      std::erase_if(addresses_,
                    [now_us](const auto& item) { return item.second.FailuresAt(now_us) == 0; });
      if (addresses_.size() >= limits::kAuthAddressesMax) addresses_.erase(addresses_.begin());
    }
    Address& address = addresses_[AddressOf(peer)];
    failures = std::min(address.FailuresAt(now_us) + 1, kFailuresMax);
    address = {failures, now_us};
    if (now_us - line_us_ < kLineEveryUs) {
      ++held_back_;
      return;
    }
    line_us_ = now_us;
    held_back = std::exchange(held_back_, 0);
  }
  log::Warn("authentication failed", {{"user", Printable(user)},
                                      {"client", std::string(peer)},
                                      {"failures", static_cast<uint64_t>(failures)},
                                      {"not_logged", held_back}});
}

}  // namespace crossfade::proxy
