// A new store that does not take the legacy store's dumps: keys are built there by
// ordinary commands, while clients write.
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

// Encodings differ, so that nothing is equal by its bytes alone.
MigrationOptions WithoutRestore() {
  MigrationOptions options;
  options.fresh_args = {"--rename-command",
                        "RESTORE",
                        "",
                        "--hash-max-listpack-entries",
                        "2",
                        "--zset-max-listpack-entries",
                        "2",
                        "--stream-node-max-entries",
                        "3"};
  return options;
}

// One or two of each type, with and without a deadline.
void Fill(RedisClient& client) {
  std::vector<Args> commands = {
      {"SET", "string", std::string(300'000, 'x')},
      {"SET", "string:later", "v", "PXAT", "33000000000000"},
      {"SETBIT", "bits", "100000", "1"},
      {"PFADD", "hll", "a", "b", "c"},
      {"RPUSH", "list", "a", "", "a"},
      {"SADD", "set", "a", "b", "1"},
      {"ZADD", "zset", "inf", "a", "-0.1", "b", "3", "c"},
      {"PEXPIREAT", "zset", "33000000000000"},
      {"GEOADD", "geo", "13.361389", "38.115556", "palermo"},
      {"XADD", "stream", "1-1", "a", "1"},
      {"XADD", "stream", "2-1", "a", "2"},
      {"XADD", "stream", "3-1", "a", "3"},
      {"XGROUP", "CREATE", "stream", "g", "0"},
      {"XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", "stream", ">"},
      {"XDEL", "stream", "2-1"},
      {"XGROUP", "CREATE", "stream:empty", "g", "$", "MKSTREAM"},
      {"PEXPIREAT", "stream:empty", "33000000000000"}};
  Args many = {"HSET", "hash"};
  for (int i = 0; i < 3000; ++i) {
    many.push_back("field" + std::to_string(i));
    many.push_back(std::string(40, 'v'));
  }
  commands.push_back(many);
  commands.push_back({"SELECT", "2"});
  commands.push_back({"SET", "elsewhere", "v"});
  for (const Value& reply : client.Pipeline(commands)) EXPECT_TRUE(reply.ok()) << Render(reply);
}

class Typewise : public ::testing::TestWithParam<int> {};

TEST_P(Typewise, AllTypesArriveWhileClientsWrite) {
  Migration migration(WithoutRestore());
  migration.config.workers = GetParam();
  RedisClient legacy(migration.legacy.port());
  Fill(legacy);
  ASSERT_TRUE(migration.Start());
  Load load(migration.LoadFor(TestSeed()));
  load.Start();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.5)));
  ASSERT_TRUE(migration.proxy->AwaitStatus("live", [](const nlohmann::json& status) {
    return status.value("mirror_state", "") == "live";
  }));
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.5)));
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration.ExpectEqualWhenDrained();
  const nlohmann::json status = migration.Status();
  EXPECT_GT(status["syncs_typewise"], 10);
  EXPECT_EQ(status["drift"]["sync_refused"], 0);
  EXPECT_NE(migration.proxy->Metrics().find("crossfade_mirror_syncs_typewise_total"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Workers, Typewise, ::testing::Values(1, 2), WorkersName);

// It has the command, but not the right to it.
TEST(TypewiseRights, ADumpThatMayNotBeRestoredIsBuiltAnew) {
  Migration migration;
  const Args user = {"ACL", "SETUSER", "mirror", "on", "nopass", "~*", "&*", "+@all", "-restore"};
  ASSERT_TRUE(RedisClient(migration.fresh.port()).Call(user).ok());
  migration.config.new_login = "mirror:any@";
  RedisClient legacy(migration.legacy.port());
  Fill(legacy);
  ASSERT_TRUE(migration.StartLive());
  migration.ExpectEqualWhenDrained();
  EXPECT_GT(migration.Status()["syncs_typewise"], 10);
}

// Without memory a store queues nothing, but it still reads.
TEST(TypewiseMemory, AnAuthorityWithoutMemoryIsReadByAScript) {
  Migration migration(WithoutRestore());
  RedisClient legacy(migration.legacy.port());
  Fill(legacy);
  ASSERT_TRUE(migration.StartLive());
  migration.ExpectEqualWhenDrained();
  const auto before = migration.Status()["syncs_typewise"].get<uint64_t>();
  ASSERT_TRUE(legacy.Call({"CONFIG", "SET", "maxmemory", "1"}).ok());
  RedisClient client(migration.proxy->port());
  const Args keys = {"string", "list", "set", "zset", "hash", "stream", "stream:empty"};
  for (const std::string& key : keys) {
    // It fails, so that what it did is not known.
    const Value failed = client.Call({"EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", key});
    EXPECT_TRUE(failed.text.starts_with("OOM ")) << Render(failed);
  }
  migration.ExpectEqualWhenDrained();
  EXPECT_GE(migration.Status()["syncs_typewise"].get<uint64_t>(), before + keys.size());
  EXPECT_EQ(migration.Status()["drift"]["sync_refused"], 0);
}

}  // namespace
}  // namespace crossfade::test
