#include "tools/cli/embedded.h"

#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <csignal>
#include <future>
#include <set>
#include <sstream>

#include "config/loader.h"

namespace crossfade::cli {
namespace {

namespace fs = std::filesystem;

class Store {
 public:
  explicit Store(uint16_t port)
      : context_(redisConnectWithTimeout("127.0.0.1", port, timeval{5, 0})) {}
  ~Store() { redisFree(context_); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  bool Connected() const { return context_->err == 0; }
  // Integers as text; of an array, the elements, each behind a space.
  std::string Ask(const std::string& command) {
    auto* reply = static_cast<redisReply*>(redisCommand(context_, command.c_str()));
    if (reply == nullptr) return "no reply";
    std::string text = reply->type == REDIS_REPLY_INTEGER ? std::to_string(reply->integer) : "";
    if (reply->str != nullptr) text = reply->str;
    for (size_t i = 0; i < reply->elements; ++i) text += std::string(" ") + reply->element[i]->str;
    freeReplyObject(reply);
    return text;
  }

 private:
  redisContext* context_;
};

TEST(Embedded, TwoStoresSampleDataAndAValidConfiguration) {
  auto embedded = Embedded::Start(0, 0);
  ASSERT_TRUE(embedded) << embedded.error().message;
  const auto settings = config::LoadSettings((*embedded)->ConfigPath());
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->stage, config::Stage::kRamp);
  Store legacy(settings->legacy.port);
  Store new_store(settings->new_store.port);
  EXPECT_EQ(legacy.Ask("DBSIZE"), "1000");
  EXPECT_EQ(new_store.Ask("DBSIZE"), "0");
  std::set<std::string> types;
  int expiring = 0, lasting = 0;
  std::istringstream keys(legacy.Ask("KEYS *"));
  for (std::string key; keys >> key;) {
    types.insert(legacy.Ask("TYPE " + key));
    ++(legacy.Ask("TTL " + key) == "-1" ? lasting : expiring);
  }
  EXPECT_EQ(types, (std::set<std::string>{"string", "hash", "list", "set", "zset", "stream"}));
  EXPECT_GT(expiring, 100);
  EXPECT_GT(lasting, 100);
  EXPECT_EQ(expiring + lasting, 1000);
}

TEST(Embedded, NothingIsLeftBehind) {
  fs::path folder;
  uint16_t port = 0;
  {
    auto embedded = Embedded::Start(0, 0);
    ASSERT_TRUE(embedded) << embedded.error().message;
    folder = fs::path((*embedded)->ConfigPath()).parent_path();
    port = config::LoadSettings((*embedded)->ConfigPath())->legacy.port;
    EXPECT_TRUE(fs::exists(folder));
    EXPECT_TRUE(Store(port).Connected());
  }
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_FALSE(Store(port).Connected());
}

TEST(Embedded, TheWelcomeNamesWhatThereIs) {
  auto embedded = Embedded::Start(0, 0);
  ASSERT_TRUE(embedded) << embedded.error().message;
  const std::string welcome = (*embedded)->Welcome(6399, 9399);
  for (const std::string& part :
       {std::string("redis-cli -p 6399"), std::string("http://127.0.0.1:9399/"),
        (*embedded)->ConfigPath(), std::string("--admin http://127.0.0.1:9399")}) {
    EXPECT_NE(welcome.find(part), std::string::npos) << part;
  }
}

class ChildStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "crossfade_child_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string folder_;
};

TEST_F(ChildStoreTest, ADeathIsToldAndTheLineStartsItAgain) {
  auto store = ChildStore::Start(FindInPath("redis-server"), folder_);
  ASSERT_TRUE(store) << store.error().message;
  std::promise<std::string> died;
  (*store)->OnExit([&](const std::string& how) { died.set_value(how); });
  ASSERT_EQ(kill((*store)->pid(), SIGKILL), 0);
  EXPECT_EQ(died.get_future().get(), "signal Killed");
  const uint16_t port = (*store)->port();
  EXPECT_FALSE(Store(port).Connected());
  const std::string line = (*store)->RestartLine() + " --daemonize yes >/dev/null";
  ASSERT_EQ(std::system(line.c_str()), 0);
  for (int i = 0; i < 2'000 && !Store(port).Connected(); ++i) usleep(5'000);
  Store restarted(port);
  EXPECT_EQ(restarted.Ask("PING"), "PONG");
  restarted.Ask("SHUTDOWN NOSAVE");
}

TEST_F(ChildStoreTest, OurOwnEndIsNotADeath) {
  bool told = false;
  {
    auto store = ChildStore::Start(FindInPath("redis-server"), folder_);
    ASSERT_TRUE(store) << store.error().message;
    (*store)->OnExit([&](const std::string&) { told = true; });
  }
  EXPECT_FALSE(told);
}

TEST_F(ChildStoreTest, AStoreThatDoesNotStartGivesItsReason) {
  const auto store = ChildStore::Start("/bin/false", folder_);
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("exit code 1"), std::string::npos) << store.error().message;
}

TEST(FindInPath, OnlyWhatIsThere) {
  EXPECT_FALSE(FindInPath("redis-server").empty());
  EXPECT_TRUE(FindInPath("no-such-program-anywhere").empty());
}

}  // namespace
}  // namespace crossfade::cli
