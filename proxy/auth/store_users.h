// StoreUsers: whom a worker's sessions are at the stores, by number, so that
// sessions of one login share lanes and no others do. Number 0 is whom the
// store's address names; it is not counted. Used in the worker's thread alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace crossfade::proxy {

struct StoreLogin {
  std::string name;
  std::string password;
  auto operator<=>(const StoreLogin&) const = default;
};

class StoreUsers {
 public:
  // One more holder of the login; 0 when there are too many logins.
  uint32_t Acquire(const StoreLogin& login);
  void Release(uint32_t number, int64_t now_us);
  // nullptr for 0.
  const StoreLogin* Find(uint32_t number) const;
  // Forgets those that nobody has held since then, and tells their numbers,
  // which are never given again.
  std::vector<uint32_t> TakeUnused(int64_t since_us);
  size_t size() const { return users_.size(); }

 private:
  struct User {
    StoreLogin login;
    uint32_t holders = 0;
    int64_t released_us = 0;
  };
  std::map<uint32_t, User> users_;
  std::map<StoreLogin, uint32_t> numbers_;
  uint32_t last_ = 0;
};

}  // namespace crossfade::proxy
