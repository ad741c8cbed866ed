#include "proxy/net/listener.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "proxy/net/socket.h"

namespace crossfade::proxy {
namespace {

class UnixListener : public ::testing::Test {
 protected:
  UnixListener() {
    folder_ = (std::filesystem::temp_directory_path() / "crossfade_listener_XXXXXX").string();
    if (mkdtemp(folder_.data()) == nullptr) std::abort();
    endpoint_.unix_path = folder_ + "/c.sock";
  }
  ~UnixListener() override { std::filesystem::remove_all(folder_); }

  bool Connects() const {
    const Result<Address> address = Resolve(endpoint_);
    const Result<int> fd = StartConnect(*address);
    if (fd) close(*fd);
    return fd.has_value();
  }
  bool Exists() const { return std::filesystem::exists(endpoint_.unix_path); }

  std::string folder_;
  config::Endpoint endpoint_;
};

TEST_F(UnixListener, FileGoesAwayWithTheListener) {
  {
    const auto listener = Listener::Open(endpoint_);
    ASSERT_TRUE(listener) << listener.error().message;
    EXPECT_TRUE(Connects());
    EXPECT_EQ((*listener)->port(), 0);
  }
  EXPECT_FALSE(Exists());
}

TEST_F(UnixListener, FileHasTheModeThatWasAskedFor) {
  for (const uint32_t mode : {0600u, 0770u, 0777u}) {
    endpoint_.mode = mode;
    const auto listener = Listener::Open(endpoint_);
    ASSERT_TRUE(listener) << listener.error().message;
    struct stat info {};
    ASSERT_EQ(lstat(endpoint_.unix_path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, mode);
  }
}

TEST_F(UnixListener, StaleFileIsReplaced) {
  {
    auto listener = Listener::Open(endpoint_);
    ASSERT_TRUE(listener);
    std::filesystem::rename(endpoint_.unix_path, folder_ + "/kept");
  }
  std::filesystem::rename(folder_ + "/kept", endpoint_.unix_path);
  EXPECT_FALSE(Connects());
  const auto again = Listener::Open(endpoint_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(Connects());
}

TEST_F(UnixListener, FileInUseOrNoSocketIsLeftAlone) {
  const auto first = Listener::Open(endpoint_);
  ASSERT_TRUE(first);
  const auto second = Listener::Open(endpoint_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "can't listen on unix:" + endpoint_.unix_path + ": Address already in use");
  EXPECT_TRUE(Connects());
  endpoint_.unix_path = folder_ + "/data";
  std::ofstream(endpoint_.unix_path) << "precious";
  EXPECT_FALSE(Listener::Open(endpoint_));
  EXPECT_EQ(std::filesystem::file_size(endpoint_.unix_path), 8u);
}

TEST_F(UnixListener, FileThatIsAnothersByThenStays) {
  auto first = Listener::Open(endpoint_);
  ASSERT_TRUE(first);
  std::filesystem::remove(endpoint_.unix_path);
  const auto second = Listener::Open(endpoint_);
  ASSERT_TRUE(second) << second.error().message;
  first->reset();
  EXPECT_TRUE(Connects());
}

TEST_F(UnixListener, FolderThatIsNotThereIsSaid) {
  endpoint_.unix_path = folder_ + "/none/c.sock";
  const auto listener = Listener::Open(endpoint_);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().message,
            "can't listen on unix:" + endpoint_.unix_path + ": No such file or directory");
}

TEST(TcpListener, TellsItsPort) {
  config::Endpoint endpoint;
  endpoint.host = "127.0.0.1";
  endpoint.port = 0;
  const auto listener = Listener::Open(endpoint);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_NE((*listener)->port(), 0);
}

}  // namespace
}  // namespace crossfade::proxy
