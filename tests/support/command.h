// Command: the real binary with some arguments as a child, for commands that end by
// themselves. What it prints goes to files, so that it never waits for the test.
// The child dies with the thread that started it. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace crossfade::test {

// The one that the environment's CROSSFADE_BINARY names, else the build's own.
std::string BinaryPath();

struct CommandResult {
  int exit_code = -1;  // -1: ended by a signal, or not in time
  std::string out, err;
};

class Command {
 public:
  // `file_bytes_max`: no file may grow over it; 0: as the system allows.
  explicit Command(const std::vector<std::string>& args, uint64_t file_bytes_max = 0);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  void Signal(int number);
  bool running();
  CommandResult Wait();

 private:
  std::string dir_;
  pid_t pid_ = -1;
  int status_ = 0;
};

CommandResult RunCommand(const std::vector<std::string>& args, uint64_t file_bytes_max = 0);

}  // namespace crossfade::test
