#include "proxy/admin/keys_api.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace crossfade::proxy {
namespace {

using Names = std::vector<std::string>;

TEST(KeysApi, KeysAreNamedEscaped) {
  const auto order = ParseSyncOrder(R"({"db": 3, "keys": ["a", "b\\x00\\xff"]})");
  ASSERT_TRUE(order) << order.error().message;
  EXPECT_EQ(order->action, KeyOrder::Action::kSync);
  EXPECT_EQ(order->db, 3u);
  EXPECT_EQ(order->keys, (Names{"a", std::string("b\0\xff", 3)}));
  EXPECT_EQ(ParseSyncOrder(R"({"keys": [""]})")->keys, Names{""});
}

TEST(KeysApi, TheQuarantineIsTriedAgainOrAccepted) {
  const auto retry = ParseQuarantineOrder(R"({"action": "retry", "all": true})");
  ASSERT_TRUE(retry) << retry.error().message;
  EXPECT_EQ(retry->action, KeyOrder::Action::kRetry);
  EXPECT_TRUE(retry->all);
  const auto accept = ParseQuarantineOrder(R"({"action": "accept", "db": 1, "keys": ["k"]})");
  ASSERT_TRUE(accept) << accept.error().message;
  EXPECT_EQ(accept->action, KeyOrder::Action::kAccept);
  EXPECT_EQ(accept->keys, Names{"k"});
}

TEST(KeysApi, WhatIsWrongIsSaid) {
  for (const char* body :
       {"", "[]", "{", "{}", R"({"keys": []})", R"({"keys": "k"})", R"({"keys": [1]})",
        R"({"keys": ["\\x"]})", R"({"db": -1, "keys": ["k"]})", R"({"db": "0", "keys": ["k"]})",
        R"({"db": 99999, "keys": ["k"]})"}) {
    const auto order = ParseSyncOrder(body);
    ASSERT_FALSE(order) << body;
    EXPECT_NE(order.error().message.find("expected"), std::string::npos) << body;
  }
  for (const char* body :
       {"", R"({"keys": ["k"]})", R"({"action": "forget", "keys": ["k"]})",
        R"({"action": 1, "all": true})", R"({"action": "retry"})",
        R"({"action": "retry", "all": 1})", R"({"action": "retry", "all": true, "keys": ["k"]})"}) {
    const auto order = ParseQuarantineOrder(body);
    ASSERT_FALSE(order) << body;
    EXPECT_NE(order.error().message.find("expected"), std::string::npos) << body;
  }
}

TEST(KeysApi, TheListIsJson) {
  const std::string text =
      QuarantineJson({2, 1, {{0, std::string("k\0", 2), "ERR \"no\"", 5, 3, true}}});
  const auto document = nlohmann::json::parse(text, nullptr, false);
  EXPECT_EQ(document["quarantined"], 2);
  EXPECT_EQ(document["accepted"], 1);
  EXPECT_EQ(document["keys"][0],
            nlohmann::json::parse(R"({"db": 0, "key": "k\\x00", "reason": "ERR \"no\"",
                                      "first_seen_ms": 5, "attempts": 3, "accepted": true})"));
}

}  // namespace
}  // namespace crossfade::proxy
