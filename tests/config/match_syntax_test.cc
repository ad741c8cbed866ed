#include "config/match_syntax.h"

#include <gtest/gtest.h>

namespace crossfade::config {
namespace {

TEST(MatchSyntax, NetworksAreBroughtToOneSpelling) {
  const std::pair<const char*, const char*> kNetworks[] = {
      {"10.0.0.0/8", "10.0.0.0/8"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"10.1.2.3", "10.1.2.3/32"},
      {"192.168.4.128/25", "192.168.4.128/25"},
      {"FD00:0::/8", "fd00::/8"},
      {"::1", "::1/128"},
      {"::/0", "::/0"},
      {"2001:db8:8000::/33", "2001:db8:8000::/33"}};
  for (const auto& [text, network] : kNetworks) {
    ASSERT_TRUE(ParseNetwork(text)) << text;
    EXPECT_EQ(*ParseNetwork(text), network) << text;
  }
}

TEST(MatchSyntax, BadNetworksSayWhatWasExpected) {
  const std::pair<const char*, const char*> kNetworks[] = {
      {"", "a network such as 10.0.0.0/8 or fd00::/8"},
      {"10.0.0", "a network such as 10.0.0.0/8 or fd00::/8"},
      {"store/8", "a network such as 10.0.0.0/8 or fd00::/8"},
      {"[::1]/8", "a network such as 10.0.0.0/8 or fd00::/8"},
      {"10.0.0.0/33", "a prefix length from 0 to 32 after the /"},
      {"10.0.0.0/", "a prefix length from 0 to 32 after the /"},
      {"10.0.0.0/-1", "a prefix length from 0 to 32 after the /"},
      {"::/129", "a prefix length from 0 to 128 after the /"},
      {"10.1.2.3/8", "a network without host bits, such as 10.0.0.0/8"},
      {"192.168.4.129/25", "a network without host bits, such as 192.168.4.128/25"},
      {"fd00::1/64", "a network without host bits, such as fd00::/64"}};
  for (const auto& [text, message] : kNetworks) {
    const Result<std::string> network = ParseNetwork(text);
    ASSERT_FALSE(network) << text;
    EXPECT_EQ(network.error().message, message) << text;
  }
}

TEST(MatchSyntax, GlobsAreChecked) {
  for (const char* glob : {"", "*", "canary-*", "a?c", "[abc]x", "[^a-z]", "[\\]]", "\\*", "a]b"}) {
    EXPECT_TRUE(CheckGlob(glob)) << glob;
  }
  for (const char* glob : {"[", "a[bc", "[a\\", "[a\\]", "x\\", "[]x[", "[^"}) {
    EXPECT_FALSE(CheckGlob(glob)) << glob;
  }
}

}  // namespace
}  // namespace crossfade::config
