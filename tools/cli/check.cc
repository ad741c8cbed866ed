#include <cstdio>
#include <nlohmann/json.hpp>

#include "config/loader.h"
#include "config/plan.h"
#include "proxy/admin/status_json.h"
#include "routing/policy/acl.h"
#include "tools/cli/admin_client.h"
#include "tools/cli/commands.h"
#include "tools/cli/plan_difference.h"

namespace crossfade::cli {
namespace {

void CompareWithRunning(const Arguments& arguments, const config::Plan& plan) {
  AdminClient client(arguments.admin, arguments.token);
  const Result<AdminAnswer> answer = client.Get("/api/v1/plan");
  if (!answer || answer->status != 200) {
    std::printf("\nno proxy answers at %s: not compared with a running plan\n",
                client.Url().c_str());
    return;
  }
  const auto running = nlohmann::json::parse(answer->body, nullptr, false);
  if (!running.is_object() || !running.contains("text") || !running.contains("digest")) {
    std::printf("\n%s is not a crossfade proxy: not compared\n", client.Url().c_str());
    return;
  }
  const auto difference = PlanDifference(running.value("text", ""), running.value("digest", ""),
                                         config::CanonicalText(plan.settings), plan.digest);
  if (difference.empty()) {
    std::printf("\nthe proxy at %s runs this very plan\n", client.Url().c_str());
    return;
  }
  std::printf("\nagainst the plan in force at %s (%s):\n", client.Url().c_str(),
              running.value("digest", "").substr(0, 12).c_str());
  for (const std::string& line : difference) std::printf("  %s\n", line.c_str());
}

// What the running proxy has found out about the two stores.
void ListMissingCommands(const Arguments& arguments) {
  AdminClient client(arguments.admin, arguments.token);
  const Result<AdminAnswer> answer = client.Get("/api/v1/status");
  if (!answer || answer->status != 200) return;
  const auto status = nlohmann::json::parse(answer->body, nullptr, false);
  if (!status.is_object() || !status.contains("missing_commands")) return;
  const auto list = [&status](const char* kind, const char* title) {
    std::string names;
    for (const auto& name : status["missing_commands"][kind]) {
      names += (names.empty() ? "" : ", ") + name.get<std::string>();
    }
    if (!names.empty()) std::printf("\n%s: %s\n", title, names.c_str());
  };
  list("used", "the new store lacks commands that clients have used");
  list("unused", "the new store lacks, not used so far");
}

// A mistake here would take no right away, or give none.
void PrintUnknownCommands(const config::Settings& settings) {
  if (!settings.users) return;
  for (const config::User& user : *settings.users) {
    for (const std::string& command : routing::UnknownCommands(user)) {
      std::printf(
          "\nusers[%s].commands: Redis 7.0 has no '%s': it only counts where the store "
          "has it\n",
          user.name.c_str(), command.c_str());
    }
  }
}

}  // namespace

int RunCheck(const Arguments& arguments) {
  Result<config::Settings> settings = config::LoadSettings(arguments.file);
  if (!settings) {
    std::fprintf(stderr, "%s\n", settings.error().message.c_str());
    return kFailed;
  }
  const config::PlanPtr plan = config::MakePlan(std::move(*settings), 1);
  std::printf("%s\ndigest %s\n",
              proxy::RedactSecrets(config::CanonicalText(plan->settings)).c_str(),
              plan->digest.c_str());
  PrintUnknownCommands(plan->settings);
  CompareWithRunning(arguments, *plan);
  ListMissingCommands(arguments);
  return kDone;
}

}  // namespace crossfade::cli
