#include "proxy/snapshot/restorer.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/proxy/snapshot/store.h"

namespace crossfade::proxy {
namespace {

using replication::AppendSnapshotRecord;
using replication::SnapshotRecord;
using replication::SnapshotTag;

class RestorerTest : public ::testing::Test {
 protected:
  RestorerTest() {
    store_.client.Call({"SET", "source", "value"});
    payload_ = store_.client.Call({"DUMP", "source"}).text;
    store_.client.Call({"DEL", "source"});
  }
  void Add(uint32_t db, std::string_view name, std::string_view payload, int64_t deadline_ms = 0) {
    AppendSnapshotRecord({SnapshotTag::kKey, db, deadline_ms, name, payload}, records_);
  }
  // Whether the store took the block whole.
  bool Restore() {
    Result<Restorer> restorer = Restorer::Begin(store_.connection);
    EXPECT_TRUE(restorer) << restorer.error().message;
    restorer->refused = [this](uint32_t, std::string_view name, std::string_view reason) {
      refused_[std::string(name)] = reason;
    };
    const Result<bool> restored = restorer->Restore(records_);
    EXPECT_TRUE(restored) << restored.error().message;
    counts_ = restorer->counts();
    why_stopped_ = restorer->why_stopped();
    return restored && *restored;
  }

  Store store_;
  std::string payload_, records_;
  std::map<std::string, std::string> refused_;
  RestoreCounts counts_;
  std::string why_stopped_;
};

TEST_F(RestorerTest, APayloadThatIsNoneIsRefusedAndTheOthersRestored) {
  std::string changed = payload_;
  changed[2] ^= 1;
  for (int i = 0; i < 2'000; ++i) {
    Add(static_cast<uint32_t>(i % 3), "key:" + std::to_string(i), i == 777 ? changed : payload_);
  }
  EXPECT_TRUE(Restore());
  EXPECT_EQ(counts_.restored, 1'999u);
  EXPECT_EQ(counts_.refused, 1u);
  ASSERT_EQ(refused_.size(), 1u);
  EXPECT_NE(refused_["key:777"].find("checksum"), std::string::npos) << refused_["key:777"];
  EXPECT_EQ(store_.client.Call({"GET", "key:3"}).text, "value");
  store_.client.Call({"SELECT", "2"});
  EXPECT_EQ(store_.client.Call({"GET", "key:2"}).text, "value");
}

// It would end the connection, and with it all keys behind it.
TEST_F(RestorerTest, ADumpThatIsLongerThanARequestMayBeIsNotSent) {
  store_.client.Call({"CONFIG", "SET", "proto-max-bulk-len", "1mb"});
  Add(0, "long", std::string((1 << 20) + 1, 'x'));
  Add(0, "short", payload_);
  EXPECT_TRUE(Restore());
  EXPECT_EQ(counts_.restored, 1u);
  EXPECT_NE(refused_["long"].find("proto-max-bulk-len"), std::string::npos) << refused_["long"];
}

TEST_F(RestorerTest, DeadlinesStandAndThoseThatHavePassedAreLeftOut) {
  Add(0, "later", payload_, 4'102'444'800'000);
  Add(0, "past", payload_, 1);
  Add(0, "none", payload_);
  EXPECT_TRUE(Restore());
  EXPECT_EQ(counts_.restored, 2u);
  EXPECT_EQ(counts_.expired, 1u);
  EXPECT_EQ(store_.client.Call({"PEXPIRETIME", "later"}).integer, 4'102'444'800'000);
  EXPECT_EQ(store_.client.Call({"PEXPIRETIME", "none"}).integer, -1);
  EXPECT_EQ(store_.client.Call({"EXISTS", "past"}).integer, 0);
}

TEST_F(RestorerTest, AStoreThatRefusesAllIsAskedNoMore) {
  for (int i = 0; i < 5'000; ++i) Add(0, "key:" + std::to_string(i), payload_);
  Store replica;
  store_.client.Call({"REPLICAOF", "127.0.0.1", std::to_string(replica.server->port())});
  EXPECT_FALSE(Restore());
  EXPECT_TRUE(why_stopped_.starts_with("READONLY")) << why_stopped_;
  EXPECT_LT(counts_.refused, 5'000u) << "what was under way, and no more";
  EXPECT_EQ(counts_.restored, 0u);
}

TEST_F(RestorerTest, FunctionsThatAreNoneAreRefused) {
  AppendSnapshotRecord({SnapshotTag::kFunctions, 0, 0, "", "nothing"}, records_);
  Add(0, "key", payload_);
  EXPECT_TRUE(Restore());
  EXPECT_EQ(counts_.functions, 0u);
  EXPECT_EQ(refused_.size(), 1u);
  EXPECT_EQ(counts_.restored, 1u);
}

}  // namespace
}  // namespace crossfade::proxy
