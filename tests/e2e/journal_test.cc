// The intent journal across crashes of the proxy, bad files and full disks.
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/e2e/migration.h"
#include "tests/support/raw_client.h"

namespace crossfade::test {
namespace {

class Journal : public ::testing::TestWithParam<std::string> {
 protected:
  Journal() {
    migration_.config.stage = "ramp";
    migration_.config.reads = {{"follower", "100%"}, {"staleness", "50ms"}};
    migration_.config.journal = {{"mode", GetParam()}, {"dir", dir()}};
  }
  ~Journal() override {
    migration_.proxy.reset();  // it writes there
    std::filesystem::remove_all(dir());
  }

  std::string dir() const { return migration_.fresh.dir() + "/journal"; }
  void Write(const std::string& prefix, int count) {
    RedisClient client(migration_.proxy->port());
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(client.Call({"SET", prefix + std::to_string(i), "value"}).ok());
    }
  }
  // Writes that the follower does not get: it stands still, and the proxy is killed.
  void KillWithOpenWrites(int count) {
    kill(migration_.fresh.pid(), SIGSTOP);
    Write("open:", count);
    migration_.proxy->Kill();
    kill(migration_.fresh.pid(), SIGCONT);
  }
  bool StartAgain() { return migration_.StartLive(); }
  uint64_t Synced() { return migration_.Status()["effects"].value("sync", uint64_t{0}); }
  std::string JournalState() { return migration_.Status()["journal"].value("state", ""); }
  std::string FirstSegment() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir())) {
      if (entry.path().extension() == ".intents") names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    return names.empty() ? "" : names.front();
  }

  Migration migration_;
};

INSTANTIATE_TEST_SUITE_P(Mode, Journal, ::testing::Values("process", "disk"),
                         [](const auto& param) { return param.param; });

TEST_P(Journal, AfterACrashOnlyOpenKeysAreSynced) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 500);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  KillWithOpenWrites(40);
  ASSERT_TRUE(StartAgain());
  EXPECT_TRUE(migration_.proxy->AwaitDrained());
  EXPECT_GE(Synced(), 40u);
  EXPECT_LE(Synced(), 60u);  // those of the last mark, too
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 540u);
  EXPECT_EQ(migration_.Status()["backfill"]["keys_total"], 0);
}

// None of the open keys is read from a follower that does not have them yet.
TEST_P(Journal, OpenKeysAreReadFromTheAuthorityUntilTheyAreSynced) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 1);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  kill(migration_.fresh.pid(), SIGSTOP);
  Write("open:", 20);
  migration_.proxy->Kill();
  ASSERT_TRUE(migration_.Start());
  RedisClient client(migration_.proxy->port());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.Call({"GET", "open:" + std::to_string(i)}).text, "value");
  }
  kill(migration_.fresh.pid(), SIGCONT);
  migration_.ExpectEqualWhenDrained();
}

TEST_P(Journal, AStopInOrderLeavesNothingToSync) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 200);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  ASSERT_EQ(migration_.proxy->Terminate(), 0);
  ASSERT_TRUE(StartAgain());
  EXPECT_EQ(Synced(), 0u);
  migration_.ExpectEqualWhenDrained();
}

// The journal of a proxy that was killed, and that of the one that came after it.
TEST_P(Journal, CrashesOneAfterAnotherLoseNothing) {
  ASSERT_TRUE(migration_.StartLive());
  for (int round = 0; round < 4; ++round) {
    KillWithOpenWrites(10);
    ASSERT_TRUE(migration_.Start());
    Write("between:" + std::to_string(round) + ":", 10);
  }
  migration_.ExpectEqualWhenDrained();
  EXPECT_EQ(migration_.Status()["backfill"]["keys_total"], 0);
}

TEST_P(Journal, ADamagedOneIsNeverTakenForClean) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 100);
  KillWithOpenWrites(40);
  const std::string path = FirstSegment();
  ASSERT_FALSE(path.empty());
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
    file.seekg(middle);
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(middle);
    file.put(byte);
  }
  ASSERT_TRUE(StartAgain());
  EXPECT_NE(migration_.proxy->LogTail().find("the intent journal can't be relied on"),
            std::string::npos);
  migration_.ExpectEqualWhenDrained();
  EXPECT_GE(Synced() + migration_.Status()["backfill"].value("kept_equal", uint64_t{0}),
            140u);  // all keys
}

// Writes that were served without being mirrored are in no journal.
TEST_P(Journal, ATimeWithoutMirroringEndsItsClaim) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 50);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  ASSERT_EQ(migration_.proxy->Terminate(), 0);
  ProxyConfig mirrors = migration_.config;
  migration_.config.stage = "observe";
  migration_.config.reads = {};
  ASSERT_TRUE(migration_.Start());
  Write("unmirrored:", 50);
  migration_.proxy->Kill();
  migration_.config = mirrors;
  ASSERT_TRUE(StartAgain());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 100u);
}

// What the plan says is in the journal before the first write goes unrecorded, even
// when the proxy is killed right after that.
TEST_P(Journal, AReloadThatEndsMirroringEndsItsClaimFirst) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 50);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  ProxyConfig off = migration_.config;
  off.stage = "observe";
  off.reads = {};
  ASSERT_EQ(migration_.proxy->Reload(off).status, 200);
  ASSERT_TRUE(RedisClient(migration_.proxy->port()).Call({"SET", "done:0", "other"}).ok());
  Write("unmirrored:", 1);
  migration_.proxy->Kill();
  ASSERT_TRUE(StartAgain());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 51u);
}

TEST_P(Journal, AnotherProcessBehindAStoresAddressEndsItsClaim) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 50);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  migration_.proxy->Kill();
  migration_.fresh.Kill();
  migration_.fresh.Start();  // empty
  ASSERT_TRUE(StartAgain());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 50u);
}

// What is found there need not be ours to overwrite.
TEST_P(Journal, AForeignStoreBehindTheNewStoresAddressIsRefused) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 5);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  ASSERT_EQ(migration_.proxy->Terminate(), 0);
  migration_.fresh.Kill();
  migration_.fresh.Start();
  RedisClient(migration_.fresh.port()).Call({"SET", "foreign", "1"});
  ASSERT_TRUE(migration_.Start());
  EXPECT_TRUE(Await([&] { return migration_.Status().value("mirror_state", "") == "refused"; }));
  EXPECT_EQ(RedisClient(migration_.fresh.port()).Call({"GET", "foreign"}).text, "1");
}

TEST_P(Journal, AFlushThatWasUnderWayIsNotLost) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 50);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  kill(migration_.fresh.pid(), SIGSTOP);
  RedisClient(migration_.proxy->port()).Call({"FLUSHALL"});
  Write("after:", 5);
  migration_.proxy->Kill();
  kill(migration_.fresh.pid(), SIGCONT);
  ASSERT_TRUE(StartAgain());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 5u);
}

// It is in the journal before it is sent, without a write behind it that sees to that.
TEST_P(Journal, AFlushThatIsTheLastCommandIsNotLost) {
  ASSERT_TRUE(migration_.StartLive());
  Write("done:", 50);
  RedisClient client(migration_.proxy->port()), in_1(migration_.proxy->port());
  ASSERT_TRUE(in_1.Call({"SELECT", "1"}).ok());
  ASSERT_TRUE(in_1.Call({"SET", "stays", "value"}).ok());
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  kill(migration_.fresh.pid(), SIGSTOP);
  EXPECT_EQ(client.Call({"FLUSHDB"}).text, "OK");
  migration_.proxy->Kill();
  kill(migration_.fresh.pid(), SIGCONT);
  ASSERT_TRUE(StartAgain());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 1u);
}

// That writes wait for the disk all the time does not hide it.
TEST_P(Journal, AnAuthorityThatHangsUnderWritesIsNoticed) {
  migration_.config.limits = {{"command_timeout", "500ms"}};
  ASSERT_TRUE(migration_.StartLive());
  RedisClient waits(migration_.proxy->port());
  ASSERT_TRUE(waits.Call({"SET", "k", "v"}).ok());
  migration_.legacy.Pause();
  waits.Send({"GET", "k"});
  const auto begun = std::chrono::steady_clock::now();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    std::string set;
    EncodeCommand(set, {"SET", "k", "w"});
    RawClient client(migration_.proxy->port());
    for (int i = 0; i < 15'000 && !stop; ++i) {
      client.SendRaw(set);
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // the pace
    }
  });
  const Value reply = waits.Read();
  stop = true;
  writer.join();
  EXPECT_NE(reply.text.find("did not answer within"), std::string::npos) << Render(reply);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2));
  migration_.legacy.Resume();
  migration_.ExpectEqualWhenDrained();
}

TEST_P(Journal, AFolderOfOtherStoresOrInUseIsRefused) {
  ASSERT_TRUE(migration_.StartLive());
  ProxyConfig same = migration_.config;
  ProxyProcess second(same);
  EXPECT_NE(second.AwaitRefusal().find("is in use by another crossfade"), std::string::npos);
  migration_.proxy->Kill();
  RedisServer other;
  ProxyConfig elsewhere = migration_.config;
  elsewhere.new_port = other.port();
  ProxyProcess third(elsewhere);
  EXPECT_NE(third.AwaitRefusal().find("is of other stores"), std::string::npos);
  ASSERT_TRUE(StartAgain());
}

class SlowDisk : public Journal {
 protected:
  SlowDisk() : hang_(migration_.fresh.dir() + "/hang") {
    setenv("LD_PRELOAD", SLOW_DISK_PATH, 1);
    setenv("CROSSFADE_TEST_HANG", hang_.c_str(), 1);
  }
  ~SlowDisk() override {
    unsetenv("LD_PRELOAD");
    unsetenv("CROSSFADE_TEST_HANG");
  }

  const std::string hang_;
};

INSTANTIATE_TEST_SUITE_P(, SlowDisk, ::testing::Values("disk"),
                         [](const auto& param) { return param.param; });

// Nothing but the disk is to blame, and nothing is lost.
TEST_P(SlowDisk, AHangingSyncIsSaidAndNothingIsLost) {
  ASSERT_TRUE(migration_.StartLive());
  Write("before:", 10);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  std::ofstream(hang_).close();
  RedisClient writer(migration_.proxy->port());
  std::string set;
  EncodeCommand(set, {"SET", "before:1", "after"});
  writer.SendRaw(set);
  EXPECT_TRUE(Await([&] { return JournalState() == "waiting"; }));
  EXPECT_TRUE(Await([&] {
    return migration_.proxy->LogTail(100).find("the disk is slow: writes wait") !=
           std::string::npos;
  }));
  RedisClient legacy(migration_.legacy.port());
  EXPECT_EQ(legacy.Call({"GET", "before:1"}).text, "value");
  EXPECT_TRUE(migration_.Status()["stores"][0].value("connected", false));
  std::filesystem::remove(hang_);
  EXPECT_EQ(writer.Read().text, "OK");
  EXPECT_EQ(JournalState(), "ok");
  migration_.ExpectEqualWhenDrained();
}

// A file that may not grow stands for a full disk.
class FullDisk : public Journal {
 protected:
  void Limit(rlim_t bytes) {
    const rlimit limit{bytes, RLIM_INFINITY};
    ASSERT_EQ(prlimit(migration_.proxy->pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  }
  bool AwaitJournal(const std::string& state) {
    return Await([&] { return JournalState() == state; });
  }
  uint64_t Failures() { return migration_.Status()["journal"].value("failures", uint64_t{0}); }
  // What the next writes get while it is tried to begin the journal anew.
  Value FirstOtherReplyWhileFailing(bool ok) {
    RedisClient client(migration_.proxy->port());
    for (const uint64_t until = Failures() + 2; Failures() < until;) {
      for (int i = 0; i < 2'000; ++i) {
        const Value reply = client.Call({"SET", "k", "v"});
        if (reply.ok() != ok) return reply;
      }
    }
    return {};
  }
};

INSTANTIATE_TEST_SUITE_P(Mode, FullDisk, ::testing::Values("process", "disk"),
                         [](const auto& param) { return param.param; });

TEST_P(FullDisk, TheMirrorIsSuspectUntilItCanBeWrittenAgain) {
  ASSERT_TRUE(migration_.StartLive());
  Write("before:", 10);
  Limit(1);
  Write("meanwhile:", 50);  // no client notices
  ASSERT_TRUE(AwaitJournal("failed"));
  EXPECT_NE(migration_.proxy->Metrics().find("crossfade_journal_state{state=\"failed\"} 1"),
            std::string::npos);
  EXPECT_EQ(FirstSegment(), "");  // nothing that a start could take for complete
  EXPECT_EQ(FirstOtherReplyWhileFailing(true).text, "");
  Limit(RLIM_INFINITY);
  ASSERT_TRUE(AwaitJournal("ok"));
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  KillWithOpenWrites(20);
  ASSERT_TRUE(StartAgain());
  EXPECT_EQ(migration_.Status()["backfill"]["keys_total"], 0);  // it was relied on
  migration_.ExpectEqualWhenDrained();
}

TEST_P(FullDisk, ACrashMeanwhileHasAllKeysCompared) {
  ASSERT_TRUE(migration_.StartLive());
  Write("open:", 20);
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  RedisClient client(migration_.fresh.port());
  Limit(1);
  Write("meanwhile:", 10);
  ASSERT_TRUE(AwaitJournal("failed"));
  ASSERT_TRUE(Await([&] { return client.Call({"DBSIZE"}).integer >= 30; }));
  // As many keys on both sides: only the mark tells that they are not the same.
  migration_.config.mirror["follower_data"] = "trust";
  kill(migration_.fresh.pid(), SIGSTOP);
  {
    RedisClient writer(migration_.proxy->port());
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(writer.Call({"SET", "open:" + std::to_string(i), "other"}).ok());
    }
  }
  migration_.proxy->Kill();
  kill(migration_.fresh.pid(), SIGCONT);
  ASSERT_TRUE(StartAgain());
  EXPECT_EQ(migration_.ExpectEqualWhenDrained().keys_compared, 30u);
}

TEST_P(FullDisk, WritesAreRefusedWhereThatIsAskedFor) {
  migration_.config.journal["on_error"] = "refuse";
  ASSERT_TRUE(migration_.StartLive());
  Write("before:", 10);
  Limit(1);
  RedisClient client(migration_.proxy->port());
  Value refused;
  ASSERT_TRUE(Await([&] {
    refused = client.Call({"SET", "k", "1"});
    return !refused.ok();
  }));
  EXPECT_TRUE(refused.text.starts_with("MISCONF crossfade: the intent journal")) << refused.text;
  EXPECT_FALSE(client.Call({"EVAL", "return redis.call('SET', KEYS[1], '1')", "1", "k"}).ok());
  EXPECT_TRUE(client.Call({"GET", "before:1"}).ok());
  EXPECT_EQ(FirstOtherReplyWhileFailing(false).text, "");
  Limit(RLIM_INFINITY);
  EXPECT_TRUE(Await([&] { return client.Call({"SET", "k", "2"}).ok(); }));
  migration_.ExpectEqualWhenDrained();
}

}  // namespace
}  // namespace crossfade::test
