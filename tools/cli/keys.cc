// What is done about single keys: `sync`, and the quarantine.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "proxy/admin/format.h"
#include "tools/cli/admin_client.h"
#include "tools/cli/commands.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;

int Post(const Arguments& arguments, const std::string& path, json order) {
  AdminClient client(arguments.admin, arguments.token);
  order["db"] = arguments.db;
  if (!arguments.keys.empty()) order["keys"] = arguments.keys;
  const auto replace = json::error_handler_t::replace;
  const Result<AdminAnswer> answer = client.Post(path, order.dump(-1, ' ', false, replace));
  if (!answer || answer->status != 200) {
    PrintError(answer ? ErrorOf(*answer) : answer.error().message);
    return answer && answer->status == 409 ? kFailed : kCouldNotRun;
  }
  const json outcome = json::parse(answer->body, nullptr, false);
  const std::string done = outcome.is_object() ? outcome.value("done", "") : "";
  std::printf("%s\n", arguments.json ? answer->body.c_str() : done.c_str());
  return kDone;
}

int List(const Arguments& arguments) {
  AdminClient client(arguments.admin, arguments.token);
  const Result<AdminAnswer> answer = client.Get("/api/v1/quarantine");
  if (!answer || answer->status != 200) {
    PrintError(answer ? ErrorOf(*answer) : answer.error().message);
    return kCouldNotRun;
  }
  const json list = json::parse(answer->body, nullptr, false);
  if (!list.is_object() || !list.value("keys", json()).is_array()) {
    PrintError(client.Url() + ": not a list of quarantined keys");
    return kCouldNotRun;
  }
  const auto count = list.value("quarantined", uint64_t{0});
  const auto accepted = list.value("accepted", uint64_t{0});
  if (arguments.json) {
    std::printf("%s\n", answer->body.c_str());
    return count > accepted ? kFailed : kDone;
  }
  std::printf("%llu keys in quarantine, %llu of them accepted\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(accepted));
  for (const json& key : list["keys"]) {
    std::printf("db %u  %s  since %s, %u attempts%s\n    %s\n", key.value("db", 0u),
                key.value("key", "").c_str(),
                proxy::FormatTime(key.value("first_seen_ms", int64_t{0})).c_str(),
                key.value("attempts", 0u), key.value("accepted", false) ? ", accepted" : "",
                key.value("reason", "").c_str());
  }
  const size_t shown = list["keys"].size();
  if (shown < count) {
    std::printf("... and %llu more\n", static_cast<unsigned long long>(count - shown));
  }
  return count > accepted ? kFailed : kDone;
}

}  // namespace

int RunSync(const Arguments& arguments) { return Post(arguments, "/api/v1/sync", json::object()); }

int RunQuarantine(const Arguments& arguments) {
  if (arguments.verb == "list") return List(arguments);
  json order = {{"action", arguments.verb}};
  if (arguments.all) order["all"] = true;
  return Post(arguments, "/api/v1/quarantine", order);
}

}  // namespace crossfade::cli
