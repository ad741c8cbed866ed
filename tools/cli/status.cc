#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "proxy/admin/status_text.h"
#include "tools/cli/admin_client.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {
namespace {

constexpr std::chrono::milliseconds kSampleGap{500};
constexpr std::chrono::milliseconds kWatchGap{1'000};

Result<std::string> Fetch(AdminClient& client) {
  Result<AdminAnswer> answer = client.Get("/api/v1/status");
  if (!answer) return tl::unexpected(answer.error());
  if (answer->status != 200) return Fail(client.Url() + ": " + ErrorOf(*answer));
  return std::move(answer->body);
}

proxy::StatusStyle Style() {
  proxy::StatusStyle style;
  style.colour = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  return style;
}

int ExitCode(const std::string& status) {
  const auto document = nlohmann::json::parse(status, nullptr, false);
  return document.is_object() && document.value("ready", false) ? kDone : kFailed;
}

// False when standard output is gone.
bool Print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

int Watch(AdminClient& client, bool json) {
  // On a terminal each picture covers the one before it.
  const std::string clear = isatty(STDOUT_FILENO) == 1 ? "\x1b[H\x1b[2J" : "";
  std::string before;
  while (true) {
    const Result<std::string> now = Fetch(client);
    std::string text;
    if (!now) {
      PrintError(now.error().message);
    } else if (json) {
      text = *now + "\n";
    } else {
      const Result<std::string> shown = proxy::RenderStatus(before, *now, Style());
      if (!shown) {
        PrintError(shown.error().message);
        return kCouldNotRun;
      }
      text = clear + *shown + (clear.empty() ? "\n" : "");
    }
    if (!Print(text)) return kDone;
    if (now) before = *now;
    std::this_thread::sleep_for(kWatchGap);
  }
}

}  // namespace

int RunStatus(const Arguments& arguments) {
  AdminClient client(arguments.admin, arguments.token);
  if (arguments.watch) return Watch(client, arguments.json);
  Result<std::string> now = Fetch(client);
  std::string before;
  if (now && !arguments.json) {
    before = *now;
    std::this_thread::sleep_for(kSampleGap);
    now = Fetch(client);
  }
  if (!now) {
    PrintError(now.error().message);
    return kCouldNotRun;
  }
  if (arguments.json) {
    Print(*now + "\n");
    return ExitCode(*now);
  }
  const Result<std::string> shown = proxy::RenderStatus(before, *now, Style());
  if (!shown) {
    PrintError(shown.error().message);
    return kCouldNotRun;
  }
  Print(*shown);
  return ExitCode(*now);
}

}  // namespace crossfade::cli
