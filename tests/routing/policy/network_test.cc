#include "routing/policy/network.h"

#include <gtest/gtest.h>

namespace crossfade::routing {
namespace {

bool Contains(const char* network, const char* address) {
  const auto parsed = Network::Parse(network);
  const auto ip = ParseIpAddress(address);
  EXPECT_TRUE(parsed) << network;
  EXPECT_TRUE(ip) << address;
  return parsed && ip && parsed->Contains(*ip);
}

TEST(NetworkTest, ContainsWhatItsBitsCover) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.3.4"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(Contains("10.1.2.3/8", "10.9.9.9")) << "bits beyond the prefix don't count";
  EXPECT_TRUE(Contains("192.168.1.128/25", "192.168.1.200"));
  EXPECT_FALSE(Contains("192.168.1.128/25", "192.168.1.127"));
  EXPECT_TRUE(Contains("192.168.1.130/31", "192.168.1.131"));
  EXPECT_FALSE(Contains("192.168.1.130/31", "192.168.1.132"));
  EXPECT_TRUE(Contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(Contains("203.0.113.9", "203.0.113.9"));
  EXPECT_FALSE(Contains("203.0.113.9/32", "203.0.113.8"));
  EXPECT_TRUE(Contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(Contains("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(Contains("::1", "::1"));
  EXPECT_TRUE(Contains("::/0", "fe80::1"));
  EXPECT_FALSE(Contains("::1/128", "::2"));
}

TEST(NetworkTest, FamiliesAreApartButMappedAddressesAreIpv4) {
  EXPECT_FALSE(Contains("::/0", "10.0.0.1"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "::1"));
  EXPECT_TRUE(Contains("10.0.0.0/8", "::ffff:10.2.3.4"));
  EXPECT_TRUE(Contains("::ffff:10.0.0.0/104", "10.2.3.4"));
  EXPECT_FALSE(Contains("::ffff:10.0.0.0/104", "11.2.3.4"));
}

TEST(NetworkTest, WhatIsNoNetworkIsRefused) {
  for (const char* text :
       {"", "/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8", "::/129", "localhost",
        "10.0.0.0/8/8", "10.0.0.0 /8", "1.2.3.4:80", "[::1]", "fe80::1%eth0"}) {
    EXPECT_FALSE(Network::Parse(text)) << text;
  }
  EXPECT_FALSE(ParseIpAddress(std::string_view("1.2.3.4\0x", 9)));
  EXPECT_FALSE(ParseIpAddress(std::string(1000, '1')));
}

}  // namespace
}  // namespace crossfade::routing
