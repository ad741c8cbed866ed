// Snapshots of real stores, interrupted and not, and what becomes of them in others.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/e2e/migration.h"
#include "tests/e2e/snapshot_fixture.h"

namespace crossfade::test {
namespace {

using nlohmann::json;

TEST_F(Snapshots, EverythingComesBackInAnotherStore) {
  Fill(legacy_.port());
  RedisClient client(legacy_.port());
  for (const char* own : {"crossfade:owner", "crossfade:tenure"}) client.Call({"SET", own, "x"});
  client.Call({"DEL", "crossfade:owner"});
  const CommandResult taken = Take({});
  ASSERT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_FALSE(std::filesystem::exists(file_ + ".part"));
  const CommandResult checked = RunCommand({"restore", "--check", file_, "--json"});
  ASSERT_EQ(checked.exit_code, 0) << checked.err;
  const json whole = json::parse(LastLine(checked.out));
  EXPECT_EQ(whole["keys"], CountKeys(legacy_.port()));
  EXPECT_EQ(whole["functions"], true);
  EXPECT_EQ(whole["version"], "7.0.15");

  const CommandResult restored = Restore({});
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  ExpectEqual();
  RedisClient copy(fresh_.port());
  EXPECT_EQ(copy.Call({"FUNCTION", "DUMP"}), client.Call({"FUNCTION", "DUMP"}));
  EXPECT_EQ(copy.Call({"EXISTS", "crossfade:tenure"}).integer, 0);
  EXPECT_FALSE(std::filesystem::exists(file_ + ".restored"));
}

// PEXPIRETIME and functions are of 7.0.
TEST_F(Snapshots, OfAnOlderStoreHaveItsExpiriesToo) {
  RedisServer older({"--rename-command", "PEXPIRETIME", "", "--rename-command", "FUNCTION", ""});
  Fill(older.port());
  const CommandResult taken = RunCommand({"snapshot", file_, "--url", Url(older.port())});
  ASSERT_EQ(taken.exit_code, 0) << taken.err;
  ASSERT_EQ(Restore({}).exit_code, 0);
  RedisClient from(older.port());
  RedisClient to(fresh_.port());
  const int64_t left = from.Call({"PTTL", "expires:7"}).integer;
  EXPECT_GT(left, 0);
  EXPECT_NEAR(static_cast<double>(to.Call({"PTTL", "expires:7"}).integer),
              static_cast<double>(left), 1'000);
  EXPECT_EQ(CountKeys(fresh_.port()), CountKeys(older.port()));
}

TEST_F(Snapshots, AreTakenOverTlsASocketAndAsAUserOfTheConfiguration) {
  const StoresWithTls stores(folder_);
  Fill(stores.legacy.port());
  RedisClient client(stores.legacy.port());
  ASSERT_TRUE(client.Call({"ACL", "SETUSER", "backup", "on", ">secret", "~*", "+@all"}).ok());
  ASSERT_EQ(RunCommand({"snapshot", file_, "--config", stores.config}).exit_code, 0);
  const CommandResult restored =
      RunCommand({"restore", file_, "--config", stores.config, "--store", "new"});
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  const StoreComparison equal = CompareStores(stores.legacy.port(), stores.fresh.port());
  EXPECT_TRUE(equal.differences.empty()) << Describe(equal);
  // The certificate is not one that the system trusts.
  const CommandResult distrusted =
      RunCommand({"snapshot", file_ + "2", "--url", "rediss://localhost:" + stores.tls_port()});
  EXPECT_EQ(distrusted.exit_code, 2);
  EXPECT_NE(distrusted.err.find("certificate"), std::string::npos) << distrusted.err;
  EXPECT_FALSE(std::filesystem::exists(file_ + "2.part"));
}

TEST_F(Snapshots, ThatAreKilledGoOnWithWhatTheyHave) {
  FillLarge(legacy_.port());
  // Each turn takes its time, so that it can't be done before it is killed.
  Relay relay(legacy_.port());
  relay.SetDelay(std::chrono::milliseconds(20));
  const std::vector<std::string> args = {"snapshot", file_, "--url", Url(relay.port())};
  for (const uint64_t size : {3u << 20, 9u << 20}) {
    auto more = args;
    if (size > 4u << 20) more.push_back("--resume");
    Command command(more);
    ASSERT_TRUE(Await([&] { return SizeOf(file_ + ".part") > size || !command.running(); }));
    command.Signal(SIGKILL);
    command.Wait();
    ASSERT_FALSE(std::filesystem::exists(file_));
  }
  const CommandResult refused = RunCommand(args);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("--resume"), std::string::npos) << refused.err;
  // As a crash of the machine leaves it.
  std::ofstream(file_ + ".part", std::ios::app) << "half a block";
  relay.SetDelay(std::chrono::milliseconds(0));
  auto more = args;
  more.push_back("--resume");
  const CommandResult taken = RunCommand(more);
  ASSERT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_NE(taken.err.find("going on behind"), std::string::npos) << taken.err;

  // The same of the restoration.
  Relay slow(fresh_.port());
  slow.SetDelay(std::chrono::milliseconds(20));
  const std::vector<std::string> into = {"restore", file_, "--url", Url(slow.port())};
  {
    Command command(into);
    ASSERT_TRUE(Await([&] { return CountKeys(fresh_.port()) > 600 || !command.running(); }));
    command.Signal(SIGKILL);
    command.Wait();
  }
  ASSERT_LT(CountKeys(fresh_.port()), CountKeys(legacy_.port()));
  EXPECT_EQ(RunCommand(into).exit_code, 2) << "it holds keys";
  auto again = into;
  again.push_back("--resume");
  slow.SetDelay(std::chrono::milliseconds(0));
  const CommandResult restored = RunCommand(again);
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_NE(restored.err.find("going on behind"), std::string::npos) << restored.err;
  ExpectEqual();
}

TEST_F(Snapshots, OfAnotherProcessStartAgain) {
  FillLarge(legacy_.port());
  {
    Relay relay(legacy_.port());
    relay.SetDelay(std::chrono::milliseconds(20));
    Command command({"snapshot", file_, "--url", Url(relay.port())});
    ASSERT_TRUE(Await([&] { return SizeOf(file_ + ".part") > 2u << 20 || !command.running(); }));
    command.Signal(SIGINT);
    const CommandResult interrupted = command.Wait();
    EXPECT_EQ(interrupted.exit_code, 2);
    EXPECT_NE(interrupted.err.find("interrupted"), std::string::npos) << interrupted.err;
    EXPECT_NE(interrupted.err.find("--resume"), std::string::npos) << interrupted.err;
  }
  const CommandResult other = Take({"--resume"});
  EXPECT_EQ(other.exit_code, 0) << "the same process by another address: " << other.err;
  std::filesystem::rename(file_, file_ + ".part");
  RedisServer another;
  const CommandResult refused =
      RunCommand({"snapshot", file_, "--url", Url(another.port()), "--resume"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("of another store"), std::string::npos) << refused.err;

  std::filesystem::remove(file_ + ".part");
  StopInTheMiddle();
  legacy_.Kill();
  legacy_.Start();
  RedisClient(legacy_.port()).Call({"SET", "after", "restart"});
  const CommandResult taken = Take({"--resume"});
  ASSERT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_NE(taken.err.find("starts again"), std::string::npos) << taken.err;
  ASSERT_EQ(Restore({}).exit_code, 0);
  ExpectEqual();
}

TEST_F(Snapshots, OfAStoreThatIsLostKeepWhatTheyHave) {
  FillLarge(legacy_.port());
  Relay relay(legacy_.port());
  relay.SetDelay(std::chrono::milliseconds(20));
  Command command({"snapshot", file_, "--url", Url(relay.port())});
  ASSERT_TRUE(Await([&] { return SizeOf(file_ + ".part") > 2u << 20 || !command.running(); }));
  relay.ResetConnections();
  const CommandResult lost = command.Wait();
  EXPECT_EQ(lost.exit_code, 2);
  EXPECT_NE(lost.err.find("127.0.0.1:" + std::to_string(relay.port())), std::string::npos)
      << lost.err;
  relay.SetDelay(std::chrono::milliseconds(0));
  ASSERT_EQ(Take({"--resume"}).exit_code, 0);
  ASSERT_EQ(Restore({}).exit_code, 0);
  ExpectEqual();
}

TEST_F(Snapshots, OnAFullDiskSayWhereTheyAreAndGoOn) {
  FillLarge(legacy_.port());
  const CommandResult full = RunCommand({"snapshot", file_, "--url", Url(legacy_.port())}, 5 << 20);
  EXPECT_EQ(full.exit_code, 2);
  EXPECT_NE(full.err.find("can't be written: File too large"), std::string::npos) << full.err;
  EXPECT_NE(full.err.find("go on with --resume"), std::string::npos) << full.err;
  EXPECT_GT(SizeOf(file_ + ".part"), 3u << 20);
  EXPECT_FALSE(std::filesystem::exists(file_));
  ASSERT_EQ(Take({"--resume"}).exit_code, 0);
  ASSERT_EQ(Restore({}).exit_code, 0);
  ExpectEqual();
}

TEST_F(Snapshots, NameTheKeysThatCanNotBeRead) {
  RedisClient client(legacy_.port());
  for (int i = 0; i < 300; ++i) {
    client.Call({"SET", (i % 3 == 0 ? "secret:" : "open:") + std::to_string(i), "v"});
  }
  client.Call({"ACL", "SETUSER", "reader", "on", ">pass", "~open:*", "~crossfade:*", "+@all"});
  const CommandResult taken =
      RunCommand({"snapshot", file_, "--url",
                  "redis://reader:pass@127.0.0.1:" + std::to_string(legacy_.port()), "--json"});
  EXPECT_EQ(taken.exit_code, 1) << taken.err;
  const json done = json::parse(LastLine(taken.out));
  EXPECT_EQ(done["keys"], 200);
  EXPECT_EQ(done["refused"], 100);
  EXPECT_NE(taken.out.find(R"({"event":"refused","db":0,"key":"secret:0","reason":"NOPERM)"),
            std::string::npos)
      << taken.out;
  const CommandResult checked = RunCommand({"restore", "--check", file_});
  EXPECT_EQ(checked.exit_code, 0);
  EXPECT_NE(checked.out.find("100 keys could not be read"), std::string::npos) << checked.out;
  ASSERT_EQ(Restore({}).exit_code, 0);
  EXPECT_EQ(CountKeys(fresh_.port()), 200u);
}

TEST_F(Snapshots, KeysThatComeAndGoMeanwhileAreNoError) {
  Fill(legacy_.port());
  LoadOptions options;
  options.port = legacy_.port();
  options.seed = TestSeed();
  options.connections = 4;
  Load load(options);
  load.Start();
  ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.1)));
  const CommandResult taken = Take({});
  load.Stop();
  EXPECT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_EQ(Restore({}).exit_code, 0);
  EXPECT_GT(CountKeys(fresh_.port()), 0u);
}

// ---- Restoring

TEST_F(Snapshots, AreNotRestoredOverKeysUnlessAsked) {
  Fill(legacy_.port());
  ASSERT_EQ(Take({}).exit_code, 0);
  EXPECT_EQ(Take({}).exit_code, 2) << "the file is there";
  RedisClient copy(fresh_.port());
  copy.Call({"SET", "string:1", "mine"});
  copy.Call({"SET", "other", "mine"});
  const CommandResult refused = Restore({});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("it holds 2 keys"), std::string::npos) << refused.err;
  EXPECT_EQ(copy.Call({"DBSIZE"}).integer, 2);
  ASSERT_EQ(Restore({"--replace"}).exit_code, 0);
  EXPECT_EQ(copy.Call({"GET", "other"}).text, "mine");
  copy.Call({"DEL", "other"});
  ExpectEqual();
}

TEST_F(Snapshots, KeysThatHaveExpiredSinceAreLeftOut) {
  RedisClient client(legacy_.port());
  client.Call({"SET", "stays", "v", "PX", "86400000"});
  client.Call({"SET", "goes", "v", "PX", "1500"});
  ASSERT_EQ(Take({}).exit_code, 0);
  ASSERT_TRUE(Await([&] { return client.Call({"EXISTS", "goes"}).integer == 0; }));
  const CommandResult restored = Restore({"--json"});
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  const json done = json::parse(LastLine(restored.out));
  EXPECT_EQ(done["restored"], 1);
  EXPECT_EQ(done["expired"], 1);
  EXPECT_EQ(RedisClient(fresh_.port()).Call({"KEYS", "*"}).elements.size(), 1u);
}

TEST_F(Snapshots, AStoreThatIsOutOfMemoryIsGoneOnWithLater) {
  FillLarge(legacy_.port());
  ASSERT_EQ(Take({}).exit_code, 0);
  RedisClient copy(fresh_.port());
  copy.Call({"CONFIG", "SET", "maxmemory", "8mb"});
  const CommandResult stopped = Restore({});
  EXPECT_EQ(stopped.exit_code, 1) << stopped.err;
  EXPECT_NE(stopped.err.find("refused: db 0"), std::string::npos) << stopped.err;
  EXPECT_NE(stopped.err.find("takes no more: OOM"), std::string::npos) << stopped.err;
  copy.Call({"CONFIG", "SET", "maxmemory", "0"});
  const CommandResult restored = Restore({"--resume"});
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  ExpectEqual();
}

TEST_F(Snapshots, KeysThatAreRefusedAreNamedAndTheOthersRestored) {
  RedisClient client(legacy_.port());
  client.Call({"SET", "open:1", "v"});
  client.Call({"SET", std::string("se\0cret", 7), "v"});
  client.Call({"SELECT", "9"});
  client.Call({"SET", "open:2", "v"});
  ASSERT_EQ(Take({}).exit_code, 0);
  RedisServer small({"--databases", "4"});
  RedisClient admin(small.port());
  admin.Call({"ACL", "SETUSER", "writer", "on", ">pass", "~open:*", "~crossfade:*", "+@all"});
  const CommandResult restored = RunCommand(
      {"restore", file_, "--url", "redis://writer:pass@127.0.0.1:" + std::to_string(small.port())});
  EXPECT_EQ(restored.exit_code, 1) << restored.err;
  EXPECT_NE(restored.err.find("refused: db 0 'se\\x00cret': NOPERM"), std::string::npos)
      << restored.err;
  EXPECT_NE(restored.err.find("refused: db 9 'open:2': SELECT 9"), std::string::npos)
      << restored.err;
  EXPECT_EQ(admin.Call({"GET", "open:1"}).text, "v");
  EXPECT_EQ(CountKeys(small.port()), 1u);
}

TEST_F(Snapshots, ThatAreDamagedOrCutShortRestoreNothing) {
  FillLarge(legacy_.port());
  ASSERT_EQ(Take({}).exit_code, 0);
  const std::string copy = file_ + ".copy";
  std::filesystem::copy_file(file_, copy);
  const uint64_t size = SizeOf(copy);
  std::fstream(copy, std::ios::in | std::ios::out | std::ios::binary)
          .seekp(static_cast<std::streamoff>(size) - 1'000)
      << "damage";
  const std::vector<std::string> into = {"restore", copy, "--url", Url(fresh_.port())};
  const CommandResult damaged = RunCommand(into);
  EXPECT_EQ(damaged.exit_code, 2);
  EXPECT_NE(damaged.err.find("is damaged at byte "), std::string::npos) << damaged.err;
  std::filesystem::resize_file(copy, size - 2'000'000);
  const CommandResult cut = RunCommand(into);
  EXPECT_EQ(cut.exit_code, 2);
  EXPECT_NE(cut.err.find("is cut short at byte "), std::string::npos) << cut.err;
  EXPECT_EQ(RunCommand({"restore", "--check", copy}).exit_code, 2);
  std::ofstream(copy, std::ios::trunc) << "REDIS0010";
  const CommandResult foreign = RunCommand(into);
  EXPECT_EQ(foreign.exit_code, 2);
  EXPECT_NE(foreign.err.find("not a snapshot"), std::string::npos) << foreign.err;
  EXPECT_EQ(RunCommand({"restore", copy + "2", "--url", Url(fresh_.port())}).exit_code, 2);
  EXPECT_EQ(CountKeys(fresh_.port()), 0u);
}

TEST(SnapshotsOfAMigration, AreTakenWhileItRunsAndRestoredOnceItHasEnded) {
  Migration migration;
  ASSERT_TRUE(migration.StartLive());
  RedisClient client(migration.proxy->port());
  for (int i = 0; i < 100; ++i) client.Call({"SET", "k" + std::to_string(i), "v"});
  migration.ExpectEqualWhenDrained();
  const std::string file = migration.proxy->dir() + "/snapshot";
  const std::string config = migration.proxy->dir() + "/crossfade.yaml";
  ASSERT_EQ(RunCommand({"snapshot", file, "--config", config}).exit_code, 0);
  ASSERT_EQ(RunCommand({"snapshot", file + "2", "--config", config, "--store", "new"}).exit_code,
            0);
  const std::vector<std::string> restore = {"restore", file, "--config", config, "--replace"};
  const CommandResult owned = RunCommand(restore);
  EXPECT_EQ(owned.exit_code, 2);
  EXPECT_NE(owned.err.find("a proxy owns this store"), std::string::npos) << owned.err;
  EXPECT_EQ(migration.proxy->Terminate(), 0);
  RedisClient direct(migration.legacy.port());
  direct.Call({"DEL", "k7"});
  const CommandResult restored = RunCommand(restore);
  EXPECT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_NE(restored.err.find("journal.dir"), std::string::npos) << restored.err;
  EXPECT_EQ(direct.Call({"GET", "k7"}).text, "v");
}

}  // namespace
}  // namespace crossfade::test
