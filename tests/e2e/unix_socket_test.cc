// Socket files: clients by one, and stores by one each.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

class UnixSockets : public ::testing::TestWithParam<int> {
 protected:
  UnixSockets() {
    folder_ = (std::filesystem::temp_directory_path() / "crossfade_sockets_XXXXXX").string();
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    migration_.emplace(MigrationOptions{.legacy_args = {"--unixsocket", folder_ + "/legacy"},
                                        .fresh_args = {"--unixsocket", folder_ + "/new"}});
    ProxyConfig& config = migration_->config;
    config.workers = GetParam();
    config.legacy_store = "{url: \"unix:" + folder_ + "/legacy\"}";
    config.new_store = "{url: \"unix:" + folder_ + "/new\"}";
    config.listeners = {"{address: \"unix:" + path() + "\", mode: 0660}"};
  }
  ~UnixSockets() override {
    migration_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/crossfade"; }

  std::string folder_;
  std::optional<Migration> migration_;
};

TEST_P(UnixSockets, RandomCommandsLeaveTheStoresEqual) {
  ASSERT_TRUE(migration_->StartLive());
  const LoadReport report = Load(migration_->LoadFor(TestSeed() + 70)).Run(LoadSize(0.5));
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  RedisClient client(path());
  std::vector<Args> commands;
  for (int i = 0; i < 200; ++i) {
    commands.push_back({"SET", "unix:" + std::to_string(i), std::string(100'000, 'x')});
  }
  for (const Value& reply : client.Pipeline(commands)) ASSERT_EQ(reply.text, "OK");
  EXPECT_EQ(client.Call({"GET", "unix:7"}).text.size(), 100'000u);
  migration_->ExpectEqualWhenDrained();
}

TEST_P(UnixSockets, FileHasItsModeReplacesAStaleOneAndGoesAtTheEnd) {
  ASSERT_TRUE(migration_->Start());
  struct stat info {};
  ASSERT_EQ(::lstat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0660u);
  migration_->proxy->Kill();  // leaves its file behind
  ASSERT_TRUE(std::filesystem::exists(path()));
  ASSERT_TRUE(migration_->proxy->Start());
  EXPECT_EQ(RedisClient(path()).Call({"PING"}).text, "PONG");
  EXPECT_EQ(migration_->proxy->Terminate(), 0);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_P(UnixSockets, StoreThatGoesAndComesBackIsFoundAgain) {
  ASSERT_TRUE(migration_->StartLive());
  RedisClient client(path());
  ASSERT_EQ(client.Call({"SET", "k", "v"}).text, "OK");
  migration_->fresh.Kill();
  ASSERT_EQ(client.Call({"SET", "k", "w"}).text, "OK");
  migration_->fresh.Start();
  migration_->ExpectEqualWhenDrained();
}

INSTANTIATE_TEST_SUITE_P(Workers, UnixSockets, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
