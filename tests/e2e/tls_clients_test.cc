// Clients whose handshake fails or never ends, and certificates that change.
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "tests/e2e/tls_fixture.h"

namespace crossfade::test {
namespace {

using std::chrono::milliseconds;

std::string Serial(const std::string& file) {
  return Output("openssl x509 -noout -serial -in " + file);
}

std::string ServedSerial(const TlsMigration& tls) {
  return Output("openssl s_client -connect 127.0.0.1:" + std::to_string(tls.port()) +
                " < /dev/null 2>/dev/null | openssl x509 -noout -serial");
}

// What a client through the tunnel gets.
Value Ping(const TunnelOptions& options) {
  TlsTunnel tunnel(options);
  return RedisClient(tunnel.port()).Call({"PING"});
}

TEST(TlsClients, FailedHandshakesAreCountedLoggedAndDisturbNoOther) {
  TlsMigration tls(2);
  ASSERT_TRUE(tls.migration.StartLive());
  TlsTunnel tunnel(tls.Tunnel());
  RedisClient good(tunnel.port());
  ASSERT_EQ(good.Call({"SET", "k", "v"}).text, "OK");
  for (int i = 0; i < 20; ++i) {
    RedisClient plain(tls.port());
    EXPECT_EQ(plain.Call({"PING"}).kind, Value::Kind::kLost);
    EXPECT_EQ(good.Call({"GET", "k"}).text, "v");
  }
  EXPECT_TRUE(Await([&] { return tls.FailedHandshakes() == 20; })) << tls.FailedHandshakes();
  const std::string metrics = tls.migration.proxy->Metrics();
  EXPECT_NE(metrics.find("crossfade_client_errors_total{kind=\"tls\"} 20"), std::string::npos);
  const std::string log = tls.migration.proxy->LogTail(200);
  EXPECT_NE(log.find("TLS handshake with a client failed"), std::string::npos) << log;
  EXPECT_NE(log.find("it does not speak TLS"), std::string::npos) << log;
  // A line per second and worker: far fewer than there were failures.
  size_t lines = 0;
  for (size_t at = 0; (at = log.find("TLS handshake", at)) != std::string::npos; ++at) ++lines;
  EXPECT_LE(lines, 10u);
}

TEST(TlsClients, HandshakeThatNeverEndsIsCutOffInTime) {
  TlsMigration tls;
  tls.migration.config.limits["connect_timeout"] = "200ms";
  ASSERT_TRUE(tls.migration.StartLive());
  // Nothing at all, and the beginning of a record that never comes.
  for (const std::string& sent : {std::string(), std::string("\x16\x03\x01\x02\x00\x01", 6)}) {
    RedisClient half(tls.port(), milliseconds(5'000));
    half.SendRaw(sent);
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(half.Read().kind, Value::Kind::kLost);
    const auto took = std::chrono::steady_clock::now() - before;
    EXPECT_GE(took, milliseconds(100));
    EXPECT_LT(took, milliseconds(4'000));
  }
  EXPECT_TRUE(Await([&] { return tls.FailedHandshakes() == 2; }));
  EXPECT_TRUE(Await([&] { return tls.migration.Status().value("clients", 1) == 0; }));
}

TEST(TlsClients, HandshakesUnderWayCountAsClientsAndDoNotHoldUpAStop) {
  TlsMigration tls;
  tls.migration.config.limits["clients"] = "2";
  tls.migration.config.limits["connect_timeout"] = "60s";
  ASSERT_TRUE(tls.migration.StartLive());
  RedisClient one(tls.port());
  RedisClient two(tls.port());
  EXPECT_TRUE(Await([&] { return tls.migration.Status().value("clients", 0) == 2; }));
  EXPECT_EQ(RedisClient(tls.port()).Call({"PING"}).kind, Value::Kind::kLost);
  EXPECT_EQ(RedisClient(tls.migration.proxy->port()).Call({"PING"}).text,
            "ERR max number of clients reached");
  EXPECT_EQ(tls.migration.proxy->Terminate(milliseconds(5'000)), 0);
}

TEST(TlsClients, OnlyThoseWithAGoodCertificateAreServedWhereItIsRequired) {
  TlsMigration tls(2);
  tls.certificates.Issue("good", {.names = "DNS:client"});
  tls.certificates.Issue("expired", {.names = "DNS:client", .expired = true});
  tls.certificates.Issue("stranger", {.names = "DNS:client", .authority = "other"});
  tls.migration.config.listeners = {
      tls.ListenerWith("client_ca: " + tls.certificates.Path("ca.pem"))};
  ASSERT_TRUE(tls.migration.StartLive());
  EXPECT_EQ(Ping(tls.TunnelWith("good")).text, "PONG");
  EXPECT_EQ(Ping(tls.Tunnel()).kind, Value::Kind::kLost);
  EXPECT_EQ(Ping(tls.TunnelWith("expired")).kind, Value::Kind::kLost);
  EXPECT_EQ(Ping(tls.TunnelWith("stranger")).kind, Value::Kind::kLost);
  EXPECT_TRUE(Await([&] { return tls.FailedHandshakes() == 3; })) << tls.FailedHandshakes();
  // The same port may ask without requiring, from one reload to the next.
  ProxyConfig optional = tls.migration.config;
  optional.listeners = {tls.ListenerWith("client_ca: " + tls.certificates.Path("ca.pem") +
                                         ", client_auth: optional")};
  ASSERT_EQ(tls.migration.proxy->Reload(optional).status, 200);
  EXPECT_EQ(Ping(tls.Tunnel()).text, "PONG");
  EXPECT_EQ(Ping(tls.TunnelWith("stranger")).kind, Value::Kind::kLost);
}

TEST(TlsClients, OldVersionsAreRefused) {
  TlsMigration tls;
  ASSERT_TRUE(tls.migration.StartLive());
  const auto ping = [&](int version) {
    TunnelOptions options = tls.Tunnel();
    options.max_version = version;
    return Ping(options);
  };
  EXPECT_EQ(ping(TLS1_1_VERSION).kind, Value::Kind::kLost);
  EXPECT_EQ(ping(TLS1_2_VERSION).text, "PONG");
  EXPECT_EQ(ping(TLS1_3_VERSION).text, "PONG");
  ProxyConfig newer = tls.migration.config;
  newer.listeners = {tls.ListenerWith("min_version: 1.3")};
  ASSERT_EQ(tls.migration.proxy->Reload(newer).status, 200);
  EXPECT_EQ(ping(TLS1_2_VERSION).kind, Value::Kind::kLost);
  EXPECT_EQ(ping(TLS1_3_VERSION).text, "PONG");
}

TEST(TlsReload, CertificatesChangeUnderLoadWithoutAFailedRequest) {
  TlsMigration tls(2);
  ASSERT_TRUE(tls.migration.StartLive());
  TlsTunnel tunnel(tls.Tunnel());
  LoadOptions options = tls.migration.LoadFor(TestSeed() + 62);
  options.port = tunnel.port();
  Load load(options);
  load.Start();
  for (int i = 0; i < 10; ++i) {
    tls.certificates.Issue("server");
    const std::string wanted = Serial(tls.certificates.Path("server.pem"));
    ASSERT_NE(ServedSerial(tls), wanted);
    if (i % 2 == 0) {
      const HttpAnswer answer = tls.migration.proxy->Http("POST", "/api/v1/reload");
      ASSERT_EQ(answer.status, 200) << answer.body;
      EXPECT_NE(answer.body.find(".cert: "), std::string::npos) << answer.body;
    } else {
      ::kill(tls.migration.proxy->pid(), SIGHUP);
    }
    EXPECT_TRUE(Await([&] { return ServedSerial(tls) == wanted; }));
    ASSERT_TRUE(load.AwaitAnswered(LoadSize(0.01)));
  }
  const LoadReport report = load.Stop();
  EXPECT_TRUE(report.failures.empty()) << Describe(report) << tunnel.Problem();
  EXPECT_EQ(tls.FailedHandshakes(), 0u);
  tls.migration.ExpectEqualWhenDrained();
}

TEST(TlsReload, FileThatCantBeUsedRefusesTheReloadAndTheOldOneIsServed) {
  TlsMigration tls;
  ASSERT_TRUE(tls.migration.StartLive());
  const std::string path = tls.certificates.Path("server.key");
  const std::string before = ServedSerial(tls);
  std::filesystem::copy_file(path, path + ".kept");
  for (const char* broken : {"", "-----BEGIN PRIVATE KEY-----\nMIIB\n"}) {
    std::ofstream(path) << broken;
    const HttpAnswer answer = tls.migration.proxy->Http("POST", "/api/v1/reload");
    EXPECT_GE(answer.status, 400);
    EXPECT_NE(answer.body.find("crossfade.yaml:3: listen[1].tls.key: "), std::string::npos)
        << answer.body;
    EXPECT_EQ(ServedSerial(tls), before);
  }
  std::filesystem::rename(path + ".kept", path);
  const HttpAnswer answer = tls.migration.proxy->Http("POST", "/api/v1/reload");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(Ping(tls.Tunnel()).text, "PONG");
}

TEST(TlsReload, ConnectionsToStoresTakeTheFilesOfTheLastReload) {
  TlsMigration tls;
  tls.migration.config.limits["connect_timeout"] = "500ms";
  const std::string ca = tls.certificates.Path("trusted.pem");
  std::filesystem::copy_file(tls.certificates.Path("ca.pem"), ca);
  tls.migration.config.new_store =
      tls.NewWith("ca: " + ca + ", cert: " + tls.certificates.Path("store.pem") +
                  ", key: " + tls.certificates.Path("store.key"));
  ASSERT_TRUE(tls.migration.StartLive());
  const auto trust = [&](const std::string& authority) {
    std::filesystem::copy_file(tls.certificates.Path(authority), ca,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(tls.migration.proxy->Http("POST", "/api/v1/reload").status, 200);
    RedisClient(tls.migration.fresh.port()).Call({"CLIENT", "KILL", "TYPE", "normal"});
  };
  trust("other.pem");
  tls.AwaitLastError("new", "its certificate was refused");
  RedisClient client(tls.migration.proxy->port());
  EXPECT_EQ(client.Call({"SET", "k", "v"}).text, "OK");
  trust("ca.pem");
  tls.migration.ExpectEqualWhenDrained();
}

}  // namespace
}  // namespace crossfade::test
