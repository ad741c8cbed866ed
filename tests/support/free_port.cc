#include "tests/support/free_port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace crossfade::test {
namespace {

constexpr uint32_t kFirstPort = 21000;
constexpr uint32_t kPorts = 8000;

bool CanListen(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const bool can = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                   ::listen(fd, 1) == 0;
  ::close(fd);
  return can;
}

}  // namespace

PortLease::PortLease() {
  static std::atomic<uint32_t> next{static_cast<uint32_t>(::getpid()) * 41u};
  const char* root = std::getenv("TMPDIR");
  const std::string dir =
      std::string(root != nullptr && *root != '\0' ? root : "/tmp") + "/crossfade_test_ports";
  ::mkdir(dir.c_str(), 0777);
  ::chmod(dir.c_str(), 0777);
  for (uint32_t i = 0; i < kPorts; ++i) {
    const auto port = static_cast<uint16_t>(kFirstPort + next++ % kPorts);
    const std::string path = dir + "/" + std::to_string(port);
    const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && CanListen(port)) {
      port_ = port;
      lock_ = fd;
      return;
    }
    ::close(fd);
  }
  std::fprintf(stderr, "no free port from %u on\n", kFirstPort);
  std::abort();
}

PortLease::~PortLease() { ::close(lock_); }

}  // namespace crossfade::test
