// What the end-to-end tests of blocking commands share: clients that wait, and
// knowing when they do.
#pragma once

#include <gtest/gtest.h>

#include <sstream>

#include "tests/e2e/migration.h"

namespace crossfade::test {

inline Args Words(const std::string& line) {
  std::istringstream stream(line);
  Args words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

inline void SendNow(RedisClient& client, const std::string& line) {
  std::string bytes;
  EncodeCommand(bytes, Words(line));
  client.SendRaw(bytes);
}

// Waits until as many clients of the proxy are blocked.
inline bool AwaitBlocked(Migration& migration, uint64_t count) {
  return Await([&] {
    const nlohmann::json status = migration.Status();
    return status.is_object() && status.value("clients_blocked", ~uint64_t{0}) == count;
  });
}

// Of a plain server.
inline bool AwaitBlockedThere(RedisClient& server, uint64_t count) {
  const std::string wanted = "blocked_clients:" + std::to_string(count) + "\r";
  return Await([&] {
    return server.Call({"INFO", "clients"}).text.find(wanted) != std::string::npos;
  });
}

class BlockingTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    migration_.config.workers = GetParam();
    ASSERT_TRUE(migration_.StartLive());
  }
  uint16_t port() const { return migration_.proxy->port(); }

  Migration migration_;
};

}  // namespace crossfade::test
