#include "config/users.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "config/loader.h"
#include "config/plan.h"
#include "config/secrets.h"
#include "tests/config/yaml_text.h"

namespace crossfade::config {
namespace {

Settings Load(const std::string& users) {
  const Result<Settings> settings = ParseSettings(kStores + users, "c.yaml");
  EXPECT_TRUE(settings) << settings.error().message;
  return settings.value_or(Settings{});
}

std::string ErrorsOf(const std::string& users) {
  const Result<Settings> settings = ParseSettings(kStores + users, "c.yaml");
  return settings ? "no error" : settings.error().message;
}

const std::string kHash = Sha256Hex("hunter2");

TEST(Users, AbsentMeansThatTheAuthorityAuthenticates) {
  EXPECT_FALSE(Load("").users);
  ASSERT_TRUE(Load("users: []\n").users);
  EXPECT_TRUE(Load("users: []\n").users->empty());
}

TEST(Users, AreReadWithAllThatMayBeSet) {
  const TemporaryFolder folder;
  const TemporaryVariable hash("CROSSFADE_TEST_HASH", Sha256Hex("from variable"));
  const TemporaryVariable password("CROSSFADE_TEST_PASSWORD", "st0re");
  const std::string file = folder.Write("password", "from file\n");
  const Settings settings = Load(R"(users:
  - name: app
    password_sha256: [)" + kHash +
                                 R"(, "${CROSSFADE_TEST_HASH}"]
    password_file: )" + file + R"(
    store_user: store-app
    store_password: ${CROSSFADE_TEST_PASSWORD}
    keys: ["session:*", "%R~config:*", "%W~log:*", "%RW~both:*", "~tilde"]
    commands: ["+@all", "-@dangerous", "+GET", "-client|kill"]
    channels: ["news:*", "&alerts"]
  - {name: guest, nopass: true}
)");
  ASSERT_TRUE(settings.users);
  ASSERT_EQ(settings.users->size(), 2u);
  const User& app = settings.users->at(0);
  EXPECT_EQ(app.name, "app");
  EXPECT_EQ(app.password_hashes.size(), 3u);
  for (const char* secret : {"hunter2", "from variable", "from file"}) {
    EXPECT_EQ(std::count(app.password_hashes.begin(), app.password_hashes.end(), Sha256Hex(secret)),
              1)
        << secret;
  }
  EXPECT_EQ(app.store_user, "store-app");
  EXPECT_EQ(app.store_password, "st0re");
  EXPECT_EQ(app.commands,
            (std::vector<std::string>{"+@all", "-@dangerous", "+get", "-client|kill"}));
  std::string keys;
  for (const KeyRule& rule : app.keys) keys += rule.Text() + " ";
  EXPECT_EQ(keys, "~session:* %R~config:* %W~log:* ~both:* ~tilde ");
  EXPECT_EQ(app.channels, (std::vector<std::string>{"news:*", "alerts"}));
  const User& guest = settings.users->at(1);
  EXPECT_TRUE(guest.any_password);
  EXPECT_EQ(guest.store_user, "");
  EXPECT_EQ(guest.commands, (std::vector<std::string>{"+@all"}));
  ASSERT_EQ(guest.keys.size(), 1u);
  EXPECT_EQ(guest.keys[0].Text(), "~*");
  EXPECT_EQ(guest.channels, (std::vector<std::string>{"*"}));
}

TEST(Users, AnEmptyListAllowsNothing) {
  const User user =
      Load("users: [{name: a, nopass: true, keys: [], commands: [], channels: []}]\n").users->at(0);
  EXPECT_TRUE(user.keys.empty());
  EXPECT_TRUE(user.commands.empty());
  EXPECT_TRUE(user.channels.empty());
}

TEST(Users, WhatIsWrongIsToldWithoutItsSecret) {
  const std::pair<const char*, const char*> kBad[] = {
      {"users: 1\n", "c.yaml:4: users: found text, expected a list of users"},
      {"users: [{nopass: true}]\n",
       "c.yaml:4: users[0].name: found nothing, expected a name without spaces"},
      {"users: [{name: a b, nopass: true}]\n",
       "c.yaml:4: users[0].name: found 'a b', expected a name without spaces"},
      {"users: [{name: a, nopass: true}, {name: a, nopass: true}]\n",
       "c.yaml:4: users[1].name: found 'a' a second time, expected a name of its own"},
      {"users: [{name: a}]\n",
       "c.yaml:4: users[0].password_sha256: found nothing, expected a password: password_sha256, "
       "password or password_file; or nopass: true"},
      {"users: [{name: a, password_sha256: hunter2}]\n",
       "c.yaml:4: users[0].password_sha256: found a secret (not shown), expected a SHA-256 hash of "
       "64 lower-case hex digits, or a list of them"},
      {"users: [{name: a, password_sha256: \"${CROSSFADE_TEST_UNSET}\"}]\n",
       "c.yaml:4: users[0].password_sha256: found a secret (not shown), expected the environment "
       "variable CROSSFADE_TEST_UNSET to be set"},
      {"users: [{name: a, password: hunter2, nopass: true}]\n",
       "c.yaml:4: users[0].nopass: found true with a password, expected one of them"},
      {"users: [{name: a, nopass: true, store_password: hunter2}]\n",
       "c.yaml:4: users[0].store_password: found a secret (not shown), expected store_user with "
       "it"},
      {"users: [{name: a, nopass: true, commands: [get]}]\n",
       "c.yaml:4: users[0].commands: found 'get', expected a rule such as +@all, -@dangerous, +get "
       "or -client|kill"},
      {"users: [{name: a, nopass: true, commands: [+@every]}]\n",
       "c.yaml:4: users[0].commands: found '+@every', expected a rule such as +@all, -@dangerous, "
       "+get or -client|kill"},
      {"users: [{name: a, nopass: true, commands: [-@dangerous]}]\n",
       "c.yaml:4: users[0].commands: found '-@dangerous' where nothing is allowed yet, expected "
       "+@all or another + before it"},
      {"users: [{name: a, nopass: true, keys: ['[a']}]\n",
       "c.yaml:4: users[0].keys: found '[a', expected a ] after the [ of the glob"},
      {"users: [{name: a, nopass: true, channels: [{a: b}]}]\n",
       "c.yaml:4: users[0].channels: found a map, expected a list of globs such as news:*"},
      {"users: [{name: a, nopass: true, key: x}]\n",
       "c.yaml:4: users[0].key: unknown key, expected one of name, password_sha256, password, "
       "password_file, nopass, store_user, store_password, store_password_file, keys, commands, "
       "channels; did you mean keys?"},
  };
  for (const auto& [yaml, error] : kBad) {
    const std::string errors = ErrorsOf(yaml);
    EXPECT_EQ(errors, error);
    EXPECT_EQ(errors.find("hunter2"), std::string::npos);
  }
}

TEST(Users, ThePlanTellsOfThemWithoutSecretsAndMayChangeWhileRunning) {
  const Settings none = Load("");
  const Settings from = Load("users: [{name: b, nopass: true}, {name: a, password: hunter2}]\n");
  const Settings turned = Load("users: [{name: a, password: hunter2}, {name: b, nopass: true}]\n");
  const Settings to = Load(
      "users: [{name: a, password: hunter3, store_user: s, store_password: hunter4, keys: [xy, "
      "z]}]\n");
  const std::string text = CanonicalText(to);
  EXPECT_EQ(text.find("hunter"), std::string::npos) << text;
  EXPECT_EQ(text.find(kHash), std::string::npos) << text;
  EXPECT_NE(text.find("users[a].keys = ~xy ~z\n"), std::string::npos) << text;
  EXPECT_EQ(CanonicalText(from), CanonicalText(turned));
  EXPECT_EQ(CanonicalText(from).find(kHash), std::string::npos);
  EXPECT_NE(CanonicalText(Load("users: []\n")), CanonicalText(none));
  EXPECT_EQ(RefuseReload(from, to), "");
  EXPECT_EQ(Diff(from, to),
            (std::vector<std::string>{
                "users[a].keys: ~* -> ~xy ~z", "users[a].passwords: secret -> another secret",
                "users[a].store_password: none -> secret", "users[a].store_user: none -> \"s\"",
                "users[b].channels: * -> absent", "users[b].commands: +@all -> absent",
                "users[b].keys: ~* -> absent", "users[b].passwords: any -> absent",
                "users[b].store_password: none -> absent", "users[b].store_user: none -> absent"}));
}

}  // namespace
}  // namespace crossfade::config
