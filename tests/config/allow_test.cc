#include "config/allow.h"

#include <gtest/gtest.h>

#include "config/loader.h"
#include "config/plan.h"
#include "tests/config/yaml_text.h"

namespace crossfade::config {
namespace {

Result<Settings> Load(const std::string& allow) {
  return ParseSettings(kStores + "allow: " + allow + "\n", "c.yaml");
}

std::string ErrorOf(const std::string& allow) {
  const Result<Settings> settings = Load(allow);
  return settings ? "(none)" : settings.error().message;
}

TEST(Allow, NamesMayBeWrittenAsRedisOrAsClientsDo) {
  const Result<Settings> settings =
      Load("[config|set, CONFIG RESETSTAT, {command: Debug, on: authority}]");
  ASSERT_TRUE(settings) << settings.error().message;
  ASSERT_EQ(settings->allow.size(), 3u);
  EXPECT_EQ(settings->allow[0].command, "config|set");
  EXPECT_EQ(settings->allow[1].command, "config|resetstat");
  EXPECT_EQ(settings->allow[2].command, "debug");
  EXPECT_NE(CanonicalText(*settings).find("allow = config|resetstat, config|set, debug\n"),
            std::string::npos);
  EXPECT_TRUE(Load("[]")->allow.empty());
}

TEST(Allow, WhatCantBeAllowedSaysWhy) {
  for (const char* command : {"shutdown", "replicaof", "slaveof", "failover", "migrate", "psync",
                              "cluster|meet", "module|load", "restore-asking"}) {
    const std::string error = ErrorOf("[" + std::string(command) + "]");
    EXPECT_NE(error.find("can't be allowed: "), std::string::npos) << command << ": " << error;
    EXPECT_NE(error.find("c.yaml:4"), std::string::npos) << error;
    EXPECT_FALSE(WhyNeverAllowed(command).empty()) << command;
  }
  EXPECT_TRUE(WhyNeverAllowed("config|set").empty());
}

TEST(Allow, MistakesAreErrorsWithTheirLine) {
  const struct {
    const char* allow;
    const char* part;
  } cases[] = {
      {"[config|sett]", "config|set"},
      {"[get]", "one of acl"},
      {"[{on: authority}]", "nothing"},
      {"[debug, debug]", "a second time"},
      {"[{command: debug, at: x}]", "at"},
      {"[{command: debug, on: follower}]", "on"},
      {"debug", "a list"},
      {"[[debug]]", "c.yaml:4"},
  };
  for (const auto& c : cases) {
    const std::string error = ErrorOf(c.allow);
    EXPECT_NE(error.find(c.part), std::string::npos) << c.allow << ": " << error;
    EXPECT_NE(error.find("c.yaml:4"), std::string::npos) << c.allow << ": " << error;
  }
}

TEST(Allow, OnBothMeansTheFollowerToo) {
  const Result<Settings> settings = Load("[{command: config|set, on: both}, save]");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->allow[0].on, AllowOn::kBoth);
  EXPECT_EQ(settings->allow[1].on, AllowOn::kAuthority);
  EXPECT_NE(CanonicalText(*settings).find("allow = config|set on both, save\n"), std::string::npos);
  for (const char* command : {"debug", "pfdebug"}) {
    const std::string error = ErrorOf("[{command: " + std::string(command) + ", on: both}]");
    EXPECT_NE(error.find("the keys of one store"), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace crossfade::config
