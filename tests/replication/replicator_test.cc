// What the replicator logs, in what order, and what it makes of the follower's replies.
#include "replication/replicator.h"

#include <gtest/gtest.h>

#include <cstring>

#include "config/limits.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Lines;
using test::Mirror;

constexpr std::string_view kOk = "+OK\r\n", kOne = ":1\r\n", kTwo = ":2\r\n";

class ReplicatorTest : public testing::Test {
 protected:
  void SetUp() override { m_.GoLive(); }
  // The key has an expiry that is far away, as both stores know.
  void GiveExpiry(std::string_view key) {
    m_.Do("EXPIRE " + std::string(key) + " 1000", kOne, {m_.unix_ms + 1'000'000});
    ASSERT_EQ(m_.Apply({kOne}).size(), 1u);
  }
  // Its state on the follower is unknown, and a sync of it is wanted.
  void MakeDirty(std::string_view key) {
    m_.Do("SET " + std::string(key) + " x", kOk);
    m_.Apply({"-ERR refused\r\n"});
    ASSERT_TRUE(m_.replicator.dirty().Contains(0, key));
  }
  bool Dirty(std::string_view key) { return m_.replicator.dirty().Contains(0, key); }
  void SyncAll() {
    while (!m_.SyncsWanted().empty()) {
      while (!m_.reading.empty()) m_.FinishSync("value");
      for (size_t n = m_.Feed().size(); n > 0; --n) m_.Follower({kOk});
    }
  }

  Mirror m_;
  Replicator& r_ = m_.replicator;
};

// ---- What is logged

TEST(ReplicatorStateTest, NothingIsLoggedBeforeACopyHasBegun) {
  Mirror m;
  for (int state = 0; state < 2; ++state) {
    EXPECT_EQ(m.Do("SET k v", kOk), 0u);
    const auto lost = m.Send("SET k v");
    m.Lose(*lost);
    m.ExpectDrained();
    m.replicator.SetUnfinished();
  }
  EXPECT_EQ(m.replicator.state(), MirrorState::kUnfinished);
  EXPECT_EQ(m.replicator.intents().last(), 4u);
}

TEST_F(ReplicatorTest, AnEffectIsLoggedSentAndApplied) {
  EXPECT_EQ(m_.Do("SET k v", kOk), 1u);
  EXPECT_EQ(m_.Do("INCR n", kOne), 2u);
  EXPECT_EQ(r_.intents().low_water(), 0u) << "done means applied";
  EXPECT_EQ(m_.Feed(), (Lines{"SET k v", "INCR n"}));
  EXPECT_EQ(r_.sent_seq(), 2u);
  EXPECT_EQ(m_.Feed(), Lines{}) << "once";
  m_.Follower({kOk});
  EXPECT_EQ(r_.applied_seq(), 1u);
  EXPECT_EQ(r_.intents().low_water(), 1u);
  m_.Follower({kOne});
  EXPECT_EQ(r_.counters().replayed, 2u);
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, ARefusedWriteHasNoEffect) {
  EXPECT_EQ(m_.Do("SET k v", "-OOM command not allowed\r\n"), 0u);
  EXPECT_EQ(m_.Do("DEL k", ":0\r\n"), 0u);
  EXPECT_EQ(m_.Feed(), Lines{});
  EXPECT_EQ(r_.counters().none, 2u);
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, ATransactionIsOneEntryWithAllItsReplies) {
  const auto sent = m_.SendPrepared(m_.Prepare({"MULTI", "SET a 1", "GET b", "INCR c", "EXEC"}));
  EXPECT_EQ(m_.Reply(*sent, "*3\r\n+OK\r\n$-1\r\n:1\r\n"), 1u);
  EXPECT_EQ(m_.Feed(), (Lines{"MULTI", "SET a 1", "INCR c", "EXEC"}));
  m_.Follower({kOk, "+QUEUED\r\n", "+QUEUED\r\n"});
  EXPECT_EQ(r_.applied_seq(), 0u) << "EXEC is not answered yet";
  m_.Follower({"*2\r\n+OK\r\n:1\r\n"});
  m_.ExpectDrained();
}

// ---- R2, R3: the entry, or the dirty mark, is there before the next can enter

TEST_F(ReplicatorTest, WhoEntersAfterALoggedWriteIsLoggedBehindIt) {
  const auto first = m_.Send("SET k 1", 0);
  const auto second = m_.Prepare({"SET k 2"}, 1);
  ASSERT_FALSE(r_.gate().TryEnter(1, second->record.keys.gate()));
  const uint64_t ticket = r_.gate().Wait(1, second->record.keys.gate(), &m_.events);
  EXPECT_EQ(m_.Reply(*first, kOk), 1u);
  ASSERT_EQ(m_.events.entered, std::vector{ticket});
  r_.BeginWrite(second->record, {{}, second->bytes}, m_.now_us);
  EXPECT_EQ(m_.Reply(*second, kOk), 2u);
  EXPECT_EQ(m_.Apply({kOk, kOk}), (Lines{"SET k 1", "SET k 2"}));
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, WhoEntersAfterAnUnknownEffectFindsTheKeyDirty) {
  const auto first = m_.Send("EVAL script 1 k", 0);
  const auto second = m_.Prepare({"SET k 2"}, 1);
  ASSERT_FALSE(r_.gate().TryEnter(1, second->record.keys.gate()));
  r_.gate().Wait(1, second->record.keys.gate(), &m_.events);
  EXPECT_EQ(m_.Reply(*first, "-ERR of the script\r\n"), 0u);
  EXPECT_TRUE(Dirty("k"));
  r_.BeginWrite(second->record, {{}, second->bytes}, m_.now_us);
  EXPECT_EQ(m_.Reply(*second, kOk), 0u) << "its effect would be dropped";
  EXPECT_EQ(m_.Drift(Drift::kUnknownEffect), 1u);
  EXPECT_EQ(m_.Feed(), Lines{});
  SyncAll();
  m_.ExpectDrained();
}

// ---- R5: the follower's reply

TEST_F(ReplicatorTest, AReplyThatDiffersMakesTheKeyDirty) {
  struct Case {
    std::string_view line, authority, follower;
    bool dirty;
  };
  const Case cases[] = {{"INCR k", ":6\r\n", ":6\r\n", false},
                        {"INCR k", ":6\r\n", ":1\r\n", true},
                        {"SET k v", kOk, kOk, false},
                        {"SET k v", kOk, "-OOM no memory\r\n", true},
                        {"APPEND k v", ":10\r\n", ":11\r\n", true},
                        {"SADD k a", kOne, ":0\r\n", true},
                        {"SPOP k", "$1\r\na\r\n", kOne, false},
                        {"SPOP k", "$1\r\na\r\n", ":0\r\n", true},
                        {"LPUSH k v", ":1234567\r\n", ":1234567\r\n", false},
                        {"LPUSH k v", ":1234567\r\n", ":1234568\r\n", true}};
  uint64_t dirty = 0;
  for (const Case& c : cases) {
    ASSERT_NE(m_.Do(c.line, c.authority), 0u) << c.line;
    m_.Apply({c.follower});
    EXPECT_EQ(Dirty("k"), c.dirty) << c.line << c.follower;
    dirty += c.dirty ? 1 : 0;
    SyncAll();
    m_.ExpectDrained();
  }
  EXPECT_EQ(m_.Drift(Drift::kReply), dirty);
  EXPECT_EQ(m_.events.drifts, Lines(dirty, "reply 0 k"));
}

TEST_F(ReplicatorTest, ADifferenceMakesWhatTheEntryReadsDirtyToo) {
  m_.Do("SUNIONSTORE to a b", kTwo);
  m_.Apply({kOne});
  EXPECT_TRUE(Dirty("to"));
  EXPECT_TRUE(Dirty("a") && Dirty("b")) << "`to` is overwritten: the fault is with what was read";
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, AnErrorInsideATransactionIsADifference) {
  // A rewritten transaction whose replies can't all be foretold is judged by errors alone.
  for (const bool error : {false, true}) {
    const auto sent = m_.SendPrepared(m_.Prepare({"MULTI", "GETDEL k", "LPUSH l v", "EXEC"}));
    ASSERT_NE(m_.Reply(*sent, "*2\r\n$1\r\nv\r\n:1\r\n"), 0u);
    ASSERT_EQ(m_.Feed().size(), 4u);
    m_.Follower({kOk, "+QUEUED\r\n", "+QUEUED\r\n",
                 error ? "*2\r\n:1\r\n-WRONGTYPE of the key\r\n" : "*2\r\n:1\r\n:1\r\n"});
    EXPECT_EQ(Dirty("l"), error);
    EXPECT_EQ(Dirty("k"), error);
    SyncAll();
    m_.ExpectDrained();
  }
}

TEST_F(ReplicatorTest, TheGuardFindsAKeyThatIsGoneOrAboutToGo) {
  struct Case {
    int64_t offset;
    std::string_view pttl;
    bool dirty;
  };
  const Case cases[] = {
      {0, ":-2\r\n", true},      {0, ":-1\r\n", false},     {0, ":0\r\n", true},
      {0, ":1000\r\n", true},    {0, ":1001\r\n", false},   {250, ":1250\r\n", true},
      {250, ":1251\r\n", false}, {-250, ":1250\r\n", true}, {0, "-ERR refused\r\n", true}};
  uint64_t dirty = 0;
  for (const Case& c : cases) {
    GiveExpiry("h");
    r_.set_clock_offset_ms(c.offset);
    m_.Do("HSET h f v", kOne);
    EXPECT_EQ(m_.Feed(), (Lines{"PTTL h", "HSET h f v"}));
    m_.Follower({c.pttl, kOne});  // the replies are equal in any case
    EXPECT_EQ(Dirty("h"), c.dirty) << c.offset << c.pttl;
    dirty += c.dirty ? 1 : 0;
    SyncAll();
    r_.set_clock_offset_ms(0);
    m_.Do("HSET h f v", kOne);
    m_.Apply({":5000\r\n", kOne});
    m_.ExpectDrained();
  }
  EXPECT_EQ(m_.Drift(Drift::kExpiry), dirty);
}

TEST_F(ReplicatorTest, OnlyKeysThatMayHaveAnExpiryAndAreKeptAreGuarded) {
  GiveExpiry("a");
  m_.Do("HSET other f v", kOne);
  m_.Do("SET a v", kOk);
  m_.Do("DEL a", kOne);
  m_.Do("SUNIONSTORE to a b a", kTwo);
  EXPECT_EQ(m_.Feed(), (Lines{"HSET other f v", "SET a v", "DEL a", "PTTL a", "PTTL a",
                              "SUNIONSTORE to a b a"}));
  m_.Follower({kOne, kOk, kOne, ":-2\r\n", ":-2\r\n", kTwo});
  EXPECT_TRUE(Dirty("to") && Dirty("a")) << "the guards of what the effect reads count";
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, AnExpiryIsPassedOnWithTheKey) {
  GiveExpiry("a");
  m_.Do("RENAME a b", kOk);
  m_.Apply({kOk});
  m_.Do("HSET b f v", kOne);
  EXPECT_EQ(m_.Apply({":5000\r\n", kOne}).front(), "PTTL b");
  m_.Do("COPY x y", kOne);
  m_.Apply({kOne});
  EXPECT_FALSE(r_.MayHaveExpiry(routing::KeyHash(0, "y"))) << "x has none";
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, ALargeRequestIsSharedWithTheLane) {
  GiveExpiry("h");
  const std::string value(limits::kShareBytes, 'x');
  auto sent = m_.Prepare({"HSET h f " + value});
  const BlockRef block(Block::Make(sent->bytes.size()));
  std::memcpy(block->data(), sent->bytes.data(), sent->bytes.size());
  sent->record.request = {block->data(), sent->bytes.size()};
  sent->record.block = block.get();
  sent = m_.SendPrepared(std::move(sent));
  m_.Reply(*sent, kOne);
  EXPECT_FALSE(block->Unshared());
  EXPECT_EQ(m_.Feed(), (Lines{"PTTL h", "HSET h f " + value}));
  m_.Follower({":5000\r\n", ":0\r\n"});
  EXPECT_TRUE(Dirty("h")) << "its keys are found in the shared bytes";
  EXPECT_TRUE(block->Unshared());
  SyncAll();
  m_.ExpectDrained();
}

// A block is kept whole for what is shared of it.
TEST_F(ReplicatorTest, ALargeRequestInAMuchLargerBlockIsCopied) {
  auto sent = m_.Prepare({"SET k " + std::string(limits::kShareBytes, 'x')});
  const BlockRef block(Block::Make(sent->bytes.size() * 5));
  std::memcpy(block->data(), sent->bytes.data(), sent->bytes.size());
  sent->record.request = {block->data(), sent->bytes.size()};
  sent->record.block = block.get();
  sent = m_.SendPrepared(std::move(sent));
  m_.Reply(*sent, kOk);
  EXPECT_TRUE(block->Unshared());
  EXPECT_EQ(m_.Apply({kOk}).size(), 1u);
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, WithoutTheDeadlineTheEffectIsUnknown) {
  const auto sent = m_.Send("SET k v EX 100");
  sent->record.deadlines_unknown = true;
  EXPECT_EQ(m_.Reply(*sent, kOk, {-1}), 0u);
  EXPECT_TRUE(Dirty("k"));
  EXPECT_TRUE(r_.last_write_dirtied());
  const auto block = m_.SendPrepared(m_.Prepare({"MULTI", "EXPIRE t 100", "EXEC"}));
  block->record.deadlines_unknown = true;
  EXPECT_EQ(m_.Reply(*block, "*1\r\n:1\r\n", {-1}), 0u);
  EXPECT_TRUE(Dirty("t"));
  m_.Do("SET other v", kOk);
  EXPECT_FALSE(r_.last_write_dirtied());
  m_.Apply({kOk});
  SyncAll();
  m_.ExpectDrained();
}

// ---- R6: dirtiness spreads, and only a later sync cleans

TEST_F(ReplicatorTest, DirtinessSpreadsAlongEntriesThatHaveBeenSent) {
  m_.Do("SET a 1", kOk);
  m_.Do("SUNIONSTORE b a x", kOne);
  m_.Do("SUNIONSTORE c b x", kOne);
  m_.Do("SUNIONSTORE d x y", kOne);
  ASSERT_EQ(m_.Feed().size(), 4u);
  m_.Follower({"-ERR refused\r\n", kOne, kOne, kOne});
  EXPECT_TRUE(Dirty("a") && Dirty("b") && Dirty("c"));
  EXPECT_FALSE(Dirty("d") || Dirty("x") || Dirty("y"));
  EXPECT_EQ(m_.events.drifts, (Lines{"reply 0 a", "spread 0 b", "spread 0 c"}));
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, EntriesAreJudgedInTheOrderOfTheirReplies) {
  m_.Do("SUNIONSTORE b a x", kOne);
  m_.Do("SET a 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Follower({kOne});
  EXPECT_FALSE(Dirty("b")) << "a was right when b was made of it";
  m_.Follower({"-ERR refused\r\n"});
  EXPECT_TRUE(Dirty("a"));
  EXPECT_FALSE(Dirty("b"));
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, AnEntryWithADirtyKeyIsDroppedWholeWhenItWouldBeSent) {
  m_.Do("SET a 1", kOk);
  ASSERT_EQ(m_.Feed().size(), 1u);
  m_.Do("MSET a 2 b 2", kOk);
  m_.Do("SUNIONSTORE c b x", kOne);
  m_.Do("SET d 1", kOk);
  m_.Follower({"-ERR refused\r\n"});
  EXPECT_EQ(m_.Feed(), Lines{"SET d 1"});
  EXPECT_TRUE(Dirty("a") && Dirty("b") && Dirty("c"));
  EXPECT_EQ(r_.counters().suspended, 2u);
  EXPECT_EQ(r_.last_dropped_seq(), 3u);
  m_.Follower({kOk});
  m_.ExpectQuiet();
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, EffectsPassAgainBehindASyncThatIsOnItsWay) {
  MakeDirty("a");
  EXPECT_EQ(m_.Do("MSET a 2 b 2", kOk), 0u) << "no sync of a is logged";
  EXPECT_TRUE(Dirty("b"));
  EXPECT_EQ(m_.SyncsWanted(), (Lines{"0 a", "0 b"}));
  EXPECT_EQ(m_.Do("SET a 3", kOk), 0u) << "it is in what the sync reads";
  const uint64_t sync = m_.FinishSync("3");
  m_.FinishSync("2");
  const uint64_t effect = m_.Do("SET a 4", kOk);
  EXPECT_GT(effect, sync);
  const Lines sent = m_.Feed();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[0], "RESTORE a 0 3 REPLACE ABSTTL");
  EXPECT_EQ(sent[2], "SET a 4");
  EXPECT_TRUE(Dirty("a")) << "dirty until it is applied";
  m_.Follower({kOk, kOk, kOk});
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, OnlyASyncLoggedAfterTheCauseCleans) {
  MakeDirty("a");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  const uint64_t sync = m_.FinishSync("1");
  m_.Do("SET a 2", kOk);
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Do("EVAL script 1 a", "$-1\r\n");
  m_.Follower({kOk, kOk});
  EXPECT_TRUE(Dirty("a")) << "the sync stands before the script";
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  EXPECT_GT(m_.FinishSync("3"), sync);
  m_.Apply({kOk});
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, AnEffectBehindASyncThatIsRefusedDoesNotCount) {
  MakeDirty("a");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  m_.FinishSync("1");
  m_.Do("SUNIONSTORE b a x", kOne);
  ASSERT_EQ(m_.Feed().size(), 2u);
  m_.Follower({"-ERR Bad data format\r\n", kOne});
  EXPECT_TRUE(Dirty("a") && Dirty("b"));
  EXPECT_EQ(m_.SyncsWanted(), (Lines{"0 a", "0 b"}));
  r_.SyncReadRefused(m_.reading.front(), m_.now_us);
  m_.reading.pop_front();
  EXPECT_EQ(r_.counters().syncs_refused, 1u);
  EXPECT_EQ(m_.SyncsWanted(), Lines{}) << "a is tried again after a while";
  m_.FinishSync("2");
  m_.Apply({kOk});
  m_.ExpectQuiet();
  m_.now_us += 50'000;
  SyncAll();
  m_.ExpectDrained();
}

TEST_F(ReplicatorTest, ASyncOfAKeyThatIsGoneDeletesIt) {
  MakeDirty("a");
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 a"});
  m_.FinishSync(Mirror::kGone);
  EXPECT_EQ(m_.Apply({":0\r\n"}), Lines{"DEL a"});
  m_.ExpectDrained();
}

}  // namespace
}  // namespace crossfade::replication
