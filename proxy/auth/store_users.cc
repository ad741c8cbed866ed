#include "proxy/auth/store_users.h"

#include "config/check.h"
#include "config/limits.h"

namespace crossfade::proxy {

uint32_t StoreUsers::Acquire(const StoreLogin& login) {
  const auto known = numbers_.find(login);
  if (known != numbers_.end()) {
    ++users_.at(known->second).holders;
    return known->second;
  }
  if (users_.size() >= limits::kStoreUsersMax) return 0;
  ++last_;
  users_[last_] = {login, 1, 0};
  numbers_[login] = last_;
  return last_;
}

void StoreUsers::Release(uint32_t number, int64_t now_us) {
  if (number == 0) return;
  User& user = users_.at(number);
  CROSSFADE_CHECK(user.holders > 0);
  if (--user.holders == 0) user.released_us = now_us;
}

const StoreLogin* StoreUsers::Find(uint32_t number) const {
  const auto found = users_.find(number);
  return found == users_.end() ? nullptr : &found->second.login;
}

std::vector<uint32_t> StoreUsers::TakeUnused(int64_t since_us) {
  std::vector<uint32_t> unused;
  for (auto it = users_.begin(); it != users_.end();) {
    if (it->second.holders > 0 || it->second.released_us > since_us) {
      ++it;
      continue;
    }
    unused.push_back(it->first);
    numbers_.erase(it->second.login);
    it = users_.erase(it);
  }
  return unused;
}

}  // namespace crossfade::proxy
