#include "tests/e2e/verification.h"

namespace crossfade::test {

MigrationOptions OtherEncodings() {
  MigrationOptions options;
  options.fresh_args = {"--hash-max-listpack-entries", "2", "--set-max-intset-entries", "2",
                        "--zset-max-listpack-entries", "2", "--list-max-listpack-size", "2"};
  return options;
}

void FillEveryType(RedisClient& store, int keys) {
  std::vector<Args> commands;
  for (int i = 0; i < keys; ++i) {
    const std::string key = "c:" + std::to_string(i);
    const std::string n = std::to_string(i);
    switch (i % 7) {
      case 0:
        commands.push_back({"SET", key, "value " + n});
        break;
      case 1:
        commands.push_back({"SET", key, "value " + n, "EX", "5000"});
        break;
      case 2:
        commands.push_back({"HSET", key, "a", n, "b", "2", "c", "3", "d", "4"});
        break;
      case 3:
        commands.push_back({"RPUSH", key, "a", n, "b", "c", "d"});
        break;
      case 4:
        commands.push_back({"SADD", key, "1", "2", "3", "1000000" + n});
        break;
      case 5:
        commands.push_back({"ZADD", key, "1.5", "a", "2", "b", n, "c", "0.1", "d"});
        break;
      case 6:
        commands.push_back({"XADD", key, "1-1", "f", n});
        commands.push_back({"XADD", key, "2-1", "f", "v"});
        commands.push_back({"XGROUP", "CREATE", key, "g", "0"});
        commands.push_back({"XREADGROUP", "GROUP", "g", "anna", "COUNT", "1", "STREAMS", key, ">"});
        break;
    }
  }
  for (const Value& reply : store.Pipeline(commands)) EXPECT_TRUE(reply.ok()) << Render(reply);
}

nlohmann::json Verify(const Migration& migration, const nlohmann::json& request) {
  const uint16_t port = migration.proxy->admin_port();
  const HttpAnswer begun = HttpRequest(port, "POST", "/api/v1/verify",
                                       request.is_null() ? std::string() : request.dump());
  if (begun.status != 200) {
    ADD_FAILURE() << "the verification did not begin: " << begun.body;
    return {};
  }
  const uint64_t id = nlohmann::json::parse(begun.body).value("id", uint64_t{0});
  nlohmann::json found;
  const bool ended = Await(
      [&] {
        const auto answer =
            nlohmann::json::parse(HttpRequest(port, "GET", "/api/v1/verify").body, nullptr, false);
        if (!answer.is_object()) return false;
        for (const auto& pass : answer["passes"]) {
          if (pass.value("id", uint64_t{0}) == id) found = pass;
        }
        return found.is_object() && found.value("ended", false);
      },
      std::chrono::minutes(10));
  EXPECT_TRUE(ended) << found.dump();
  return found;
}

std::map<std::string, std::string> FoundBy(const Migration& migration, const nlohmann::json& pass) {
  const HttpAnswer answer =
      HttpRequest(migration.proxy->admin_port(), "GET", "/api/v1/verify/differences");
  std::map<std::string, std::string> found;
  const auto document = nlohmann::json::parse(answer.body, nullptr, false);
  for (const auto& difference : document.value("differences", nlohmann::json::array())) {
    if (difference.value("pass", uint64_t{0}) != pass.value("id", uint64_t{1})) continue;
    if (difference.value("action", "") != "found") continue;
    found[difference.value("key", "")] = difference.value("kind", "");
  }
  return found;
}

std::string Brief(const nlohmann::json& pass) {
  return pass.value("state", "?") + " " + pass.value("error", "") + " compared " +
         pass["compared"].dump() + " by type " + pass["by_type"].dump() + " differences " +
         pass["differences"].dump() + " " + pass["kinds"].dump() + " skipped " +
         pass["skipped"].dump() + " examples " + pass["examples"].dump();
}

}  // namespace crossfade::test
