// TLS from clients and to both stores, by real clients and real stores.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "tests/e2e/tls_fixture.h"

namespace crossfade::test {
namespace {

class Tls : public ::testing::TestWithParam<int> {};

std::string Repeated(size_t size, uint64_t seed) {
  std::string text(size, '\0');
  for (char& c : text) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    c = static_cast<char>(seed >> 56);
  }
  return text;
}

TEST_P(Tls, RandomCommandsLeaveTheStoresEqual) {
  TlsMigration tls(GetParam());
  ASSERT_TRUE(tls.migration.StartLive());
  TlsTunnel tunnel(tls.Tunnel());
  LoadOptions options = tls.migration.LoadFor(TestSeed() + 60);
  options.port = tunnel.port();
  const LoadReport report = Load(options).Run(LoadSize(0.5));
  EXPECT_TRUE(report.failures.empty()) << Describe(report) << tunnel.Problem();
  EXPECT_GT(report.answered, report.errors * 5) << Describe(report);
  tls.migration.ExpectEqualWhenDrained();
}

TEST_P(Tls, FollowerReadsComeThroughTls) {
  TlsMigration tls(GetParam());
  tls.migration.config.stage = "ramp";
  tls.migration.config.reads = {{"follower", "100%"}, {"staleness", "500ms"}, {"shadow", "10%"}};
  ASSERT_TRUE(tls.migration.StartLive());
  TlsTunnel tunnel(tls.Tunnel());
  LoadOptions options = tls.migration.LoadFor(TestSeed() + 61);
  options.port = tunnel.port();
  const LoadReport report = Load(options).Run(LoadSize(0.3));
  EXPECT_TRUE(report.failures.empty()) << Describe(report) << tunnel.Problem();
  EXPECT_GT(SumWhere(tls.migration.Status()["read_decisions"], "store", "new"), 0u);
  tls.migration.ExpectEqualWhenDrained();
}

TEST_P(Tls, BigValuesInAPipelineGoBothWays) {
  TlsMigration tls(GetParam());
  ASSERT_TRUE(tls.migration.StartLive());
  TlsTunnel tunnel(tls.Tunnel());
  RedisClient client(tunnel.port());
  constexpr size_t kBig = 3 * 1024 * 1024;
  std::vector<Args> commands;
  for (uint64_t i = 0; i < 6; ++i) {
    commands.push_back({"SET", "big:" + std::to_string(i), Repeated(kBig + i, i)});
    commands.push_back({"SET", "small:" + std::to_string(i), "v"});
  }
  for (const Value& reply : client.Pipeline(commands)) ASSERT_EQ(reply.text, "OK");
  std::vector<Args> reads;
  for (uint64_t i = 0; i < 6; ++i) {
    reads.push_back({"GET", "big:" + std::to_string(i)});
    reads.push_back({"GET", "small:" + std::to_string(i)});
  }
  const std::vector<Value> values = client.Pipeline(reads);
  for (uint64_t i = 0; i < 6; ++i) {
    EXPECT_TRUE(values[2 * i].text == Repeated(kBig + i, i)) << i;
    EXPECT_EQ(values[2 * i + 1].text, "v");
  }
  EXPECT_EQ(tunnel.Problem(), "");
  tls.migration.ExpectEqualWhenDrained();
}

TEST_P(Tls, RequestsInRecordsOfOneByteAreServed) {
  TlsMigration tls(GetParam());
  ASSERT_TRUE(tls.migration.StartLive());
  TunnelOptions options = tls.Tunnel();
  options.record = 1;
  TlsTunnel tunnel(options);
  RedisClient client(tunnel.port());
  const std::string value = Repeated(20'000, 3);
  std::vector<Args> commands;
  for (int i = 0; i < 50; ++i) commands.push_back({"INCR", "n"});
  commands.push_back({"SET", "k", value});
  commands.push_back({"GET", "k"});
  const std::vector<Value> replies = client.Pipeline(commands);
  EXPECT_EQ(replies[49].integer, 50);
  EXPECT_EQ(replies[50].text, "OK");
  EXPECT_TRUE(replies[51].text == value);
}

TEST_P(Tls, RedisCliIsServedAndVerifiesTheCertificate) {
  TlsMigration tls(GetParam());
  ASSERT_TRUE(tls.migration.StartLive());
  const std::string cli =
      "redis-cli -h localhost -p " + std::to_string(tls.port()) + " --tls --cacert ";
  EXPECT_EQ(Output(cli + tls.certificates.Path("ca.pem") + " SET k v"), "OK");
  EXPECT_EQ(Output(cli + tls.certificates.Path("ca.pem") + " GET k"), "v");
  const std::string refused = Output(cli + tls.certificates.Path("other.pem") + " GET k");
  EXPECT_NE(refused.find("certificate verify failed"), std::string::npos) << refused;
}

TEST(TlsStores, LostAndBackAndTheClientCanRetry) {
  TlsMigration tls;
  ASSERT_TRUE(tls.migration.StartLive());
  TlsTunnel tunnel(tls.Tunnel());
  RedisClient client(tunnel.port());
  ASSERT_EQ(client.Call({"SET", "k", "v"}).text, "OK");
  tls.migration.fresh.Kill();
  ASSERT_EQ(client.Call({"SET", "k", "w"}).text, "OK");
  tls.migration.fresh.Start();
  tls.migration.ExpectEqualWhenDrained();
  tls.migration.legacy.Kill();
  EXPECT_TRUE(Await([&] { return tls.migration.proxy->Http("GET", "/readyz").status == 503; }));
  tls.migration.legacy.Start();
  ASSERT_TRUE(tls.migration.proxy->AwaitReady());
  EXPECT_EQ(client.Call({"SET", "k", "x"}).text, "OK");
}

TEST(TlsStores, WhatIsWrongWithAStoreIsSaidInItsError) {
  struct Case {
    std::string store, problem;
  };
  TlsMigration tls;
  const auto path = [&](const std::string& file) { return tls.certificates.Path(file); };
  const std::string own = ", cert: " + path("store.pem") + ", key: " + path("store.key");
  const std::string refused = "its certificate was refused: ";
  const Case kCases[] = {
      {tls.NewWith("ca: " + path("other.pem") + own), refused + "self-signed certificate in"},
      {tls.NewWith(own.substr(2)), refused},
      {tls.NewWith("ca: " + path("ca.pem") + own + ", server_name: elsewhere"),
       refused + "hostname mismatch (expected elsewhere)"},
      {tls.NewWith("ca: " + path("ca.pem")), "certificate required"},
      {"{url: \"rediss://127.0.0.1:" + std::to_string(tls.migration.fresh.port()) + "\"}",
       "does it speak TLS?"}};
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.store);
    tls.migration.config.new_store = one.store;
    ASSERT_TRUE(tls.migration.Start());
    tls.AwaitLastError("new", one.problem);
    EXPECT_TRUE(Await([&] {  // the background client's words
      const std::string detail = tls.migration.Status().value("mirror_detail", "");
      return detail.starts_with("the new store (follower) is not reachable: ");
    })) << tls.migration.Status();
    EXPECT_EQ(RedisClient(tls.migration.proxy->port()).Call({"SET", "k", "v"}).text, "OK");
    tls.migration.proxy.reset();
  }
  tls.migration.config.new_store =
      tls.NewWith("ca: " + path("other.pem") + own + ", server_name: elsewhere, verify: none");
  ASSERT_TRUE(tls.migration.StartLive());
}

TEST(TlsStores, ATlsPortSpokenToInPlainTextIsSaid) {
  TlsMigration tls;
  std::string url = tls.NewWith("");
  url = url.substr(0, url.find(", tls"));
  url.replace(url.find("rediss"), 6, "redis");
  tls.migration.config.new_store = url + "}";
  ASSERT_TRUE(tls.migration.Start());
  tls.AwaitLastError("new", "its url is rediss://");
}

INSTANTIATE_TEST_SUITE_P(Workers, Tls, ::testing::Values(1, 2), WorkersName);

}  // namespace
}  // namespace crossfade::test
