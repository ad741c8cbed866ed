// Sockets: connecting and accepting without blocking. Descriptors are owned by
// whoever asked for them.
#pragma once

#include <sys/socket.h>

#include <string>

#include "config/result.h"
#include "config/settings.h"

namespace crossfade::proxy {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// Looks a TCP name up (blocking), or makes a unix socket's address.
Result<Address> Resolve(const config::Endpoint& endpoint);

// A socket whose connection is under way (or made: then it is writable at once).
Result<int> StartConnect(const Address& address);
// 0 when the connection was made, else the reason as errno.
int ConnectError(int fd);
// Accepts one connection, non-blocking; -1 with errno when there is none.
int Accept(int listener, std::string& peer);
// Where a connection arrived: host:port, or a unix socket's path with ":0".
std::string LocalAddress(int fd);

}  // namespace crossfade::proxy
