// What verifications and backfills leave behind, read by the command line: the
// differences that were put in and none else, what became of them, disks that are full,
// and a proxy that is killed.
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/e2e/verification.h"
#include "tests/support/command.h"

namespace crossfade::test {
namespace {

using nlohmann::json;

class Artifacts : public ::testing::Test {
 protected:
  void StartWith(int keys) {
    migration_.config.artifacts["dir"] = "runs";
    RedisClient legacy(migration_.legacy.port());
    FillEveryType(legacy, keys);
    ASSERT_TRUE(migration_.StartLive());
    ASSERT_TRUE(migration_.proxy->AwaitDrained());
    ASSERT_TRUE(
        Await([&] { return ArtifactsStatus().value("written", 0) == 1; }));  // the backfill's
  }
  std::string Dir() const { return migration_.proxy->dir() + "/runs"; }
  CommandResult Report(std::vector<std::string> args) {
    args.insert(args.begin(), "report");
    args.insert(args.end(), {"--dir", Dir()});
    return RunCommand(args);
  }
  json LastReport() {
    const CommandResult shown = Report({"verify", "--format", "json"});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    return json::parse(shown.out, nullptr, false);
  }
  // "db key" to what is said of it.
  std::map<std::string, json> Deltas() {
    const CommandResult shown = Report({"verify", "--deltas", "--format", "json"});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    std::map<std::string, json> deltas;
    std::istringstream lines(shown.out);
    for (std::string line; std::getline(lines, line);) {
      const json delta = json::parse(line);
      const std::string key = delta["db"].dump() + " " + delta.value("key", "");
      EXPECT_TRUE(deltas.emplace(key, delta).second) << "twice: " << line;
    }
    return deltas;
  }
  json ArtifactsStatus() { return migration_.Status()["artifacts"]; }

  Migration migration_{OtherEncodings()};
};

// Puts differences of each kind into the new store; what is then to be found, by
// "db key".
std::map<std::string, std::string> CorruptEveryKind(RedisClient& fresh, int of_each) {
  std::map<std::string, std::string> expected;
  const auto corrupt = [&](int key, const std::vector<Args>& commands, const std::string& kind) {
    for (const Args& command : commands) {
      const Value reply = fresh.Call(command);
      EXPECT_TRUE(reply.ok()) << command[0] << " " << Render(reply);
    }
    expected["0 c:" + std::to_string(key)] = kind;
  };
  for (int i = 0; i < of_each; ++i) {
    const auto key = [i](int type) { return "c:" + std::to_string(7 * i + type); };
    corrupt(7 * i, {{"SET", key(0), "another"}}, "value");
    corrupt(7 * i + 1, {{"PERSIST", key(1)}}, "expiry");
    corrupt(7 * i + 2, {{"DEL", key(2)}}, "missing");
    corrupt(7 * i + 3, {{"DEL", key(3)}, {"SET", key(3), "v"}}, "type");
    corrupt(7 * i + 5, {{"ZINCRBY", key(5), "0.5", "b"}}, "value");
  }
  EXPECT_TRUE(fresh.Call({"SET", std::string("x\0\n\xff\\", 5), "1"}).ok());
  expected["0 x\\x00\\x0a\\xff\\x5c"] = "extra";
  EXPECT_TRUE(fresh.Call({"SELECT", "5"}).ok());
  EXPECT_TRUE(fresh.Call({"SADD", "y", "1"}).ok());
  expected["5 y"] = "extra";
  return expected;
}

TEST_F(Artifacts, TheDifferencesThatWerePutInAndNoneElse) {
  StartWith(700);
  RedisClient fresh(migration_.fresh.port());
  const std::map<std::string, std::string> expected = CorruptEveryKind(fresh, 20);
  const json pass = Verify(migration_);
  EXPECT_EQ(pass.value("differences", size_t{0}), expected.size()) << Brief(pass);
  const std::string folder = pass.value("artifact", "");
  EXPECT_EQ(std::filesystem::path(folder).parent_path(), Dir());
  std::map<std::string, std::string> found;
  for (const auto& [key, delta] : Deltas()) {
    found[key] = delta.value("kind", "");
    EXPECT_EQ(delta["authority"]["exists"], delta["kind"] != "extra") << delta;
    EXPECT_EQ(delta["follower"]["exists"], delta["kind"] != "missing") << delta;
    EXPECT_EQ(delta.value("action", ""), "none");
    EXPECT_EQ(delta.value("outcome", ""), "left");
    if (delta["kind"] != "value") continue;
    EXPECT_NE(delta["authority"]["digest"], delta["follower"]["digest"]) << delta;
  }
  EXPECT_EQ(found, expected);
  const json report = LastReport();
  EXPECT_EQ(report.value("run", ""), std::filesystem::path(folder).filename().string());
  EXPECT_EQ(report["plan"]["digest"], migration_.Status()["plan_digest"]);
  EXPECT_EQ(report["authority"]["run_id"], migration_.Status()["stores"][0]["run_id"]);
  EXPECT_EQ(report["kinds"], pass["kinds"]);
  EXPECT_EQ(report["keys"]["compared"], pass["compared"]);
  EXPECT_EQ(report["deltas"]["records"], expected.size());
  EXPECT_EQ(report["clean"], false);
  // What everybody has checks it, too.
  EXPECT_EQ(
      std::system(("cd " + folder + " && sha256sum --strict -c SHA256SUMS > /dev/null").c_str()),
      0);
  const std::string secret = folder + "/report.json";
  EXPECT_EQ(std::filesystem::status(secret).permissions() & std::filesystem::perms::others_all,
            std::filesystem::perms::none);
}

TEST_F(Artifacts, WhatARepairDidToEach) {
  StartWith(700);
  RedisClient fresh(migration_.fresh.port());
  const auto expected = CorruptEveryKind(fresh, 10);
  const json kept = Verify(migration_, {{"repair", true}});
  EXPECT_EQ(kept.value("repaired", size_t{0}), expected.size() - 2) << Brief(kept);
  for (const auto& [key, delta] : Deltas()) {
    const bool extra = expected.at(key) == "extra";
    EXPECT_EQ(delta.value("action", ""), extra ? "none" : "copy") << delta;
    EXPECT_EQ(delta.value("outcome", ""), extra ? "left" : "repaired") << delta;
    EXPECT_EQ(delta.contains("outcome_unix_ms"), !extra) << delta;
  }
  json report = LastReport();
  EXPECT_EQ(report["outcomes"]["repaired"], expected.size() - 2);
  EXPECT_EQ(report["outcomes"]["left"], 2);
  EXPECT_EQ(report["compared_again"], expected.size() - 2);
  Verify(migration_, {{"repair", true}, {"delete_extra", true}});
  for (const auto& [key, delta] : Deltas()) {
    EXPECT_EQ(delta.value("kind", ""), "extra") << key;
    EXPECT_EQ(delta.value("action", ""), "delete");
    EXPECT_EQ(delta.value("outcome", ""), "deleted");
  }
  report = LastReport();
  EXPECT_EQ(report["outcomes"]["deleted"], 2);
  EXPECT_EQ(report["clean"], true);
}

// More than are repaired at a time, and than are remembered as suspect.
TEST_F(Artifacts, WhatARepairDoesNotComeToIsNamedToo) {
  constexpr uint64_t kKeys = 100'500, kRepaired = 100'000;
  StartWith(0);
  RedisClient legacy(migration_.legacy.port());
  ASSERT_TRUE(
      legacy
          .Call({"EVAL", "for i = 1, ARGV[1] do redis.call('SET', 'k' .. i, i) end return 1", "0",
                 std::to_string(kKeys)})
          .ok());  // past the proxy
  const json pass = Verify(migration_, {{"repair", true}, {"keys_per_second", 1'000'000}});
  EXPECT_EQ(pass.value("differences", uint64_t{0}), kKeys) << Brief(pass);
  EXPECT_EQ(pass.value("repaired", uint64_t{0}), kRepaired) << Brief(pass);
  const json report = LastReport();
  EXPECT_EQ(report["outcomes"]["repaired"], kRepaired);
  EXPECT_EQ(report["outcomes"]["not_reached"], kKeys - kRepaired);
  std::map<std::string, uint64_t> outcomes;
  for (const auto& [key, delta] : Deltas()) ++outcomes[delta.value("outcome", "")];
  EXPECT_EQ(outcomes, (std::map<std::string, uint64_t>{{"repaired", kRepaired},
                                                       {"not_reached", kKeys - kRepaired}}));
  const json rest = Verify(migration_, {{"repair", true}, {"keys_per_second", 1'000'000}});
  EXPECT_EQ(rest.value("differences", uint64_t{0}), kKeys - kRepaired) << Brief(rest);
  EXPECT_TRUE(rest.value("clean", false)) << Brief(rest);
}

TEST_F(Artifacts, TheCommandLineShowsThem) {
  StartWith(70);
  RedisClient fresh(migration_.fresh.port());
  ASSERT_TRUE(fresh.Call({"DEL", "c:7"}).ok());
  const std::string admin = "http://127.0.0.1:" + std::to_string(migration_.proxy->admin_port());
  const CommandResult verified = RunCommand({"verify", "--admin", admin});
  EXPECT_EQ(verified.exit_code, 1) << verified.err;
  EXPECT_NE(verified.out.find("the report is in " + Dir() + "/"), std::string::npos)
      << verified.out;
  // The running proxy says where they are.
  const CommandResult markdown = RunCommand({"report", "--admin", admin});
  EXPECT_EQ(markdown.exit_code, 0) << markdown.err;
  EXPECT_NE(markdown.out.find("**1 of 70 keys differs; nothing was changed**"), std::string::npos)
      << markdown.out;
  const CommandResult html = Report({"latest", "--format", "html"});
  EXPECT_NE(html.out.find("<code>c:7</code>"), std::string::npos) << html.out;
  const CommandResult deltas = Report({"--deltas"});
  EXPECT_TRUE(deltas.out.starts_with("db 0  c:7  missing  authority: ")) << deltas.out;
  const CommandResult list = Report({"--list"});
  EXPECT_EQ(std::count(list.out.begin(), list.out.end(), '\n'), 2) << list.out;
  EXPECT_NE(list.out.find("-backfill-1  70 keys copied, all partitions are live"),
            std::string::npos)
      << list.out;
  EXPECT_EQ(Report({"--list", "--check"}).exit_code, 0);
  EXPECT_EQ(Report({"backfill", "--check"}).exit_code, 0);
  const std::string copy = migration_.proxy->dir() + "/copy";
  std::filesystem::copy(Dir() + "/" + LastReport().value("run", ""), copy);
  EXPECT_EQ(RunCommand({"report", copy}).out, markdown.out);
  EXPECT_EQ(Report({"99"}).exit_code, 1);
  EXPECT_EQ(RunCommand({"report", "--dir", Dir() + "/none"}).exit_code, 2);
  // Damage is named, and the exit code tells.
  const std::string folder = LastReport()["run"];
  std::ofstream(Dir() + "/" + folder + "/deltas", std::ios::app) << "x";
  for (const char* option : {"--check", "--deltas"}) {
    const CommandResult damaged = Report({"2", option});
    EXPECT_EQ(damaged.exit_code, 1);
    EXPECT_EQ(damaged.out, "");
    EXPECT_NE(damaged.err.find("/deltas is not as it was written"), std::string::npos)
        << damaged.err;
  }
  EXPECT_EQ(Report({"--list", "--check"}).exit_code, 1);
}

TEST_F(Artifacts, OneThatWasKilledIsNeverTakenForWhole) {
  StartWith(700);
  RedisClient fresh(migration_.fresh.port());
  const auto expected = CorruptEveryKind(fresh, 10);
  Verify(migration_);
  const std::string slow = json({{"keys_per_second", 50}}).dump();
  ASSERT_EQ(HttpRequest(migration_.proxy->admin_port(), "POST", "/api/v1/verify", slow).status,
            200);
  // Some differences are on their way to the disk.
  ASSERT_TRUE(Await([&] { return !Report({"3", "--deltas"}).out.empty(); }));
  const CommandResult open = Report({"3"});
  EXPECT_EQ(open.exit_code, 1);
  EXPECT_NE(open.err.find("is under way and still written"), std::string::npos) << open.err;
  migration_.proxy->Kill();
  const CommandResult killed = Report({"3"});
  EXPECT_EQ(killed.exit_code, 1);
  EXPECT_EQ(killed.out, "");
  EXPECT_NE(killed.err.find("was interrupted before its end"), std::string::npos) << killed.err;
  EXPECT_NE(killed.err.find("differences were found until then"), std::string::npos) << killed.err;
  const CommandResult latest = Report({"--format", "json"});
  EXPECT_EQ(latest.exit_code, 0);
  EXPECT_EQ(json::parse(latest.out)["number"], 2) << latest.out;
  EXPECT_NE(latest.err.find("was interrupted"), std::string::npos) << latest.err;
  EXPECT_NE(Report({"--list"}).out.find("-verify-3  interrupted"), std::string::npos);
  EXPECT_EQ(Deltas().size(), expected.size());
}

TEST_F(Artifacts, AFullDiskIsSaidAndKeepsNothingFromBeingVerified) {
  StartWith(700);
  RedisClient fresh(migration_.fresh.port());
  const auto expected = CorruptEveryKind(fresh, 20);
  const auto limit = [&](rlim_t bytes) {
    const rlimit files{bytes, RLIM_INFINITY};
    ASSERT_EQ(prlimit(migration_.proxy->pid(), RLIMIT_FSIZE, &files, nullptr), 0);
  };
  // No file at all, a delta log that ends in the middle, a report that does not fit.
  uint64_t failures = 0;
  for (const rlim_t bytes : {1, 1'000, 8'000}) {
    limit(bytes);
    const json pass = Verify(migration_);
    limit(RLIM_INFINITY);
    EXPECT_EQ(pass.value("state", ""), "done") << Brief(pass);
    EXPECT_EQ(pass.value("differences", size_t{0}), expected.size()) << bytes;
    EXPECT_EQ(pass.value("artifact", "?"), "");
    EXPECT_NE(pass.value("artifact_error", "").find("File too large"), std::string::npos)
        << bytes << " " << pass.value("artifact_error", "");
    const json status = ArtifactsStatus();
    EXPECT_EQ(status.value("state", ""), "failed");
    EXPECT_EQ(status.value("failures", uint64_t{0}), ++failures);
    EXPECT_EQ(Report({"--list"}).out.find("verify"), std::string::npos) << "nothing is left of it";
  }
  EXPECT_NE(migration_.proxy->Metrics().find("crossfade_artifact_runs_total{result=\"failed\"} 3"),
            std::string::npos);
  EXPECT_NE(migration_.proxy->LogTail(100).find("the artifacts of a run can't be written"),
            std::string::npos);
  EXPECT_NE(Verify(migration_).value("artifact", ""), "");
  EXPECT_EQ(ArtifactsStatus().value("state", ""), "ok");
  EXPECT_EQ(Deltas().size(), expected.size());
}

TEST_F(Artifacts, WithoutAFolderThatIsSaid) {
  migration_.config.artifacts["dir"] = "/proc/none/runs";
  ASSERT_TRUE(migration_.StartLive());
  EXPECT_EQ(ArtifactsStatus().value("state", ""), "failed");  // the backfill's
  const json pass = Verify(migration_);
  EXPECT_EQ(pass.value("state", ""), "done");
  EXPECT_NE(pass.value("artifact_error", "").find("/proc/none/runs can't be made"),
            std::string::npos)
      << pass.value("artifact_error", "");
  ProxyConfig config = migration_.config;
  config.artifacts = {};
  EXPECT_EQ(migration_.proxy->Reload(config).status, 200);
  EXPECT_EQ(ArtifactsStatus().value("state", ""), "off");
  const std::string admin = "http://127.0.0.1:" + std::to_string(migration_.proxy->admin_port());
  EXPECT_NE(RunCommand({"verify", "--admin", admin}).out.find("no report is kept"),
            std::string::npos);
  const CommandResult report = RunCommand({"report", "--admin", admin});
  EXPECT_EQ(report.exit_code, 2);
  EXPECT_NE(report.err.find("the proxy keeps no artifacts"), std::string::npos) << report.err;
}

TEST_F(Artifacts, OldRunsGiveWayToNewOnes) {
  migration_.config.artifacts["keep"] = "2";
  StartWith(70);
  for (int i = 0; i < 4; ++i) EXPECT_NE(Verify(migration_).value("artifact", ""), "");
  const std::string list = Report({"--list"}).out;
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 3) << list;
  EXPECT_NE(list.find("-backfill-1  "), std::string::npos) << list;
  EXPECT_NE(list.find("-verify-5  all 70 keys that were compared are equal"), std::string::npos)
      << list;
}

TEST_F(Artifacts, OneThatEndsWithTheProxySaysSo) {
  StartWith(700);
  const std::string slow = json({{"keys_per_second", 10}}).dump();
  ASSERT_EQ(HttpRequest(migration_.proxy->admin_port(), "POST", "/api/v1/verify", slow).status,
            200);
  ASSERT_TRUE(Await(
      [&] { return Report({"--list"}).out.find("verify-2  being written") != std::string::npos; }));
  EXPECT_EQ(migration_.proxy->Terminate(), 0);
  const CommandResult shown = Report({"verify"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_NE(shown.out.find("**stopped before its end"), std::string::npos) << shown.out;
}

TEST_F(Artifacts, ABackfillThatGoesOnAfterACrashLeavesBoth) {
  const std::string journal = migration_.fresh.dir() + "/journal";
  migration_.config.journal = {{"dir", journal}};
  migration_.config.backfill = {{"keys_per_second", "1000"}, {"max_authority_p99", "0ms"}};
  RedisClient legacy(migration_.legacy.port());
  FillEveryType(legacy, 2'000);
  ASSERT_TRUE(migration_.Start());
  const auto finished = [&] {
    return migration_.Status()["backfill"].value("partitions_finished", 0);
  };
  ASSERT_TRUE(Await([&] { return finished() >= 500; }));
  migration_.proxy->Kill();
  // In the journal's folder unless another one is named.
  const auto report = [&](std::vector<std::string> args) {
    args.insert(args.begin(), "report");
    args.insert(args.end(), {"--dir", journal + "/artifacts"});
    return RunCommand(args);
  };
  EXPECT_NE(report({"backfill"}).err.find("was interrupted"), std::string::npos);
  migration_.config.backfill["keys_per_second"] = "0";
  ASSERT_TRUE(migration_.StartLive());
  ASSERT_TRUE(Await([&] { return report({"backfill"}).exit_code == 0; }));
  const json shown = json::parse(report({"backfill", "--format", "json"}).out);
  EXPECT_EQ(shown["number"], 2);
  EXPECT_EQ(shown["state"], "done");
  EXPECT_EQ(shown["resumed"], true);
  EXPECT_EQ(shown["partitions_finished"], 1'024);
  EXPECT_GE(shown["keys"].value("copied", 0), 2'000);
  EXPECT_LT(shown["keys"].value("copied_by_this_process", 0), 2'000);
}

}  // namespace
}  // namespace crossfade::test
