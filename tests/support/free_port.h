// PortLease: a loopback port below the ephemeral range that no other test process
// holds; shares RedisServer's folder of locks. Released with the object.
#pragma once

#include <cstdint>

namespace crossfade::test {

class PortLease {
 public:
  PortLease();  // aborts when no port is free
  ~PortLease();
  PortLease(const PortLease&) = delete;
  PortLease& operator=(const PortLease&) = delete;

  uint16_t port() const { return port_; }

 private:
  uint16_t port_ = 0;
  int lock_ = -1;
};

}  // namespace crossfade::test
