// Interrupt: ends at once, and for good, what waits for a store in another
// thread, so that a stop does not wait for a store that hangs. Raise is safe from
// any thread.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include "config/check.h"

namespace crossfade::proxy {

class Interrupt {
 public:
  Interrupt() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { CROSSFADE_CHECK(fd_ >= 0); }
  ~Interrupt() { close(fd_); }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Fails only when it has been raised too often to count.
  void Raise() { (void)eventfd_write(fd_, 1); }
  int fd() const { return fd_; }  // readable once it is raised

 private:
  const int fd_;
};

}  // namespace crossfade::proxy
