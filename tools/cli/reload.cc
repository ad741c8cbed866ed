#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/cli/admin_client.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {
namespace {

void PrintChanges(const nlohmann::json& outcome) {
  const std::string digest = outcome.value("digest", "").substr(0, 12);
  const auto epoch = static_cast<unsigned long long>(outcome.value("epoch", uint64_t{0}));
  const auto changes = outcome.value("changes", nlohmann::json::array());
  if (changes.empty()) {
    std::printf("nothing changed: plan #%llu %s is in force already\n", epoch, digest.c_str());
    return;
  }
  std::printf("applied: plan #%llu %s\n", epoch, digest.c_str());
  for (const auto& change : changes) std::printf("  %s\n", change.get<std::string>().c_str());
}

}  // namespace

int RunReload(const Arguments& arguments) {
  AdminClient client(arguments.admin, arguments.token);
  const Result<AdminAnswer> answer = client.Post("/api/v1/reload");
  if (!answer) {
    PrintError(answer.error().message);
    return kCouldNotRun;
  }
  if (answer->status == 401) {
    PrintError(ErrorOf(*answer) + "; pass it with --token or CROSSFADE_TOKEN");
    return kCouldNotRun;
  }
  const auto outcome = nlohmann::json::parse(answer->body, nullptr, false);
  if (!outcome.is_object() || !outcome.contains("applied")) {
    PrintError(client.Url() + ": " + ErrorOf(*answer));
    return kCouldNotRun;
  }
  if (arguments.json) std::printf("%s\n", answer->body.c_str());
  if (outcome.value("applied", false)) {
    if (!arguments.json) PrintChanges(outcome);
    return kDone;
  }
  PrintError("the reload was refused, the plan before it stays in force:\n" + ErrorOf(*answer));
  return kFailed;
}

}  // namespace crossfade::cli
