#include "proxy/net/listener.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "proxy/net/socket.h"

namespace crossfade::proxy {
namespace {

constexpr int kBacklog = 4096;

const sockaddr* Raw(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

// A socket file that nobody listens on any more.
void RemoveStale(const Address& address, const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  if (connect(fd, Raw(address), address.length) != 0 && errno == ECONNREFUSED) {
    unlink(path.c_str());
  }
  close(fd);
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::Open(const config::Endpoint& endpoint) {
  const Result<Address> address = Resolve(endpoint);
  if (!address) return Fail(address.error().message);
  if (!endpoint.unix_path.empty()) RemoveStale(*address, endpoint.unix_path);
  const int family = address->storage.ss_family;
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Fail(std::string("can't make a socket: ") + std::strerror(errno));
  std::unique_ptr<Listener> listener(new Listener(fd));
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  // Nobody can connect before it listens, so the file has its mode by then.
  const bool listens = bind(fd, Raw(*address), address->length) == 0 &&
                       listener->OwnFile(endpoint) && listen(fd, kBacklog) == 0;
  if (!listens) {
    const std::string reason = std::strerror(errno);
    return Fail("can't listen on " + endpoint.Display() + ": " + reason);
  }
  return listener;
}

bool Listener::OwnFile(const config::Endpoint& endpoint) {
  if (endpoint.unix_path.empty()) return true;
  struct stat info {};
  if (lstat(endpoint.unix_path.c_str(), &info) != 0) return false;
  path_ = endpoint.unix_path;
  device_ = info.st_dev;
  inode_ = info.st_ino;
  return !endpoint.mode || chmod(path_.c_str(), *endpoint.mode) == 0;
}

Listener::~Listener() {
  close(fd_);
  struct stat info {};
  const bool own = !path_.empty() && lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
                   info.st_ino == inode_;
  if (own) unlink(path_.c_str());
}

uint16_t Listener::port() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return 0;
  if (storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  }
  if (storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  }
  return 0;
}

}  // namespace crossfade::proxy
