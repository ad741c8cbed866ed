// Key syncs that the follower does not take as a dump.
#include <gtest/gtest.h>

#include "replication/replicator.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;
using test::Mirror;

constexpr std::string_view kOk = "+OK\r\n", kQueued = "+QUEUED\r\n", kDone = "*2\r\n:0\r\n+OK\r\n";
constexpr std::string_view kBadPayload = "-ERR DUMP payload version or checksum are wrong\r\n";
constexpr std::string_view kOutOfMemory = "-OOM command not allowed\r\n";

class ReplicatorTypewise : public testing::Test {
 protected:
  void SetUp() override {
    m_.GoLive();
    r_.sync_forms().Follow("a", "7.0.15");
  }
  void MakeDirty(std::string_view key) {
    m_.Do("SET " + std::string(key) + " x", kOk);
    m_.Apply({"-ERR refused\r\n"});
    ASSERT_TRUE(r_.dirty().Contains(0, key));
  }
  // The next key to be read, in which form.
  SyncForm Wanted(std::string_view key) {
    EXPECT_EQ(m_.SyncsWanted(), Lines{"0 " + std::string(key)});
    return m_.reading.empty() ? SyncForm::kDump : m_.reading.front().form;
  }
  // As the lane does for a string.
  void FinishTypewise(std::string_view value, KeyType type = KeyType::kString) {
    KeyToSync key = m_.reading.front();
    m_.reading.pop_front();
    EXPECT_EQ(key.form, SyncForm::kTypewise);
    EXPECT_EQ(key.type, KeyType::kNone) << "it is asked for each time";
    key.type = type;
    r_.FinishTypewiseSync(key, test::Bulk(value), ":-1\r\n", m_.now_us);
  }
  Lines SetOf(std::string_view key) {
    const std::string name(key);
    return {"MULTI", "DEL " + name, "SET " + name + " 1", "EXEC"};
  }
  void RefuseDump(std::string_view key) {
    ASSERT_EQ(Wanted(key), SyncForm::kDump);
    m_.FinishSync("dump");
    m_.Apply({kBadPayload});
  }

  Mirror m_;
  Replicator& r_ = m_.replicator;
};

TEST_F(ReplicatorTypewise, FieldsAreAskedForWhereTheAuthorityKnowsTheirExpiries) {
  const auto newer = routing::CommandTable::FromCommandReply(
      "*1\r\n*6\r\n$12\r\nhpexpiretime\r\n:-5\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n");
  ASSERT_TRUE(newer) << newer.error().message;
  for (const bool known : {false, true}) {
    if (known) r_.set_table(&*newer);
    MakeDirty("k");
    RefuseDump("k");
    ASSERT_EQ(Wanted("k"), SyncForm::kTypewise);
    EXPECT_EQ(m_.reading.front().asks_fields, known);
    FinishTypewise("1");
    m_.Apply({kOk, kQueued, kQueued, kDone});
  }
  m_.ExpectDrained();
  r_.set_table(&routing::CommandTable::Redis70());
}

TEST_F(ReplicatorTypewise, IsTriedAtOnceWhenADumpIsRefused) {
  MakeDirty("k");
  RefuseDump("k");
  EXPECT_TRUE(m_.events.refused.empty());
  EXPECT_EQ(Wanted("k"), SyncForm::kTypewise);
  FinishTypewise("1");
  EXPECT_EQ(m_.Feed(), SetOf("k"));
  m_.Follower({kOk, kQueued, kQueued});
  EXPECT_TRUE(r_.dirty().Contains(0, "k")) << "EXEC has yet to be answered";
  m_.Follower({kDone});
  m_.ExpectDrained();
  EXPECT_EQ(r_.counters().syncs_typewise, 1u);
  EXPECT_EQ(r_.counters().synced, 2u);
  EXPECT_EQ(r_.counters().syncs_refused, 0u);
}

TEST_F(ReplicatorTypewise, AWriteBehindItIsApplied) {
  MakeDirty("k");
  RefuseDump("k");
  Wanted("k");
  FinishTypewise("1");
  m_.Do("SET k 2", kOk);
  Lines lines = SetOf("k");
  lines.push_back("SET k 2");
  EXPECT_EQ(m_.Apply({kOk, kQueued, kQueued, kDone, kOk}), lines);
  m_.ExpectDrained();
}

TEST_F(ReplicatorTypewise, AnErrorInsideExecIsARefusal) {
  MakeDirty("k");
  RefuseDump("k");
  Wanted("k");
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, kQueued, "*2\r\n:0\r\n-ERR no\r\n"});
  EXPECT_EQ(m_.events.refused, Lines{"0 k"}) << "both forms were refused";
  EXPECT_EQ(r_.dirty().refused(), 1u);
  EXPECT_EQ(r_.syncs_under_way(), 0u);
  EXPECT_EQ(m_.SyncsWanted(), Lines{});
  m_.now_us += 50'000;
  RefuseDump("k");  // from the beginning
  EXPECT_EQ(Wanted("k"), SyncForm::kTypewise);
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, kQueued, kDone});
  m_.ExpectDrained();
}

TEST_F(ReplicatorTypewise, WhatIsWrongWithTheStoreIsNotWrongWithTheForm) {
  MakeDirty("k");
  ASSERT_EQ(Wanted("k"), SyncForm::kDump);
  m_.FinishSync("dump");
  m_.Apply({kOutOfMemory});
  EXPECT_EQ(m_.SyncsWanted(), Lines{}) << "it is given time";
  m_.now_us += 1'000'000;
  RefuseDump("k");
  m_.now_us += 1'000'000;
  for (const std::string_view reply :
       {"-EXECABORT Transaction discarded because of previous errors.\r\n",
        "-EXECABORT Transaction discarded because of: OOM command not allowed\r\n"}) {
    EXPECT_EQ(Wanted("k"), SyncForm::kTypewise);
    FinishTypewise("1");
    const bool queued = reply.find(':') != reply.npos;
    m_.Apply({kOk, kQueued, queued ? kQueued : kOutOfMemory, reply});
    EXPECT_EQ(r_.dirty().refused(), 0u);
    EXPECT_EQ(m_.SyncsWanted(), Lines{});
    m_.now_us += 3'000'000;
  }
  EXPECT_EQ(Wanted("k"), SyncForm::kTypewise);
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, kQueued, kDone});
  m_.ExpectDrained();
}

TEST_F(ReplicatorTypewise, WhatCantBeRebuiltIsRefusedAndTheDumpIsTriedAgain) {
  r_.sync_forms().SetLacksRestore(true);
  MakeDirty("k");
  EXPECT_EQ(Wanted("k"), SyncForm::kTypewise);
  FinishTypewise("module", KeyType::kOther);
  EXPECT_EQ(m_.Feed(), Lines{});
  EXPECT_EQ(r_.syncs_under_way(), 0u);
  EXPECT_EQ(Wanted("k"), SyncForm::kDump);
  m_.FinishSync("dump");
  m_.Apply({kBadPayload});
  EXPECT_EQ(m_.events.refused, Lines{"0 k"});
  EXPECT_EQ(r_.dirty().refused(), 1u);
  m_.now_us += 50'000;
  EXPECT_EQ(Wanted("k"), SyncForm::kTypewise);
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, kQueued, kDone});
  m_.ExpectDrained();
}

TEST_F(ReplicatorTypewise, AFollowerThatTakesNoDumpsIsNotGivenAny) {
  for (const char* key : {"a", "b", "c"}) {
    MakeDirty(key);
    RefuseDump(key);
    EXPECT_EQ(Wanted(key), SyncForm::kTypewise);
    FinishTypewise("1");
    m_.Apply({kOk, kQueued, kQueued, kDone});
  }
  MakeDirty("d");
  EXPECT_EQ(Wanted("d"), SyncForm::kTypewise);
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, kQueued, kDone});
  r_.FollowerLost();
  r_.sync_forms().Follow("b", "7.0.15");
  r_.FollowerReady();
  MakeDirty("e");
  EXPECT_EQ(Wanted("e"), SyncForm::kDump) << "it is another one";
  m_.FinishSync("dump");
  m_.Apply({kOk});
  m_.ExpectDrained();
}

TEST_F(ReplicatorTypewise, OneLostOnItsWayIsAskedForAgain) {
  r_.sync_forms().SetLacksRestore(true);
  MakeDirty("k");
  Wanted("k");
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, "-OOM no\r\n"});
  r_.FollowerLost();
  r_.FollowerReady();
  EXPECT_TRUE(r_.dirty().Contains(0, "k"));
  EXPECT_EQ(Wanted("k"), SyncForm::kTypewise);
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, kQueued, kDone});
  m_.ExpectDrained();
  EXPECT_TRUE(m_.events.refused.empty()) << "the error was of the lost connection";
}

TEST_F(ReplicatorTypewise, AKeyThatIsGoneIsDeleted) {
  r_.sync_forms().SetLacksRestore(true);
  MakeDirty("k");
  Wanted("k");
  KeyToSync key = m_.reading.front();
  m_.reading.clear();
  r_.FinishTypewiseSync(key, {}, ":-2\r\n", m_.now_us);
  EXPECT_EQ(m_.Apply({":1\r\n"}), Lines{"DEL k"});
  m_.ExpectDrained();
}

TEST_F(ReplicatorTypewise, AKeyThatBecameAnotherTypeIsReadAgain) {
  r_.sync_forms().SetLacksRestore(true);
  MakeDirty("k");
  Wanted("k");
  KeyToSync key = m_.reading.front();
  m_.reading.clear();
  key.type = KeyType::kHash;
  r_.FinishTypewiseSync(key, "-WRONGTYPE Operation\r\n", ":-1\r\n", m_.now_us);
  EXPECT_EQ(r_.syncs_under_way(), 0u);
  EXPECT_EQ(Wanted("k"), SyncForm::kTypewise);
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, kQueued, kDone});
  m_.ExpectDrained();
}

TEST_F(ReplicatorTypewise, AReadOfBeforeALaneWasLostDoesNotCount) {
  r_.sync_forms().SetLacksRestore(true);
  MakeDirty("k");
  Wanted("k");
  r_.HoldSyncs(true);
  r_.HoldSyncs(false);
  FinishTypewise("1");
  EXPECT_EQ(m_.Feed(), Lines{});
  Wanted("k");
  FinishTypewise("1");
  m_.Apply({kOk, kQueued, kQueued, kDone});
  m_.ExpectDrained();
}

}  // namespace
}  // namespace crossfade::replication
