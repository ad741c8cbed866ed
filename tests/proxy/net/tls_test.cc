// TlsStream between two ends of a socket pair: the meaning of recv and send.
#include "proxy/net/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "proxy/net/stream.h"
#include "tests/support/certificates.h"

namespace crossfade::proxy {
namespace {

using config::TlsPtr;
using config::TlsSettings;
using Progress = TlsStream::Progress;

class TlsStreamTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = new test::Certificates;
    certificates_->Issue("server");
    certificates_->Issue("client", {.names = "DNS:client"});
    certificates_->Issue("expired", {.names = "DNS:client", .expired = true});
    certificates_->Issue("stranger", {.names = "DNS:client", .authority = "other"});
  }
  static void TearDownTestSuite() { delete certificates_; }

  static std::string Read(const std::string& name) {
    std::ifstream file(certificates_->Path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static TlsPtr Listener(TlsSettings settings = {}) {
    const auto made =
        MakeListenerContext({Read("server.pem"), Read("server.key"), Read("ca.pem")}, settings);
    EXPECT_TRUE(made) << made.error().message;
    return std::make_shared<TlsSettings>(settings);
  }
  static TlsPtr Store(TlsSettings settings = {}, const std::string& client = "",
                      const std::string& ca = "ca.pem") {
    if (settings.server_name.empty()) settings.server_name = "localhost";
    config::TlsTexts texts;
    texts.ca = Read(ca);
    if (!client.empty()) texts.cert = Read(client + ".pem");
    if (!client.empty()) texts.key = Read(client + ".key");
    const auto made = MakeStoreContext(texts, settings);
    EXPECT_TRUE(made) << made.error().message;
    return std::make_shared<TlsSettings>(settings);
  }

  void Connect(const TlsPtr& listener, const TlsPtr& store) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    const int small = 8 * 1024;
    for (const int fd : fds) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    server_ = Stream(fds[0], TlsStream::Accepting(fds[0], listener));
    client_ = Stream(fds[1], TlsStream::Connecting(fds[1], store));
  }
  // Both sides in turn, until each is done or has failed.
  void ShakeHands() {
    server_progress_ = client_progress_ = Progress::kWantsRead;
    const auto open = [](Progress p) { return p != Progress::kDone && p != Progress::kFailed; };
    for (int i = 0; i < 100 && (open(server_progress_) || open(client_progress_)); ++i) {
      if (open(client_progress_)) client_progress_ = client_.tls()->Handshake();
      if (open(server_progress_)) server_progress_ = server_.tls()->Handshake();
      if (client_progress_ == Progress::kFailed && open(server_progress_)) client_.Close();
    }
  }
  void Establish() {
    Connect(Listener(), Store());
    ShakeHands();
    ASSERT_EQ(server_progress_, Progress::kDone) << server_.tls()->problem();
    ASSERT_EQ(client_progress_, Progress::kDone) << client_.tls()->problem();
  }
  // What the server says of a client with these settings; "" when all is well.
  std::string Refused(const TlsPtr& listener, const TlsPtr& store) {
    Connect(listener, store);
    ShakeHands();
    return server_progress_ == Progress::kFailed ? server_.tls()->problem() : "";
  }

  static test::Certificates* certificates_;
  Stream server_, client_;
  Progress server_progress_{}, client_progress_{};
};
test::Certificates* TlsStreamTest::certificates_ = nullptr;

std::string RandomBytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Cuts what is left to send at random, as the queues of connections do.
std::vector<iovec> Pieces(std::mt19937_64& random, std::string_view left) {
  std::vector<iovec> pieces;
  while (!left.empty() && pieces.size() < 64) {
    const size_t bound = random() % 4 == 0 ? 60'000 : 300;
    const size_t size = std::min<size_t>(left.size(), 1 + random() % bound);
    pieces.push_back({const_cast<char*>(left.data()), size});
    left.remove_prefix(size);
  }
  return pieces;
}

TEST_F(TlsStreamTest, BytesArriveInOrderWhateverTheyAreCutInto) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Establish();
    const std::string sent = RandomBytes(random, 700'000);
    std::string received;
    std::string_view left = sent;
    std::vector<char> buffer(300'000);
    while (received.size() < sent.size()) {
      if (!left.empty()) {
        std::vector<iovec> pieces = Pieces(random, left);
        const ssize_t n = client_.Send(pieces.data(), static_cast<int>(pieces.size()));
        ASSERT_TRUE(n > 0 || errno == EAGAIN) << client_.Problem();
        if (n > 0) left.remove_prefix(static_cast<size_t>(n));
      }
      const size_t room = 1 + random() % buffer.size();
      const ssize_t n = server_.Receive(buffer.data(), room);
      ASSERT_TRUE(n > 0 || (n < 0 && errno == EAGAIN)) << server_.Problem();
      if (n > 0) received.append(buffer.data(), static_cast<size_t>(n));
    }
    EXPECT_EQ(received, sent);
  }
}

// Edge-triggered reading relies on this: nothing is left inside that no event tells of.
TEST_F(TlsStreamTest, AfterAReceiveThatDrainedNothingIsLeft) {
  Establish();
  std::mt19937_64 random(7);
  char small[100];
  for (int i = 0; i < 2'000; ++i) {
    const std::string bytes = RandomBytes(random, 1 + random() % 500);
    ASSERT_EQ(client_.Send(bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    std::string received;
    ssize_t n = 0;
    do {
      n = server_.Receive(small, sizeof small);
      if (n > 0) received.append(small, static_cast<size_t>(n));
    } while (n > 0 && !server_.Drained(static_cast<size_t>(n), sizeof small));
    ASSERT_EQ(received, bytes) << i;
  }
}

TEST_F(TlsStreamTest, RecordOfWhichOnlyAPartIsThereIsNoEnd) {
  Establish();
  // A record of the client is taken out of the socket, and put back byte by byte.
  std::string record(4'000, '\0');
  ASSERT_EQ(client_.Send("PING\r\n", 6), 6);
  const ssize_t size = recv(server_.fd(), record.data(), record.size(), 0);
  ASSERT_GT(size, 6);
  char got[16];
  for (ssize_t i = 0; i + 1 < size; ++i) {
    ASSERT_EQ(send(client_.fd(), record.data() + i, 1, 0), 1);
    ASSERT_EQ(server_.Receive(got, sizeof got), -1);
    ASSERT_EQ(errno, EAGAIN);
    ASSERT_TRUE(server_.Drained(0, sizeof got));
  }
  ASSERT_EQ(send(client_.fd(), record.data() + size - 1, 1, 0), 1);
  ASSERT_EQ(server_.Receive(got, sizeof got), 6);
}

TEST_F(TlsStreamTest, EndComesAfterTheLastBytesAndIsNotMissed) {
  for (const bool notice : {true, false}) {
    SCOPED_TRACE(notice);
    Establish();
    ASSERT_EQ(client_.Send("last", 4), 4);
    if (notice) {
      client_.Close();
    } else {
      shutdown(client_.fd(), SHUT_RDWR);
    }
    char got[16];
    ASSERT_EQ(server_.Receive(got, sizeof got), 4);
    EXPECT_EQ(server_.Drained(4, sizeof got), !notice);
    EXPECT_EQ(server_.Receive(got, sizeof got), 0);
  }
}

TEST_F(TlsStreamTest, SendingToOneWhoHasGoneIsAnErrorAndNoSignal) {
  Establish();
  client_.Close();
  const std::string bytes(100'000, 'x');
  EXPECT_EQ(server_.Send(bytes.data(), bytes.size()), -1);
  EXPECT_NE(errno, EAGAIN);
  EXPECT_FALSE(server_.Problem().empty());
}

TEST_F(TlsStreamTest, BytesThatAreNoTlsFailTheHandshake) {
  for (const char* text : {"PING\r\n", "*1\r\n$4\r\nPING\r\n", "GET / HTTP/1.1\r\n\r\n"}) {
    Connect(Listener(), Store());
    ASSERT_GT(send(client_.fd(), text, std::strlen(text), 0), 0);
    EXPECT_EQ(server_.tls()->Handshake(), Progress::kFailed) << text;
    EXPECT_TRUE(server_.tls()->problem().starts_with("it does not speak TLS"))
        << server_.tls()->problem();
  }
}

TEST_F(TlsStreamTest, ClientWithoutAGoodCertificateIsRefusedWhereOneIsRequired) {
  TlsSettings settings;
  settings.client_auth = config::ClientAuth::kRequired;
  const TlsPtr listener = Listener(settings);
  EXPECT_EQ(Refused(listener, Store({}, "client")), "");
  EXPECT_EQ(Refused(listener, Store()), "TLS: peer did not return a certificate");
  EXPECT_EQ(Refused(listener, Store({}, "expired")),
            "its certificate was refused: certificate has expired");
  EXPECT_EQ(Refused(listener, Store({}, "stranger")),
            "its certificate was refused: unable to get local issuer certificate");
  settings.client_auth = config::ClientAuth::kOptional;
  const TlsPtr optional = Listener(settings);
  EXPECT_EQ(Refused(optional, Store()), "");
  EXPECT_NE(Refused(optional, Store({}, "stranger")), "");
  EXPECT_EQ(Refused(Listener(), Store({}, "stranger")), "");
}

TEST_F(TlsStreamTest, OldVersionIsRefused) {
  TlsSettings only_13;
  only_13.min_version = config::TlsVersion::k13;
  const TlsPtr store = Store();
  SSL_CTX_set_max_proto_version(store->context.get(), TLS1_2_VERSION);
  EXPECT_EQ(Refused(Listener(), store), "");
  EXPECT_NE(Refused(Listener(only_13), store), "");
  EXPECT_EQ(Refused(Listener(only_13), Store()), "");
}

TEST_F(TlsStreamTest, StoreIsRefusedUnlessItIsSignedAndTheOneExpected) {
  struct Case {
    const char* name;
    config::TlsVerify verify;
    const char* ca;
    std::string problem;
  };
  using Verify = config::TlsVerify;
  const std::string refused = "its certificate was refused: ";
  const Case kCases[] = {
      {"localhost", Verify::kFull, "ca.pem", ""},
      {"127.0.0.1", Verify::kFull, "ca.pem", ""},
      {"elsewhere", Verify::kFull, "ca.pem", refused + "hostname mismatch (expected elsewhere)"},
      {"127.0.0.2", Verify::kFull, "ca.pem", refused + "IP address mismatch (expected 127.0.0.2)"},
      {"elsewhere", Verify::kChain, "ca.pem", ""},
      {"localhost", Verify::kChain, "other.pem",
       refused + "unable to get local issuer certificate"},
      {"elsewhere", Verify::kNone, "other.pem", ""}};
  for (const Case& one : kCases) {
    TlsSettings settings;
    settings.server_name = one.name;
    settings.verify = one.verify;
    Connect(Listener(), Store(settings, "", one.ca));
    for (int i = 0; i < 4; ++i) {
      client_progress_ = client_.tls()->Handshake();
      if (client_progress_ == Progress::kFailed) break;
      server_.tls()->Handshake();
    }
    EXPECT_EQ(client_.tls()->problem(), one.problem) << one.name << " " << one.ca;
    EXPECT_EQ(client_progress_ == Progress::kFailed, !one.problem.empty());
  }
}

TEST_F(TlsStreamTest, ServerIsToldTheNameThatIsAskedForButNoAddress) {
  static std::string asked;
  const TlsPtr listener = Listener();
  SSL_CTX_set_tlsext_servername_callback(
      listener->context.get(), +[](SSL* ssl, int*, void*) {
        const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        asked = name != nullptr ? name : "none";
        return SSL_TLSEXT_ERR_OK;
      });
  for (const auto& [name, told] : {std::pair("localhost", "localhost"), {"127.0.0.1", "none"}}) {
    TlsSettings settings;
    settings.server_name = name;
    EXPECT_EQ(Refused(listener, Store(settings)), "");
    EXPECT_EQ(asked, told);
  }
}

TEST(PlainStream, ReceivesAndSendsAsTheSocketDoes) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  Stream one(fds[0]);
  Stream other(fds[1]);
  char a[] = "ab", b[] = "cd";
  iovec pieces[] = {{a, 2}, {b, 2}};
  EXPECT_EQ(one.Send(pieces, 2), 4);
  char got[8];
  EXPECT_EQ(other.Receive(got, 3), 3);
  EXPECT_FALSE(other.Drained(3, 3));
  EXPECT_EQ(other.Receive(got, sizeof got), 1);
  EXPECT_TRUE(other.Drained(1, sizeof got));
  EXPECT_EQ(other.Receive(got, sizeof got), -1);
  EXPECT_EQ(errno, EAGAIN);
  Stream moved(std::move(one));
  EXPECT_FALSE(one.open());
  moved.Close();
  EXPECT_EQ(other.Receive(got, sizeof got), 0);
  EXPECT_EQ(other.Send("x", 1), -1);
  EXPECT_EQ(other.Problem(), std::strerror(EPIPE));
}

}  // namespace
}  // namespace crossfade::proxy
