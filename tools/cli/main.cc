#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "proxy/admin/version.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {

void PrintError(const std::string& message) {
  std::fprintf(stderr, "crossfade: %s\n", message.c_str());
}

int Main(int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const Result<Arguments> arguments = ParseArguments(words, [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return std::string(value == nullptr ? "" : value);
  });
  if (!arguments) {
    std::fprintf(stderr, "%s\n", arguments.error().message.c_str());
    return kCouldNotRun;
  }
  // A peer or a pipe that is gone is a write error, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // so is a file that may not grow
  if (arguments->help || arguments->command == "help") {
    std::fputs(HelpText(arguments->command).c_str(), stdout);
    return kDone;
  }
  if (arguments->command == "serve") return RunServe(*arguments);
  if (arguments->command == "check") return RunCheck(*arguments);
  if (arguments->command == "status") return RunStatus(*arguments);
  if (arguments->command == "reload") return RunReload(*arguments);
  if (arguments->command == "journal") return RunJournal(*arguments);
  if (arguments->command == "sync") return RunSync(*arguments);
  if (arguments->command == "quarantine") return RunQuarantine(*arguments);
  if (arguments->command == "backfill") return RunBackfill(*arguments);
  if (arguments->command == "resume") return RunResume(*arguments);
  if (arguments->command == "snapshot") return RunSnapshot(*arguments);
  if (arguments->command == "restore") return RunRestore(*arguments);
  if (arguments->command == "verify") return RunVerify(*arguments);
  if (arguments->command == "report") return RunReport(*arguments);
  std::printf("crossfade %s\n", proxy::kVersion);
  return kDone;
}

}  // namespace crossfade::cli
