#include "tests/e2e/tls_fixture.h"

#include <array>
#include <cstdio>

namespace crossfade::test {

std::string Output(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "not started";
  std::array<char, 4096> bytes;
  for (size_t n; (n = std::fread(bytes.data(), 1, bytes.size(), pipe)) > 0;) {
    output.append(bytes.data(), n);
  }
  ::pclose(pipe);
  while (output.ends_with('\n')) output.pop_back();
  return output;
}

TlsMigration::TlsMigration(int workers)
    : migration({.legacy_args = StoreArgs(legacy_port_), .fresh_args = StoreArgs(new_port_)}) {
  certificates.Issue("server");
  const std::string own = "ca: " + certificates.Path("ca.pem") +
                          ", cert: " + certificates.Path("store.pem") +
                          ", key: " + certificates.Path("store.key");
  migration.config.workers = workers;
  migration.config.listeners = {ListenerWith("")};
  migration.config.legacy_store = LegacyWith(own);
  migration.config.new_store = NewWith(own);
}

std::vector<std::string> TlsMigration::StoreArgs(const PortLease& port) {
  certificates.Issue("store");
  return {"--tls-port",         std::to_string(port.port()),
          "--tls-cert-file",    certificates.Path("store.pem"),
          "--tls-key-file",     certificates.Path("store.key"),
          "--tls-ca-cert-file", certificates.Path("ca.pem")};
}

std::string TlsMigration::ListenerWith(const std::string& tls) const {
  return "{address: \"127.0.0.1:" + std::to_string(listen_port_.port()) +
         "\", tls: {cert: " + certificates.Path("server.pem") +
         ", key: " + certificates.Path("server.key") + (tls.empty() ? "" : ", " + tls) + "}}";
}

std::string TlsMigration::Store(const PortLease& port, const std::string& tls) const {
  return "{url: \"rediss://localhost:" + std::to_string(port.port()) + "\", tls: {" + tls + "}}";
}

TunnelOptions TlsMigration::TunnelWith(const std::string& certificate) const {
  TunnelOptions options = Tunnel();
  options.cert = certificates.Path(certificate + ".pem");
  options.key = certificates.Path(certificate + ".key");
  return options;
}

uint64_t TlsMigration::FailedHandshakes() {
  return migration.Status()["client_errors"].value("tls", uint64_t{0});
}

std::string TlsMigration::LastError(const std::string& role) {
  const nlohmann::json status = migration.Status();
  if (!status.is_object()) return "";
  for (const auto& store : status["stores"]) {
    if (store.value("role", "") == role) return store.value("last_error", "");
  }
  return "";
}

bool TlsMigration::AwaitLastError(const std::string& role, const std::string& part) {
  const bool found = Await([&] { return LastError(role).find(part) != std::string::npos; });
  EXPECT_TRUE(found) << role << ": " << LastError(role) << ", expected " << part;
  return found;
}

}  // namespace crossfade::test
