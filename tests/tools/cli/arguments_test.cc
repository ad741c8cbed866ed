#include "tools/cli/arguments.h"

#include <gtest/gtest.h>

#include <map>

namespace crossfade::cli {
namespace {

Result<Arguments> Parse(const std::vector<std::string>& words,
                        const std::map<std::string, std::string>& environment = {}) {
  return ParseArguments(words, [&](const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? "" : found->second;
  });
}

TEST(Arguments, DefaultsEnvironmentAndOptionsInThatOrder) {
  EXPECT_EQ(Parse({"status"})->admin, "http://127.0.0.1:9380");
  const std::map<std::string, std::string> environment = {{"CROSSFADE_ADMIN", "http://a:1"},
                                                          {"CROSSFADE_TOKEN", "t"}};
  EXPECT_EQ(Parse({"status"}, environment)->admin, "http://a:1");
  EXPECT_EQ(Parse({"status"}, environment)->token, "t");
  EXPECT_EQ(Parse({"status", "--admin", "http://b:2", "--token=u"}, environment)->admin,
            "http://b:2");
  EXPECT_EQ(Parse({"status", "--admin", "http://b:2", "--token=u"}, environment)->token, "u");
}

TEST(Arguments, EachCommandTakesItsOptions) {
  const auto serve = Parse({"serve", "--port", "0", "--admin-port=65535"});
  ASSERT_TRUE(serve);
  EXPECT_EQ(serve->port, 0);
  EXPECT_EQ(serve->admin_port, 65535);
  EXPECT_EQ(Parse({"serve", "--config", "f"})->config, "f");
  EXPECT_EQ(Parse({"check", "f"})->file, "f");
  EXPECT_TRUE(Parse({"status", "--watch", "--json"})->json);
  EXPECT_TRUE(Parse({"status", "--watch", "--json"})->watch);
  const auto snapshot = Parse({"snapshot", "f", "--config", "c", "--store=new", "--resume"});
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->file, "f");
  EXPECT_EQ(snapshot->config, "c");
  EXPECT_EQ(snapshot->store, "new");
  EXPECT_TRUE(snapshot->resume);
  const auto restore = Parse({"restore", "--url", "redis://h", "f", "--replace", "--json"});
  ASSERT_TRUE(restore);
  EXPECT_EQ(restore->url, "redis://h");
  EXPECT_TRUE(restore->replace);
  EXPECT_TRUE(Parse({"restore", "--check", "f"})->check);
  const auto verify = Parse({"verify", "--repair", "--yes", "--delete-extra", "--sample", "2.5%",
                             "--prefix=a:", "--rate", "100", "--json"});
  ASSERT_TRUE(verify);
  EXPECT_TRUE(verify->verify.repair && verify->verify.yes && verify->verify.delete_extra);
  EXPECT_EQ(verify->verify.sample, 250u);
  EXPECT_EQ(verify->verify.prefix, "a:");
  EXPECT_EQ(verify->verify.keys_per_second, 100u);
  EXPECT_FALSE(Parse({"verify"})->verify.repair);
  EXPECT_EQ(Parse({"verify"})->verify.sample, 10'000u);
  const auto report = Parse({"report", "17", "--deltas", "--format", "json", "--dir=d"});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->file, "17");
  EXPECT_TRUE(report->report.deltas);
  EXPECT_EQ(report->report.format, "json");
  EXPECT_EQ(report->report.dir, "d");
  EXPECT_EQ(Parse({"report"})->file, "");
  EXPECT_TRUE(Parse({"report", "--list", "--check"})->report.list);
  EXPECT_EQ(Parse({"--version"})->command, "version");
  EXPECT_EQ(Parse({"--help"})->command, "help");
  EXPECT_TRUE(Parse({"check", "--help"})->help);
}

TEST(Arguments, KeysAreTakenAsTheyStand) {
  const auto sync = Parse({"sync", "--db=3", "a", "--json", "b c", "--", "--all"});
  ASSERT_TRUE(sync) << sync.error().message;
  EXPECT_EQ(sync->keys, (std::vector<std::string>{"a", "b c", "--all"}));
  EXPECT_EQ(sync->db, 3u);
  EXPECT_TRUE(sync->json);
  EXPECT_FALSE(sync->all);
  EXPECT_TRUE(Parse({"quarantine", "retry", "--all"})->all);
}

TEST(Arguments, WrongUsageNamesTheHelp) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"servee"},
      {"serve", "--watch"},
      {"serve", "file"},
      {"serve", "--port"},
      {"serve", "--port", "65536"},
      {"serve", "--port", "-1"},
      {"serve", "--port", "1x"},
      {"serve", "--port="},
      {"check"},
      {"check", "a", "b"},
      {"status", "--watch=1"},
      {"serve", "--config", "f", "--port", "1"},
      {"reload", "--watch"},
      {"resume"},
      {"resume", "--reason"},
      {"verify", "file"},
      {"verify", "--yes"},
      {"verify", "--delete-extra"},
      {"verify", "--sample", "0%"},
      {"verify", "--sample", "half"},
      {"verify", "--rate", "0"},
      {"verify", "--repair=1"},
      {"status", "--repair"},
      {"backfill"},
      {"sync"},
      {"sync", "--db", "x", "k"},
      {"quarantine"},
      {"quarantine", "retry"},
      {"quarantine", "accept", "--all", "k"},
      {"backfill", "stop"},
      {"backfill", "pause", "resume"},
      {"backfill", "pause", "--keys-per-second=1"},
      {"snapshot", "f"},
      {"snapshot", "--url", "redis://h"},
      {"snapshot", "f", "--url", "u", "--replace"},
      {"snapshot", "f", "--url", "u", "--config", "c"},
      {"snapshot", "f", "--url", "u", "--store", "new"},
      {"snapshot", "f", "--config", "c", "--store", "x"},
      {"restore", "f"},
      {"restore", "f", "--check", "--replace"},
      {"restore", "f", "--check", "--url", "u"},
      {"report", "1", "2"},
      {"report", "--format", "pdf"},
      {"report", "--deltas", "--format", "html"},
      {"report", "--deltas", "--check"},
      {"report", "--list", "--deltas"},
      {"report", "--list", "1"},
      {"verify", "--dir", "d"},
      {"status", "-w"}};
  for (const auto& words : wrong) {
    const auto parsed = Parse(words);
    ASSERT_FALSE(parsed) << (words.empty() ? "" : words.back());
    EXPECT_NE(parsed.error().message.find("--help"), std::string::npos) << parsed.error().message;
  }
}

TEST(Arguments, EveryCommandHasHelpWithItsExitCodes) {
  for (const char* command : {"serve", "check", "status", "reload", "resume", "backfill",
                              "snapshot", "restore", "verify", "report", "version"}) {
    EXPECT_NE(HelpText(command).find("exit code"), std::string::npos) << command;
    EXPECT_NE(HelpText("help").find(std::string("crossfade ") + command), std::string::npos);
  }
}

}  // namespace
}  // namespace crossfade::cli
