// Migration: two real stores, a relay in front of the new one if asked for, and
// the real proxy between them; what every end-to-end test starts from. Sizes and
// the seed come from the environment, so that slow builds run smaller.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "tests/support/load.h"
#include "tests/support/proxy_process.h"
#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"
#include "tests/support/relay.h"
#include "tests/support/store_compare.h"

namespace crossfade::test {

// CROSSFADE_E2E_OPS commands per load; `share` scales it.
uint64_t LoadSize(double share = 1.0);
// CROSSFADE_E2E_SECONDS for the tests that run by time.
std::chrono::milliseconds RunTime();
// CROSSFADE_E2E_SEED or a fixed one, printed and recorded with the test.
uint64_t TestSeed();

// Names parametrised tests by their number of workers.
std::string WorkersName(const ::testing::TestParamInfo<int>& param);

struct MigrationOptions {
  std::vector<std::string> legacy_args;
  bool relay = false;
  std::string relay_marker = "";  // Relay's
  std::vector<std::string> fresh_args = {};
  bool legacy_relay = false;  // one in front of legacy too
};

class Migration {
 public:
  explicit Migration(MigrationOptions options = {});

  // A configuration with this migration's stores; tests change it before Start.
  ProxyConfig config;
  RedisServer legacy;
  RedisServer fresh;  // the new store
  std::optional<Relay> relay, legacy_relay;
  std::optional<ProxyProcess> proxy;

  bool Start();                        // the proxy, ready
  bool StartLive();                    // and its mirror live
  LoadOptions LoadFor(uint64_t seed);  // a load on the proxy, all commands
  StoreComparison ExpectEqualWhenDrained();
  nlohmann::json Status() { return proxy->Status(); }

  // Copies every key of legacy to the new store, as an operator might have.
  void CopyLegacyToNew();
};

// Waits until `holds`; false when it did not in time.
bool Await(const std::function<bool()>& holds,
           std::chrono::milliseconds timeout = std::chrono::seconds(20));

// A live mirror with so many workers, and one client of it.
class OneClient : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    migration_.config.workers = GetParam();
    ASSERT_TRUE(migration_.StartLive());
    client_.emplace(migration_.proxy->port());
  }
  Value Call(const Args& args) { return client_->Call(args); }

  Migration migration_;
  std::optional<RedisClient> client_;
};

}  // namespace crossfade::test
