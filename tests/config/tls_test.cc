// TLS settings as they are read from the file, with real certificates.
#include "config/tls.h"

#include <gtest/gtest.h>

#include "config/loader.h"
#include "config/plan.h"
#include "tests/config/yaml_text.h"
#include "tests/support/certificates.h"

namespace crossfade::config {
namespace {

class TlsSection : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = new test::Certificates;
    certificates_->Issue("server");
    certificates_->Issue("second");
  }
  static void TearDownTestSuite() { delete certificates_; }

  // Paths are relative to the folder of the certificates.
  static Result<Settings> Parse(const std::string& yaml) {
    return ParseSettings(yaml, certificates_->Path("c.yaml"));
  }
  static Settings Load(const std::string& yaml) {
    const Result<Settings> settings = Parse(yaml);
    EXPECT_TRUE(settings) << settings.error().message;
    return settings.value_or(Settings{});
  }
  static std::string Listener(const std::string& tls) {
    return kStores + "listen: [{address: '127.0.0.1:1', tls: {" + tls + "}}]\n";
  }
  static std::string Legacy(const std::string& tls, const std::string& scheme = "rediss") {
    return "stores:\n  legacy: {url: '" + scheme + "://127.0.0.1:7001', tls: {" + tls +
           "}}\n  new: {url: 'redis://127.0.0.1:7002'}\n";
  }
  // The message without the folder's name, which differs from run to run.
  static std::string Told(const std::string& yaml) {
    const Result<Settings> settings = Parse(yaml);
    if (settings) return "accepted";
    std::string text = settings.error().message;
    const std::string folder = certificates_->folder() + "/";
    for (size_t at; (at = text.find(folder)) != std::string::npos;) text.erase(at, folder.size());
    return text;
  }
  static void Write(const std::string& name, const std::string& text) {
    std::ofstream(certificates_->Path(name)) << text;
  }
  static std::string Read(const std::string& name) {
    std::ifstream file(certificates_->Path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static test::Certificates* certificates_;
};
test::Certificates* TlsSection::certificates_ = nullptr;

TEST_F(TlsSection, ListenerHasTheDefaultsOfTheDocumentation) {
  const Settings settings = Load(Listener("cert: server.pem, key: server.key"));
  const TlsPtr tls = settings.listen.at(0).tls;
  ASSERT_NE(tls, nullptr);
  EXPECT_NE(tls->context, nullptr);
  EXPECT_EQ(tls->client_auth, ClientAuth::kNone);
  EXPECT_EQ(tls->min_version, TlsVersion::k12);
  EXPECT_EQ(tls->cert.fingerprint.size(), 16u);
  EXPECT_EQ(Load(kStores).listen.at(0).tls, nullptr);
}

TEST_F(TlsSection, EverySettingOfAListenerIsRead) {
  const std::string files = "cert: server.pem, key: server.key, client_ca: ca.pem, ";
  TlsPtr tls = Load(Listener(files + "min_version: 1.3")).listen.at(0).tls;
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(tls->client_auth, ClientAuth::kRequired);
  EXPECT_EQ(tls->min_version, TlsVersion::k13);
  tls = Load(Listener(files + "client_auth: optional")).listen.at(0).tls;
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(tls->client_auth, ClientAuth::kOptional);
}

TEST_F(TlsSection, StoreIsVerifiedByTheNameOfItsUrl) {
  const TlsPtr tls = Load(Legacy("ca: ca.pem")).legacy.tls;
  ASSERT_NE(tls, nullptr);
  EXPECT_NE(tls->context, nullptr);
  EXPECT_EQ(tls->verify, TlsVerify::kFull);
  EXPECT_EQ(tls->server_name, "127.0.0.1");
  EXPECT_EQ(Load(kStores).legacy.tls, nullptr);
}

TEST_F(TlsSection, EverySettingOfAStoreIsRead) {
  const TlsPtr tls = Load(Legacy("ca: ca.pem, cert: server.pem, key: server.key, server_name: "
                                 "store.example, verify: chain, min_version: 1.3"))
                         .legacy.tls;
  ASSERT_NE(tls, nullptr);
  EXPECT_EQ(tls->server_name, "store.example");
  EXPECT_EQ(tls->verify, TlsVerify::kChain);
  EXPECT_EQ(tls->min_version, TlsVersion::k13);
  EXPECT_EQ(tls->cert.path, certificates_->Path("server.pem"));
}

TEST_F(TlsSection, StoreWithoutSettingsTrustsTheSystem) {
  const Settings settings =
      Load("stores:\n  legacy: {url: 'rediss://a'}\n  new: {url: 'redis://b'}\n");
  ASSERT_NE(settings.legacy.tls, nullptr);
  EXPECT_NE(settings.legacy.tls->context, nullptr);
  EXPECT_NE(CanonicalText(settings).find("tls[stores.legacy].ca = system\n"), std::string::npos);
}

TEST_F(TlsSection, KeyMayStandInTheFileOfItsCertificate) {
  Write("both.pem", Read("server.pem") + Read("server.key"));
  const TlsPtr tls = Load(Listener("cert: both.pem")).listen.at(0).tls;
  ASSERT_NE(tls, nullptr);
  EXPECT_NE(tls->context, nullptr);
}

TEST_F(TlsSection, ChainIsTakenFromTheCertificatesFile) {
  Write("chain.pem", Read("server.pem") + Read("ca.pem"));
  EXPECT_EQ(Told(Listener("cert: chain.pem, key: server.key")), "accepted");
}

TEST_F(TlsSection, FilesThatCantBeUsedAreNamedWithTheirLine) {
  Write("empty.pem", "");
  Write("half.pem", Read("server.pem").substr(0, 200));
  Write("bad_chain.pem", Read("server.pem") + Read("ca.pem").substr(0, 200));
  Write("locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
  const std::string at = "c.yaml:4: listen[0].tls.";
  const std::string pem = ", expected a file in PEM form";
  const std::string no_certificate = "which holds no certificate in PEM form";
  const std::string no_key = "which holds no private key in PEM form without password";
  const std::pair<std::string, std::string> kCases[] = {
      {"cert: none.pem", at +
                             "cert: found 'none.pem', which can't be opened: No such file or "
                             "directory" +
                             pem},
      {"cert: empty.pem, key: server.key", at + "cert: found 'empty.pem', " + no_certificate + pem},
      {"cert: half.pem, key: server.key", at + "cert: found 'half.pem', " + no_certificate + pem},
      {"cert: bad_chain.pem, key: server.key",
       at + "cert: found 'bad_chain.pem', " + no_certificate + pem},
      {"cert: server.pem", at + "cert: found 'server.pem', " + no_key + pem},
      {"cert: server.pem, key: locked.key", at + "key: found 'locked.key', " + no_key + pem},
      {"cert: server.pem, key: second.key", at +
                                                "key: found 'second.key', whose key is not that "
                                                "of the certificate: key values mismatch" +
                                                pem},
      {"cert: server.pem, key: server.key, client_ca: server.key",
       at + "client_ca: found 'server.key', " + no_certificate + pem},
      {"key: server.key", at + "cert: found nothing, expected the path of a file"},
      {"cert: server.pem, key: server.key, client_auth: required",
       at + "client_ca: found nothing, expected the certificates that sign those of clients"},
      {"cert: server.pem, key: server.key, min_version: 1.1",
       at + "min_version: found '1.1', expected one of 1.2, 1.3; did you mean 1.2?"}};
  for (const auto& [tls, told] : kCases) EXPECT_EQ(Told(Listener(tls)), told) << tls;
}

TEST_F(TlsSection, StoreSettingsThatCantBeMeantAreRefused) {
  const std::string at = "c.yaml:2: stores.legacy.tls";
  EXPECT_EQ(Told(Legacy("ca: ca.pem", "redis")),
            at + ": found TLS settings, expected them with a url of rediss:// only");
  EXPECT_EQ(Told(Legacy("key: server.key")),
            at + ".cert: found nothing, expected the certificate of the key");
  EXPECT_EQ(Told(Legacy("verify: any")),
            at + ".verify: found 'any', expected one of full, chain, none");
  EXPECT_EQ(Told(Legacy("ca: none.pem")),
            at + ".ca: found 'none.pem', which can't be opened: No such file or directory, "
                 "expected a file in PEM form");
}

TEST_F(TlsSection, FileThatChangedIsAnotherPlanThatNeedsNoRestart) {
  certificates_->Issue("renewed");
  const std::string yaml = Listener("cert: renewed.pem, key: renewed.key, client_ca: ca.pem");
  const Settings before = Load(yaml);
  EXPECT_EQ(MakePlan(before, 1)->digest, MakePlan(Load(yaml), 2)->digest);
  certificates_->Issue("renewed");
  const Settings after = Load(yaml);
  EXPECT_NE(MakePlan(before, 1)->digest, MakePlan(after, 2)->digest);
  EXPECT_EQ(RefuseReload(before, after), "");
  const std::vector<std::string> changes = Diff(before, after);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].starts_with("tls[127.0.0.1:1].cert: ")) << changes[0];
  EXPECT_EQ(CanonicalText(after).find("PRIVATE"), std::string::npos);
}

TEST_F(TlsSection, TurningTlsOnOrOffNeedsARestart) {
  const std::string tls = Listener("cert: server.pem, key: server.key");
  const std::string plain = kStores + "listen: [{address: '127.0.0.1:1'}]\n";
  EXPECT_NE(RefuseReload(Load(tls), Load(plain)), "");
  EXPECT_NE(RefuseReload(Load(plain), Load(tls)), "");
  EXPECT_NE(RefuseReload(Load(kStores), Load(Legacy("ca: ca.pem"))), "");
}

TEST_F(TlsSection, SocketFileHasTheModeOfTheListener) {
  const auto listener = [](const std::string& item) {
    return kStores + "listen: [" + item + "]\n";
  };
  const Settings settings = Load(listener("{address: 'unix:/run/c.sock', mode: 0770}"));
  EXPECT_EQ(settings.listen.at(0).mode, 0770u);
  EXPECT_NE(CanonicalText(settings).find("listen = unix:/run/c.sock mode 0770\n"),
            std::string::npos);
  for (const char* mode : {"0888", "rwx", "01777", "00770"}) {
    EXPECT_EQ(Told(listener("{address: 'unix:/run/c.sock', mode: " + std::string(mode) + "}")),
              "c.yaml:4: listen[0].mode: found '" + std::string(mode) +
                  "', expected an octal mode such as 0770");
  }
  EXPECT_EQ(Told(listener("{address: '127.0.0.1:1', mode: 0770}")),
            "c.yaml:4: listen[0].mode: found '0770', expected it with an address of unix:PATH "
            "only");
}

}  // namespace
}  // namespace crossfade::config
