// Acceptor: takes connections from a listener and hands them to the workers in
// turn. Lives on worker 0, in its thread alone.
#pragma once

#include "proxy/core.h"
#include "proxy/net/event_loop.h"

namespace crossfade::proxy {

class Acceptor final : public Pollable {
 public:
  // `index`: of the listener in the settings, whose TLS is that of the plan in force.
  Acceptor(Core& core, int fd, size_t index);
  ~Acceptor();
  void OnEvents(const Readiness& ready) override;

 private:
  Core& core_;
  const int fd_;
  const size_t index_;
  int reserve_ = -1;  // given up to refuse a client when descriptors have run out
  size_t next_ = 0;
};

}  // namespace crossfade::proxy
