// Clients of a Redis server (or of the proxy) for tests: Value is a reply,
// RedisClient a blocking connection, PipelinedClient a non-blocking one for poll
// loops. They know RESP2 from hiredis, nothing of the proxy. Not thread-safe. A
// lost connection is a Value of kind kLost, not a failure of the test.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct redisContext;
struct redisReader;

namespace crossfade::test {

using Args = std::vector<std::string>;

struct Value {
  enum class Kind : uint8_t { kStatus, kError, kInteger, kString, kNil, kArray, kLost };
  Kind kind = Kind::kNil;
  std::string text;  // of a status, an error, a string; why a connection was lost
  int64_t integer = 0;
  std::vector<Value> elements;

  bool ok() const { return kind != Kind::kError && kind != Kind::kLost; }
  bool operator==(const Value&) const = default;
};

// One line, cut after `limit` bytes.
std::string Render(const Value& value, size_t limit = 300);
std::string Render(const Args& args, size_t limit = 300);
void EncodeCommand(std::string& out, const Args& args);

class RedisClient {
 public:
  explicit RedisClient(uint16_t port, std::chrono::milliseconds timeout = std::chrono::seconds(30));
  explicit RedisClient(const std::string& unix_path);
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  bool connected() const;
  Value Call(const Args& args);
  std::vector<Value> Pipeline(std::span<const Args> commands);
  void Send(const Args& args);           // buffered until the next Read
  void SendRaw(std::string_view bytes);  // sent at once
  Value Read();

 private:
  redisContext* context_ = nullptr;
};

class PipelinedClient {
 public:
  explicit PipelinedClient(uint16_t port);
  ~PipelinedClient();
  PipelinedClient(const PipelinedClient&) = delete;
  PipelinedClient& operator=(const PipelinedClient&) = delete;

  int fd() const { return fd_; }
  bool lost() const { return !why_lost_.empty(); }
  const std::string& why_lost() const { return why_lost_; }
  bool wants_write() const { return sent_ < out_.size(); }

  void Send(const Args& args) { EncodeCommand(out_, args); }
  void Flush();  // writes what the socket takes
  void Fill();   // reads what the socket has
  // The next whole reply of those filled in; false when there is none yet.
  bool Next(Value& reply);

 private:
  int fd_ = -1;
  redisReader* reader_ = nullptr;
  std::string out_;
  size_t sent_ = 0;
  std::string why_lost_;
};

}  // namespace crossfade::test
