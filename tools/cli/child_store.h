// ChildStore: a redis-server child on a free loopback port, for embedded mode. It
// dies with the thread that started it and with this object. When it ends by
// itself, the callback is called once, from a thread of its own. One thread.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "config/result.h"

namespace crossfade::cli {

// The first executable of the name in PATH; empty when there is none.
std::string FindInPath(const std::string& name);

class ChildStore {
 public:
  // `folder` exists and is the store's own. Returns when the store answers.
  static Result<std::unique_ptr<ChildStore>> Start(const std::string& binary,
                                                   const std::string& folder);
  ~ChildStore();
  ChildStore(const ChildStore&) = delete;
  ChildStore& operator=(const ChildStore&) = delete;

  void OnExit(std::function<void(const std::string& how)> callback);

  uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  // A line for a shell that starts such a store on the same port.
  std::string RestartLine() const;

 private:
  ChildStore(std::string folder, uint16_t port) : folder_(std::move(folder)), port_(port) {}
  Status Launch(const std::string& binary);
  Status AwaitAnswer() const;

  std::string folder_;
  uint16_t port_;
  pid_t pid_ = -1;
  std::atomic<bool> ending_{false};
  std::thread watcher_;
};

}  // namespace crossfade::cli
