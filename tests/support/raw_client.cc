#include "tests/support/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "tests/support/redis_client.h"

namespace crossfade::test {

RawClient::RawClient(uint16_t port, std::chrono::milliseconds timeout) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval wait{timeout.count() / 1000, timeout.count() % 1000 * 1000};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd_);
    fd_ = -1;
  }
}

RawClient::~RawClient() {
  if (fd_ >= 0) close(fd_);
}

void RawClient::Send(const std::vector<std::string>& args) {
  std::string bytes;
  EncodeCommand(bytes, args);
  SendRaw(bytes);
}

void RawClient::SendRaw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void RawClient::Leave(Departure how) {
  if (how == Departure::kHalfClose) {
    shutdown(fd_, SHUT_WR);
    return;
  }
  const linger at_once{1, 0};
  if (how == Departure::kReset) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd_);
  fd_ = -1;
}

bool RawClient::Fill() {
  char buffer[16 * 1024];
  const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
  if (n <= 0) return false;
  in_.append(buffer, static_cast<size_t>(n));
  return true;
}

bool RawClient::Line(size_t& at, std::string_view& line) {
  size_t end = 0;
  while ((end = in_.find("\r\n", at)) == std::string::npos) {
    if (!Fill()) return false;
  }
  line = std::string_view(in_).substr(at, end - at);
  at = end + 2;
  return true;
}

// Past one value, elements included.
bool RawClient::Skip(size_t& at) {
  std::string_view line;
  if (!Line(at, line) || line.empty()) return false;
  const char type = line[0];
  const long number = std::strtol(std::string(line.substr(1)).c_str(), nullptr, 10);
  switch (type) {
    case '$':
    case '=':
    case '!': {
      if (number < 0) return true;
      const size_t end = at + static_cast<size_t>(number) + 2;
      while (in_.size() < end) {
        if (!Fill()) return false;
      }
      at = end;
      return true;
    }
    case '*':
    case '~':
    case '>':
    case '%':
    case '|': {
      long values = type == '%' || type == '|' ? 2 * number : number;
      if (type == '|') ++values;  // what it is about
      for (; values > 0; --values) {
        if (!Skip(at)) return false;
      }
      return true;
    }
    default:
      return true;
  }
}

std::string RawClient::Read() {
  size_t at = 0;
  if (!Skip(at)) return "(lost)";
  std::string frame = in_.substr(0, at);
  in_.erase(0, at);
  return frame;
}

std::string RawClient::Call(const std::vector<std::string>& args) {
  Send(args);
  return Read();
}

std::vector<std::string> Converse(uint16_t port, const std::vector<std::string>& lines) {
  std::map<std::string, std::unique_ptr<RawClient>> clients;
  std::vector<std::string> transcript;
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::string name, word;
    words >> name;
    std::vector<std::string> args;
    while (words >> word) args.push_back(word == "''" ? "" : word);
    std::unique_ptr<RawClient>& client = clients[name];
    if (!client) client = std::make_unique<RawClient>(port);
    transcript.push_back(line + " => " + (args[0] == "<" ? client->Read() : client->Call(args)));
  }
  return transcript;
}

}  // namespace crossfade::test
