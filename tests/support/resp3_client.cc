#include "tests/support/resp3_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace crossfade::test {

Resp3Client::Resp3Client(uint16_t port) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const timeval timeout{30, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    Lose();
  } else if (!Call({"HELLO", "3"}).ok() || last_type_ != '%') {
    Lose();
  }
}

Resp3Client::~Resp3Client() { Lose(); }

Value Resp3Client::Lose() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  return {Value::Kind::kLost, "the connection was lost", 0, {}};
}

void Resp3Client::Send(const std::string& bytes) {
  for (size_t sent = 0; fd_ >= 0 && sent < bytes.size();) {
    const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) {
      Lose();
      return;
    }
    sent += static_cast<size_t>(n);
  }
}

bool Resp3Client::Fill() {
  if (fd_ < 0) return false;
  buffer_.erase(0, read_);
  read_ = 0;
  char bytes[65536];
  const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
  if (n <= 0) {
    Lose();
    return false;
  }
  buffer_.append(bytes, static_cast<size_t>(n));
  return true;
}

bool Resp3Client::Line(std::string& line) {
  size_t end;
  while ((end = buffer_.find("\r\n", read_)) == std::string::npos) {
    if (!Fill()) return false;
  }
  line = buffer_.substr(read_, end - read_);
  read_ = end + 2;
  return !line.empty();
}

bool Resp3Client::Bytes(size_t count, std::string& bytes) {
  while (buffer_.size() - read_ < count + 2) {
    if (!Fill()) return false;
  }
  bytes = buffer_.substr(read_, count);
  read_ += count + 2;
  return true;
}

Value Resp3Client::Parse(bool top) {
  std::string line;
  if (!Line(line)) return Lose();
  const char type = line[0];
  if (top) last_type_ = type;
  Value value{Value::Kind::kNil, line.substr(1), 0, {}};
  const long long number = std::strtoll(value.text.c_str(), nullptr, 10);
  switch (type) {
    case '+':
      value.kind = Value::Kind::kStatus;
      return value;
    case '-':
      value.kind = Value::Kind::kError;
      return value;
    case ':':
    case '#':
      value.kind = Value::Kind::kInteger;
      value.integer = type == '#' ? value.text == "t" : number;
      value.text.clear();
      return value;
    case ',':
    case '(':
      value.kind = Value::Kind::kString;
      return value;
    case '$':
    case '=':
    case '!':
      value.kind = type == '!' ? Value::Kind::kError : Value::Kind::kString;
      if (number < 0 || !Bytes(static_cast<size_t>(number), value.text)) return Lose();
      if (type == '=') value.text.erase(0, 4);
      return value;
    case '*':
    case '%':
    case '~':
    case '>':
    case '|':
      break;
    case '_':
      return {};
    default:
      return Lose();
  }
  value.text.clear();
  value.kind = Value::Kind::kArray;
  const bool pairs = type == '%' || type == '|';
  for (long long i = 0; i < (pairs ? 2 : 1) * number && fd_ >= 0; ++i) {
    value.elements.push_back(Parse(false));
  }
  return type == '|' ? Parse(top) : value;
}

Value Resp3Client::Read() { return Parse(true); }

Value Resp3Client::Call(const Args& args) {
  std::string request;
  EncodeCommand(request, args);
  Send(request);
  return Read();
}

std::vector<Value> Resp3Client::Pipeline(std::span<const Args> commands) {
  std::string requests;
  for (const Args& args : commands) EncodeCommand(requests, args);
  Send(requests);
  std::vector<Value> replies;
  for (size_t i = 0; i < commands.size(); ++i) replies.push_back(Read());
  return replies;
}

}  // namespace crossfade::test
