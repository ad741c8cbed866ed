#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/cli/admin_client.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {

int RunResume(const Arguments& arguments) {
  AdminClient client(arguments.admin, arguments.token);
  const nlohmann::json request = {{"reason", arguments.reason}};
  const auto replace = nlohmann::json::error_handler_t::replace;
  const Result<AdminAnswer> answer =
      client.Post("/api/v1/resume", request.dump(-1, ' ', false, replace));
  if (!answer) {
    PrintError(answer.error().message);
    return kCouldNotRun;
  }
  if (answer->status != 200) {
    PrintError(ErrorOf(*answer));
    return kCouldNotRun;
  }
  const auto outcome = nlohmann::json::parse(answer->body, nullptr, false);
  const std::string done = outcome.is_object() ? outcome.value("done", "") : "";
  std::printf("%s\n", arguments.json ? answer->body.c_str() : done.c_str());
  return kDone;
}

}  // namespace crossfade::cli
