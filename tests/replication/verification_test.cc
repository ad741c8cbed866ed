// Verification: keys that are read on a lane and compared at that position of the
// log, with both stores played by hand.
#include <gtest/gtest.h>

#include "config/limits.h"
#include "replication/replicator.h"
#include "tests/replication/mirror.h"

namespace crossfade::replication {
namespace {

using test::Bulk;
using test::Lines;
using test::Mirror;
using Slot = Verification::Slot;

constexpr std::string_view kOk = "+OK\r\n", kNil = "$-1\r\n", kNoExpiry = ":-1\r\n",
                           kNoKey = ":-2\r\n";

// With the version and the checksum that end every dump.
std::string Dump(std::string_view value, std::string_view trailer = "\x0a\x01________") {
  return Bulk(std::string(value) + std::string(trailer));
}

class VerificationTest : public testing::Test {
 protected:
  void SetUp() override { m_.GoLive(); }

  void HandIn(std::string_view key) { ASSERT_TRUE(v_.HandIn(0, key)); }
  // What the authority is asked of the next key.
  Lines Ask() {
    EXPECT_TRUE(r_.NextVerify(slot_));
    return AskMore();
  }
  Lines AskMore() {
    std::string bytes;
    const uint32_t replies = r_.AskVerify(slot_, bytes);
    Lines lines = test::Decoded(bytes);
    EXPECT_EQ(replies, lines.size());
    return lines;
  }
  VerifyStep Authority(std::initializer_list<std::string> replies) {
    VerifyStep step = VerifyStep::kMore;
    for (const std::string& reply : replies) step = r_.TakeVerifyReply(slot_, reply);
    return step;
  }
  void Follower(std::initializer_list<std::string> replies) {
    for (const std::string& reply : replies) m_.Follower({reply});
  }
  // One key, compared by its dumps.
  void CompareDumps(std::initializer_list<std::string> authority,
                    std::initializer_list<std::string> follower) {
    HandIn("k");
    Ask();
    ASSERT_EQ(Authority(authority), VerifyStep::kDone);
    m_.Feed();
    Follower(follower);
  }
  // ... and again by its state.
  void CompareStates(std::initializer_list<std::string> authority,
                     std::initializer_list<std::string> follower) {
    ASSERT_EQ(Ask(), Lines{"TYPE k"});
    auto reply = authority.begin();
    ASSERT_EQ(Authority({*reply}), VerifyStep::kAskMore);
    const Lines rest = AskMore();
    VerifyStep step = VerifyStep::kMore;
    for (++reply; reply != authority.end(); ++reply) step = r_.TakeVerifyReply(slot_, *reply);
    ASSERT_EQ(step, VerifyStep::kDone);
    Lines expected{"TYPE k"};
    expected.insert(expected.end(), rest.begin(), rest.end());
    EXPECT_EQ(m_.Feed(), expected);
    Follower(follower);
  }
  uint64_t Count(VerifyResult result) const { return r_.verification().counters().Of(result); }
  uint64_t Count(DifferenceKind kind) const { return r_.verification().counters().Of(kind); }
  // Every key has had its result, and one only.
  void ExpectResults(std::initializer_list<std::pair<VerifyResult, uint64_t>> results) {
    uint64_t all = 0, expected = 0;
    for (const uint64_t count : v_.counters().results) all += count;
    for (const auto& [result, count] : results) {
      EXPECT_EQ(Count(result), count) << Name(result);
      expected += count;
    }
    EXPECT_EQ(all, expected);
    EXPECT_EQ(v_.outstanding(), 0u);
    m_.ExpectQuiet();
  }
  std::string At(int64_t after_now_ms) const {
    return ":" + std::to_string(m_.unix_ms + after_now_ms) + "\r\n";
  }

  Mirror m_;
  Replicator& r_ = m_.replicator;
  Verification& v_ = r_.verification();
  Slot slot_ = 0;
};

TEST_F(VerificationTest, AKeyIsComparedAtItsPositionInTheLog) {
  const auto before = m_.Send("SET k old");
  m_.Reply(*before, kOk);
  HandIn("k");
  EXPECT_EQ(Ask(), (Lines{"DUMP k", "PEXPIRETIME k"}));
  ASSERT_EQ(Authority({Dump("old"), ":-1\r\n"}), VerifyStep::kDone);
  m_.Do("SET k new", kOk);
  EXPECT_EQ(m_.Feed(), (Lines{"SET k old", "DUMP k", "PEXPIRETIME k", "SET k new"}));
  Follower({"+OK\r\n", Dump("old"), ":-1\r\n", "+OK\r\n"});
  ExpectResults({{VerifyResult::kMatched, 1}});
}

TEST_F(VerificationTest, VersionAndChecksumOfADumpAreNotItsValue) {
  CompareDumps({Dump("v", "\x0a\x01________"), ":-1\r\n"},
               {Dump("v", "\x0b\x01++++++++"), ":-1\r\n"});
  ExpectResults({{VerifyResult::kMatched, 1}});
}

TEST_F(VerificationTest, DumpsThatDifferAreReadAgainTypeByType) {
  CompareDumps({Dump("listpack"), ":-1\r\n"}, {Dump("hashtable"), ":-1\r\n"});
  EXPECT_EQ(v_.outstanding(), 1u);
  CompareStates({"+hash\r\n", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n", ":-1\r\n"},
                {"+hash\r\n", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n1\r\n", ":-1\r\n"});
  EXPECT_EQ(v_.counters().logical, 1u);
  ExpectResults({{VerifyResult::kMatched, 1}});
}

TEST_F(VerificationTest, ValuesThatDifferAreDifferences) {
  CompareDumps({Dump("one"), ":-1\r\n"}, {Dump("two!"), ":-1\r\n"});
  CompareStates({"+string\r\n", Bulk("one"), ":-1\r\n"}, {"+string\r\n", Bulk("two!"), ":-1\r\n"});
  ExpectResults({{VerifyResult::kDiffered, 1}});
  const std::vector<Difference> found = v_.TakeDifferences();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].key, "k");
  EXPECT_EQ(found[0].kind, DifferenceKind::kValue);
  EXPECT_NE(found[0].authority.digest, found[0].follower.digest);
  EXPECT_EQ(found[0].authority.bytes, 13u);
  EXPECT_EQ(found[0].follower.bytes, 14u);
  EXPECT_TRUE(v_.TakeDifferences().empty());
}

TEST_F(VerificationTest, TypesThatDifferAreToldFromValues) {
  CompareDumps({Dump("hash"), ":-1\r\n"}, {Dump("text"), ":-1\r\n"});
  CompareStates({"+hash\r\n", "*2\r\n$1\r\na\r\n$1\r\n1\r\n", ":-1\r\n"},
                {"+string\r\n", "-WRONGTYPE not that kind\r\n", ":-1\r\n"});
  EXPECT_EQ(Count(DifferenceKind::kType), 1u);
  ExpectResults({{VerifyResult::kDiffered, 1}});
}

// Another write of the same lane may come between the two questions.
TEST_F(VerificationTest, AKeyThatIsMadeAnewBehindItsTypeIsReadAgain) {
  CompareDumps({Dump("one"), ":-1\r\n"}, {Dump("another"), ":-1\r\n"});
  const std::initializer_list<std::pair<const char*, std::vector<std::string>>> moved = {
      {"+none\r\n", {":-1\r\n"}}, {"+hash\r\n", {"-WRONGTYPE not that kind\r\n", ":-1\r\n"}}};
  for (const auto& [type, rest] : moved) {
    ASSERT_EQ(Ask(), Lines{"TYPE k"});
    ASSERT_EQ(Authority({type}), VerifyStep::kAskMore);
    AskMore();
    for (const std::string& reply : rest) (void)r_.TakeVerifyReply(slot_, reply);
    EXPECT_TRUE(m_.Feed().empty()) << type;
  }
  CompareStates({"+string\r\n", "$1\r\na\r\n", ":-1\r\n"},
                {"+string\r\n", "$1\r\na\r\n", ":-1\r\n"});
  ExpectResults({{VerifyResult::kMatched, 1}});
}

TEST_F(VerificationTest, ExistenceAndExpiryAreComparedAtOnce) {
  struct Case {
    std::string authority, authority_expiry, follower, follower_expiry;
    VerifyResult result;
    DifferenceKind kind = DifferenceKind::kCount;
  };
  constexpr auto kMatched = VerifyResult::kMatched, kDiffered = VerifyResult::kDiffered,
                 kExpiring = VerifyResult::kExpiring, kRefused = VerifyResult::kRefused;
  const std::string nil(kNil), none(kNoExpiry), gone(kNoKey), v = Dump("v");
  const std::string near = At(900), far = At(60'000);
  const std::vector<Case> cases = {
      {nil, gone, nil, gone, kMatched},
      {v, none, nil, gone, kDiffered, DifferenceKind::kMissing},
      {nil, gone, v, none, kDiffered, DifferenceKind::kExtra},
      {v, far, nil, gone, kDiffered, DifferenceKind::kMissing},
      {v, near, nil, gone, kExpiring},
      {v, gone, nil, gone, kExpiring},  // its time came between the two questions
      {nil, gone, v, near, kExpiring},
      {nil, gone, v, gone, kExpiring},
      {v, none, v, far, kDiffered, DifferenceKind::kExpiry},
      {v, far, v, none, kDiffered, DifferenceKind::kExpiry},
      {v, far, v, At(60'100), kMatched},
      {v, far, v, At(59'900), kMatched},
      {v, far, v, At(60'101), kDiffered, DifferenceKind::kExpiry},
      {v, near, v, near, kMatched},
      {v, near, v, none, kExpiring},
      {v, near, Dump("w"), near, kExpiring},
      {"-NOPERM no\r\n", none, nil, gone, kRefused},
      {v, "-ERR unknown command\r\n", v, none, kRefused},
      {v, none, "-LOADING\r\n", none, kRefused},
      {v, none, v, "-LOADING\r\n", kRefused},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    SCOPED_TRACE(i);
    const uint64_t results = Count(c.result);
    const uint64_t kinds = c.kind == DifferenceKind::kCount ? 0 : v_.counters().Of(c.kind);
    HandIn("k");
    Ask();
    ASSERT_EQ(Authority({c.authority, c.authority_expiry}), VerifyStep::kDone);
    if (!m_.Feed().empty()) Follower({c.follower, c.follower_expiry});
    EXPECT_EQ(Count(c.result), results + 1);
    if (c.kind != DifferenceKind::kCount) {
      EXPECT_EQ(v_.counters().Of(c.kind), kinds + 1);
    }
    EXPECT_EQ(v_.outstanding(), 0u);
  }
  EXPECT_EQ(Count(kMatched) + Count(kDiffered) + Count(kExpiring) + Count(kRefused), cases.size());
  m_.ExpectQuiet();
}

TEST_F(VerificationTest, TheMarginGrowsWithTheClocks) {
  CompareDumps({Dump("v"), At(5'000)}, {"$-1\r\n", ":-2\r\n"});
  EXPECT_EQ(Count(DifferenceKind::kMissing), 1u);
  v_.margin_ms = 5'000;
  CompareDumps({Dump("v"), At(5'000)}, {"$-1\r\n", ":-2\r\n"});
  r_.set_clock_offset_ms(-7'000);
  v_.margin_ms = 0;
  CompareDumps({Dump("v"), At(8'000)}, {"$-1\r\n", ":-2\r\n"});
  ExpectResults({{VerifyResult::kDiffered, 1}, {VerifyResult::kExpiring, 2}});
}

// ---- What can't be compared

TEST_F(VerificationTest, ADirtyKeyIsNotCompared) {
  m_.Do("SET k v", kOk);
  m_.Apply({"-ERR refused\r\n"});
  HandIn("k");
  Ask();
  EXPECT_EQ(Authority({Dump("v"), ":-1\r\n"}), VerifyStep::kDone);
  EXPECT_EQ(m_.Feed(), Lines{});
  ExpectResults({{VerifyResult::kDirty, 1}});
}

TEST_F(VerificationTest, AKeyThatIsFoundDirtyBeforeItsPositionIsNotCompared) {
  m_.Do("SET k v", kOk);
  HandIn("k");
  Ask();
  Authority({Dump("v"), ":-1\r\n"});
  m_.Feed();
  Follower({"-ERR refused\r\n", Dump("w"), ":-1\r\n"});
  ExpectResults({{VerifyResult::kDirty, 1}});
}

TEST_F(VerificationTest, BehindItsSyncADirtyKeyIsCompared) {
  m_.Do("SET k v", kOk);
  m_.Apply({"-ERR refused\r\n"});
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 k"});
  m_.FinishSync("v");
  HandIn("k");
  Ask();
  Authority({Dump("v"), ":-1\r\n"});
  m_.Feed();
  Follower({"+OK\r\n", Dump("v"), ":-1\r\n"});
  ExpectResults({{VerifyResult::kMatched, 1}});
  m_.ExpectDrained();
}

TEST_F(VerificationTest, LostWithTheFollowerItIsReadAgainSoManyTimes) {
  HandIn("k");
  for (int i = 0; i <= limits::kVerifyLossesMax; ++i) {
    ASSERT_EQ(Ask(), (Lines{"DUMP k", "PEXPIRETIME k"}));
    Authority({Dump("v"), ":-1\r\n"});
    m_.Feed();
    Follower({Dump("v")});
    r_.FollowerLost();
    EXPECT_FALSE(r_.NextVerify(slot_));
    r_.FollowerReady();
  }
  ExpectResults({{VerifyResult::kLost, 1}});
}

TEST_F(VerificationTest, LostWithTheLaneItIsReadAgain) {
  HandIn("k");
  Ask();
  Authority({Dump("half")});
  r_.VerifyReadFailed(slot_);
  EXPECT_EQ(Ask(), (Lines{"DUMP k", "PEXPIRETIME k"}));
  Authority({Dump("v"), ":-1\r\n"});
  m_.Feed();
  Follower({Dump("v"), ":-1\r\n"});
  ExpectResults({{VerifyResult::kMatched, 1}});
}

TEST_F(VerificationTest, OutsideOfLiveNothingIsReadNorCompared) {
  HandIn("k");
  HandIn("l");
  HandIn("m");
  Ask();
  Authority({Dump("v"), ":-1\r\n"});
  m_.Feed();  // "k" is on its way
  Ask();      // "l" is being read
  const Slot read = slot_;
  r_.LeaveLive("a test");
  EXPECT_FALSE(r_.NextVerify(slot_));
  Follower({Dump("w"), ":-1\r\n"});
  r_.BeginCopy();
  r_.FinishCopy();
  slot_ = read;
  Authority({Dump("v"), ":-1\r\n"});
  EXPECT_EQ(Count(VerifyResult::kNotLive), 2u);
  Ask();
  Authority({Dump("v"), ":-1\r\n"});
  m_.Feed();
  Follower({Dump("v"), ":-1\r\n"});
  ExpectResults({{VerifyResult::kNotLive, 2}, {VerifyResult::kMatched, 1}});
}

TEST_F(VerificationTest, TheLogsRoomIsForEffects) {
  Mirror small(64 * 1024);
  small.GoLive();
  Verification& verification = small.replicator.verification();
  ASSERT_TRUE(verification.HandIn(0, "k"));
  ASSERT_TRUE(small.replicator.NextVerify(slot_));
  std::string bytes;
  small.replicator.AskVerify(slot_, bytes);
  small.Do("SET large " + std::string(40 * 1024, 'x'), kOk);
  small.replicator.TakeVerifyReply(slot_, Dump("v"));
  EXPECT_EQ(small.replicator.TakeVerifyReply(slot_, ":-1\r\n"), VerifyStep::kDone);
  EXPECT_EQ(small.Feed().size(), 1u);
  EXPECT_FALSE(small.replicator.NextVerify(slot_));
  small.Follower({"+OK\r\n"});
  EXPECT_TRUE(small.replicator.NextVerify(slot_));  // not lost, only late
}

TEST_F(VerificationTest, LargeValuesAreComparedByTheirDumpsAlone) {
  const std::string large(limits::kVerifyDumpBytes + 1, 'x');
  CompareDumps({Dump(large), ":-1\r\n"}, {Dump(large), ":-1\r\n"});
  CompareDumps({Dump(large), ":-1\r\n"}, {Dump(large + "x"), ":-1\r\n"});
  ExpectResults({{VerifyResult::kMatched, 1}, {VerifyResult::kTooBig, 1}});
}

TEST_F(VerificationTest, OfLargeValuesFewAreReadAtOnce) {
  CompareDumps({Dump(std::string(1 << 20, 'x')), ":-1\r\n"},
               {Dump(std::string(1 << 20, 'x')), ":-1\r\n"});
  for (int i = 0; i < 100; ++i) HandIn("k" + std::to_string(i));
  int begun = 0;
  while (r_.NextVerify(slot_)) ++begun;
  EXPECT_GE(begun, 2);
  EXPECT_LE(begun, 16);
}

TEST_F(VerificationTest, QueueAndWorkUnderWayAreBounded) {
  size_t handed = 0;
  while (v_.HandIn(0, "k" + std::to_string(handed))) ++handed;
  EXPECT_EQ(handed, limits::kVerifyQueued);
  size_t begun = 0;
  while (r_.NextVerify(slot_)) ++begun;
  EXPECT_EQ(begun, limits::kVerifyUnderWay);
  EXPECT_EQ(v_.Room(), limits::kVerifyUnderWay);
  EXPECT_EQ(v_.outstanding(), limits::kVerifyQueued);
}

TEST_F(VerificationTest, StoppedEveryKeyHasItsResult) {
  for (const char* key : {"a", "b", "c"}) HandIn(key);
  Ask();
  const Slot first = slot_;
  Ask();
  v_.Stop();
  EXPECT_EQ(Count(VerifyResult::kStopped), 1u);
  r_.VerifyReadFailed(slot_);
  EXPECT_EQ(Count(VerifyResult::kStopped), 2u);
  slot_ = first;
  Authority({Dump("v"), ":-1\r\n"});
  m_.Feed();
  Follower({Dump("w"), ":-1\r\n"});  // it would be read again
  ExpectResults({{VerifyResult::kStopped, 3}});
  HandIn("a");
  Ask();
}

// ---- Keys that differ

TEST_F(VerificationTest, AKeyFoundDifferentIsNotReadFromTheFollowerUntilItIsEqual) {
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kEligible);
  CompareDumps({Dump("v"), ":-1\r\n"}, {"$-1\r\n", ":-2\r\n"});
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kDiffers);
  EXPECT_EQ(m_.Read("other"), ReadVerdict::kEligible);
  EXPECT_FALSE(m_.StillCounts("k", r_.sent_seq(), r_.era()));
  CompareDumps({Dump("v"), ":-1\r\n"}, {Dump("v"), ":-1\r\n"});
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kEligible);
}

TEST_F(VerificationTest, ARepairIsAKeySync) {
  CompareDumps({"$-1\r\n", ":-2\r\n"}, {Dump("v"), ":-1\r\n"});
  EXPECT_EQ(Count(DifferenceKind::kExtra), 1u);
  EXPECT_TRUE(r_.dirty().empty());  // nobody has asked for it
  r_.Repair(0, "k");
  EXPECT_EQ(m_.events.drifts, Lines{"verify 0 k"});
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kDirty);
  ASSERT_EQ(m_.SyncsWanted(), Lines{"0 k"});
  m_.FinishSync(Mirror::kGone);
  EXPECT_EQ(m_.Apply({":1\r\n"}), Lines{"DEL k"});
  EXPECT_EQ(m_.Read("k"), ReadVerdict::kEligible);
  m_.ExpectDrained();
}

TEST_F(VerificationTest, WithMoreThanCanBeKeptNoKeyIsReadFromTheFollower) {
  for (size_t i = 0; i <= limits::kSuspectKeysMax; ++i) v_.suspects.Add(0, std::to_string(i));
  EXPECT_EQ(v_.suspects.size(), limits::kSuspectKeysMax);
  EXPECT_EQ(m_.Read("other"), ReadVerdict::kDiffers);
  r_.LeaveLive("all keys are synced");
  r_.BeginCopy();
  r_.FinishCopy();
  EXPECT_EQ(m_.Read("other"), ReadVerdict::kEligible);
}

TEST_F(VerificationTest, WhileDifferencesWaitToBeTakenNoMoreAreFound) {
  for (size_t i = 0; i < limits::kDifferencesWaiting; ++i) {
    CompareDumps({Dump("v"), ":-1\r\n"}, {"$-1\r\n", ":-2\r\n"});
  }
  HandIn("k");
  EXPECT_FALSE(r_.NextVerify(slot_));
  EXPECT_EQ(v_.TakeDifferences().size(), limits::kDifferencesWaiting);
  EXPECT_TRUE(r_.NextVerify(slot_));
}

}  // namespace
}  // namespace crossfade::replication
