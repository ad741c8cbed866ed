// Verification of two real stores: no difference is reported where there is none,
// whatever is written meanwhile, and each one that there is.
// CROSSFADE_VERIFY_CORRUPTIONS, CROSSFADE_VERIFY_PASSES and CROSSFADE_VERIFY_KEYS make
// it longer.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/e2e/verification.h"

namespace crossfade::test {
namespace {

using nlohmann::json;

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? std::atoi(text) : otherwise;
}

class VerifyLoad : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { migration_.config.workers = GetParam(); }
  LoadOptions Mixed() {
    LoadOptions options = migration_.LoadFor(TestSeed());
    options.commands.blocking = true;
    options.commands.scripts = true;
    options.commands.watches = true;
    options.commands.flushes = false;  // they would take what is to be compared
    options.commands_per_second = 5'000;
    return options;
  }

  Migration migration_{OtherEncodings()};
};

INSTANTIATE_TEST_SUITE_P(Each, VerifyLoad, ::testing::Values(1, 2), WorkersName);

// Hot keys of every kind are compared again and again while they are written.
TEST_P(VerifyLoad, EqualStoresHaveNoDifferences) {
  RedisClient legacy(migration_.legacy.port());
  FillEveryType(legacy, 2'000);
  ASSERT_TRUE(migration_.StartLive());
  Load load(Mixed());
  load.Start();
  const int passes = FromEnvironment("CROSSFADE_VERIFY_PASSES", 15);
  uint64_t compared = 0, by_type = 0;
  for (int i = 0; i < passes; ++i) {
    const json pass = Verify(migration_);
    ASSERT_EQ(pass.value("state", ""), "done") << Brief(pass);
    ASSERT_EQ(pass.value("differences", 1), 0) << Brief(pass);
    compared += pass.value("compared", uint64_t{0});
    by_type += pass.value("by_type", uint64_t{0});
    if (i == passes - 1) std::printf("the last pass: %s\n", Brief(pass).c_str());
  }
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  std::printf("%d passes, %llu comparisons, %llu of them by type, %llu commands meanwhile\n",
              passes, static_cast<unsigned long long>(compared),
              static_cast<unsigned long long>(by_type),
              static_cast<unsigned long long>(report.answered));
  EXPECT_GE(compared, static_cast<uint64_t>(passes) * 1'900);
  EXPECT_GT(by_type, 0u);
  migration_.ExpectEqualWhenDrained();
}

struct Corruption {
  const char* what;
  int type;  // of FillEveryType
  std::vector<Args> commands;
  const char* kind;
};

// KEY stands for the key's name.
const std::vector<Corruption>& Corruptions() {
  static const std::vector<Corruption> corruptions = {
      {"value", 0, {{"SET", "KEY", "another"}}, "value"},
      {"one byte", 0, {{"SETRANGE", "KEY", "2", "L"}}, "value"},
      {"expiry set", 0, {{"EXPIRE", "KEY", "4000"}}, "expiry"},
      {"missing", 0, {{"DEL", "KEY"}}, "missing"},
      {"expiry removed", 1, {{"PERSIST", "KEY"}}, "expiry"},
      {"expiry moved", 1, {{"EXPIRE", "KEY", "5400"}}, "expiry"},
      {"field's value", 2, {{"HSET", "KEY", "c", "other"}}, "value"},
      {"field more", 2, {{"HSET", "KEY", "e", "5"}}, "value"},
      {"field less", 2, {{"HDEL", "KEY", "a"}}, "value"},
      {"element", 3, {{"LSET", "KEY", "2", "x"}}, "value"},
      {"order", 3, {{"LMOVE", "KEY", "KEY", "LEFT", "RIGHT"}}, "value"},
      {"type", 3, {{"DEL", "KEY"}, {"SADD", "KEY", "a", "b"}}, "type"},
      {"member more", 4, {{"SADD", "KEY", "5"}}, "value"},
      {"member less", 4, {{"SREM", "KEY", "2"}}, "value"},
      {"member other", 4, {{"SREM", "KEY", "2"}, {"SADD", "KEY", "4"}}, "value"},
      {"score", 5, {{"ZINCRBY", "KEY", "0.001", "b"}}, "value"},
      {"scored member", 5, {{"ZREM", "KEY", "a"}}, "value"},
      {"entry more", 6, {{"XADD", "KEY", "3-1", "f", "v"}}, "value"},
      {"entry less", 6, {{"XDEL", "KEY", "2-1"}}, "value"},
      {"last id", 6, {{"XSETID", "KEY", "9-9"}}, "value"},
      {"group more", 6, {{"XGROUP", "CREATE", "KEY", "h", "0"}}, "value"},
      {"group less", 6, {{"XGROUP", "DESTROY", "KEY", "g"}}, "value"},
      {"group's last id", 6, {{"XGROUP", "SETID", "KEY", "g", "0"}}, "value"},
      {"pending entry less", 6, {{"XACK", "KEY", "g", "1-1"}}, "value"},
      {"pending entry's consumer", 6, {{"XCLAIM", "KEY", "g", "otto", "0", "1-1"}}, "value"},
  };
  return corruptions;
}

void Corrupt(RedisClient& store, const Corruption& corruption, const std::string& key) {
  for (Args command : corruption.commands) {
    for (std::string& word : command) {
      if (word == "KEY") word = key;
    }
    const Value reply = store.Call(command);
    ASSERT_TRUE(reply.ok() && reply.integer >= 0) << corruption.what << " " << Render(reply);
  }
}

TEST_P(VerifyLoad, EveryCorruptionIsFoundAndNoneElseAndRepaired) {
  const int corruptions = FromEnvironment("CROSSFADE_VERIFY_CORRUPTIONS", 300);
  RedisClient legacy(migration_.legacy.port());
  FillEveryType(legacy, FromEnvironment("CROSSFADE_VERIFY_KEYS", 7 * corruptions + 700));
  ASSERT_TRUE(migration_.StartLive());
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  Load load(Mixed());
  load.Start();
  RedisClient fresh(migration_.fresh.port());
  std::map<std::string, std::string> expected;
  for (int i = 0; i < corruptions; ++i) {
    if (i % 20 == 19) {
      const std::string extra = "x:" + std::to_string(i);
      ASSERT_TRUE(fresh.Call({"HSET", extra, "f", "v"}).ok());
      expected[extra] = "extra";
      continue;
    }
    const auto& corruption = Corruptions()[static_cast<size_t>(i) % Corruptions().size()];
    const std::string key = "c:" + std::to_string(7 * i + corruption.type);
    Corrupt(fresh, corruption, key);
    expected[key] = corruption.kind;
  }
  const json found = Verify(migration_);
  ASSERT_EQ(found.value("state", ""), "done") << Brief(found);
  EXPECT_EQ(FoundBy(migration_, found), expected);
  EXPECT_EQ(found.value("differences", 0), corruptions) << Brief(found);

  const json kept = Verify(migration_, {{"repair", true}});
  const int extra = corruptions / 20;
  EXPECT_EQ(kept.value("repaired", 0), corruptions - extra) << kept.dump();
  EXPECT_EQ(kept.value("extra_kept", 0), extra);
  EXPECT_FALSE(kept.value("clean", true));
  const json repaired = Verify(migration_, {{"repair", true}, {"delete_extra", true}});
  EXPECT_EQ(repaired.value("differences", 0), extra) << Brief(repaired);
  EXPECT_EQ(repaired.value("deleted", 0), extra);
  EXPECT_TRUE(repaired.value("clean", false));
  const json clean = Verify(migration_);
  EXPECT_EQ(clean.value("differences", 1), 0) << Brief(clean);
  EXPECT_TRUE(clean.value("clean", false));
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report);
  migration_.ExpectEqualWhenDrained();
}

class VerifyTest : public ::testing::Test {
 protected:
  void StartWith(int keys) {
    RedisClient legacy(migration_.legacy.port());
    FillEveryType(legacy, keys);
    ASSERT_TRUE(migration_.StartLive());
    ASSERT_TRUE(migration_.proxy->AwaitDrained());
  }
  // Exit code of the command line; what it prints goes to `text`.
  int Cli(const std::string& arguments, std::string& text) {
    std::array<char, 4096> path{};
    const std::string link = "/proc/" + std::to_string(migration_.proxy->pid()) + "/exe";
    if (::readlink(link.c_str(), path.data(), path.size() - 1) <= 0) return -1;
    const std::string command =
        std::string(path.data()) + " verify " + arguments +
        " --admin http://127.0.0.1:" + std::to_string(migration_.proxy->admin_port()) + " 2>&1";
    FILE* pipe = ::popen(command.c_str(), "r");
    text.clear();
    std::array<char, 4096> piece{};
    while (const size_t n = std::fread(piece.data(), 1, piece.size(), pipe)) {
      text.append(piece.data(), n);
    }
    return WEXITSTATUS(::pclose(pipe));
  }

  Migration migration_;
};

TEST_F(VerifyTest, KeysThatDifferAreReadFromLegacyUntilTheyAreRepaired) {
  migration_.config.stage = "ramp";
  migration_.config.reads = {{"follower", "100%"}, {"staleness", "1s"}};
  StartWith(70);
  RedisClient client(migration_.proxy->port());
  RedisClient fresh(migration_.fresh.port());
  ASSERT_TRUE(fresh.Call({"SET", "c:0", "wrong"}).ok());
  ASSERT_TRUE(Await([&] {
    return client.Call({"GET", "c:0"}).text == "wrong";
  })) << "the follower is read";
  EXPECT_EQ(Verify(migration_).value("differences", 0), 1);
  EXPECT_EQ(client.Call({"GET", "c:0"}).text, "value 0");
  const json status = migration_.Status();
  EXPECT_EQ(status.value("keys_that_differ", 0), 1);
  EXPECT_GE(SumWhere(status["read_decisions"], "reason", "differs"), 1u);
  EXPECT_NE(
      migration_.proxy->Metrics().find("crossfade_verify_differences_total{kind=\"value\"} 1"),
      std::string::npos);
  EXPECT_EQ(Verify(migration_, {{"repair", true}}).value("repaired", 0), 1);
  EXPECT_EQ(migration_.Status().value("keys_that_differ", 1), 0);
  EXPECT_EQ(fresh.Call({"GET", "c:0"}).text, "value 0");
}

TEST_F(VerifyTest, SamplesAndPrefixesTakeTheirKeysAlone) {
  StartWith(1'000);
  RedisClient client(migration_.proxy->port());
  for (const char* key : {"p[1]*", "p[1]x", "p1x", "q"}) {
    ASSERT_TRUE(client.Call({"SET", key, "v"}).ok());
  }
  ASSERT_TRUE(client.Call({"SELECT", "3"}).ok());
  ASSERT_TRUE(client.Call({"SET", "p[1]", "v"}).ok());
  EXPECT_EQ(Verify(migration_, {{"prefix", "p[1]"}}).value("compared", 0), 3);
  EXPECT_EQ(Verify(migration_, {{"prefix", "p[1]*"}}).value("compared", 0), 1);
  const int sampled = Verify(migration_, {{"sample", 0.1}}).value("compared", 0);
  EXPECT_GT(sampled, 50);
  EXPECT_LT(sampled, 200);
  EXPECT_EQ(Verify(migration_).value("compared", 0), 1'005);
}

TEST_F(VerifyTest, ConnectionsThatAreLostDoNotEndIt) {
  StartWith(2'000);
  bool ended = false;
  std::thread killer([&] {
    RedisClient legacy(migration_.legacy.port());
    RedisClient fresh(migration_.fresh.port());
    for (int i = 0; i < 3; ++i) {
      ::poll(nullptr, 0, 150);
      legacy.Call({"CLIENT", "KILL", "TYPE", "normal"});
      fresh.Call({"CLIENT", "KILL", "TYPE", "normal"});
    }
    ended = true;
  });
  const json pass = Verify(migration_, {{"keys_per_second", 2'000}});
  killer.join();
  EXPECT_TRUE(ended);
  EXPECT_EQ(pass.value("state", ""), "done") << Brief(pass);
  EXPECT_EQ(pass.value("differences", 1), 0) << Brief(pass);
  EXPECT_EQ(pass.value("compared", 0), 2'000) << Brief(pass);
}

TEST_F(VerifyTest, TheCommandLineTellsByItsExitCode) {
  StartWith(700);
  std::string text;
  EXPECT_EQ(Cli("", text), 0) << text;
  EXPECT_NE(text.find("700 keys compared: all are equal"), std::string::npos) << text;
  RedisClient fresh(migration_.fresh.port());
  ASSERT_TRUE(fresh.Call({"DEL", "c:7"}).ok());
  ASSERT_TRUE(fresh.Call({"SET", "x", "1"}).ok());
  EXPECT_EQ(Cli("", text), 1) << text;
  EXPECT_NE(text.find("2 differ (extra 1, missing 1)"), std::string::npos) << text;
  EXPECT_EQ(Cli("--repair", text), 1) << text;
  EXPECT_NE(text.find("would copy 1 keys"), std::string::npos) << text;
  EXPECT_EQ(fresh.Call({"EXISTS", "c:7", "x"}).integer, 1);
  EXPECT_EQ(Cli("--repair --yes --json", text), 1) << text;
  EXPECT_EQ(fresh.Call({"EXISTS", "c:7", "x"}).integer, 2);
  EXPECT_EQ(Cli("--repair --yes --delete-extra", text), 0) << text;
  EXPECT_EQ(fresh.Call({"EXISTS", "c:7", "x"}).integer, 1);
  EXPECT_EQ(Cli("--prefix nobody:", text), 2) << text;
  EXPECT_NE(text.find("no key of either store begins with \"nobody:\""), std::string::npos) << text;
  EXPECT_EQ(Cli("--stop", text), 2) << text;
}

TEST_F(VerifyTest, OnePassAtATimeAndItCanBeStopped) {
  StartWith(700);
  const uint16_t port = migration_.proxy->admin_port();
  const std::string slow = json({{"keys_per_second", 10}}).dump();
  EXPECT_EQ(HttpRequest(port, "POST", "/api/v1/verify", slow).status, 200);
  EXPECT_EQ(HttpRequest(port, "POST", "/api/v1/verify", slow).status, 409);
  EXPECT_EQ(HttpRequest(port, "DELETE", "/api/v1/verify").body, "{\"stopped\":true}");
  ASSERT_TRUE(Await([&] {
    return HttpRequest(port, "GET", "/api/v1/verify").body.find("\"stopped\",\"ended\":true") !=
           std::string::npos;
  }));
  EXPECT_EQ(HttpRequest(port, "DELETE", "/api/v1/verify").body, "{\"stopped\":false}");
  EXPECT_EQ(Verify(migration_).value("compared", 0), 700);
}

TEST_F(VerifyTest, AsConfiguredItComparesAndRepairsByItself) {
  StartWith(700);
  RedisClient fresh(migration_.fresh.port());
  ASSERT_TRUE(fresh.Call({"SET", "c:0", "wrong"}).ok());
  ASSERT_TRUE(fresh.Call({"SET", "x", "extra"}).ok());
  ProxyConfig config = migration_.config;
  config.verify = {{"keys_per_second", "5000"}, {"repair", "true"}};
  EXPECT_EQ(migration_.proxy->Reload(config).status, 200);
  EXPECT_TRUE(Await([&] { return fresh.Call({"GET", "c:0"}).text == "value 0"; }));
  ASSERT_TRUE(Await([&] {
    const json passes = json::parse(
        HttpRequest(migration_.proxy->admin_port(), "GET", "/api/v1/verify").body)["passes"];
    return !passes.empty() && passes[0].value("ended", false) &&
           passes[0].value("repaired", 0) == 1 && passes[0].value("extra_kept", 0) == 1;
  }));
  EXPECT_EQ(fresh.Call({"EXISTS", "x"}).integer, 1);
}

}  // namespace
}  // namespace crossfade::test
