#include "proxy/ownership/ownership.h"

#include <random>

namespace crossfade::proxy {

const char* Name(Standing standing) {
  switch (standing) {
    case Standing::kNotNeeded:
      return "not_needed";
    case Standing::kSeeking:
      return "seeking";
    case Standing::kOwner:
      return "owner";
    case Standing::kStandby:
      return "standby";
  }
  return "?";
}

std::string RandomId() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device random;
  std::string id;
  while (id.size() < 16) {
    for (uint32_t bits = random(), i = 0; i < 8; ++i, bits >>= 4) id += kHex[bits & 15];
  }
  return id;
}

Ownership::Ownership() : id_(RandomId()) {}

void Ownership::NoteKeyspaceWrite() {
  if (standing() != Standing::kNotNeeded) Look();
}

void Ownership::Look() {
  {
    const std::lock_guard lock(wake_mutex_);
    ++looks_wanted_;
  }
  wake_.notify_all();
}

void Ownership::NoteFollowerLost() {
  follower_losses_.fetch_add(1);
  follower_claimed_.store(false, std::memory_order_release);
  Look();
}

std::shared_ptr<const Ownership::Records> Ownership::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

std::array<ForwardTo, 2> Ownership::forward_to() const {
  const std::lock_guard lock(mutex_);
  return forward_to_;
}

std::string Ownership::refusal() const {
  const std::lock_guard lock(mutex_);
  return view_.standing == Standing::kOwner ? "" : view_.detail;
}

Ownership::View Ownership::view() const {
  const std::lock_guard lock(mutex_);
  View view = view_;
  view.follower_claimed = follower_claimed_.load();
  return view;
}

}  // namespace crossfade::proxy
