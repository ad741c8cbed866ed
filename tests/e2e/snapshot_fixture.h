// Two stores and a folder for a snapshot of one and its restoration into the other.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/certificates.h"
#include "tests/support/command.h"
#include "tests/support/free_port.h"
#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"
#include "tests/support/relay.h"
#include "tests/support/store_compare.h"

namespace crossfade::test {

class Snapshots : public ::testing::Test {
 protected:
  Snapshots();
  ~Snapshots() override;

  static std::string Url(uint16_t port);
  static uint64_t SizeOf(const std::string& path);  // 0: there is none
  static std::string LastLine(const std::string& text);
  // Keys of all types in several dbs, and functions.
  static void Fill(uint16_t port);
  // 20 MiB that can't be compressed, so that it takes a while and many blocks.
  static void FillLarge(uint16_t port);

  CommandResult Take(const std::vector<std::string>& more);     // of legacy, into the file
  CommandResult Restore(const std::vector<std::string>& more);  // into the new store
  void StopInTheMiddle();
  void ExpectEqual();

  std::string folder_, file_;
  RedisServer legacy_, fresh_;
};

// Legacy with TLS and a user, new by a socket.
struct StoresWithTls {
  explicit StoresWithTls(const std::string& folder);
  std::string tls_port() const { return std::to_string(port.port()); }

  PortLease port;
  Certificates certificates;
  RedisServer legacy, fresh;
  std::string config;  // path of the file
};

}  // namespace crossfade::test
