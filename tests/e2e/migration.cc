#include "tests/e2e/migration.h"

#include <poll.h>

#include <cstdio>
#include <cstdlib>

namespace crossfade::test {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

uint64_t LoadSize(double share) {
  const auto size = static_cast<double>(FromEnvironment("CROSSFADE_E2E_OPS", 20'000)) * share;
  return std::max<uint64_t>(1, static_cast<uint64_t>(size));
}

std::chrono::milliseconds RunTime() {
  return std::chrono::milliseconds(FromEnvironment("CROSSFADE_E2E_SECONDS", 3) * 1000);
}

uint64_t TestSeed() {
  const uint64_t seed = FromEnvironment("CROSSFADE_E2E_SEED", 1);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  ::testing::Test::RecordProperty("seed", std::to_string(seed));
  return seed;
}

std::string WorkersName(const ::testing::TestParamInfo<int>& param) {
  return std::to_string(param.param) + (param.param == 1 ? "Worker" : "Workers");
}

bool Await(const std::function<bool()>& holds, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

Migration::Migration(MigrationOptions options)
    : legacy(options.legacy_args), fresh(options.fresh_args) {
  if (options.relay) relay.emplace(fresh.port(), options.relay_marker);
  if (options.legacy_relay) legacy_relay.emplace(legacy.port());
  config.legacy_port = options.legacy_relay ? legacy_relay->port() : legacy.port();
  config.new_port = options.relay ? relay->port() : fresh.port();
}

bool Migration::Start() {
  proxy.emplace(config);
  return proxy->Start();
}

bool Migration::StartLive() {
  return Start() && proxy->AwaitStatus("live", [](const nlohmann::json& status) {
    return status.value("mirror_state", "") == "live";
  });
}

LoadOptions Migration::LoadFor(uint64_t seed) {
  static const auto kPayloads = [] {
    RedisServer scratch;
    RedisClient client(scratch.port());
    return MakePayloads(client);
  }();
  LoadOptions options;
  options.port = proxy->port();
  options.seed = seed;
  options.commands.payloads = kPayloads;
  return options;
}

StoreComparison Migration::ExpectEqualWhenDrained() {
  if (!proxy->AwaitDrained()) return {};
  const StoreComparison comparison = CompareStores(legacy.port(), fresh.port());
  EXPECT_TRUE(comparison.differences.empty()) << "legacy (a) and new (b): " << Describe(comparison);
  EXPECT_GT(comparison.keys_compared, 0u);
  return comparison;
}

void Migration::CopyLegacyToNew() {
  RedisClient from(legacy.port());
  RedisClient to(fresh.port());
  for (int db = 0; db < 16; ++db) {
    from.Call({"SELECT", std::to_string(db)});
    to.Call({"SELECT", std::to_string(db)});
    for (const Value& key : from.Call({"KEYS", "*"}).elements) {
      const Value expires = from.Call({"PEXPIRETIME", key.text});
      const Value payload = from.Call({"DUMP", key.text});
      if (payload.kind != Value::Kind::kString) continue;
      const int64_t at = std::max<int64_t>(expires.integer, 0);
      to.Call({"RESTORE", key.text, std::to_string(at), payload.text, "REPLACE", "ABSTTL"});
    }
  }
}

}  // namespace crossfade::test
