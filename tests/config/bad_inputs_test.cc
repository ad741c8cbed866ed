// What a wrong configuration file is told, word for word.
#include <gtest/gtest.h>

#include <string>

#include "config/loader.h"
#include "tests/config/yaml_text.h"

namespace crossfade::config {
namespace {

struct BadInput {
  const char* name;
  std::string yaml;
  const char* errors;  // all of them
};

// What is wrong in a file that is otherwise right; it begins on line 4.
const BadInput kBadInputs[] = {
    {"unknown key", "wrokers: 2\n",
     "c.yaml:4: wrokers: unknown key, expected one of listen, workers, stores, stage, mirror, "
     "reads, allow, limits, admin, log, users, journal, ownership, backfill, verify, artifacts; "
     "did you mean workers?"},
    {"unknown key unlike any", "zzz: 2\n",
     "c.yaml:4: zzz: unknown key, expected one of listen, workers, stores, stage, mirror, reads, "
     "allow, limits, admin, log, users, journal, ownership, backfill, verify, artifacts"},
    {"unknown key in a section", "mirror: {memry: 1GiB}\n",
     "c.yaml:4: mirror.memry: unknown key, expected one of ack, ack_timeout, memory, "
     "follower_data, scripts, undeclared_keys, big_key; did you mean memory?"},
    {"unknown key in a route", "reads:\n  routes:\n    - {name: a, match: {prefx: b}}\n",
     "c.yaml:6: reads.routes[0].match.prefx: unknown key, expected one of prefix, user, client, "
     "network; did you mean prefix?"},
    {"repeated key", "workers: 1\nworkers: 2\n",
     "c.yaml:5: workers: found twice, first on line 4, expected once"},
    {"key that is no text", "? [a]\n: 1\n", "c.yaml:4: found a list as a key, expected text"},
    {"no space after the colon", "admin: {token:hunter2}\n",
     "c.yaml:4: admin.token: found no space after the colon, expected key: value"},
    {"key with control characters", "\"a\\nb\": 1\n",
     "c.yaml:4: a\\x0ab: unknown key, expected one of listen, workers, stores, stage, mirror, "
     "reads, allow, limits, admin, log, users, journal, ownership, backfill, verify, artifacts"},
    {"too many artifacts", "artifacts: {keep: 10001}\n",
     "c.yaml:4: artifacts.keep: found '10001', expected a whole number from 0 to 10000"},
    {"artifacts without a folder", "artifacts: {dir: []}\n",
     "c.yaml:4: artifacts.dir: found a list, expected the path of a folder"},
    {"journal mode", "journal: {mode: always}\n",
     "c.yaml:4: journal.mode: found 'always', expected one of process, disk, none"},
    {"small journal", "journal: {disk: 1MiB}\n",
     "c.yaml:4: journal.disk: found '1MiB', expected a size from 256MiB to 1TiB"},
    {"all that is not served",
     "gates: {}\nfences: {}\napprovals: {}\nusers: []\n"
     "admin: {tokens_file: t}\n",
     "c.yaml:4: gates is not served by this version\n"
     "c.yaml:5: fences is not served by this version\n"
     "c.yaml:6: approvals is not served by this version\n"
     "c.yaml:8: admin.tokens_file is not served by this version"},
    {"size of a big key", "mirror: {big_key: 1MB}\n",
     "c.yaml:4: mirror.big_key: found '1MB', expected a size such as 64MiB (units: B, KiB, MiB, "
     "GiB, TiB)"},
    {"existing keys", "backfill: {existing: keep}\n",
     "c.yaml:4: backfill.existing: found 'keep', expected one of refuse, overwrite, "
     "keep_equal; did you mean keep_equal?"},
    {"half a window", "verify: {window: \"02:00\"}\n",
     "c.yaml:4: verify.window: found '02:00', expected two different times of the day, such as "
     "\"02:00-05:00\""},
    {"window of no length", "verify: {window: \"02:00-02:00\"}\n",
     "c.yaml:4: verify.window: found '02:00-02:00', expected two different times of the day, such "
     "as \"02:00-05:00\""},
    {"window behind the day's end", "verify: {window: \"02:00-24:00\"}\n",
     "c.yaml:4: verify.window: found '02:00-24:00', expected two different times of the day, such "
     "as \"02:00-05:00\""},
    {"unknown key of verify", "verify: {rate: 5}\n",
     "c.yaml:4: verify.rate: unknown key, expected one of keys_per_second, window, repair, "
     "expiry_tolerance"},
    {"stage not served", "stage: soak\n",
     "c.yaml:4: stage: found 'soak', which is not served by this version, expected one of observe, "
     "mirror, ramp"},
    {"stage unknown", "stage: mirorr\n",
     "c.yaml:4: stage: found 'mirorr', expected one of observe, mirror, ramp; did you mean "
     "mirror?"},
    {"section that is text", "mirror: both\n",
     "c.yaml:4: mirror: found text, expected a map with ack, ack_timeout, memory, follower_data, "
     "scripts, undeclared_keys, big_key"},
    {"section that is empty", "mirror:\n",
     "c.yaml:4: mirror: found nothing, expected a map with ack, ack_timeout, memory, "
     "follower_data, scripts, undeclared_keys, big_key"},
    {"section that is a list", "limits: [clients]\n",
     "c.yaml:4: limits: found a list, expected a map with clients, pinned, request, client_output, "
     "memory, client_idle, connect_timeout, command_timeout, stop_timeout"},
    {"value that is a map", "workers: {count: 1}\n",
     "c.yaml:4: workers: found a map, expected a whole number from 1 to 64"},
    {"workers too few", "workers: 0\n",
     "c.yaml:4: workers: found '0', expected a whole number from 1 to 64"},
    {"workers too many", "workers: 65\n",
     "c.yaml:4: workers: found '65', expected a whole number from 1 to 64"},
    {"workers no number", "workers: four\n",
     "c.yaml:4: workers: found 'four', expected a whole number from 1 to 64"},
    {"workers empty", "workers:\n",
     "c.yaml:4: workers: found nothing, expected a whole number from 1 to 64"},
    {"size without unit", "mirror: {memory: 256}\n",
     "c.yaml:4: mirror.memory: found '256', expected a size such as 64MiB (units: B, KiB, MiB, "
     "GiB, TiB)"},
    {"size of another unit", "mirror:\n  memory: 256MB\n",
     "c.yaml:5: mirror.memory: found '256MB', expected a size such as 64MiB (units: B, KiB, MiB, "
     "GiB, TiB)"},
    {"size too small", "mirror: {memory: 1KiB}\n",
     "c.yaml:4: mirror.memory: found '1KiB', expected a size from 64KiB to 1TiB"},
    {"time without unit", "mirror: {ack_timeout: 100}\n",
     "c.yaml:4: mirror.ack_timeout: found '100', expected a time such as 50ms or 1.5s (units: ms, "
     "s, m, h)"},
    {"time too short", "mirror: {ack_timeout: 0ms}\n",
     "c.yaml:4: mirror.ack_timeout: found '0ms', expected a time from 1ms to 1h"},
    {"choices", "mirror: {ack: all, follower_data: trsut}\n",
     "c.yaml:4: mirror.ack: found 'all', expected one of authority, both\n"
     "c.yaml:4: mirror.follower_data: found 'trsut', expected one of refuse, trust; did you mean "
     "trust?"},
    {"share without unit", "reads: {follower: 25}\n",
     "c.yaml:4: reads.follower: found '25', expected a share from 0% to 100%, such as 25% or "
     "0.01%"},
    {"share too big", "reads: {shadow: 101%}\n",
     "c.yaml:4: reads.shadow: found '101%', expected a share from 0% to 100%, such as 25% or "
     "0.01%"},
    {"share too fine", "reads: {shadow: 0.001%}\n",
     "c.yaml:4: reads.shadow: found '0.001%', expected a share from 0% to 100%, such as 25% or "
     "0.01%"},
    {"staleness too long", "reads: {staleness: 25h}\n",
     "c.yaml:4: reads.staleness: found '25h', expected a time from 0ms to 24h"},
    {"ownership",
     "ownership:\n  enabled: maybe\n  lease: 100ms\n  advertise: 0.0.0.0:6380\n"
     "  advertise_tls: 'host:0'\n",
     "c.yaml:5: ownership.enabled: found 'maybe', expected one of true, false\n"
     "c.yaml:6: ownership.lease: found '100ms', expected a time from 500ms to 1h\n"
     "c.yaml:7: ownership.advertise: found '0.0.0.0:6380', expected host:port, [v6]:port or "
     "unix:PATH that clients can reach\n"
     "c.yaml:8: ownership.advertise_tls: found 'host:0', expected host:port, [v6]:port or "
     "unix:PATH that clients can reach"},
    {"limits",
     "limits:\n  clients: 0\n  request: 4GiB\n  client_output: 1B\n  client_idle: never\n"
     "  connect_timeout: 0s\n  command_timeout: 2h\n  stop_timeout: -1s\n"
     "  memory: 1023KiB\n",
     "c.yaml:5: limits.clients: found '0', expected a whole number from 1 to 1000000\n"
     "c.yaml:6: limits.request: found '4GiB', expected a size from 1KiB to 2GiB\n"
     "c.yaml:7: limits.client_output: found '1B', expected a size from 1KiB to 1TiB\n"
     "c.yaml:8: limits.client_idle: found 'never', expected a time such as 50ms or 1.5s (units: "
     "ms, s, m, h)\n"
     "c.yaml:9: limits.connect_timeout: found '0s', expected a time from 1ms to 1h\n"
     "c.yaml:10: limits.command_timeout: found '2h', expected a time from 1ms to 1h\n"
     "c.yaml:11: limits.stop_timeout: found '-1s', expected a time such as 50ms or 1.5s (units: "
     "ms, s, m, h)\n"
     "c.yaml:12: limits.memory: found '1023KiB', expected a size from 1MiB to 1TiB"},
    {"log", "log: {level: verbose, format: xml}\n",
     "c.yaml:4: log.level: found 'verbose', expected one of trace, debug, info, warn, error\n"
     "c.yaml:4: log.format: found 'xml', expected one of text, json"},
    {"listen is text", "listen: 127.0.0.1:6380\n",
     "c.yaml:4: listen: found text, expected a list such as [{address: 127.0.0.1:6380}]"},
    {"listen is empty", "listen: []\n",
     "c.yaml:4: listen: found an empty list, expected a list such as [{address: 127.0.0.1:6380}]"},
    {"listen items", "listen:\n  - 127.0.0.1:6380\n  - {}\n  - {address: 127.0.0.1}\n  -\n",
     "c.yaml:4: listen[3]: found nothing, expected a map with address, mode, tls\n"
     "c.yaml:5: listen[0]: found text, expected a map with address, mode, tls\n"
     "c.yaml:6: listen[1].address: found nothing, expected host:port, [v6]:port or unix:PATH\n"
     "c.yaml:7: listen[2].address: found '127.0.0.1', expected host:port, [v6]:port or unix:PATH"},
    {"listen twice", "listen: [{address: '0.0.0.0:1'}, {address: '127.0.0.1:1'}]\n",
     "c.yaml:4: listen[1].address: found 127.0.0.1:1, which is taken by listen[0].address, "
     "expected another address"},
    {"admin where clients connect", "admin: {listen: 'localhost:6380'}\n",
     "c.yaml:4: admin.listen: found localhost:6380, which is taken by listen[0].address, expected "
     "another address"},
    {"admin on a path", "admin: {listen: 'unix:/run/a.sock'}\n",
     "c.yaml:4: admin.listen: found 'unix:/run/a.sock', expected host:port or [v6]:port"},
    {"admin token with a space", "admin: {token: 'hunter2 and more'}\n",
     "c.yaml:4: admin.token: found a secret (not shown), expected printable ASCII without spaces"},
    {"admin token empty", "admin: {token: ''}\n",
     "c.yaml:4: admin.token: found an empty text, expected a token"},
    {"admin token from nowhere", "admin: {token: '${CROSSFADE_NOT_SET}'}\n",
     "c.yaml:4: admin.token: found a secret (not shown), expected the environment variable "
     "CROSSFADE_NOT_SET to be set"},
    {"two admin tokens", "admin: {token: hunter2, token_file: /dev/null}\n",
     "c.yaml:4: admin.token_file: found '/dev/null', which is empty, expected a file with the "
     "secret\n"
     "c.yaml:4: admin.token_file: found a second token, expected one, in token or in token_file"},
    {"routes no list", "reads: {routes: {name: a}}\n",
     "c.yaml:4: reads.routes: found a map, expected a list of routes"},
    {"route no map", "reads: {routes: [canary]}\n",
     "c.yaml:4: reads.routes[0]: found text, expected a map with name, match, follower, staleness, "
     "shadow, prefer"},
    {"route without anything", "reads: {routes: [{}]}\n",
     "c.yaml:4: reads.routes[0].name: found nothing, expected a name of up to 64 letters, digits, "
     "'-', '_' and '.'\n"
     "c.yaml:4: reads.routes[0].match: found nothing, expected a map with at least one of prefix, "
     "user, client, network"},
    {"route that matches all", "reads: {routes: [{name: a, match: {}}]}\n",
     "c.yaml:4: reads.routes[0].match: found an empty map, expected a map with at least one of "
     "prefix, user, client, network"},
    {"route matches",
     "reads:\n  routes:\n    - name: a\n      match: {prefix: '', user: [], client: 'a[', network: "
     "10.1.2.3/8}\n",
     "c.yaml:7: reads.routes[0].match.prefix: found an empty text, expected what the key begins "
     "with\n"
     "c.yaml:7: reads.routes[0].match.user: found a list, expected the name of a user\n"
     "c.yaml:7: reads.routes[0].match.client: found 'a[', expected a ] after the [ of the glob\n"
     "c.yaml:7: reads.routes[0].match.network: found '10.1.2.3/8', expected a network without host "
     "bits, such as 10.0.0.0/8"},
    {"route names",
     "reads:\n  routes:\n    - {name: a b, match: {prefix: x}}\n"
     "    - {name: default, match: {prefix: x}}\n    - {name: c, match: {prefix: x}}\n"
     "    - {name: c, match: {prefix: x}}\n",
     "c.yaml:6: reads.routes[0].name: found 'a b', expected a name of up to 64 letters, digits, "
     "'-', '_' and '.'\n"
     "c.yaml:7: reads.routes[1].name: found 'default', expected another name (the default route is "
     "reads itself)\n"
     "c.yaml:9: reads.routes[3].name: found 'c' a second time, expected a name of its own"},
    {"observe reads the follower",
     "stage: observe\nreads:\n  follower: 10%\n  shadow: 1%\n  routes:\n"
     "    - {name: a, match: {prefix: x}}\n"
     "    - {name: b, match: {prefix: y}, follower: 0.5%}\n",
     "c.yaml:6: reads.follower: found 10% in stage observe, which does not write to the follower, "
     "expected 0% (or stage: mirror)\n"
     "c.yaml:7: reads.shadow: found 1% in stage observe, which does not write to the follower, "
     "expected 0% (or stage: mirror)\n"
     "c.yaml:10: reads.routes[1].follower: found 0.5% in stage observe, which does not write to "
     "the follower, expected 0% (or stage: mirror)"},
};

// Whole files.
const BadInput kBadFiles[] = {
    {"empty", "",
     "c.yaml:1: found nothing, expected a map with listen, workers, stores, stage, mirror, reads, "
     "allow, limits, admin, log, users, journal, ownership, backfill, verify, artifacts"},
    {"comments only", "# nothing\n\n# here\n",
     "c.yaml:1: found nothing, expected a map with listen, workers, stores, stage, mirror, reads, "
     "allow, limits, admin, log, users, journal, ownership, backfill, verify, artifacts"},
    {"text", "hunter2\n",
     "c.yaml:1: found text, expected a map with listen, workers, stores, stage, mirror, reads, "
     "allow, limits, admin, log, users, journal, ownership, backfill, verify, artifacts"},
    {"list", "- a\n- b\n",
     "c.yaml:1: found a list, expected a map with listen, workers, stores, stage, mirror, reads, "
     "allow, limits, admin, log, users, journal, ownership, backfill, verify, artifacts"},
    {"two documents", kStores + "---\nworkers: 2\n",
     "c.yaml:4: found more behind the end of the YAML document, expected one"},
    {"text in front", ",stores: {}\nworkers: 1\n",
     "c.yaml:1: found more behind the end of the YAML document, expected one"},
    {"no stores", "workers: 1\n",
     "c.yaml:1: stores: found nothing, expected a map with legacy and new"},
    {"stores without stores", "stores: {}\n",
     "c.yaml:1: stores.legacy: found nothing, expected a map with url\n"
     "c.yaml:1: stores.new: found nothing, expected a map with url"},
    {"stores are text", "stores: redis\n",
     "c.yaml:1: stores: found text, expected a map with legacy, new"},
    {"stores without url", "stores:\n  legacy: {}\n  new: 'redis://store'\n",
     "c.yaml:2: stores.legacy.url: found nothing, expected redis[s]://[user:password@]host:port "
     "or unix:PATH\n"
     "c.yaml:3: stores.new: found text, expected a map with url, password_file, tls"},
    {"store urls",
     "stores:\n  legacy: {url: 'redis://app:hunter2'}\n"
     "  new: {url: 'rediss://app:hunter2@'}\n",
     "c.yaml:2: stores.legacy.url: found 'redis://app:***', expected a port from 1 to 65535 after "
     "the host\n"
     "c.yaml:3: stores.new.url: found 'rediss://***@', expected a host before the port"},
    {"password as a key",
     "stores:\n  legacy: {url: 'redis://a', password: hunter2}\n  new: {url: 'redis://b'}\n",
     "c.yaml:2: stores.legacy.password: unknown key, expected one of url, password_file, tls; did "
     "you mean password_file?"},
    {"user without password",
     "stores:\n  legacy: {url: 'redis://app@a'}\n  new: {url: 'redis://b'}\n",
     "c.yaml:2: stores.legacy.url: found 'redis://***@a', expected a password with the user: "
     "user:password@ or password_file"},
    {"same store",
     "stores:\n  legacy: {url: 'redis://localhost:7001'}\n  new: {url: "
     "'redis://127.0.0.1:7001/0'}\n",
     "c.yaml:3: stores.new.url: found 127.0.0.1:7001, which is also stores.legacy.url, expected "
     "another store"},
    {"same path", "stores:\n  legacy: {url: 'unix:/run/r'}\n  new: {url: 'unix:///run//r'}\n",
     "c.yaml:3: stores.new.url: found unix:/run//r, which is also stores.legacy.url, expected "
     "another store"},
    {"own listener",
     "stores:\n  legacy: {url: 'redis://127.0.0.1:6380'}\n  new: {url: 'redis://127.0.0.1:9380'}\n",
     "c.yaml:2: stores.legacy.url: found 127.0.0.1:6380, which is this proxy's own "
     "listen[0].address, expected the address of a store\n"
     "c.yaml:3: stores.new.url: found 127.0.0.1:9380, which is this proxy's own admin.listen, "
     "expected the address of a store"},
    {"password file",
     "stores:\n  legacy: {url: 'redis://a', password_file: /nowhere/p}\n  new: {url: "
     "'redis://u:hunter2@b', password_file: /dev/null}\n",
     "c.yaml:2: stores.legacy.password_file: found '/nowhere/p', which can't be opened: No such "
     "file or directory, expected a file with the secret\n"
     "c.yaml:3: stores.new.password_file: found '/dev/null', which is empty, expected a file with "
     "the secret\n"
     "c.yaml:3: stores.new.password_file: found a second password, expected one, in url or in "
     "password_file"},
    {"syntax", "stores:\n  legacy: {url: 'redis://a'\nworkers: 1\n",
     "c.yaml:3: found a YAML syntax error, end of map flow not found (column 1), expected valid "
     "YAML"},
    {"tabs", "stores:\n\tlegacy: 1\n",
     "c.yaml:2: found a YAML syntax error, illegal map value (column 8), expected valid YAML"},
    {"unknown alias", "admin: {token: *hunter2}\n",
     "c.yaml:1: found a YAML syntax error, the referenced anchor is not defined (column 16), "
     "expected valid YAML"},
    {"wrong tag escape", "admin:\n  token: \"\\hunter2\"\n",
     "c.yaml:2: found a YAML syntax error, unknown escape character (column 13), expected valid "
     "YAML"},
    {"control character", "stores:\n  legacy\x04: 1\n",
     "c.yaml:2: found the control character '\\x04', expected UTF-8 text"},
};

std::string ErrorsOf(const std::string& yaml) {
  const Result<Settings> settings = ParseSettings(yaml, "c.yaml");
  return settings ? "no error" : settings.error().message;
}

TEST(BadInput, IsToldWhatWasFoundAndWhatWasExpected) {
  for (const BadInput& bad : kBadInputs) {
    const std::string errors = ErrorsOf(kStores + bad.yaml);
    EXPECT_EQ(errors, bad.errors) << bad.name;
    EXPECT_EQ(errors.find("hunter2"), std::string::npos) << bad.name;
  }
}

TEST(BadInput, OfAWholeFileIsToldToo) {
  for (const BadInput& bad : kBadFiles) {
    const std::string errors = ErrorsOf(bad.yaml);
    EXPECT_EQ(errors, bad.errors) << bad.name;
    EXPECT_EQ(errors.find("hunter2"), std::string::npos) << bad.name;
  }
}

}  // namespace
}  // namespace crossfade::config
