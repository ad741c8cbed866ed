// TlsTunnel: a plain loopback port whose connections go on under TLS to another
// port, with a thread for each, so that clients that know no TLS can be used. It
// checks nothing of the server's certificate. Its methods may be called from any
// thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "tests/support/free_port.h"

struct ssl_ctx_st;
struct ssl_st;

namespace crossfade::test {

struct TunnelOptions {
  uint16_t target = 0;
  std::string cert;  // path of the client's certificate; empty: none
  std::string key;
  int max_version = 0;  // TLS1_2_VERSION, ...; 0: the best
  size_t record = 0;    // bytes of what is sent per record; 0: as they come
};

class TlsTunnel {
 public:
  explicit TlsTunnel(TunnelOptions options);
  ~TlsTunnel();
  TlsTunnel(const TlsTunnel&) = delete;
  TlsTunnel& operator=(const TlsTunnel&) = delete;

  uint16_t port() const { return lease_.port(); }
  // Why the last connection that failed did; "" when none has.
  std::string Problem() const;

 private:
  void Accept();
  void Serve(int client);
  bool Forward(int client, ssl_st* ssl);
  void Fail();

  const TunnelOptions options_;
  PortLease lease_;
  ssl_ctx_st* context_ = nullptr;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;  // of the two below
  std::string problem_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace crossfade::test
