#include "routing/policy/glob.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"

namespace crossfade::routing {
namespace {

TEST(GlobTest, MatchesAsTheTableSays) {
  const struct {
    const char* pattern;
    const char* text;
    bool matches;
  } kTable[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "", false},
      {"*", "", true},
      {"***", "", true},
      {"?", "", false},
      {"canary-*", "canary-7", true},
      {"canary-*", "canary-", true},
      {"canary-*", "Canary-7", false},
      {"a*b*c", "aXXbYYc", true},
      {"a*b*c", "aXXcYYb", false},
      {"*a", "aaab", false},
      {"h?llo", "hello", true},
      {"h[ae]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[a-e]llo", "hcllo", true},
      {"h[e-a]llo", "hcllo", true},
      {"[]", "]", false},
      {"[^]", "x", true},
      {"[a", "a", true},
      {"\\*", "*", true},
      {"\\*", "x", false},
      {"a\\", "a\\", true},
      {"[\\]]", "]", true},
      {"[a-]", "-", false},
      {"[\\-a]", "-", true},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(GlobMatch(row.pattern, row.text), row.matches) << row.pattern << " " << row.text;
  }
}

TEST(GlobTest, MatchesWhatTheServersKeysCommandMatches) {
  test::RedisServer server;
  test::RedisClient client(server.port());
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string letters("ab-]\\^\0\xff", 8);
  const std::string elements("ab*?[]\\^-\xff*[", 12);
  std::vector<std::string> names;
  for (int i = 0; i < 400; ++i) {
    std::string name(1 + random() % 6, '\0');
    for (char& c : name) c = letters[random() % letters.size()];
    ASSERT_TRUE(client.Call({"SET", name, ""}).ok());
    names.push_back(std::move(name));
  }
  size_t matched = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string pattern(random() % 9, '\0');
    for (char& c : pattern) c = elements[random() % elements.size()];
    std::set<std::string> expected, ours;
    for (const test::Value& key : client.Call({"KEYS", pattern}).elements)
      expected.insert(key.text);
    for (const std::string& name : names) {
      if (GlobMatch(pattern, name)) ours.insert(name);
    }
    ASSERT_EQ(ours, expected) << testing::PrintToString(pattern);
    matched += ours.size();
  }
  EXPECT_GT(matched, 1000u);
}

TEST(GlobTest, ManyStarsTakeNoAges) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  EXPECT_FALSE(GlobMatch(pattern + "b", std::string(10'000, 'a')));
}

}  // namespace
}  // namespace crossfade::routing
