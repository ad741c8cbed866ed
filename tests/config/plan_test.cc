#include "config/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "config/loader.h"
#include "tests/config/yaml_text.h"

namespace crossfade::config {
namespace {

Settings Load(const std::string& yaml) {
  const Result<Settings> settings = ParseSettings(yaml, "c.yaml");
  EXPECT_TRUE(settings) << settings.error().message;
  return settings.value_or(Settings{});
}

const char* const kSecretStores = R"(stores:
  legacy: {url: "redis://app:hunter2@a:1"}
  new: {url: "redis://:hunter3@b:1"}
admin: {token: hunter4}
)";

using Strings = std::vector<std::string>;

TEST(Plan, CanonicalTextHasOneSortedLinePerSetting) {
  EXPECT_EQ(CanonicalText(Load(kStores + R"(
reads: {routes: [{name: a, match: {prefix: "a\n= b"}, follower: 25%}]}
)")),
            R"(admin.listen = 127.0.0.1:9380
admin.token = none
limits.client_idle = 0ms
limits.client_output = 256MiB
limits.clients = 10000
limits.command_timeout = 5s
limits.connect_timeout = 1s
limits.pinned = 1000
limits.request = 512MiB
limits.stop_timeout = 10s
listen = 127.0.0.1:6380
log.format = text
log.level = info
mirror.ack = authority
mirror.ack_timeout = 100ms
mirror.follower_data = refuse
mirror.memory = 256MiB
reads.follower = 0%
reads.prefer = split
reads.routes = a, default
reads.routes[a].follower = 25%
reads.routes[a].match.client = any
reads.routes[a].match.network = any
reads.routes[a].match.prefix = "a\x0a= b"
reads.routes[a].match.user = any
reads.routes[a].prefer = split
reads.routes[a].shadow = 0%
reads.routes[a].staleness = 50ms
reads.shadow = 0%
reads.staleness = 50ms
stage = mirror
stores.legacy.address = 127.0.0.1:7001
stores.legacy.password = none
stores.legacy.user = none
stores.new.address = 127.0.0.1:7002
stores.new.password = none
stores.new.user = none
workers = 1
)");
}

// A digest that changed with a release would void approvals and alarm operators.
TEST(Plan, DigestIsStable) {
  const PlanPtr plan = MakePlan(Load(kStores), 7);
  EXPECT_EQ(plan->epoch, 7u);
  EXPECT_EQ(plan->digest, "31c36d6eb7d77f7c1a6efc02c337589d2fc439d67b9fc794cdd7d61acf23ac47");
  EXPECT_EQ(MakePlan(Load(kStores), 8)->digest, plan->digest);
}

TEST(Plan, DigestIgnoresHowTheFileIsWritten) {
  const Settings block = Load(kStores + "mirror:\n  memory: 1GiB\nlimits: {client_idle: 60s}\n");
  const Settings flow = Load("# other\nlimits: {client_idle: 1m}\nmirror: {memory: 1024MiB}\n" +
                             kStores + "workers: '1'\n");
  EXPECT_EQ(MakePlan(block, 1)->digest, MakePlan(flow, 1)->digest);
}

TEST(Plan, EverySettingChangesTheDigest) {
  const std::string kChanges[] = {
      "listen: [{address: '127.0.0.1:1'}]\n",
      "workers: 2\n",
      "stage: ramp\n",
      "mirror: {ack: both}\n",
      "ownership: {enabled: false}\n",
      "ownership: {lease: 9s}\n",
      "ownership: {advertise: 'a:1'}\n",
      "ownership: {advertise_tls: 'a:1'}\n",
      "mirror: {ack_timeout: 1s}\n",
      "mirror: {memory: 1GiB}\n",
      "mirror: {big_key: 2MiB}\n",
      "mirror: {follower_data: trust}\n",
      "limits: {pinned: 7}\n",
      "mirror: {scripts: sync}\n",
      "mirror: {undeclared_keys: refuse}\n",
      "verify: {keys_per_second: 1}\n",
      "backfill: {existing: overwrite}\n",
      "backfill: {existing: keep_equal}\n",
      "verify: {window: '02:00-05:00'}\n",
      "verify: {window: '02:00-05:01'}\n",
      "verify: {repair: true}\n",
      "verify: {expiry_tolerance: 1s}\n",
      "artifacts: {dir: /a}\n",
      "artifacts: {dir: /b}\n",
      "artifacts: {keep: 5}\n",
      "reads: {follower: 0.01%}\n",
      "reads: {staleness: 51ms}\n",
      "reads: {shadow: 0.01%}\n",
      "reads: {prefer: fastest}\n",
      "reads: {routes: [{name: a, match: {user: u}}]}\n",
      "reads: {routes: [{name: b, match: {user: u}}]}\n",
      "reads: {routes: [{name: a, match: {user: v}}]}\n",
      "reads: {routes: [{name: a, match: {client: u}}]}\n",
      "reads: {routes: [{name: a, match: {prefix: u}}]}\n",
      "reads: {routes: [{name: a, match: {network: 10.0.0.0/8}}]}\n",
      "reads: {routes: [{name: a, match: {user: u}, follower: 1%}]}\n",
      "reads: {routes: [{name: a, match: {user: u}}, {name: b, match: {user: u}}]}\n",
      "reads: {routes: [{name: b, match: {user: u}}, {name: a, match: {user: u}}]}\n",
      "limits: {clients: 1}\n",
      "limits: {request: 1MiB}\n",
      "limits: {client_output: 1MiB}\n",
      "limits: {client_idle: 1s}\n",
      "limits: {connect_timeout: 2s}\n",
      "limits: {command_timeout: 1s}\n",
      "limits: {stop_timeout: 1s}\n",
      "admin: {listen: '127.0.0.1:1'}\n",
      "admin: {token: a}\n",
      "admin: {token: b}\n",
      "log: {level: warn}\n",
      "log: {format: json}\n"};
  Strings digests = {MakePlan(Load(kStores), 1)->digest};
  for (const std::string& change : kChanges) {
    digests.push_back(MakePlan(Load(kStores + change), 1)->digest);
    EXPECT_EQ(std::count(digests.begin(), digests.end(), digests.back()), 1) << change;
  }
}

TEST(Plan, SecretsAreNeverShown) {
  const Settings settings = Load(kSecretStores);
  const std::string text = CanonicalText(settings);
  EXPECT_EQ(text.find("hunter"), std::string::npos) << text;
  EXPECT_NE(text.find("stores.legacy.password = sha256:"
                      "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7\n"),
            std::string::npos)
      << text;
  Settings changed = settings;
  changed.legacy.password = "hunter5";
  changed.new_store.password = "";
  changed.admin_token = "hunter6";
  EXPECT_EQ(Diff(settings, changed), (Strings{"admin.token: secret -> another secret",
                                              "stores.legacy.password: secret -> another secret",
                                              "stores.new.password: secret -> none"}));
  EXPECT_EQ(RefuseReload(settings, changed).find("hunter"), std::string::npos);
}

TEST(Plan, DiffNamesWhatDiffers) {
  const Settings from = Load(kStores +
                             "reads: {routes: [{name: a, match: {user: u}, follower: 10%}, "
                             "{name: b, match: {prefix: p}}]}\n");
  const Settings to = Load(kStores +
                           "stage: ramp\nreads: {staleness: 1s, routes: [{name: a, match: {user: "
                           "u}, follower: 100%, staleness: 50ms}]}\n");
  EXPECT_EQ(Diff(from, from), Strings{});
  EXPECT_EQ(
      Diff(from, to),
      (Strings{
          "reads.routes: a, b, default -> a, default", "reads.routes[a].follower: 10% -> 100%",
          "reads.routes[b].follower: 0% -> absent", "reads.routes[b].match.client: any -> absent",
          "reads.routes[b].match.network: any -> absent",
          "reads.routes[b].match.prefix: \"p\" -> absent",
          "reads.routes[b].match.user: any -> absent", "reads.routes[b].prefer: split -> absent",
          "reads.routes[b].shadow: 0% -> absent", "reads.routes[b].staleness: 50ms -> absent",
          "reads.staleness: 50ms -> 1s", "stage: mirror -> ramp"}));
}

TEST(Plan, ReloadsOfWhatIsFixedAreRefusedWithTheReason) {
  const Settings from = Load(kStores);
  const std::pair<const char*, const char*> kRefused[] = {
      {"workers: 2\n", "needs a restart: workers: 1 -> 2"},
      {"ownership: {lease: 1s}\n", "needs a restart: ownership.lease: absent -> 1s"},
      {"listen: [{address: '127.0.0.1:1'}]\n",
       "needs a restart: listen: 127.0.0.1:6380 -> 127.0.0.1:1"},
      {"admin: {listen: '127.0.0.1:1', token: hunter2}\nstage: ramp\n",
       "needs a restart: admin.listen: 127.0.0.1:9380 -> 127.0.0.1:1; admin.token: none -> "
       "secret"}};
  for (const auto& [change, reason] : kRefused) {
    EXPECT_EQ(RefuseReload(from, Load(kStores + change)), reason) << change;
  }
  EXPECT_EQ(RefuseReload(from, Load(kSecretStores)).substr(0, 17), "needs a restart: ");
}

TEST(Plan, ReloadsOfTheRestAreAllowed) {
  EXPECT_EQ(RefuseReload(
                Load(kStores),
                Load(kStores + "stage: observe\nmirror: {ack: both, memory: 1GiB}\n"
                               "reads: {staleness: 1s, routes: [{name: a, match: {user: u}}]}\n"
                               "limits: {clients: 1, command_timeout: 1s}\nlog: {level: warn}\n")),
            "");
}

TEST(Plan, ObserveDoesNotMirror) {
  EXPECT_FALSE(MakePlan(Load(kStores + "stage: observe\n"), 1)->Mirrors());
  EXPECT_TRUE(MakePlan(Load(kStores + "stage: mirror\n"), 1)->Mirrors());
  EXPECT_TRUE(MakePlan(Load(kStores + "stage: ramp\n"), 1)->Mirrors());
}

}  // namespace
}  // namespace crossfade::config
