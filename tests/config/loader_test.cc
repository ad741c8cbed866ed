#include "config/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <sstream>

#include "tests/config/yaml_text.h"

namespace crossfade::config {
namespace {

using std::chrono::milliseconds;

Settings Load(const std::string& yaml) {
  const Result<Settings> settings = ParseSettings(yaml, "c.yaml");
  EXPECT_TRUE(settings) << settings.error().message;
  return settings.value_or(Settings{});
}

std::string Example(const std::string& name) {
  return CROSSFADE_SOURCE_DIR "/config/examples/" + name;
}

TEST(Loader, DefaultsAreThoseOfTheDocumentation) {
  const Settings settings = Load(kStores);
  ASSERT_EQ(settings.listen.size(), 1u);
  EXPECT_EQ(settings.listen[0].Display(), "127.0.0.1:6380");
  EXPECT_EQ(settings.workers, 1u);
  EXPECT_EQ(settings.legacy.Display(), "127.0.0.1:7001");
  EXPECT_EQ(settings.new_store.Display(), "127.0.0.1:7002");
  EXPECT_EQ(settings.stage, Stage::kMirror);
  EXPECT_EQ(settings.mirror.ack, Ack::kAuthority);
  EXPECT_EQ(settings.mirror.ack_timeout, milliseconds(100));
  EXPECT_EQ(settings.mirror.memory_bytes, 256ull << 20);
  EXPECT_EQ(settings.mirror.follower_data, FollowerData::kRefuse);
  EXPECT_EQ(settings.mirror.scripts, Scripts::kAuto);
  EXPECT_EQ(settings.mirror.undeclared_keys, UndeclaredKeys::kReplay);
  EXPECT_EQ(settings.backfill.existing, ExistingKeys::kRefuse);
  EXPECT_EQ(settings.verify.keys_per_second, 0u);
  EXPECT_FALSE(settings.verify.window);
  EXPECT_FALSE(settings.verify.repair);
  EXPECT_EQ(settings.verify.expiry_tolerance, milliseconds(100));
  ASSERT_EQ(settings.routes.size(), 1u);
  EXPECT_EQ(settings.routes[0].name, "default");
  EXPECT_EQ(settings.routes[0].reads.follower_share, 0u);
  EXPECT_EQ(settings.routes[0].reads.staleness, milliseconds(50));
  EXPECT_EQ(settings.routes[0].reads.shadow_share, 0u);
  EXPECT_EQ(settings.routes[0].reads.prefer, Prefer::kSplit);
  EXPECT_EQ(settings.limits.clients, 10'000u);
  EXPECT_EQ(settings.limits.request_bytes, 512ull << 20);
  EXPECT_EQ(settings.limits.client_output_bytes, 256ull << 20);
  EXPECT_EQ(settings.limits.memory_bytes, 1ull << 30);
  EXPECT_EQ(settings.limits.client_idle, milliseconds(0));
  EXPECT_EQ(settings.limits.connect_timeout, milliseconds(1'000));
  EXPECT_EQ(settings.limits.command_timeout, milliseconds(5'000));
  EXPECT_EQ(settings.limits.stop_timeout, milliseconds(10'000));
  EXPECT_EQ(settings.admin_listen.Display(), "127.0.0.1:9380");
  EXPECT_EQ(settings.admin_token, "");
  EXPECT_EQ(settings.log_level, "info");
  EXPECT_EQ(settings.log_format, LogFormat::kText);
}

TEST(Loader, EverySettingIsRead) {
  const Settings settings = Load(kStores + R"(
listen: [{address: "[::1]:0"}, {address: "unix:/run/c.sock"}]
workers: 64
stage: ramp
mirror: {ack: both, ack_timeout: 20ms, memory: 1GiB, follower_data: trust,
         scripts: sync, undeclared_keys: refuse}
reads: {follower: 12.5%, staleness: 0ms, shadow: 0.01%, prefer: fastest}
backfill: {existing: keep_equal}
verify: {keys_per_second: 200, window: "22:30-05:00", repair: true, expiry_tolerance: 1s}
ownership: {enabled: false, lease: 3s, advertise: "10.0.0.1:6380", advertise_tls: "[::2]:1"}
limits:
  {clients: 5, request: 1MiB, client_output: 2MiB, memory: 3MiB, client_idle: 3m,
   connect_timeout: 4ms, command_timeout: 1.5s, stop_timeout: 6s}
admin: {listen: "0.0.0.0:0", token: "hunter2"}
log: {level: debug, format: json}
)");
  ASSERT_EQ(settings.listen.size(), 2u);
  EXPECT_EQ(settings.listen[0].Display(), "[::1]:0");
  EXPECT_EQ(settings.listen[1].unix_path, "/run/c.sock");
  EXPECT_EQ(settings.workers, 64u);
  EXPECT_EQ(settings.stage, Stage::kRamp);
  EXPECT_EQ(settings.mirror.ack, Ack::kBoth);
  EXPECT_EQ(settings.mirror.ack_timeout, milliseconds(20));
  EXPECT_EQ(settings.mirror.memory_bytes, 1ull << 30);
  EXPECT_EQ(settings.mirror.follower_data, FollowerData::kTrust);
  EXPECT_EQ(settings.mirror.scripts, Scripts::kSync);
  EXPECT_EQ(settings.mirror.undeclared_keys, UndeclaredKeys::kRefuse);
  EXPECT_EQ(settings.backfill.existing, ExistingKeys::kKeepEqual);
  EXPECT_EQ(settings.verify.keys_per_second, 200u);
  EXPECT_EQ(settings.verify.window.value().from, 22u * 60 + 30);
  EXPECT_EQ(settings.verify.window.value().to, 5u * 60);
  EXPECT_TRUE(settings.verify.repair);
  EXPECT_EQ(settings.verify.expiry_tolerance, milliseconds(1'000));
  EXPECT_FALSE(settings.ownership.enabled);
  EXPECT_EQ(settings.ownership.lease, milliseconds(3'000));
  EXPECT_EQ(settings.ownership.advertise.value().Display(), "10.0.0.1:6380");
  EXPECT_EQ(settings.ownership.advertise_tls.value().Display(), "[::2]:1");
  const ReadPolicy& reads = settings.routes.at(0).reads;
  EXPECT_EQ(reads.follower_share, 1'250u);
  EXPECT_EQ(reads.staleness, milliseconds(0));
  EXPECT_EQ(reads.shadow_share, 1u);
  EXPECT_EQ(reads.prefer, Prefer::kFastest);
  EXPECT_EQ(settings.limits.clients, 5u);
  EXPECT_EQ(settings.limits.request_bytes, 1ull << 20);
  EXPECT_EQ(settings.limits.client_output_bytes, 2ull << 20);
  EXPECT_EQ(settings.limits.memory_bytes, 3ull << 20);
  EXPECT_EQ(settings.limits.client_idle, milliseconds(180'000));
  EXPECT_EQ(settings.limits.connect_timeout, milliseconds(4));
  EXPECT_EQ(settings.limits.command_timeout, milliseconds(1'500));
  EXPECT_EQ(settings.limits.stop_timeout, milliseconds(6'000));
  EXPECT_EQ(settings.admin_listen.Display(), "0.0.0.0:0");
  EXPECT_EQ(settings.admin_token, "hunter2");
  EXPECT_EQ(settings.log_level, "debug");
  EXPECT_EQ(settings.log_format, LogFormat::kJson);
}

TEST(Loader, ArtifactsLieInTheJournalsFolderUnlessOneIsNamed) {
  const Settings none = Load(kStores);
  EXPECT_EQ(none.artifacts.dir, "");
  EXPECT_FALSE(none.artifacts.Wanted());
  const Settings beside = Load(kStores + "journal: {dir: /var/lib/crossfade}\n");
  EXPECT_EQ(beside.artifacts.dir, "/var/lib/crossfade/artifacts");
  EXPECT_EQ(beside.artifacts.keep, 20u);
  EXPECT_TRUE(beside.artifacts.Wanted());
  const Settings named = Load(kStores + "artifacts: {dir: /srv/runs, keep: 3}\n");
  EXPECT_EQ(named.artifacts.dir, "/srv/runs");
  EXPECT_EQ(named.artifacts.keep, 3u);
  EXPECT_FALSE(Load(kStores + "artifacts: {dir: /srv/runs, keep: 0}\n").artifacts.Wanted());
}

TEST(Loader, AWindowMayGoOverMidnight) {
  const auto window = Load(kStores + "verify: {window: '22:30-05:00'}\n").verify.window;
  for (const uint32_t inside : {22u * 60 + 30, 23u * 60, 0u, 4u * 60 + 59}) {
    EXPECT_TRUE(window->Contains(inside)) << inside;
  }
  for (const uint32_t outside : {5u * 60, 12u * 60, 22u * 60 + 29}) {
    EXPECT_FALSE(window->Contains(outside)) << outside;
  }
  const auto night = Load(kStores + "verify: {window: '02:00-05:00'}\n").verify.window;
  EXPECT_FALSE(night->Contains(119));
  EXPECT_TRUE(night->Contains(120));
  EXPECT_TRUE(night->Contains(299));
  EXPECT_FALSE(night->Contains(300));
}

TEST(Loader, StagesHaveTheNamesOfTheFile) {
  for (const Stage stage : {Stage::kObserve, Stage::kMirror, Stage::kRamp}) {
    EXPECT_EQ(Load(kStores + "stage: " + Name(stage) + "\n").stage, stage);
  }
}

TEST(Loader, RoutesInheritWhatTheyDoNotSet) {
  const Settings settings = Load(kStores + R"(
reads:
  routes:
    - {name: a, match: {prefix: "a:"}, follower: 25%}
    - {name: b, match: {user: u, client: "c-*", network: "10.1.2.3"}, staleness: 1s, shadow: 3%, prefer: split}
  follower: 10%
  staleness: 7ms
  shadow: 2%
  prefer: fastest
)");
  ASSERT_EQ(settings.routes.size(), 3u);
  const Route& a = settings.routes[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.match.key_prefix, "a:");
  EXPECT_EQ(a.match.user + a.match.client + a.match.network, "");
  EXPECT_EQ(a.reads.follower_share, 2'500u);
  EXPECT_EQ(a.reads.staleness, milliseconds(7));
  EXPECT_EQ(a.reads.shadow_share, 200u);
  EXPECT_EQ(a.reads.prefer, Prefer::kFastest);
  const Route& b = settings.routes[1];
  EXPECT_EQ(b.match.user, "u");
  EXPECT_EQ(b.match.client, "c-*");
  EXPECT_EQ(b.match.network, "10.1.2.3/32");
  EXPECT_EQ(b.reads.follower_share, 1'000u);
  EXPECT_EQ(b.reads.staleness, milliseconds(1'000));
  EXPECT_EQ(b.reads.shadow_share, 300u);
  EXPECT_EQ(b.reads.prefer, Prefer::kSplit);
  EXPECT_EQ(settings.routes[2].name, "default");
  EXPECT_EQ(settings.routes[2].reads.follower_share, 1'000u);
}

TEST(Loader, StageMirrorMayReadTheFollower) {
  EXPECT_EQ(Load(kStores + "stage: mirror\nreads: {follower: 5%}\n").routes[0].reads.follower_share,
            500u);
}

TEST(Loader, ARouteMayTakeBackInObserveWhatReadsDoesNotGive) {
  const Settings settings = Load(
      kStores + "stage: observe\nreads: {routes: [{name: a, match: {user: u}, follower: 0%}]}\n");
  EXPECT_EQ(settings.stage, Stage::kObserve);
}

TEST(Loader, SecretsComeFromFilesBesideTheConfigurationAndFromVariables) {
  const TemporaryFolder folder;
  const TemporaryVariable variable("CROSSFADE_TEST_SECRET", "s3cret");
  folder.Write("password", "from file\n");
  const std::string path = folder.Write("c.yaml", R"(
stores:
  legacy: {url: "redis://app@a:1", password_file: password}
  new: {url: "redis://:${CROSSFADE_TEST_SECRET}@b:1"}
admin: {token: "x-${CROSSFADE_TEST_SECRET}"}
)");
  const Result<Settings> settings = LoadSettings(path);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->legacy.user, "app");
  EXPECT_EQ(settings->legacy.password, "from file");
  EXPECT_EQ(settings->new_store.password, "s3cret");
  EXPECT_EQ(settings->admin_token, "x-s3cret");
}

TEST(Loader, TheAdminTokenMayComeFromAFile) {
  const TemporaryFolder folder;
  const std::string token = folder.Write("token", "t0ken\n");
  EXPECT_EQ(Load(kStores + "admin: {token_file: " + token + "}\n").admin_token, "t0ken");
}

TEST(Loader, MinimalExampleLoads) {
  const Result<Settings> settings = LoadSettings(Example("minimal.yaml"));
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->routes.size(), 1u);
}

TEST(Loader, CanaryExampleLoads) {
  const Result<Settings> settings = LoadSettings(Example("canary.yaml"));
  ASSERT_TRUE(settings) << settings.error().message;
  ASSERT_EQ(settings->routes.size(), 4u);
  EXPECT_EQ(settings->routes[0].match.client, "canary-*");
  EXPECT_EQ(settings->routes[1].reads.staleness, milliseconds(0));
  EXPECT_EQ(settings->routes[2].match.network, "10.20.0.0/16");
}

TEST(Loader, AllErrorsAreReportedAtOnceInTheOrderOfTheFile) {
  const Result<Settings> settings = ParseSettings(
      "log: {level: loud}\nworkers: 0\nlimits: {clients: x}\nstage: complete\n", "dir/c.yaml");
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().message,
            "dir/c.yaml:1: stores: found nothing, expected a map with legacy and new\n"
            "dir/c.yaml:1: log.level: found 'loud', expected one of trace, debug, info, warn, "
            "error\n"
            "dir/c.yaml:2: workers: found '0', expected a whole number from 1 to 64\n"
            "dir/c.yaml:3: limits.clients: found 'x', expected a whole number from 1 to 1000000\n"
            "dir/c.yaml:4: stage: found 'complete', which is not served by this version, expected "
            "one of observe, mirror, ramp");
}

TEST(Loader, ErrorsAreBoundedInNumber) {
  std::string yaml = kStores;
  for (int i = 0; i < 1'000; ++i) yaml += "unknown" + std::to_string(i) + ": 1\n";
  const std::string errors = ParseSettings(yaml, "c.yaml").error().message;
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 100);
  EXPECT_TRUE(errors.ends_with("\nc.yaml: and 900 more errors"))
      << errors.substr(errors.size() - 80);
}

TEST(Loader, RoutesAreBoundedInNumber) {
  std::string yaml = kStores + "reads:\n  routes:\n";
  for (int i = 0; i < 257; ++i) {
    yaml += "    - {name: r" + std::to_string(i) + ", match: {user: u}}\n";
  }
  const Result<Settings> settings = ParseSettings(yaml, "c.yaml");
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().message,
            "c.yaml:5: reads.routes: found 257 routes, expected at most 256");
}

TEST(Loader, FilesThatCantBeReadSayWhy) {
  EXPECT_EQ(LoadSettings("/nowhere/c.yaml").error().message,
            "/nowhere/c.yaml: can't be opened: No such file or directory");
  EXPECT_EQ(LoadSettings("/").error().message, "/: can't be read: Is a directory");
  EXPECT_EQ(LoadSettings("/dev/zero").error().message,
            "/dev/zero: is too big: expected at most 1MiB");
}

TEST(Loader, AFileOfOneMebibyteIsReadAndOneByteMoreIsNot) {
  std::string yaml = kStores + "#";
  yaml.append((1 << 20) - yaml.size(), 'x');
  EXPECT_TRUE(ParseSettings(yaml, "c.yaml"));
  EXPECT_EQ(ParseSettings(yaml + "x", "c.yaml").error().message,
            "c.yaml: is too big: expected at most 1MiB");
}

TEST(Loader, HostileYamlIsAnErrorWithALine) {
  const auto repeated = [](const std::string& text, size_t bytes) {
    std::string all;
    while (all.size() < bytes) all += text;
    return all;
  };
  const std::string kHostile[] = {repeated("[", 200'000),
                                  repeated("{", 200'000),
                                  repeated("- ", 200'000),
                                  repeated("? ", 200'000),
                                  repeated("{a: ", 200'000),
                                  repeated("\"\n", 50'000),
                                  "&a [*a, *a]\n",
                                  "&a {x: *a}\n",
                                  "a: &a [*a, {b: *a}]\nlisten: *a\n",
                                  ",a: 1\n",
                                  "]",
                                  "a: 1\n]\n",
                                  "\xff\xfe\xff",
                                  "%YAML 9.9\n---\na: 1\n",
                                  "!!binary |\n  x\n",
                                  "<<: {workers: 2}\n",
                                  "\"\\ud800\": 1\n",
                                  std::string(1000, '\0')};
  for (const std::string& yaml : kHostile) {
    const Result<Settings> settings = ParseSettings(yaml, "c.yaml");
    ASSERT_FALSE(settings) << yaml.substr(0, 40);
    EXPECT_TRUE(settings.error().message.starts_with("c.yaml:")) << settings.error().message;
  }
}

TEST(Loader, MarkersAroundTheDocumentAreFine) {
  EXPECT_EQ(Load("%YAML 1.2\n---\n" + kStores + "...\n").workers, 1u);
  EXPECT_EQ(Load("\xef\xbb\xbf" + kStores).workers, 1u);
}

TEST(Loader, DeepNestingIsNamed) {
  const Result<Settings> settings = ParseSettings(std::string(2'000, '['), "c.yaml");
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().message,
            "c.yaml:1: found a YAML syntax error, nested too deeply (column 1), expected valid "
            "YAML");
}

// Any damage to a good file either still loads or is reported, line by line.
TEST(Loader, RandomDamageIsReportedAndNeverThrows) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string good = kStores +
                           "listen: [{address: '127.0.0.1:0'}]\nworkers: 2\nstage: ramp\n"
                           "mirror: {ack: both, memory: 1GiB}\nreads:\n  follower: 1%\n  routes:\n"
                           "    - {name: a, match: {prefix: \"x:\", network: 10.0.0.0/8}}\n"
                           "admin: {token: t}\nlog: {level: info}\n";
  const std::string alphabet = "{}[]:,'\"&*!|>%#-? \n\tax0\\\x01\xff";
  for (int i = 0; i < 3'000; ++i) {
    std::string yaml = good;
    for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % yaml.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          yaml[at] = c;
          break;
        case 1:
          yaml.insert(at, 1, c);
          break;
        default:
          yaml.erase(at, 1 + random() % 5);
      }
    }
    const Result<Settings> settings = ParseSettings(yaml, "c.yaml");
    if (settings) {
      ASSERT_FALSE(settings->listen.empty()) << yaml;
      ASSERT_EQ(settings->routes.back().name, "default") << yaml;
      continue;
    }
    std::istringstream lines(settings.error().message);
    for (std::string line; std::getline(lines, line);) {
      ASSERT_TRUE(line.starts_with("c.yaml:")) << line << "\n" << yaml;
      ASSERT_TRUE(line[7] >= '1' && line[7] <= '9') << line << "\n" << yaml;
    }
  }
}

}  // namespace
}  // namespace crossfade::config
