// Resp3Client: a blocking connection that speaks RESP3, which the hiredis of
// Debian 12 does not. Maps are arrays of names and values, sets and pushes arrays,
// doubles, big numbers and verbatim texts strings. Not thread-safe. A lost
// connection is a Value of kind kLost.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/support/redis_client.h"

namespace crossfade::test {

class Resp3Client {
 public:
  explicit Resp3Client(uint16_t port);  // says HELLO 3
  ~Resp3Client();
  Resp3Client(const Resp3Client&) = delete;
  Resp3Client& operator=(const Resp3Client&) = delete;

  bool connected() const { return fd_ >= 0; }
  Value Call(const Args& args);
  std::vector<Value> Pipeline(std::span<const Args> commands);
  Value Read();
  // The type byte of the last reply.
  char last_type() const { return last_type_; }

 private:
  void Send(const std::string& bytes);
  bool Fill();
  bool Line(std::string& line);
  bool Bytes(size_t count, std::string& bytes);
  Value Parse(bool top);
  Value Lose();

  int fd_ = -1;
  char last_type_ = 0;
  std::string buffer_;
  size_t read_ = 0;
};

}  // namespace crossfade::test
