// SideCommands: commands to a store that must not wait behind what runs there:
// SCRIPT KILL while a lane's script is running. Each goes on a connection of its
// own, from one background thread that is started when it is first needed. Ask
// is safe from any thread; the answer is given from the background thread, or
// never, when it is stopped before.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proxy/auth/store_users.h"
#include "proxy/backend/interrupt.h"
#include "proxy/backend/store_link.h"

namespace crossfade::proxy {

class SideCommands {
 public:
  ~SideCommands() { Stop(); }

  // As `login`, else as the store's address says. `answer` gets one complete reply
  // frame, an error when the store is not reached.
  void Ask(const StoreLink& link, std::optional<StoreLogin> login, std::vector<std::string> command,
           std::function<void(std::string)> answer);
  void Stop();

 private:
  struct Job {
    const StoreLink* link;
    std::optional<StoreLogin> login;
    std::vector<std::string> command;
    std::function<void(std::string)> answer;
  };
  void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stop_ = false;
  Interrupt interrupt_;
  std::thread thread_;
};

}  // namespace crossfade::proxy
