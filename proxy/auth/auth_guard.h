// AuthGuard: wrong passwords by the address they come from. Whoever sends some
// is answered later and later, up to a bound: an attempt costs time, and nobody
// is locked out. Shared by the workers; thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace crossfade::proxy {

class AuthGuard {
 public:
  // How long an attempt from there waits before it is looked at.
  int64_t DelayUs(std::string_view peer, int64_t now_us);
  // Notes and logs a wrong password (the lines per second are bounded).
  void Failed(std::string_view peer, std::string_view user, int64_t now_us);

 private:
  struct Address {
    int64_t failures = 0;
    int64_t last_us = 0;
    int64_t FailuresAt(int64_t now_us) const;
  };
  static std::string AddressOf(std::string_view peer);

  std::mutex mutex_;
  std::unordered_map<std::string, Address> addresses_;
  int64_t line_us_ = 0;  // when the last line was logged
  uint64_t held_back_ = 0;
};

}  // namespace crossfade::proxy
