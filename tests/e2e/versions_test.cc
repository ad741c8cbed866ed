// Stores of different versions: a new store that lacks commands of the legacy one.
#include <gtest/gtest.h>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

TEST(Versions, WhatTheNewStoreLacksIsSyncedAndTold) {
  MigrationOptions options;
  for (const char* command : {"LMOVE", "GETEX", "COPY", "ZDIFFSTORE"}) {
    options.fresh_args.insert(options.fresh_args.end(), {"--rename-command", command, ""});
  }
  Migration migration(options);
  ASSERT_TRUE(migration.StartLive());
  ASSERT_TRUE(migration.proxy->AwaitStatus("what is missing is known", [](const auto& status) {
    return status["missing_commands"]["unused"].size() == 4;
  }));
  RedisClient client(migration.proxy->port());
  client.Call({"RPUSH", "l", "a", "b"});
  EXPECT_EQ(client.Call({"LMOVE", "l", "m", "LEFT", "RIGHT"}).text, "a");
  EXPECT_EQ(client.Call({"COPY", "m", "n"}).integer, 1);
  client.Call({"MULTI"});
  client.Call({"SET", "s", "1"});
  client.Call({"COPY", "s", "t"});
  EXPECT_EQ(client.Call({"EXEC"}).elements.size(), 2u);
  migration.ExpectEqualWhenDrained();
  const nlohmann::json status = migration.Status();
  EXPECT_EQ(status["missing_commands"]["used"], nlohmann::json::array({"copy", "lmove"}));
  EXPECT_EQ(status["missing_commands"]["unused"], nlohmann::json::array({"getex", "zdiffstore"}));
  EXPECT_EQ(status["drift"]["unsupported"], 5) << "l, m; n; s, t";
  EXPECT_EQ(status["drift"]["reply"], 0) << "they were not even tried";
  EXPECT_NE(migration.proxy->Metrics().find("crossfade_missing_commands 2"), std::string::npos);
}

TEST(Versions, TheSameCommandsOnBothAreNothingToTell) {
  Migration migration;
  ASSERT_TRUE(migration.StartLive());
  RedisClient client(migration.proxy->port());
  client.Call({"RPUSH", "l", "a", "b"});
  EXPECT_EQ(client.Call({"LMOVE", "l", "m", "LEFT", "RIGHT"}).text, "a");
  migration.ExpectEqualWhenDrained();
  EXPECT_EQ(migration.Status()["missing_commands"]["used"].size(), 0u);
  EXPECT_EQ(migration.Status()["drift"]["unsupported"], 0);
}

}  // namespace
}  // namespace crossfade::test
