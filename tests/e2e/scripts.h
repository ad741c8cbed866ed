// What the end-to-end tests of scripts and functions share: stores with a live
// mirror between them, clients of both workers, and what the status tells.
#pragma once

#include <gtest/gtest.h>

#include "tests/e2e/migration.h"

namespace crossfade::test {

inline const Value kOk{Value::Kind::kStatus, "OK", 0, {}};

inline uint64_t Calls(const nlohmann::json& status, const std::string& verdict) {
  return status.at("script_calls").value(verdict, uint64_t{0});
}

inline nlohmann::json ScriptNamed(const nlohmann::json& status, const std::string& id) {
  for (const auto& script : status.at("scripts")) {
    if (script.at("id") == id) return script;
  }
  return {};
}

class ScriptsTest : public ::testing::TestWithParam<int> {
 protected:
  ScriptsTest() { migration_.config.workers = GetParam(); }

  void Start() { ASSERT_TRUE(migration_.StartLive()); }
  // Several connections, so that with two workers both are used.
  RedisClient& Client(size_t i = 0) {
    while (clients_.size() <= i) {
      clients_.push_back(std::make_unique<RedisClient>(migration_.proxy->port()));
    }
    return *clients_[i];
  }
  Value Eval(const std::string& text, const Args& keys, const Args& arguments = {}) {
    Args args = {"EVAL", text, std::to_string(keys.size())};
    args.insert(args.end(), keys.begin(), keys.end());
    args.insert(args.end(), arguments.begin(), arguments.end());
    return Client().Call(args);
  }
  std::string Load(const std::string& text) {
    const Value sha = Client().Call({"SCRIPT", "LOAD", text});
    EXPECT_EQ(sha.kind, Value::Kind::kString) << Render(sha);
    return sha.text;
  }
  nlohmann::json Drained() {
    EXPECT_TRUE(migration_.proxy->AwaitDrained());
    return migration_.Status();
  }
  nlohmann::json ExpectEqual() {
    migration_.ExpectEqualWhenDrained();
    return migration_.Status();
  }
  Value OnLegacy(const Args& args) { return RedisClient(migration_.legacy.port()).Call(args); }
  Value OnNew(const Args& args) { return RedisClient(migration_.fresh.port()).Call(args); }

  Migration migration_;
  std::vector<std::unique_ptr<RedisClient>> clients_;
};

}  // namespace crossfade::test
