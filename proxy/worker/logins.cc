// Worker: whom its sessions are at the stores.
#include <algorithm>

#include "config/limits.h"
#include "proxy/lane/follower_reader.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {

std::optional<StoreLogin> Worker::LoginOf(uint32_t user) const {
  const StoreLogin* login = store_users_.Find(user);
  return login == nullptr ? std::nullopt : std::optional(*login);
}

AuthDesk& Worker::auth_desk() {
  if (!auth_desk_) auth_desk_ = std::make_unique<AuthDesk>(*this);
  return *auth_desk_;
}

uint64_t Worker::next_session_id() const {
  return next_session_ * core_.workers.size() + index_ + 1;
}

Worker& Worker::WorkerOf(uint64_t session) const {
  return *core_.workers[(session - 1) % core_.workers.size()];
}

void Worker::RestrictAnonymous(uint64_t from_id) {
  for (auto& session : sessions_) {
    if (session->id() >= from_id) session->RestrictAnonymous();
  }
}

// No session has been on these lanes for a while, so nothing is in flight there,
// unless one was lost and has not seen to what it left (R8): that one stays.
void Worker::CloseUnusedLogins() {
  const auto idle = [](const Lane& lane) { return lane.quiet() && !lane.uncertain(); };
  for (const uint32_t user : store_users_.TakeUnused(now_us_ - limits::kStoreUserIdleUs)) {
    unused_logins_.push_back(user);
  }
  if (unused_logins_.empty()) return;
  const auto unused = [this](const LaneKey& of) {
    return std::find(unused_logins_.begin(), unused_logins_.end(), of.user) != unused_logins_.end();
  };
  std::erase_if(spare_lanes_, [&](const auto& lane) {
    if (!unused(lane->key()) || !idle(*lane)) return false;
    std::erase(reads_again_, &lane->connection());
    std::erase(pinned_, lane.get());
    return true;
  });
  bool left = false;
  std::erase_if(lanes_, [&](auto& item) {
    if (!unused(item.first)) return false;
    const bool closes = idle(*item.second);
    left = left || !closes;
    if (closes) std::erase(reads_again_, &item.second->connection());
    return closes;
  });
  std::erase_if(readers_, [&](auto& item) {
    if (unused(item.first)) std::erase(reads_again_, &item.second->connection());
    return unused(item.first);
  });
  if (!left) unused_logins_.clear();
}

}  // namespace crossfade::proxy
