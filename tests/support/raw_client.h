// RawClient: a blocking connection that sends commands and gives replies as the
// bytes that came, RESP2 or RESP3, pushes like any other frame. Not thread-safe.
// A connection that is lost, or silent for the timeout, reads as "(lost)".
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::test {

// How a client goes away: as one that closes, as one that died (RST), or as one
// that will send nothing more and still listens.
enum class Departure : uint8_t { kClose, kReset, kHalfClose };

class RawClient {
 public:
  explicit RawClient(uint16_t port, std::chrono::milliseconds timeout = std::chrono::seconds(10));
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(const std::vector<std::string>& args);
  void SendRaw(std::string_view bytes);
  std::string Read();
  std::string Call(const std::vector<std::string>& args);
  void Leave(Departure how);

 private:
  bool Fill();
  bool Line(size_t& at, std::string_view& line);
  bool Skip(size_t& at);

  int fd_ = -1;
  std::string in_;
};

// Plays a conversation of several clients on one server: each line is
// "NAME COMMAND ARG…", whose reply is waited for, or "NAME <", one more frame of
// that client. Returns what each line got, "line => bytes".
std::vector<std::string> Converse(uint16_t port, const std::vector<std::string>& lines);

}  // namespace crossfade::test
