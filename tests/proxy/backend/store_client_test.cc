#include "proxy/backend/store_client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

namespace crossfade::proxy {
namespace {

using std::chrono::milliseconds;

// A store that greets, and then answers each request with the next of the replies
// that it is given, whenever it gets them.
class ScriptedStore {
 public:
  ScriptedStore() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 1) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      connection_ = accept(listener_, nullptr, nullptr);
      char request[256];
      if (recv(connection_, request, sizeof(request), 0) > 0) Say("+OK\r\n");
      greeted_.set_value();
    });
  }
  ~ScriptedStore() {
    thread_.join();
    close(connection_);
    close(listener_);
  }

  Result<StoreClient> Connect(milliseconds patience) {
    config::Endpoint endpoint;
    endpoint.host = "127.0.0.1";
    endpoint.port = port_;
    auto client =
        StoreClient::Connect(StoreLink("legacy", endpoint), patience, interrupt_, patience);
    greeted_.get_future().wait();
    return client;
  }
  void Say(std::string_view bytes) {
    EXPECT_EQ(send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  Interrupt& interrupt() { return interrupt_; }

 private:
  const int listener_;
  int connection_ = -1;
  uint16_t port_ = 0;
  std::promise<void> greeted_;
  Interrupt interrupt_;
  std::thread thread_;
};

TEST(StoreClientTest, AReplyThatComesLateIsNotTakenForTheNext) {
  ScriptedStore store;
  Result<StoreClient> client = store.Connect(milliseconds(100));
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ(client->Config("maxmemory").error().message, "it did not answer in time");
  store.Say("*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
  EXPECT_EQ(client->ClockOffsetMs().error().message, "the connection to it was given up");
  EXPECT_FALSE(client->CountKeys());
}

TEST(StoreClientTest, AnInterruptedCallEndsTheConnection) {
  ScriptedStore store;
  Result<StoreClient> client = store.Connect(milliseconds(5'000));
  ASSERT_TRUE(client) << client.error().message;
  store.interrupt().Raise();
  EXPECT_EQ(client->Config("maxmemory").error().message, "the proxy is stopping");
  store.Say("*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
  EXPECT_EQ(client->ClockOffsetMs().error().message, "the connection to it was given up");
}

TEST(StoreClientTest, RepliesOfAnotherShapeAreErrors) {
  ScriptedStore store;
  Result<StoreClient> client = store.Connect(milliseconds(5'000));
  ASSERT_TRUE(client) << client.error().message;
  for (const char* reply : {":1\r\n", "*2\r\n$1\r\nx\r\n$1\r\n1\r\n", "*2\r\n*0\r\n$-1\r\n",
                            "*1\r\n$1\r\n1\r\n", "*-1\r\n"}) {
    store.Say(reply);
    EXPECT_FALSE(client->ClockOffsetMs()) << reply;
  }
  for (const char* reply : {"$1\r\n0\r\n", "*2\r\n:0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n$1\r\nk\r\n",
                            "*2\r\n$1\r\n0\r\n*1\r\n:1\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$-1\r\n"}) {
    store.Say(reply);
    EXPECT_FALSE(client->Scan("0", "10")) << reply;
  }
  store.Say("*2\r\n$1\r\n7\r\n*1\r\n$1\r\nk\r\n");
  const Result<StoreClient::Reply> page = client->Scan("0", "10");
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(TextOf(*(*page)->element[0]), "7");
}

}  // namespace
}  // namespace crossfade::proxy
