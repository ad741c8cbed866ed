// TlsStream: TLS over a non-blocking socket that it does not own, with the
// return values of recv and send, so that who uses it need not know of records.
// For one thread at a time. Never raises SIGPIPE.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>

#include "config/tls.h"

struct bio_st;
struct bio_method_st;
struct ssl_st;

namespace crossfade::proxy {

class TlsStream {
 public:
  // The side that was connected to, and the side that connects.
  static std::unique_ptr<TlsStream> Accepting(int fd, const config::TlsPtr& settings);
  static std::unique_ptr<TlsStream> Connecting(int fd, const config::TlsPtr& settings);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  enum class Progress { kDone, kWantsRead, kWantsWrite, kFailed };
  // Goes on with the handshake; again when the socket is ready for what it wants.
  Progress Handshake();

  // As recv: bytes, 0 at the end, -1 with errno. Reads on until `room` is full,
  // the socket is empty, or others should have their turn.
  ssize_t Receive(char* to, size_t room);
  // Whether the last Receive left nothing: the next event tells of more.
  bool drained() const { return drained_; }
  // As send, of several pieces. What was not taken must be what the next call
  // begins with: some of it may be under way.
  ssize_t Send(const iovec* pieces, int count);

  // Tells the other side of the end, as far as the socket takes it.
  void Shutdown();
  // Why it failed, in words.
  const std::string& problem() const { return problem_; }

 private:
  TlsStream(int fd, const config::TlsPtr& settings);
  static long Control(bio_st* bio, int command, long number, void* pointer);
  static int ReadSocket(bio_st* bio, char* to, size_t room, size_t* received);
  static int WriteSocket(bio_st* bio, const char* from, size_t size, size_t* sent);
  static const bio_method_st* Method();
  void Break(int error);
  ssize_t SendRecords(const iovec* pieces, int count);

  const int fd_;
  const config::TlsPtr settings_;
  ssl_st* ssl_ = nullptr;
  bool socket_drained_ = false;  // the last recv took all there was
  bool socket_ended_ = false;
  bool drained_ = false;
  bool broken_ = false;  // no more can be done with it
  int system_error_ = 0;
  std::string problem_;
};

}  // namespace crossfade::proxy
