// Keys that the new store does not take: here its user may not write them.
#include <filesystem>

#include "tests/e2e/migration.h"
#include "tests/support/http_client.h"

namespace crossfade::test {
namespace {

class Quarantine : public ::testing::Test {
 protected:
  Quarantine() {
    RedisClient fresh(migration_.fresh.port());
    EXPECT_TRUE(fresh
                    .Call({"ACL", "SETUSER", "mirror", "on", ">secret", "+@all", "&*", "~good:*",
                           "~crossfade:*"})
                    .ok());
    migration_.config.new_login = "mirror:secret@";
    migration_.config.stage = "ramp";
    migration_.config.reads = {{"follower", "100%"}, {"staleness", "1s"}};
    migration_.config.journal = {{"mode", "process"}, {"dir", dir()}};
    RedisClient legacy(migration_.legacy.port());
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(legacy.Call({"SET", "good:" + std::to_string(i), "v"}).ok());
    }
    EXPECT_TRUE(legacy.Call({"SET", "bad:1", "one"}).ok());
    EXPECT_TRUE(legacy.Call({"RPUSH", "bad:2", "a", "b"}).ok());
  }
  ~Quarantine() override {
    migration_.proxy.reset();  // it writes there
    std::filesystem::remove_all(dir());
  }
  std::string dir() const { return migration_.fresh.dir() + "/journal"; }
  nlohmann::json List() {
    const HttpAnswer answer = migration_.proxy->Http("GET", "/api/v1/quarantine");
    return nlohmann::json::parse(answer.body, nullptr, false);
  }
  bool AwaitQuarantined(uint64_t keys) {
    return Await([&] {
      const nlohmann::json status = migration_.Status();
      return status.is_object() && status.value("quarantined_keys", uint64_t{0}) == keys;
    });
  }
  HttpAnswer Order(const std::string& path, const std::string& body) {
    return HttpRequest(migration_.proxy->admin_port(), "POST", path, body);
  }

  Migration migration_;
};

TEST_F(Quarantine, HoldsWhatIsNotTakenAndTheMigrationGoesOn) {
  ASSERT_TRUE(migration_.StartLive());
  ASSERT_TRUE(AwaitQuarantined(2)) << migration_.Status();
  const nlohmann::json list = List();
  ASSERT_EQ(list["keys"].size(), 2u) << list;
  EXPECT_EQ(list["keys"][0]["key"], "bad:1");
  EXPECT_NE(list["keys"][0]["reason"].get<std::string>().find("NOPERM"), std::string::npos) << list;
  // The others are mirrored, and these are read from the authority.
  EXPECT_TRUE(Await([&] { return migration_.Status().value("dirty_keys", 0) == 2; }));
  RedisClient client(migration_.proxy->port());
  ASSERT_TRUE(client.Call({"SET", "good:1", "w"}).ok());
  EXPECT_EQ(client.Call({"GET", "bad:1"}).text, "one");
  EXPECT_EQ(client.Call({"LRANGE", "bad:2", "0", "-1"}).elements.size(), 2u);
  EXPECT_EQ(Order("/api/v1/quarantine", R"({"action": "accept", "keys": ["good:1"]})").status, 409);
  EXPECT_EQ(Order("/api/v1/quarantine", R"({"action": "accept", "keys": ["bad:2"]})").status, 200);
  EXPECT_EQ(migration_.Status().value("quarantined_accepted", 0), 1);

  // A restart goes on with what is finished, and knows what was accepted.
  const int64_t first_seen = List()["keys"][1]["first_seen_ms"];
  EXPECT_TRUE(Await([&] { return migration_.Status()["backfill"].value("phase", "") == "done"; }))
      << migration_.Status()["backfill"];
  const nlohmann::json copied = migration_.Status()["backfill"]["keys_copied"];
  migration_.proxy->Kill();
  ASSERT_TRUE(migration_.StartLive());
  EXPECT_EQ(migration_.Status()["backfill"]["keys_copied"], copied);
  ASSERT_TRUE(AwaitQuarantined(2)) << migration_.Status();
  EXPECT_EQ(List()["accepted"], 1) << List();
  EXPECT_EQ(List()["keys"][1]["first_seen_ms"], first_seen);

  ASSERT_TRUE(RedisClient(migration_.fresh.port()).Call({"ACL", "SETUSER", "mirror", "~*"}).ok());
  EXPECT_EQ(Order("/api/v1/quarantine", R"({"action": "retry", "all": true})").status, 200);
  EXPECT_TRUE(AwaitQuarantined(0)) << migration_.Status();
  migration_.ExpectEqualWhenDrained();
}

TEST_F(Quarantine, AKeyThatIsDeletedLeavesIt) {
  ASSERT_TRUE(migration_.StartLive());
  ASSERT_TRUE(AwaitQuarantined(2)) << migration_.Status();
  ASSERT_TRUE(
      RedisClient(migration_.fresh.port()).Call({"ACL", "SETUSER", "mirror", "~bad:1"}).ok());
  RedisClient client(migration_.proxy->port());
  ASSERT_TRUE(client.Call({"DEL", "bad:1"}).ok());
  EXPECT_EQ(Order("/api/v1/quarantine", R"({"action": "retry", "keys": ["bad:1"]})").status, 200);
  EXPECT_TRUE(AwaitQuarantined(1)) << migration_.Status();
  EXPECT_EQ(List()["keys"][0]["key"], "bad:2");
}

TEST_F(Quarantine, KeysAreSyncedWhenAnOperatorAsks) {
  ASSERT_TRUE(migration_.StartLive());
  RedisClient fresh(migration_.fresh.port());
  ASSERT_TRUE(Await([&] { return fresh.Call({"GET", "good:7"}).text == "v"; }));
  ASSERT_TRUE(fresh.Call({"SET", "good:7", "wrong"}).ok());
  EXPECT_EQ(Order("/api/v1/sync", R"({"keys": ["good:7", "good:none"]})").status, 200);
  EXPECT_TRUE(Await([&] { return fresh.Call({"GET", "good:7"}).text == "v"; }));
}

}  // namespace
}  // namespace crossfade::test
