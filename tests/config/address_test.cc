#include "config/address.h"

#include <gtest/gtest.h>

#include <string>

#include "config/tls.h"
#include "tests/config/yaml_text.h"

namespace crossfade::config {
namespace {

// What a parser's result is, as one text.
std::string Told(const Result<Endpoint>& result) {
  return result ? result->Display() : "expected " + result.error().message;
}

TEST(Address, ListenAddressesAreReadAndShown) {
  const std::pair<const char*, const char*> kAddresses[] = {
      {"127.0.0.1:6380", "127.0.0.1:6380"},
      {"[::1]:6380", "[::1]:6380"},
      {"localhost:0", "localhost:0"},
      {"0.0.0.0:65535", "0.0.0.0:65535"},
      {"unix:/run/crossfade.sock", "unix:/run/crossfade.sock"},
      {"unix:///run/crossfade.sock", "unix:/run/crossfade.sock"},
      {"", "expected host:port, [v6]:port or unix:PATH"},
      {"6380", "expected host:port, [v6]:port or unix:PATH"},
      {"redis://127.0.0.1:6380", "expected host:port, [v6]:port or unix:PATH"},
      {":6380", "expected a host before the port"},
      {"127.0.0.1:", "expected a port from 0 to 65535 after the host"},
      {"127.0.0.1:65536", "expected a port from 0 to 65535 after the host"},
      {"127.0.0.1:-1", "expected a port from 0 to 65535 after the host"},
      {"127.0.0.1:6380x", "expected a port from 0 to 65535 after the host"},
      {"[::1]", "expected a port from 0 to 65535 after the host"},
      {"[::1", "expected ] after the IPv6 address"},
      {"[::1]x:1", "expected nothing but :port after the ]"},
      {"[127.0.0.1]:1", "expected a valid IPv6 address in the brackets"},
      {"::1:6380", "expected brackets around an IPv6 address"},
      {"300.0.0.1:6380", "expected a valid IPv4 address or a host name"},
      {"a b:6380", "expected a host name, an IPv4 address or an IPv6 address in brackets"},
      {"unix:", "expected an absolute path after unix:"},
      {"unix:crossfade.sock", "expected an absolute path after unix:"}};
  for (const auto& [text, told] : kAddresses) {
    EXPECT_EQ(Told(ParseListenAddress(text)), told) << text;
  }
  EXPECT_EQ(Told(ParseListenAddress("unix:/" + std::string(107, 'x'))),
            "expected a path of at most 107 bytes after unix:");
}

TEST(Address, StoreUrlsAreTakenApart) {
  struct Url {
    const char* text;
    const char* display;
    const char* user;
    const char* password;
  };
  const Url kUrls[] = {
      {"redis://127.0.0.1:7001", "127.0.0.1:7001", "", ""},
      {"redis://store.example", "store.example:6379", "", ""},
      {"redis://[fd00::1]", "[fd00::1]:6379", "", ""},
      {"redis://[fd00::1]:7001/", "[fd00::1]:7001", "", ""},
      {"redis://store:1/0", "store:1", "", ""},
      {"redis://app:secret@store:7001", "store:7001", "app", "secret"},
      {"redis://:secret@store:7001", "store:7001", "", "secret"},
      {"redis://app@store:7001", "store:7001", "app", ""},
      {"redis://a%40b:p%3a%2F%25@store", "store:6379", "a@b", "p:/%"},
      {"redis://app:p@ss/w:rd@store:1", "store:1", "app", "p@ss/w:rd"},
      {"unix:/run/redis.sock", "unix:/run/redis.sock", "", ""},
      {"unix:///run/redis.sock", "unix:/run/redis.sock", "", ""},
      {"unix://app:secret@/run/redis.sock", "unix:/run/redis.sock", "app", "secret"}};
  for (const Url& url : kUrls) {
    const Result<Endpoint> endpoint = ParseStoreUrl(url.text);
    ASSERT_TRUE(endpoint) << url.text << ": " << endpoint.error().message;
    EXPECT_EQ(endpoint->Display(), url.display) << url.text;
    EXPECT_EQ(endpoint->user, url.user) << url.text;
    EXPECT_EQ(endpoint->password, url.password) << url.text;
  }
}

TEST(Address, RedissMeansTlsToTheHostOfTheUrl) {
  const Result<Endpoint> endpoint = ParseStoreUrl("rediss://app:secret@Store.example:7001");
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->Display(), "Store.example:7001");
  EXPECT_EQ(endpoint->password, "secret");
  ASSERT_NE(endpoint->tls, nullptr);
  EXPECT_EQ(endpoint->tls->server_name, "Store.example");
  EXPECT_EQ(ParseStoreUrl("rediss://[fd00::1]")->tls->server_name, "fd00::1");
  EXPECT_EQ(ParseStoreUrl("rediss://store")->port, 6379);
  EXPECT_EQ(ParseStoreUrl("redis://store")->tls, nullptr);
}

TEST(Address, BadStoreUrlsSayWhatWasExpectedAndNeverThePassword) {
  const std::pair<const char*, const char*> kUrls[] = {
      {"", "expected redis[s]://[user:password@]host:port or unix:PATH"},
      {"store:7001", "expected redis[s]://[user:password@]host:port or unix:PATH"},
      {"http://store", "expected redis[s]://[user:password@]host:port or unix:PATH"},
      {"rediss://", "expected a host before the port"},
      {"redis://", "expected a host before the port"},
      {"redis://:7001", "expected a host before the port"},
      {"redis://store:0", "expected a port from 1 to 65535 after the host"},
      {"redis://app:hunter2", "expected a port from 1 to 65535 after the host"},
      {"redis://store:7001/3", "expected nothing after the port (clients choose the database)"},
      {"redis://store?db=3", "expected nothing after the port (clients choose the database)"},
      {"redis://app:@store", "expected a password between : and @ that is not empty"},
      {"redis://@store", "expected user:password before the @"},
      {"redis://app:hunter2%4@store", "expected two hex digits after every % (%25 for % itself)"},
      {"redis://app:hunter2%zz@store", "expected two hex digits after every % (%25 for % itself)"},
      {"redis://app:${hunter2@store", "expected ${NAME} with the name of an environment variable"},
      {"redis://app:${CROSSFADE_NOT_SET}@store",
       "expected the environment variable CROSSFADE_NOT_SET to be set"}};
  for (const auto& [text, told] : kUrls) {
    EXPECT_EQ(Told(ParseStoreUrl(text)), told) << text;
  }
}

TEST(Address, VariablesStandForPartsOfAUrlAndAreTakenAsTheyAre) {
  const TemporaryVariable password("CROSSFADE_TEST_PASSWORD", "p@ss:w%rd/${HOME}");
  const TemporaryVariable host("CROSSFADE_TEST_HOST", "store.example");
  const TemporaryVariable port("CROSSFADE_TEST_PORT", "7009");
  const Result<Endpoint> endpoint = ParseStoreUrl(
      "redis://app:x${CROSSFADE_TEST_PASSWORD}%21@${CROSSFADE_TEST_HOST}:${CROSSFADE_TEST_PORT}");
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->password, "xp@ss:w%rd/${HOME}!");
  EXPECT_EQ(endpoint->Display(), "store.example:7009");
}

TEST(Address, AWholeUrlMayComeFromAVariable) {
  const TemporaryVariable url("CROSSFADE_TEST_URL", "redis://app:p%40${X}@store:7001");
  const Result<Endpoint> endpoint = ParseStoreUrl("${CROSSFADE_TEST_URL}");
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->Display(), "store:7001");
  EXPECT_EQ(endpoint->password, "p@${X}");
}

TEST(Address, RedactedUrlsKeepWhatHelpsAndNoPassword) {
  const std::pair<const char*, const char*> kUrls[] = {
      {"redis://app:hunter2@store:7001", "redis://***@store:7001"},
      {"redis://app:hun@ter2@store:7001", "redis://***@store:7001"},
      {"redis://app:hunter2", "redis://app:***"},
      {"redis://app:hunter2/x", "redis://app:***/***"},
      {"redis://app:hun/ter2", "redis://app:***/***"},
      {"redis://store:70000", "redis://store:70000"},
      {"redis://store:${PORT}", "redis://store:${PORT}"},
      {"redis://[::1]:7001/", "redis://[::1]:7001/"},
      {"redis://[::1]:hunter2", "redis://[::1]:***"},
      {"user:hunter2@store", "***@store"},
      {"user:hunter2://x", "user:***/***"},
      {"unix:/run/redis.sock", "unix:/run/redis.sock"},
      {"unix://app:hunter2@/run/redis.sock", "unix://***@/run/redis.sock"}};
  for (const auto& [text, shown] : kUrls) EXPECT_EQ(RedactUrl(text), shown) << text;
}

TEST(Address, SpellingsOfOneAddressAreTheSame) {
  const std::pair<const char*, const char*> kSame[] = {
      {"Store.Example:1", "store.example:1"},
      {"localhost:1", "127.0.0.1:1"},
      {"[::1]:1", "[0:0::1]:1"},
      {"[::ffff:10.0.0.1]:1", "10.0.0.1:1"},
      {"[::1]:1", "localhost:1"},
      {"unix:/run/a.sock", "unix:/run//x/../a.sock"}};
  for (const auto& [a, b] : kSame) {
    EXPECT_TRUE(SameAddress(*ParseListenAddress(a), *ParseListenAddress(b))) << a << " " << b;
  }
  const std::pair<const char*, const char*> kDifferent[] = {{"store:1", "store:2"},
                                                            {"store:1", "stores:1"},
                                                            {"unix:/run/a", "unix:/run/b"},
                                                            {"unix:/run/a", "store:1"}};
  for (const auto& [a, b] : kDifferent) {
    EXPECT_FALSE(SameAddress(*ParseListenAddress(a), *ParseListenAddress(b))) << a << " " << b;
  }
}

TEST(Address, ListenersCollideWithinTheirFamily) {
  const std::pair<const char*, const char*> kColliding[] = {{"127.0.0.1:1", "localhost:1"},
                                                            {"0.0.0.0:1", "10.0.0.1:1"},
                                                            {"[::1]:1", "[::]:1"},
                                                            {"unix:/run/a", "unix:/run/a"}};
  for (const auto& [a, b] : kColliding) {
    EXPECT_TRUE(Collide(*ParseListenAddress(a), *ParseListenAddress(b))) << a << " " << b;
    EXPECT_TRUE(Collide(*ParseListenAddress(b), *ParseListenAddress(a))) << a << " " << b;
  }
  const std::pair<const char*, const char*> kApart[] = {{"127.0.0.1:1", "[::1]:1"},
                                                        {"0.0.0.0:1", "[::]:1"},
                                                        {"127.0.0.1:0", "127.0.0.1:0"},
                                                        {"127.0.0.1:1", "127.0.0.1:2"},
                                                        {"127.0.0.1:1", "unix:/run/a"}};
  for (const auto& [a, b] : kApart) {
    EXPECT_FALSE(Collide(*ParseListenAddress(a), *ParseListenAddress(b))) << a << " " << b;
  }
}

TEST(Address, AWildcardListenerIsReachedOverLoopback) {
  EXPECT_TRUE(Reaches(*ParseListenAddress("127.0.0.1:1"), *ParseListenAddress("0.0.0.0:1")));
  EXPECT_TRUE(Reaches(*ParseListenAddress("localhost:1"), *ParseListenAddress("[::]:1")));
  EXPECT_FALSE(Reaches(*ParseListenAddress("127.0.0.1:2"), *ParseListenAddress("0.0.0.0:1")));
  EXPECT_FALSE(Reaches(*ParseListenAddress("10.0.0.1:1"), *ParseListenAddress("127.0.0.1:1")));
}

}  // namespace
}  // namespace crossfade::config
