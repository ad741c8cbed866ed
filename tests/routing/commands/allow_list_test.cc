#include "routing/commands/allow_list.h"

#include <gtest/gtest.h>

#include "config/allow.h"
#include "routing/commands/keys.h"

namespace crossfade::routing {
namespace {

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

Serving Allowed(const std::vector<config::AllowedCommand>& allow, std::string_view line) {
  const std::vector<std::string_view> args = Words(line);
  const CommandSpec* spec = CommandTable::Redis70().Find(args);
  return AllowList(allow).Of(*spec, args).serving;
}

TEST(AllowListTest, ANameWithoutASubcommandStandsForAllOfThem) {
  EXPECT_EQ(Allowed({}, "CONFIG SET a b"), Serving::kRefused);
  EXPECT_EQ(Allowed({{"config"}}, "CONFIG SET a b"), Serving::kAuthority);
  EXPECT_EQ(Allowed({{"config|set"}}, "config set a b"), Serving::kAuthority);
  EXPECT_EQ(Allowed({{"config|set"}}, "CONFIG RESETSTAT"), Serving::kRefused);
  EXPECT_EQ(Allowed({{"acl"}}, "ACL SETUSER x"), Serving::kAuthority);
  EXPECT_EQ(Allowed({{"save"}}, "BGSAVE"), Serving::kRefused);
}

TEST(AllowListTest, WhatEndsTheStoreOrMovesKeysIsNeverAllowed) {
  for (const char* line : {"SHUTDOWN", "REPLICAOF a 1", "MIGRATE h 1 k 0 1", "CLUSTER MEET h 1"}) {
    const std::string name(CommandTable::Redis70().Find(Words(line))->name);
    EXPECT_EQ(Allowed({{name}}, line), Serving::kRefused) << line;
  }
  for (const char* line : {"DEBUG SEGFAULT", "DEBUG restart", "DEBUG PANIC", "DEBUG OOM",
                           "DEBUG CRASH-AND-RECOVER", "DEBUG ASSERT"}) {
    EXPECT_EQ(Allowed({{"debug"}}, line), Serving::kRefused) << line;
  }
}

TEST(AllowListTest, WhatChangesKeysIsAWrite) {
  for (const char* line : {"DEBUG SLEEP 0", "DEBUG JMAP", "DEBUG OBJECT k", "DEBUG RELOAD",
                           "DEBUG SET-ACTIVE-EXPIRE 0", "DEBUG DIGEST-VALUE k"}) {
    EXPECT_EQ(Allowed({{"debug"}}, line), Serving::kAuthority) << line;
  }
  for (const char* line :
       {"DEBUG POPULATE 10", "DEBUG LOADAOF", "DEBUG RELOAD NOSAVE", "DEBUG SOMETHING-NEW"}) {
    EXPECT_EQ(Allowed({{"debug"}}, line), Serving::kWrite) << line;
    std::vector<KeyPosition> keys;
    const std::vector<std::string_view> args = Words(line);
    EXPECT_EQ(ExtractKeys(*CommandTable::Redis70().Find(args), args, keys), Keys::kAll) << line;
  }
  EXPECT_EQ(Allowed({{"pfdebug"}}, "PFDEBUG TODENSE k"), Serving::kWrite);
}

// A key of the configuration that does nothing would mislead.
TEST(AllowListTest, AllThatIsRefusedByDefaultCanBeAllowedOrSaysWhyNot) {
  for (const CommandSpec* spec : CommandTable::Redis70().All()) {
    const std::vector<std::string_view> args{spec->name, "k"};
    const bool container = (spec->flags & kContainer) != 0;
    if (container || ServingOf(*spec, args) != Serving::kRefused) continue;
    const std::string text = WhyRefused(*spec, args);
    if (config::WhyNeverAllowed(spec->name).empty()) {
      const AllowList allow(std::vector<config::AllowedCommand>{{spec->name}});
      EXPECT_NE(allow.Of(*spec, args).serving, Serving::kRefused) << spec->name;
      EXPECT_NE(text.find("allow: [" + spec->name + "]"), std::string::npos) << text;
    } else {
      EXPECT_EQ(text.find("allow: ["), std::string::npos) << text;
    }
  }
}

}  // namespace
}  // namespace crossfade::routing
