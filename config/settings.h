// Settings: the configuration file as values, with the defaults of the
// documentation. Filled by LoadSettings (config/loader.h), never changed after.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/users.h"

namespace crossfade::config {

// A share of keys or requests in 1/10,000, so that 0.01% is the finest step.
inline constexpr uint32_t kFullShare = 10'000;

struct TlsSettings;  // config/tls.h

struct Endpoint {
  std::string host;  // empty when unix_path is set
  uint16_t port = 6379;
  std::string unix_path;  // empty for TCP
  std::string user;
  std::string password;
  std::shared_ptr<const TlsSettings> tls = nullptr;  // null: plain
  std::optional<uint32_t> mode = std::nullopt;       // of a listener's socket file
  std::string Display() const;                       // host:port or unix:PATH, never the password
};

enum class Stage { kObserve, kMirror, kRamp };
enum class Ack { kAuthority, kBoth };
enum class FollowerData { kRefuse, kTrust };
// What becomes of a script's effect: by the judgement of its text, always run on
// the follower, or always copied from the authority key by key.
enum class Scripts { kAuto, kReplay, kSync };
// Of scripts that may touch keys which they don't declare.
enum class UndeclaredKeys { kReplay, kRefuse };
enum class Prefer { kSplit, kFastest };

struct MirrorSettings {
  Ack ack = Ack::kAuthority;
  std::chrono::milliseconds ack_timeout{100};  // ack: both waits this long at most
  uint64_t memory_bytes = 256ull << 20;        // bound of the mirror log
  uint64_t big_key_bytes = 1ull << 20;         // above, collections are copied in chunks; 0: none
  FollowerData follower_data = FollowerData::kRefuse;
  Scripts scripts = Scripts::kAuto;
  UndeclaredKeys undeclared_keys = UndeclaredKeys::kReplay;
};

// How much a crash may take: nothing of the proxy's, nothing of the machine's, or
// what the follower is known to hold.
enum class JournalMode { kProcess, kDisk, kNone };
// When it can't be written: go on, and copy again should the proxy crash; or refuse writes.
enum class JournalError { kSuspect, kRefuse };

struct JournalSettings {
  std::string dir;  // empty: no journal
  JournalMode mode = JournalMode::kProcess;
  uint64_t disk_bytes = 10ull << 30;
  JournalError on_error = JournalError::kSuspect;
  bool Wanted() const { return !dir.empty() && mode != JournalMode::kNone; }
};

// How a follower that holds keys already is met: it is not, its keys are written over, or
// those that differ are.
enum class ExistingKeys { kRefuse, kOverwrite, kKeepEqual };

struct BackfillSettings {
  uint32_t keys_per_second = 20'000;               // 0: as many as are possible
  uint64_t bytes_per_second = 50ull << 20;         // 0: the same
  std::chrono::milliseconds max_authority_p99{5};  // 0: whatever it is
  bool auto_start = true;                          // else it waits for the operator
  ExistingKeys existing = ExistingKeys::kRefuse;
};

// What holds for the reads of one route.
struct ReadPolicy {
  uint32_t follower_share = 0;  // of keys, in 1/10,000
  std::chrono::milliseconds staleness{50};
  uint32_t shadow_share = 0;  // of reads, in 1/10,000
  Prefer prefer = Prefer::kSplit;
};

// A criterion that is empty matches everything; all that are set must match.
struct RouteMatch {
  std::string key_prefix;
  std::string user;     // exact
  std::string client;   // glob on the client's name
  std::string network;  // CIDR of the client's address
};

struct Route {
  std::string name;
  RouteMatch match;
  ReadPolicy reads;
};

struct Limits {
  uint32_t clients = 10'000;
  uint32_t pinned = 1'000;  // clients with a connection to the authority of their own
  uint64_t request_bytes = 512ull << 20;
  uint64_t client_output_bytes = 256ull << 20;
  uint64_t memory_bytes = 1ull << 30;        // of all clients' buffers
  std::chrono::milliseconds client_idle{0};  // 0: never
  std::chrono::milliseconds connect_timeout{1'000};
  std::chrono::milliseconds command_timeout{5'000};
  std::chrono::milliseconds stop_timeout{10'000};  // drain of the mirror log on SIGTERM
};

// A command that is refused by default, and where it runs. Both: on the follower
// too, once the authority has executed it.
enum class AllowOn { kAuthority, kBoth };
struct AllowedCommand {
  std::string command;  // lower case, "config|set"
  AllowOn on = AllowOn::kAuthority;
};

// Which of several proxies mirrors onto the stores.
struct OwnershipSettings {
  bool enabled = true;
  std::chrono::milliseconds lease{10'000};
  // Where a standby's clients are forwarded to; nothing: the first listener of that
  // kind, unless it listens on every address.
  std::optional<Endpoint> advertise, advertise_tls;
};

// Of a day, in minutes of the local time; over midnight when it ends before it begins.
struct DailyWindow {
  uint32_t from = 0;
  uint32_t to = 0;
  bool Contains(uint32_t minute) const {
    return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
  }
};

// Comparing all keys of both stores, again and again.
struct VerifySettings {
  uint32_t keys_per_second = 0;       // 0: only when an operator asks for it
  std::optional<DailyWindow> window;  // nothing: at any time
  bool repair = false;                // keys that differ are synced
  std::chrono::milliseconds expiry_tolerance{100};
};

// What is left of a verification or a backfill for later: reports and delta logs.
struct ArtifactSettings {
  std::string dir;     // empty: nowhere
  uint32_t keep = 20;  // runs of each kind; 0: none is kept at all
  bool Wanted() const { return !dir.empty() && keep > 0; }
};

enum class LogFormat { kText, kJson };

struct Settings {
  std::vector<Endpoint> listen;  // at least one
  uint32_t workers = 1;
  Endpoint legacy;
  Endpoint new_store;
  Stage stage = Stage::kMirror;
  MirrorSettings mirror;
  JournalSettings journal;
  BackfillSettings backfill;
  OwnershipSettings ownership;
  VerifySettings verify;
  ArtifactSettings artifacts;
  std::vector<Route> routes;  // in order; the last is always "default" and matches everything
  std::vector<AllowedCommand> allow;
  std::optional<std::vector<User>> users;  // nothing: the authority authenticates clients
  Limits limits;
  Endpoint admin_listen;
  std::string admin_token;  // empty: mutations only from loopback
  std::string log_level = "info";
  LogFormat log_format = LogFormat::kText;
};

const char* Name(Stage stage);

}  // namespace crossfade::config
