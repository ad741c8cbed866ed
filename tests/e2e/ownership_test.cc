// Several proxies on one pair of stores: one mirrors, the others forward to it, and
// take over when it has gone.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/e2e/migration.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

nlohmann::json OwnershipOf(const ProxyProcess& proxy) {
  return proxy.Status().value("ownership", nlohmann::json::object());
}

std::string StateOf(const ProxyProcess& proxy) { return OwnershipOf(proxy).value("state", ""); }

bool IsLive(const ProxyProcess& proxy) {
  return proxy.Status().value("mirror_state", "") == "live";
}

// All its threads: it goes on until the last of them has stopped.
void StopProcess(const ProxyProcess& proxy) {
  ASSERT_EQ(::kill(proxy.pid(), SIGSTOP), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(proxy.pid(), &status, WUNTRACED), proxy.pid());
  ASSERT_TRUE(WIFSTOPPED(status));
}

class OwnershipTest : public ::testing::Test {
 protected:
  // Another proxy on the same stores.
  std::unique_ptr<ProxyProcess> Second(ProxyConfig config) {
    auto proxy = std::make_unique<ProxyProcess>(std::move(config));
    EXPECT_TRUE(proxy->Start());
    return proxy;
  }
  std::unique_ptr<ProxyProcess> Second() { return Second(migration_.config); }

  void ExpectEqual(ProxyProcess& owner) {
    ASSERT_TRUE(owner.AwaitDrained());
    const StoreComparison comparison =
        CompareStores(migration_.legacy.port(), migration_.fresh.port());
    EXPECT_TRUE(comparison.differences.empty()) << Describe(comparison);
  }

  Migration migration_;
};

TEST_F(OwnershipTest, AStandbyForwardsAllCommands) {
  ASSERT_TRUE(migration_.StartLive());
  const auto standby = Second();
  EXPECT_EQ(StateOf(*migration_.proxy), "owner");
  EXPECT_EQ(StateOf(*standby), "standby");
  EXPECT_TRUE(Await([&] { return standby->Status().value("mirror_state", "") == "standby"; }));
  const nlohmann::json ownership = OwnershipOf(*standby);
  EXPECT_EQ(ownership.value("owner", ""), OwnershipOf(*migration_.proxy).value("id", "?"));
  EXPECT_NE(ownership.value("owner_address", "").find(std::to_string(migration_.proxy->port())),
            std::string::npos);
  RedisClient there(standby->port()), subscriber(standby->port()), here(migration_.proxy->port());
  EXPECT_EQ(there.Call({"SET", "k", "v"}).text, "OK");
  EXPECT_EQ(here.Call({"GET", "k"}).text, "v");
  EXPECT_EQ(Render(subscriber.Call({"SUBSCRIBE", "news"})), "[\"subscribe\" \"news\" :1]");
  EXPECT_EQ(there.Call({"PUBLISH", "news", "now"}).integer, 1);
  EXPECT_EQ(Render(subscriber.Read()), "[\"message\" \"news\" \"now\"]");
  const std::string big(8 << 20, 'x');
  EXPECT_EQ(there.Call({"SET", "big", big}).text, "OK");
  EXPECT_EQ(there.Call({"GET", "big"}).text, big);
  EXPECT_EQ(there.Call({"MULTI"}).text, "OK");
  EXPECT_EQ(there.Call({"INCR", "n"}).text, "QUEUED");
  EXPECT_EQ(Render(there.Call({"EXEC"})), "[:1]");
  EXPECT_EQ(OwnershipOf(*standby).value("relayed_clients", 0), 2);
  const std::string metrics = standby->Metrics();
  EXPECT_NE(metrics.find("crossfade_owner 0"), std::string::npos);
  EXPECT_NE(metrics.find("crossfade_ownership_state{state=\"standby\"} 1"), std::string::npos);
  EXPECT_NE(migration_.proxy->Metrics().find("crossfade_owner 1"), std::string::npos);
  ExpectEqual(*migration_.proxy);
}

TEST_F(OwnershipTest, AProcessThatHasEndedIsNotWaitedFor) {
  migration_.config.ownership = {{"lease", "1h"}};
  ASSERT_TRUE(migration_.StartLive());
  const auto standby = Second();
  RedisClient client(migration_.proxy->port());
  for (int i = 0; i < 500; ++i) client.Send({"SET", "k" + std::to_string(i), "v"});
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(client.Read().ok());
  migration_.proxy->Kill();
  ASSERT_TRUE(Await([&] { return StateOf(*standby) == "owner"; }, seconds(5)));
  EXPECT_EQ(OwnershipOf(*standby).value("takeovers", 0), 1);
  EXPECT_EQ(OwnershipOf(*standby).value("epoch", 0), 2);
  EXPECT_EQ(RedisClient(standby->port()).Call({"SET", "k", "after"}).text, "OK");
  ExpectEqual(*standby);
}

TEST_F(OwnershipTest, AReleasedLeaseIsTakenAtOnceAndClientsComeAnew) {
  migration_.config.ownership = {{"lease", "1h"}};
  ASSERT_TRUE(migration_.StartLive());
  const auto standby = Second();
  RedisClient forwarded(standby->port());
  EXPECT_EQ(forwarded.Call({"SET", "k", "v"}).text, "OK");
  EXPECT_EQ(migration_.proxy->Terminate(), 0);
  ASSERT_TRUE(Await([&] { return StateOf(*standby) == "owner"; }, seconds(5)));
  EXPECT_FALSE(forwarded.Call({"GET", "k"}).ok()) << "its connection went to the former owner";
  // One that comes while the workers are being told is closed too.
  EXPECT_TRUE(Await([&] { return RedisClient(standby->port()).Call({"GET", "k"}).text == "v"; }));
  ExpectEqual(*standby);
  // The same back again.
  ASSERT_TRUE(migration_.proxy->Start());
  EXPECT_EQ(StateOf(*migration_.proxy), "standby");
}

// The owner is stopped for longer than its lease, with writes that the follower has
// not got, and a client's read in its socket.
TEST_F(OwnershipTest, WhoWasStoppedForLongerThanTheLeaseNeitherWritesNorReads) {
  migration_.config.stage = "ramp";
  migration_.config.reads = {{"follower", "100%"}, {"staleness", "1h"}};
  migration_.config.ownership = {{"lease", "1s"}};
  ASSERT_TRUE(migration_.StartLive());
  const auto standby = Second();
  RedisClient client(migration_.proxy->port()), reader(migration_.proxy->port());
  EXPECT_EQ(reader.Call({"GET", "k"}).kind, Value::Kind::kNil);
  migration_.fresh.Pause();
  for (int i = 0; i < 200; ++i) client.Send({"SET", "k", "old" + std::to_string(i)});
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(client.Read().ok());
  StopProcess(*migration_.proxy);
  const auto stopped = steady_clock::now();
  migration_.fresh.Resume();
  reader.SendRaw("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  ASSERT_TRUE(Await([&] { return StateOf(*standby) == "owner"; }, seconds(5)));
  EXPECT_LT(steady_clock::now() - stopped, milliseconds(2500));
  RedisClient after(standby->port());
  EXPECT_EQ(after.Call({"SET", "k", "new"}).text, "OK");
  ASSERT_TRUE(standby->AwaitDrained());
  ASSERT_EQ(::kill(migration_.proxy->pid(), SIGCONT), 0);
  const Value late = reader.Read();
  EXPECT_TRUE(late.text == "new" || !late.ok()) << Render(late);
  ASSERT_TRUE(Await([&] { return StateOf(*migration_.proxy) == "standby"; }));
  EXPECT_EQ(OwnershipOf(*migration_.proxy).value("losses", 0), 1);
  EXPECT_EQ(RedisClient(migration_.fresh.port()).Call({"GET", "k"}).text, "new");
  EXPECT_EQ(RedisClient(migration_.proxy->port()).Call({"INCR", "n"}).integer, 1) << "forwarded";
  ExpectEqual(*standby);
  EXPECT_EQ(standby->Status()["ownership"]["state"], "owner");
}

// Nobody took it meanwhile: what is known of the follower still holds.
TEST_F(OwnershipTest, ALeaseThatWasLostToNobodyIsTakenAgainWithoutACopy) {
  migration_.config.ownership = {{"lease", "1s"}};
  ASSERT_TRUE(migration_.StartLive());
  RedisClient client(migration_.proxy->port());
  EXPECT_EQ(client.Call({"SET", "k", "1"}).text, "OK");
  StopProcess(*migration_.proxy);
  RedisClient legacy(migration_.legacy.port());
  ASSERT_TRUE(Await([&] { return legacy.Call({"EXISTS", "crossfade:owner"}).integer == 0; }));
  client.SendRaw("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n2\r\n");
  ASSERT_EQ(::kill(migration_.proxy->pid(), SIGCONT), 0);
  EXPECT_EQ(client.Read().text, "OK") << "its client waits until the lease is had again";
  const nlohmann::json ownership = OwnershipOf(*migration_.proxy);
  EXPECT_EQ(ownership.value("state", ""), "owner");
  EXPECT_EQ(ownership.value("epoch", 0), 2);
  EXPECT_EQ(ownership.value("losses", 0), 1);
  EXPECT_EQ(migration_.proxy->LogTail(200).find("state=copying",
                                                migration_.proxy->LogTail(200).find("lost")),
            std::string::npos);
  ExpectEqual(*migration_.proxy);
}

// What it says was true until another proxy mirrored.
TEST_F(OwnershipTest, AJournalFromBeforeAnotherOwnerIsNotReliedOn) {
  migration_.config.journal = {{"dir", "journal"}};
  ASSERT_TRUE(migration_.StartLive());
  EXPECT_EQ(RedisClient(migration_.proxy->port()).Call({"SET", "k", "1"}).text, "OK");
  ASSERT_TRUE(migration_.proxy->AwaitDrained());
  migration_.proxy->Kill();
  ASSERT_TRUE(migration_.proxy->Start());
  ASSERT_TRUE(Await([&] { return IsLive(*migration_.proxy); }));
  EXPECT_NE(migration_.proxy->LogTail(200).find("the mirror goes on"), std::string::npos)
      << "its own last tenure";
  const auto standby = Second();
  migration_.fresh.Pause();
  migration_.proxy->Kill();
  ASSERT_TRUE(Await([&] { return StateOf(*standby) == "owner"; }));
  EXPECT_EQ(RedisClient(standby->port()).Call({"SET", "k", "2"}).text, "OK");
  standby->Kill();  // the follower has not got it
  migration_.fresh.Resume();
  ASSERT_TRUE(migration_.proxy->Start());
  ASSERT_TRUE(Await([&] { return IsLive(*migration_.proxy); }));
  ExpectEqual(*migration_.proxy);
  EXPECT_EQ(RedisClient(migration_.fresh.port()).Call({"GET", "k"}).text, "2");
}

TEST_F(OwnershipTest, AFollowerOfAnotherPairIsLeftAlone) {
  ASSERT_TRUE(migration_.StartLive());
  RedisServer other;
  ProxyConfig config = migration_.config;
  config.legacy_port = other.port();
  const auto second = Second(config);
  EXPECT_EQ(StateOf(*second), "owner") << "of its own authority";
  ASSERT_TRUE(second->AwaitStatus("refused", [](const nlohmann::json& status) {
    return status.value("mirror_state", "") == "refused";
  }));
  const std::string detail = second->Status().value("mirror_detail", "");
  EXPECT_NE(detail.find("owned by proxy"), std::string::npos) << detail;
  EXPECT_NE(detail.find(std::to_string(migration_.proxy->port())), std::string::npos) << detail;
  EXPECT_EQ(RedisClient(second->port()).Call({"SET", "theirs", "v"}).text, "OK");
  EXPECT_EQ(RedisClient(migration_.proxy->port()).Call({"SET", "ours", "v"}).text, "OK");
  ExpectEqual(*migration_.proxy);
  EXPECT_EQ(CountKeys(migration_.fresh.port()), 1u);
}

TEST_F(OwnershipTest, AnOwnerThatCantBeReachedIsSaidToClients) {
  migration_.config.listeners = {};
  migration_.config.ownership = {{"advertise", "unix:/nowhere/crossfade.sock"}};
  ASSERT_TRUE(migration_.StartLive());
  const auto standby = Second();
  RedisClient client(standby->port());
  const Value refused = client.Call({"GET", "k"});
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(Render(refused).find("not reachable"), std::string::npos) << Render(refused);
}

TEST_F(OwnershipTest, ObserveNeedsNoneAndAReloadTakesIt) {
  migration_.config.stage = "observe";
  ASSERT_TRUE(migration_.Start());
  EXPECT_EQ(StateOf(*migration_.proxy), "not_needed");
  RedisClient legacy(migration_.legacy.port());
  EXPECT_EQ(legacy.Call({"EXISTS", "crossfade:owner"}).integer, 0);
  ProxyConfig mirror = migration_.config;
  mirror.stage = "mirror";
  EXPECT_EQ(migration_.proxy->Reload(mirror).status, 200);
  EXPECT_EQ(StateOf(*migration_.proxy), "owner");
  ASSERT_TRUE(Await([&] { return IsLive(*migration_.proxy); }));
  const auto standby = Second(mirror);
  EXPECT_EQ(StateOf(*standby), "standby");
  EXPECT_EQ(migration_.proxy->Reload(migration_.config).status, 200);
  EXPECT_TRUE(Await([&] { return StateOf(*standby) == "owner"; }, seconds(5)));
}

// Then nothing is written to the stores but clients' data, and all else is as ever.
TEST_F(OwnershipTest, WithoutItWritesAreMirrored) {
  migration_.config.ownership = {{"enabled", "false"}};
  migration_.config.stage = "observe";
  ASSERT_TRUE(migration_.Start());
  RedisClient client(migration_.proxy->port());
  EXPECT_EQ(client.Call({"SET", "before", "v"}).text, "OK");
  migration_.config.stage = "mirror";
  ASSERT_EQ(migration_.proxy->Reload(migration_.config).status, 200);
  EXPECT_EQ(client.Call({"SET", "k", "v"}).text, "OK");
  ASSERT_TRUE(Await([&] { return IsLive(*migration_.proxy); }));
  RedisClient(migration_.fresh.port()).Call({"CLIENT", "KILL", "TYPE", "normal"});
  EXPECT_EQ(client.Call({"SET", "k", "w"}).text, "OK");
  ExpectEqual(*migration_.proxy);
  EXPECT_EQ(StateOf(*migration_.proxy), "not_needed");
  EXPECT_EQ(RedisClient(migration_.legacy.port()).Call({"DBSIZE"}).integer, 2);
}

// What a proxy that was killed had sent, and a store has not read, may not be executed
// behind what the next one syncs (design R8).
TEST_F(OwnershipTest, WithoutItConnectionsOfAFormerProxyAreClosed) {
  RedisClient lane(migration_.legacy.port()), applier(migration_.fresh.port());
  for (RedisClient* former : {&lane, &applier}) {
    EXPECT_EQ(former->Call({"CLIENT", "SETNAME", "crossfade:0123456789abcdef:it"}).text, "OK");
  }
  migration_.config.ownership = {{"enabled", "false"}};
  ASSERT_TRUE(migration_.StartLive());
  for (RedisClient* former : {&lane, &applier}) EXPECT_FALSE(former->Call({"PING"}).ok());
}

TEST_F(OwnershipTest, AStoreThatForbidsItSaysWhatToGrant) {
  RedisClient admin(migration_.legacy.port());
  admin.Call({"ACL", "SETUSER", "app", "on", ">pw", "~app:*", "+@all"});
  migration_.config.legacy_login = "app:pw@";
  migration_.proxy.emplace(migration_.config);
  ASSERT_TRUE(migration_.proxy->Launch());
  ASSERT_TRUE(Await([&] {
    return migration_.proxy->Http("GET", "/readyz").body.find("grant its user ~crossfade:*") !=
           std::string::npos;
  })) << migration_.proxy->Http("GET", "/readyz").body;
  RedisClient client(migration_.proxy->port());
  EXPECT_NE(client.Call({"SET", "app:k", "v"}).text.find("ownership.enabled"), std::string::npos);
  EXPECT_EQ(client.Call({"GET", "app:k"}).kind, Value::Kind::kNil) << "reads go on";
  admin.Call({"ACL", "SETUSER", "app", "~crossfade:*"});
  ASSERT_TRUE(migration_.proxy->AwaitReady());
  EXPECT_EQ(client.Call({"SET", "app:k", "v"}).text, "OK");
  ExpectEqual(*migration_.proxy);
}

// Clients of all proxies write their own keys, and count what was acknowledged;
// proxies are killed, stopped for longer than the lease, and ended.
class Writer {
 public:
  Writer(std::vector<uint16_t> ports, int number) : ports_(std::move(ports)), number_(number) {
    thread_ = std::thread([this] { Run(); });
  }
  uint64_t Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return acknowledged_;
  }
  std::string key() const { return "counter:" + std::to_string(number_); }
  uint64_t acknowledged() const { return acknowledged_; }

 private:
  void Run() {
    size_t next = static_cast<size_t>(number_);
    while (!stop_) {
      RedisClient client(ports_[next++ % ports_.size()], seconds(2));
      while (!stop_ && client.connected()) {
        const Value reply = client.Call({"INCR", key()});
        if (!reply.ok()) break;
        ++acknowledged_;
      }
      ::usleep(5'000);
    }
  }

  const std::vector<uint16_t> ports_;
  const int number_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::thread thread_;
};

// Whose appliers the follower knows now.
// Those that have sent more than their greeting: one may connect before the follower
// is its own to write to.
std::set<std::string> Appliers(RedisClient& fresh) {
  constexpr std::array<std::string_view, 8> kGreeting = {" cmd=client|", " cmd=hello",  " cmd=info",
                                                         " cmd=auth",    " cmd=select", " cmd=NULL",
                                                         " cmd=acl|",    " cmd=ping"};
  std::set<std::string> ids;
  std::istringstream list(fresh.Call({"CLIENT", "LIST"}).text);
  for (std::string line; std::getline(list, line);) {
    const size_t name = line.find(" name=crossfade:");
    const size_t applier = line.find(":applier ");
    const bool greets = std::any_of(kGreeting.begin(), kGreeting.end(), [&](std::string_view cmd) {
      return line.find(cmd) != std::string::npos;
    });
    if (!greets && name != std::string::npos && applier != std::string::npos) {
      ids.insert(line.substr(name + 16, applier - name - 16));
    }
  }
  return ids;
}

// Looks at the new store all the time, for those that write to it at once.
class ApplierWatch {
 public:
  explicit ApplierWatch(uint16_t port) : thread_([this, port] { Run(port); }) {}
  ~ApplierWatch() { Stop(); }
  // The most that there were.
  std::set<std::string> Stop() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
    EXPECT_GT(looks_, 100);
    return most_;
  }

 private:
  void Run(uint16_t port) {
    RedisClient fresh(port);
    for (; !done_; ++looks_) {
      std::set<std::string> now = Appliers(fresh);
      if (now.size() > most_.size()) most_ = std::move(now);
    }
  }

  std::atomic<bool> done_{false};
  int looks_ = 0;
  std::set<std::string> most_;
  std::thread thread_;
};

TEST_F(OwnershipTest, FourStartedAtOnceHaveOneOwnerAtAnyMoment) {
  migration_.config.ownership = {{"lease", "1s"}};
  std::vector<std::unique_ptr<ProxyProcess>> proxies;
  std::vector<uint16_t> ports;
  for (int i = 0; i < 4; ++i) {
    proxies.push_back(std::make_unique<ProxyProcess>(migration_.config));
    ports.push_back(proxies.back()->port());
  }
  for (auto& proxy : proxies) ASSERT_TRUE(proxy->Launch());
  for (auto& proxy : proxies) ASSERT_TRUE(proxy->AwaitReady());
  std::vector<std::unique_ptr<Writer>> writers;
  for (int i = 0; i < 8; ++i) writers.push_back(std::make_unique<Writer>(ports, i));
  ApplierWatch watch(migration_.fresh.port());
  const auto owner = [&]() -> ProxyProcess* {
    for (auto& proxy : proxies) {
      if (StateOf(*proxy) == "owner") return proxy.get();
    }
    return nullptr;
  };
  std::mt19937_64 random(TestSeed() + 90);
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(Await([&] { return owner() != nullptr; }));
    const uint64_t before = writers[0]->acknowledged();
    ASSERT_TRUE(Await([&] { return writers[0]->acknowledged() > before + 20; }));
    ProxyProcess* former = owner();
    ASSERT_NE(former, nullptr);
    switch (round % 3) {
      case 0:
        former->Kill();
        ASSERT_TRUE(former->Launch());
        break;
      case 1: {
        StopProcess(*former);
        EXPECT_TRUE(Await([&] {
          for (auto& proxy : proxies) {
            if (proxy.get() != former && StateOf(*proxy) == "owner") return true;
          }
          return false;
        }));
        ASSERT_EQ(::kill(former->pid(), SIGCONT), 0);
        break;
      }
      default:
        EXPECT_GE(former->Terminate(), 0);
        ASSERT_TRUE(former->Launch());
        break;
    }
  }
  for (auto& writer : writers) writer->Stop();
  const std::set<std::string> most = watch.Stop();
  ASSERT_TRUE(Await([&] { return owner() != nullptr; }));
  ExpectEqual(*owner());
  EXPECT_EQ(most.size(), 1u) << *most.begin() << " and " << *most.rbegin();
  RedisClient legacy(migration_.legacy.port());
  for (auto& writer : writers) {
    const std::string count = legacy.Call({"GET", writer->key()}).text;
    EXPECT_GE(std::stoull(count.empty() ? "0" : count), writer->acknowledged()) << writer->key();
    EXPECT_GT(writer->acknowledged(), 0u);
  }
}

}  // namespace
}  // namespace crossfade::test
