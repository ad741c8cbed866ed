// Listener: a listening, non-blocking socket. A unix socket's file replaces a
// stale one and is removed with the object, unless it is another's by then.
// Opened and closed by one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "config/result.h"
#include "config/settings.h"

namespace crossfade::proxy {

class Listener {
 public:
  // Fails when the address is taken, or the file can't be made.
  static Result<std::unique_ptr<Listener>> Open(const config::Endpoint& endpoint);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int fd() const { return fd_; }
  uint16_t port() const;  // that it is bound to; 0 for a unix socket

 private:
  explicit Listener(int fd) : fd_(fd) {}
  // Notes the file that bind has made, and sets its mode; false with errno.
  bool OwnFile(const config::Endpoint& endpoint);

  const int fd_;
  std::string path_;  // of the file that it has made
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace crossfade::proxy
