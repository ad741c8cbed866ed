// A migration between two stores with TLS, by a proxy that has a TLS listener
// beside its plain one. Tests change config before Start; the plain ports of the
// stores stay open for comparisons.
#pragma once

#include <string>

#include "tests/e2e/migration.h"
#include "tests/support/certificates.h"
#include "tests/support/free_port.h"
#include "tests/support/tls_tunnel.h"

namespace crossfade::test {

class TlsMigration {
 public:
  explicit TlsMigration(int workers = 1);

  std::string ListenerWith(const std::string& tls) const;
  std::string LegacyWith(const std::string& tls) const { return Store(legacy_port_, tls); }
  std::string NewWith(const std::string& tls) const { return Store(new_port_, tls); }
  // To the proxy's TLS listener.
  TunnelOptions Tunnel() const { return {listen_port_.port(), "", "", 0, 0}; }
  TunnelOptions TunnelWith(const std::string& certificate) const;
  uint16_t port() const { return listen_port_.port(); }

  // As client_errors of the status counts them.
  uint64_t FailedHandshakes();
  std::string LastError(const std::string& role);
  bool AwaitLastError(const std::string& role, const std::string& part);

  Certificates certificates;

 private:
  std::vector<std::string> StoreArgs(const PortLease& port);
  std::string Store(const PortLease& port, const std::string& tls) const;

  PortLease listen_port_, legacy_port_, new_port_;

 public:
  Migration migration;
};

// What a shell command printed, without the last line's end.
std::string Output(const std::string& command);

}  // namespace crossfade::test
