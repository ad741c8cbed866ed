#include "proxy/admin/http_guard.h"

#include <gtest/gtest.h>

#include <vector>

namespace crossfade::proxy {
namespace {

TEST(HttpGuard, LoopbackNames) {
  for (const char* host : {"127.0.0.1", "127.8.9.10", "localhost", "::1"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"", "0.0.0.0", "10.0.0.1", "127.0.0.1.evil.example", "127.evil",
                           "::", "localhost.evil.example", "128.0.0.1"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(HttpGuard, HostWithoutItsPort) {
  EXPECT_EQ(HostWithoutPort("127.0.0.1:9380"), "127.0.0.1");
  EXPECT_EQ(HostWithoutPort("localhost"), "localhost");
  EXPECT_EQ(HostWithoutPort("[::1]:9380"), "::1");
  EXPECT_EQ(HostWithoutPort("[::1"), "");
  EXPECT_EQ(HostWithoutPort(""), "");
}

TEST(HttpGuard, SameSecretComparesAllOfBoth) {
  EXPECT_TRUE(SameSecret("token", "token"));
  EXPECT_FALSE(SameSecret("token", "token2"));
  EXPECT_FALSE(SameSecret("token", "toke"));
  EXPECT_FALSE(SameSecret("token", ""));
  EXPECT_FALSE(SameSecret(std::string("a\0b", 3), std::string("a\0c", 3)));
}

TEST(HttpGuard, MutationDecisions) {
  struct Row {
    const char* what;
    const char* token;
    bool loopback;
    MutationHeaders headers;
    int status;  // 0: allowed
  };
  const std::vector<Row> rows = {
      {"curl on loopback", "", true, {"", "127.0.0.1:9380", "", ""}, 0},
      {"localhost by name", "", true, {"", "localhost:9380", "", ""}, 0},
      {"the dashboard's own page",
       "",
       true,
       {"", "127.0.0.1:9380", "http://127.0.0.1:9380", "same-origin"},
       0},
      {"another site's page",
       "",
       true,
       {"", "127.0.0.1:9380", "http://evil.example", "cross-site"},
       403},
      {"another site's page in an old browser",
       "",
       true,
       {"", "127.0.0.1:9380", "http://evil.example", ""},
       403},
      {"a sandboxed page", "", true, {"", "127.0.0.1:9380", "null", ""}, 403},
      {"a page on another local port",
       "",
       true,
       {"", "127.0.0.1:9380", "http://127.0.0.1:8080", "same-site"},
       403},
      {"a rebound name",
       "",
       true,
       {"", "evil.example:9380", "http://evil.example:9380", "same-origin"},
       403},
      {"no Host", "", true, {"", "", "", ""}, 403},
      {"no token on a public address", "", false, {"", "10.0.0.5:9380", "", ""}, 403},
      {"any token where none is set", "", false, {"Bearer x", "10.0.0.5:9380", "", ""}, 403},
      {"the token", "s3cret", false, {"Bearer s3cret", "10.0.0.5:9380", "", ""}, 0},
      {"the token, by a service's name",
       "s3cret",
       false,
       {"Bearer s3cret", "crossfade:9380", "", ""},
       0},
      {"the token, needed on loopback too", "s3cret", true, {"", "127.0.0.1:9380", "", ""}, 401},
      {"a wrong token", "s3cret", true, {"Bearer s3cres", "127.0.0.1:9380", "", ""}, 401},
      {"a longer token", "s3cret", true, {"Bearer s3cret ", "127.0.0.1:9380", "", ""}, 401},
      {"another scheme", "s3cret", true, {"Basic s3cret", "127.0.0.1:9380", "", ""}, 401},
      {"the token from another site's page",
       "s3cret",
       true,
       {"Bearer s3cret", "127.0.0.1:9380", "http://evil.example", "cross-site"},
       403}};
  for (const Row& row : rows) {
    const auto refusal = HttpGuard(row.token, row.loopback).CheckMutation(row.headers);
    EXPECT_EQ(refusal ? refusal->status : 0, row.status) << row.what;
    EXPECT_TRUE(!refusal || !refusal->message.empty()) << row.what;
  }
}

}  // namespace
}  // namespace crossfade::proxy
