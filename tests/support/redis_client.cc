#include "tests/support/redis_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace crossfade::test {
namespace {

Value Lost(std::string why) { return {Value::Kind::kLost, std::move(why), 0, {}}; }

Value FromReply(const redisReply& reply) {
  Value value;
  switch (reply.type) {
    case REDIS_REPLY_STATUS:
      value.kind = Value::Kind::kStatus;
      break;
    case REDIS_REPLY_ERROR:
      value.kind = Value::Kind::kError;
      break;
    case REDIS_REPLY_INTEGER:
      value.kind = Value::Kind::kInteger;
      break;
    case REDIS_REPLY_STRING:
      value.kind = Value::Kind::kString;
      break;
    case REDIS_REPLY_ARRAY:
      value.kind = Value::Kind::kArray;
      break;
    default:
      value.kind = Value::Kind::kNil;
      break;
  }
  if (value.kind == Value::Kind::kInteger) value.integer = reply.integer;
  if (value.kind == Value::Kind::kArray) {
    value.elements.reserve(reply.elements);
    for (size_t i = 0; i < reply.elements; ++i) {
      value.elements.push_back(FromReply(*reply.element[i]));
    }
  } else if (reply.str != nullptr) {
    value.text.assign(reply.str, reply.len);
  }
  return value;
}

void AppendQuoted(std::string& out, std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : bytes) {
    if (c >= 32 && c < 127) {
      out += c;
    } else {
      out += "\\x";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 15];
    }
  }
  out += '"';
}

void AppendValue(std::string& out, const Value& value, size_t limit) {
  if (out.size() > limit) return;
  switch (value.kind) {
    case Value::Kind::kStatus:
      out += "+" + value.text;
      break;
    case Value::Kind::kError:
      out += "-" + value.text;
      break;
    case Value::Kind::kInteger:
      out += ":" + std::to_string(value.integer);
      break;
    case Value::Kind::kString:
      AppendQuoted(out, std::string_view(value.text).substr(0, limit));
      break;
    case Value::Kind::kNil:
      out += "nil";
      break;
    case Value::Kind::kLost:
      out += "lost connection: " + value.text;
      break;
    case Value::Kind::kArray:
      out += "[";
      for (size_t i = 0; i < value.elements.size() && out.size() <= limit; ++i) {
        if (i != 0) out += " ";
        AppendValue(out, value.elements[i], limit);
      }
      out += "]";
  }
}

std::string Cut(std::string text, size_t limit) {
  if (text.size() > limit) text = text.substr(0, limit) + "...";
  return text;
}

}  // namespace

std::string Render(const Value& value, size_t limit) {
  std::string out;
  AppendValue(out, value, limit);
  return Cut(std::move(out), limit);
}

std::string Render(const Args& args, size_t limit) {
  std::string out;
  for (const std::string& arg : args) {
    if (out.size() > limit) break;
    if (!out.empty()) out += ' ';
    AppendQuoted(out, std::string_view(arg).substr(0, limit));
  }
  return Cut(std::move(out), limit);
}

void EncodeCommand(std::string& out, const Args& args) {
  out += '*' + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) {
    out += '$' + std::to_string(arg.size()) + "\r\n";
    out += arg;
    out += "\r\n";
  }
}

// What is sent to one that has closed is a lost connection, not the test's death.
static const auto kNoSigpipe = std::signal(SIGPIPE, SIG_IGN);

RedisClient::RedisClient(uint16_t port, std::chrono::milliseconds timeout) {
  const timeval limit{timeout.count() / 1000, timeout.count() % 1000 * 1000};
  context_ = redisConnectWithTimeout("127.0.0.1", port, limit);
  if (connected()) redisSetTimeout(context_, limit);
}

RedisClient::RedisClient(const std::string& unix_path) {
  const timeval limit{30, 0};
  context_ = redisConnectUnixWithTimeout(unix_path.c_str(), limit);
  if (connected()) redisSetTimeout(context_, limit);
}

RedisClient::~RedisClient() {
  if (context_ != nullptr) redisFree(context_);
}

bool RedisClient::connected() const { return context_ != nullptr && context_->err == 0; }

void RedisClient::Send(const Args& args) {
  if (!connected()) return;
  std::string bytes;
  EncodeCommand(bytes, args);
  redisAppendFormattedCommand(context_, bytes.data(), bytes.size());
}

void RedisClient::SendRaw(std::string_view bytes) {
  while (connected() && !bytes.empty()) {
    const ssize_t n = ::send(context_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

Value RedisClient::Read() {
  if (!connected()) return Lost(context_ != nullptr ? context_->errstr : "no context");
  void* raw = nullptr;
  if (redisGetReply(context_, &raw) != REDIS_OK || raw == nullptr) return Lost(context_->errstr);
  Value value = FromReply(*static_cast<redisReply*>(raw));
  freeReplyObject(raw);
  return value;
}

Value RedisClient::Call(const Args& args) {
  Send(args);
  return Read();
}

std::vector<Value> RedisClient::Pipeline(std::span<const Args> commands) {
  for (const Args& args : commands) Send(args);
  std::vector<Value> replies;
  replies.reserve(commands.size());
  for (size_t i = 0; i < commands.size(); ++i) replies.push_back(Read());
  return replies;
}

PipelinedClient::PipelinedClient(uint16_t port) : reader_(redisReaderCreate()) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    why_lost_ = std::string("connect: ") + std::strerror(errno);
    return;
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
}

PipelinedClient::~PipelinedClient() {
  redisReaderFree(reader_);
  if (fd_ >= 0) ::close(fd_);
}

void PipelinedClient::Flush() {
  while (!lost() && wants_write()) {
    const ssize_t n = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      why_lost_ = std::string("send: ") + std::strerror(errno);
      return;
    }
    sent_ += static_cast<size_t>(n);
  }
  out_.clear();
  sent_ = 0;
}

void PipelinedClient::Fill() {
  std::array<char, 65536> bytes;
  while (!lost()) {
    const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      why_lost_ =
          n == 0 ? "closed by the other side" : std::string("recv: ") + std::strerror(errno);
      return;
    }
    if (redisReaderFeed(reader_, bytes.data(), static_cast<size_t>(n)) != REDIS_OK) {
      why_lost_ = std::string("protocol: ") + reader_->errstr;
    }
    if (static_cast<size_t>(n) < bytes.size()) return;
  }
}

bool PipelinedClient::Next(Value& reply) {
  void* raw = nullptr;
  if (redisReaderGetReply(reader_, &raw) != REDIS_OK) {
    why_lost_ = std::string("protocol: ") + reader_->errstr;
    return false;
  }
  if (raw == nullptr) return false;
  reply = FromReply(*static_cast<redisReply*>(raw));
  freeReplyObject(raw);
  return true;
}

}  // namespace crossfade::test
