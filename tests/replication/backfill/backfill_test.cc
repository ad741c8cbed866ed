#include "replication/backfill/backfill.h"

#include "tests/replication/backfill/backfill_fixture.h"

namespace crossfade::replication {
namespace {

constexpr std::string_view kOk = "+OK\r\n";

using test::Mirror;

TEST_F(BackfillTest, KeysOfAllPartitionsAreCopiedThenTheMirrorIsLive) {
  Enumerate({"a", "b", "c"});
  EXPECT_EQ(Pump(), 3u);
  EXPECT_TRUE(r_.live());
  EXPECT_EQ(r_.dirty().size(), 3u);
  EXPECT_EQ(backfill_.record().phase, BackfillPhase::kDone);  // there is no journal
  EXPECT_EQ(ports_.saved.phase, BackfillPhase::kDone);
  EXPECT_EQ(backfill_.record().copied, 3u);
}

TEST_F(BackfillTest, OfAPendingPartitionOnlyNamesAreKept) {
  EXPECT_EQ(m_.Do("SET new 1", kOk), 0u);
  EXPECT_TRUE(r_.dirty().empty());
  EXPECT_EQ(m_.Read("new"), ReadVerdict::kNotCopied);
  EXPECT_TRUE(m_.events.drifts.empty());
  Pump();
  EXPECT_TRUE(IsSpooled("new"));
  Enumerate({"a"});
  EXPECT_EQ(Pump(), 2u);
  EXPECT_TRUE(r_.dirty().Contains(0, "new"));
  EXPECT_TRUE(r_.dirty().Contains(0, "a"));
}

TEST_F(BackfillTest, PartitionsGoLiveOneByOne) {
  Enumerate({"a", "b"});
  ASSERT_NE(PartitionOf("a"), PartitionOf("b"));
  const bool a_first = PartitionOf("a") < PartitionOf("b");
  const std::string first = a_first ? "a" : "b", second = a_first ? "b" : "a";
  EXPECT_EQ(Pump(1), 1u);
  EXPECT_FALSE(r_.live());
  EXPECT_EQ(m_.Read(first), ReadVerdict::kDirty);
  EXPECT_EQ(m_.Read(second), ReadVerdict::kNotCopied);
  SyncNext();
  EXPECT_EQ(m_.Read(first), ReadVerdict::kEligible);
  // Mirrored by its effect, the other one by its sync.
  EXPECT_NE(m_.Do("SET " + first + " 2", kOk), 0u);
  EXPECT_EQ(m_.Do("SET " + second + " 2", kOk), 0u);
  EXPECT_EQ(m_.Do("RENAME " + first + " " + second, kOk), 0u) << "the other is not live";
  EXPECT_TRUE(r_.dirty().Contains(0, first));
  EXPECT_EQ(Pump(), 1u);
  EXPECT_TRUE(r_.live());
  EXPECT_TRUE(r_.dirty().Contains(0, second));
}

TEST_F(BackfillTest, AWriteAnsweredBehindTheBeginningMakesItsKeyDirty) {
  Enumerate({});
  const auto write = m_.Send("SET late 1");
  Pump();
  EXPECT_TRUE(r_.live());
  EXPECT_NE(m_.Reply(*write, kOk), 0u) << "both sides were without it";
  EXPECT_FALSE(r_.dirty().Contains(0, "late"));
}

TEST_F(BackfillTest, TheJournalSaysOpenUntilTheNameIsInTheSpool) {
  r_.BeginJournal(1, {});
  JournalBlock block;
  ASSERT_TRUE(r_.TakeJournalBlock(1, block));
  EXPECT_EQ(m_.Do("SET noted 1", kOk), 0u);
  EXPECT_EQ(r_.intents().low_water(), 1u) << "it does not lag";
  ASSERT_TRUE(r_.TakeJournalBlock(1, block));
  EXPECT_EQ(block.header.low_water, 0u);
  file_.room_left = 0;
  uint64_t begun = 0;
  EXPECT_FALSE(backfill_.Pump(now_us_ += 1'000'000, 0, begun));
  m_.Do("SET noted 2", kOk);
  ASSERT_TRUE(r_.TakeJournalBlock(1, block));
  EXPECT_EQ(block.header.low_water, 0u);
  file_.room_left = SIZE_MAX;
  Pump();
  EXPECT_TRUE(IsSpooled("noted"));
  ASSERT_TRUE(r_.TakeJournalBlock(1, block));
  EXPECT_EQ(block.header.low_water, 2u);
}

TEST_F(BackfillTest, APartitionIsFinishedOnceItsKeysAreSyncedOrInTheJournal) {
  r_.BeginJournal(1, {});
  Enumerate({"a", "b"});
  const std::string first = PartitionOf("a") < PartitionOf("b") ? "a" : "b";
  Pump(1);
  Pump(0);
  EXPECT_EQ(r_.partitions().At(PartitionOf(first)), PartitionMode::kLive);
  EXPECT_FALSE(ports_.saved.finished[PartitionOf(first)]);
  // What a client writes there meanwhile is in the journal.
  m_.Do("SET " + first + " 2", kOk);
  Pump(0);
  EXPECT_FALSE(ports_.saved.finished[PartitionOf(first)]);
  SyncNext();
  Pump(0);
  EXPECT_TRUE(ports_.saved.finished[PartitionOf(first)]);
  // With the last one live all that is dirty is in the journal.
  Pump();
  EXPECT_TRUE(r_.live());
  EXPECT_EQ(r_.dirty().size(), 1u);
  EXPECT_EQ(ports_.saved.phase, BackfillPhase::kDone);
}

TEST_F(BackfillTest, GoesOnWhereACrashLeftIt) {
  Enumerate({"a", "b", "c", "d"});
  Pump(2);
  SyncNext();
  Pump(0);
  const PartitionSet finished = ports_.saved.finished;
  ASSERT_GT(finished.count(), 0u);
  ASSERT_FALSE(finished.all());

  Mirror again;
  Ports ports(again.replicator);
  Backfill resumed(ports, file_, "a -> b");
  again.replicator.SetUnfinished();
  again.replicator.FollowerReady();
  const std::vector<RecoveredKey> open{{0, "open"}};
  ASSERT_TRUE(resumed.Resume(ports_.saved, open));
  const bool open_pending = !finished[PartitionOf("open")];
  // Before the journal of before is given up.
  EXPECT_EQ(IsSpooled("open"), open_pending);
  again.replicator.Resume({FollowerClaim::kPart, false, 0, "x", "y"}, open, finished);
  EXPECT_EQ(again.replicator.partitions().live(), finished.count());
  uint64_t begun = 0;
  ASSERT_TRUE(resumed.Pump(1, UINT64_MAX, begun));
  EXPECT_EQ(begun, 2u + (open_pending ? 1 : 0));
  EXPECT_TRUE(again.replicator.dirty().Contains(0, "open"));
  EXPECT_TRUE(again.replicator.live());
}

TEST_F(BackfillTest, AllIsFinishedOnlyOnceTheJournalIsWritten) {
  r_.BeginJournal(1, {});
  Enumerate({"a"});
  ports_.journal_stands = true;
  Pump();
  EXPECT_TRUE(r_.live());
  EXPECT_EQ(ports_.journal_writes, 1);
  EXPECT_FALSE(ports_.saved.finished[PartitionOf("a")]) << "the journal may not know of it";
  ports_.journal_stands = false;
  Pump();
  EXPECT_EQ(ports_.saved.phase, BackfillPhase::kDone);
}

TEST_F(BackfillTest, AJournalBegunAnewTellsOnceWhatWasNotedBeforeIsSpooled) {
  r_.BeginJournal(1, {});
  JournalBlock block;
  ASSERT_TRUE(r_.TakeJournalBlock(1, block));
  EXPECT_EQ(r_.journal()->state().claim, FollowerClaim::kPart);
  r_.EndJournal();
  m_.Do("SET noted 1", kOk);
  r_.BeginJournal(2, {});
  ASSERT_TRUE(r_.TakeJournalBlock(1, block));
  EXPECT_EQ(r_.journal()->state().claim, FollowerClaim::kOurs);
  Pump();
  EXPECT_TRUE(IsSpooled("noted"));
  ASSERT_TRUE(r_.TakeJournalBlock(1, block));
  EXPECT_EQ(r_.journal()->state().claim, FollowerClaim::kPart);
}

TEST_F(BackfillTest, ASpoolThatBecameShorterIsOfNoUse) {
  Enumerate({"a", "b"});
  const uint64_t size = file_.Size();
  const BackfillRecord record = ports_.saved;
  EXPECT_EQ(record.spool_bytes, size);
  m_.Do("SET new 1", kOk);
  Pump(0);  // what is behind what the record knows of may be cut off by a crash
  ASSERT_TRUE(file_.Truncate(size));
  EXPECT_TRUE((Backfill{ports_, file_, "a -> b"}.Resume(record, {})));
  ASSERT_TRUE(file_.Truncate(size - 1));
  EXPECT_FALSE((Backfill{ports_, file_, "a -> b"}.Resume(record, {})));
}

TEST_F(BackfillTest, ASpoolOfAnotherBackfillIsOfNoUse) {
  Enumerate({"a"});
  BackfillRecord record = ports_.saved;
  record.mark = 7;
  const Status resumed = Backfill{ports_, file_, "a -> b"}.Resume(record, {});
  ASSERT_FALSE(resumed);
  EXPECT_NE(resumed.error().message.find("two different backfills"), std::string::npos);
  r_.LeaveLive("a test");
  r_.BeginCopy();
  ASSERT_TRUE(backfill_.Begin(7));
  EXPECT_EQ(ports_.saved.mark, 7u);
  EXPECT_TRUE((Backfill{ports_, file_, "a -> b"}.Resume(ports_.saved, {})));
}

TEST_F(BackfillTest, TheSpoolIsWrittenAnewOnceTheCatalogKnows) {
  backfill_.set_compact_from(2'000);
  Enumerate({"a", "b"});
  ASSERT_EQ(ports_.saved.spool_bytes, file_.Size());
  // What was noted a moment ago is not noted again.
  const auto write = [this](int round) {
    for (int i = 0; i < 40; ++i) m_.Do("SET r" + std::to_string((round % 2) * 40 + i) + " 1", kOk);
    r_.written_names().ForgetRecent();
  };
  for (int i = 0; file_.Size() < 1'900; ++i) {
    write(i);
    Pump(0);
  }
  const std::string before = file_.bytes;
  write(0);
  write(1);
  ports_.fails = true;
  uint64_t begun = 0;
  EXPECT_FALSE(backfill_.Pump(now_us_ += 1'000'000, 0, begun));
  EXPECT_TRUE(file_.bytes.starts_with(before)) << "names of finished partitions may be gone";
  ports_.fails = false;
  write(0);
  Pump(0);
  EXPECT_FALSE(file_.bytes.starts_with(before));
  EXPECT_LE(ports_.saved.spool_bytes, file_.Size());
  EXPECT_TRUE((Backfill{ports_, file_, "a -> b"}.Resume(ports_.saved, {})));
  EXPECT_TRUE(IsSpooled("r0") && IsSpooled("r79") && IsSpooled("b"));
}

TEST_F(BackfillTest, AKeyThatWasDirtyBeforeItBeganIsSyncedThoughTheSyncIsLost) {
  r_.LeaveLive("a test");
  r_.BeginCopy();
  m_.Do("SET early 1", kOk);
  ASSERT_TRUE(backfill_.Begin());
  ASSERT_EQ(m_.SyncsWanted().size(), 1u);
  m_.FinishSync("1");
  ASSERT_EQ(m_.Feed().size(), 1u);
  r_.FollowerLost();
  r_.FollowerReady();
  SyncNext();
  EXPECT_TRUE(r_.dirty().empty()) << "it would take a place of those marked ahead for ever";
}

TEST_F(BackfillTest, ForgetsWhatIsFinishedBeforeTheNames) {
  Enumerate({"a"});
  r_.LeaveLive("a test");
  r_.BeginCopy();
  ports_.fails = true;
  EXPECT_FALSE(backfill_.Begin());
  EXPECT_TRUE(IsSpooled("a")) << "of the record that is still there";
}

TEST_F(BackfillTest, WhatTheSpoolTakesNotIsBounded) {
  Enumerate({});
  file_.room_left = 0;
  const std::string text(16 << 20, 'x');
  uint64_t begun = 0;
  for (int i = 0; i < 20 && r_.state() == MirrorState::kCopying; ++i) {
    m_.Do("SET " + std::to_string(i) + text + " 1", kOk);
    EXPECT_FALSE(backfill_.Pump(now_us_ += 1'000'000, 0, begun));
  }
  EXPECT_EQ(r_.state(), MirrorState::kUnfinished) << "320 MiB are noted";
}

TEST_F(BackfillTest, TheJournalForgetsWhatTheEndOfTheEnumerationSpooled) {
  r_.BeginJournal(1, {});
  m_.Do("SET noted 1", kOk);
  uint64_t begun = 0;
  ASSERT_TRUE(backfill_.Pump(now_us_ = 1, 0, begun));  // taken, and not yet written
  Enumerate({});
  JournalBlock block;
  ASSERT_TRUE(r_.TakeJournalBlock(1, block));
  EXPECT_EQ(block.header.low_water, 1u);
}

TEST_F(BackfillTest, ALeftLiveEndsItAndItBeginsAnew) {
  Enumerate({"a"});
  m_.Do("SET b 1", kOk);
  r_.LeaveLive("a test");
  EXPECT_EQ(Pump(), 0u);
  EXPECT_FALSE(r_.live());
  r_.BeginCopy();
  ASSERT_TRUE(backfill_.Begin());
  EXPECT_EQ(backfill_.record().names, 0u);
  Enumerate({"b"});
  EXPECT_EQ(Pump(), 1u);
  EXPECT_TRUE(r_.live());
}

TEST_F(BackfillTest, WithoutRoomForItsRecordNothingIsSaidToBeFinished) {
  ports_.fails = true;
  const std::vector<std::string_view> none;
  backfill_.AddPage(0, none, {});
  EXPECT_FALSE(backfill_.EndEnumeration());
  EXPECT_EQ(backfill_.record().phase, BackfillPhase::kEnumerating);
  ports_.fails = false;
  EXPECT_TRUE(backfill_.EndEnumeration());
}

}  // namespace
}  // namespace crossfade::replication
