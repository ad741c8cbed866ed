// AdminServer: the admin HTTP listener: dashboard, probes, metrics, status, plan
// and reload. Runs a bounded set of threads of its own; one request per
// connection, so that idle browsers hold none of them. Borrows the data plane and
// the control port, which must outlive it.
#pragma once

#include <cstdint>
#include <memory>

#include "config/result.h"
#include "config/settings.h"
#include "proxy/admin/control_port.h"
#include "proxy/admin/data_plane.h"

namespace crossfade::proxy {

class AdminServer {
 public:
  AdminServer(const config::Endpoint& listen, const std::string& token);
  ~AdminServer();  // stops

  // Binds the address; fails when it is taken. Nothing is answered before Start.
  Status Bind();
  void Start(DataPlane& plane, ControlPort& control);
  // Refuses new requests and waits for those under way.
  void Stop();
  uint16_t Port() const;  // after Bind

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crossfade::proxy
