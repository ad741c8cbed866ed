#include "config/sections.h"

#include <algorithm>
#include <filesystem>

#include "config/address.h"
#include "config/allow.h"
#include "config/limits.h"
#include "config/secrets.h"
#include "config/values.h"
#include "config/verify_section.h"

namespace crossfade::config {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

const Keys kRootKeys = {
    {"listen", "workers", "stores", "stage", "mirror", "reads", "allow", "limits", "admin", "log",
     "users", "journal", "ownership", "backfill", "verify", "artifacts"},
    {"gates", "fences", "approvals"}};
const Keys kListenKeys = {{"address", "mode", "tls"}};
const Keys kStoresKeys = {{"legacy", "new"}};
const Keys kStoreKeys = {{"url", "password_file", "tls"}};
const Keys kMirrorKeys = {
    {"ack", "ack_timeout", "memory", "follower_data", "scripts", "undeclared_keys", "big_key"}};
const Keys kOwnershipKeys = {{"enabled", "lease", "advertise", "advertise_tls"}};
const Keys kLimitsKeys = {{"clients", "pinned", "request", "client_output", "memory", "client_idle",
                           "connect_timeout", "command_timeout", "stop_timeout"}};
const Keys kJournalKeys = {{"dir", "mode", "disk", "on_error"}};
const Keys kBackfillKeys = {
    {"keys_per_second", "bytes_per_second", "max_authority_p99", "auto_start", "existing"}};
const Keys kArtifactsKeys = {{"dir", "keep"}};
const Keys kAdminKeys = {{"listen", "token", "token_file"}, {"tokens_file"}};
const Keys kLogKeys = {{"level", "format"}};

constexpr const char* kSecretFound = "a secret (not shown)";

std::vector<Endpoint> ReadListen(const Section& root, const std::string& folder,
                                 Problems& problems) {
  constexpr const char* kExpected = "a list such as [{address: 127.0.0.1:6380}]";
  const std::optional<std::vector<Entry>> items = root.List("listen", kExpected);
  if (!items) return {Endpoint{"127.0.0.1", 6380, "", "", ""}};
  if (items->empty() && root.Find("listen")->value.IsSequence()) {
    root.Unexpected("listen", "an empty list", kExpected);
  }
  std::vector<Endpoint> listen;
  for (size_t i = 0; i < items->size(); ++i) {
    const std::string path = "listen[" + std::to_string(i) + "]";
    const Section item((*items)[i], path, kListenKeys, problems);
    listen.emplace_back();
    const std::optional<std::string> text =
        item.Text("address", "host:port, [v6]:port or unix:PATH");
    if (!text) {
      if (!item.Has("address") && (*items)[i].value.IsMap()) {
        item.Unexpected("address", "nothing", "host:port, [v6]:port or unix:PATH");
      }
      continue;
    }
    const Result<Endpoint> address = ParseListenAddress(*text);
    if (address) {
      listen.back() = *address;
    } else {
      item.Unexpected("address", Quote(*text), address.error().message);
      continue;
    }
    ReadSocketMode(item, listen.back());
    listen.back().tls = ReadListenerTls(item, folder, problems);
  }
  return listen;
}

Endpoint ReadStore(const Section& stores, const char* name, const std::string& folder,
                   Problems& problems) {
  Endpoint endpoint;
  const std::optional<Section> store = stores.Child(name, kStoreKeys);
  if (!store) stores.Unexpected(name, "nothing", "a map with url");
  if (!store || !stores.Find(name)->value.IsMap()) return endpoint;
  constexpr const char* kExpected = "redis[s]://[user:password@]host:port or unix:PATH";
  const std::optional<std::string> url = store->Text("url", kExpected);
  if (!store->Has("url")) store->Unexpected("url", "nothing", kExpected);
  const std::optional<std::string> password = SecretFromFile(*store, "password_file", folder);
  if (!url) return endpoint;
  const Result<Endpoint> parsed = ParseStoreUrl(*url);
  if (!parsed) {
    store->Unexpected("url", Quote(RedactUrl(*url)), parsed.error().message);
    return endpoint;
  }
  endpoint = *parsed;
  if (store->Has("password_file")) {
    if (!endpoint.password.empty()) {
      store->Unexpected("password_file", "a second password", "one, in url or in password_file");
    }
    endpoint.password = password.value_or("");
  } else if (!endpoint.user.empty() && endpoint.password.empty()) {
    store->Unexpected("url", Quote(RedactUrl(*url)),
                      "a password with the user: user:password@ or password_file");
  }
  ReadStoreTls(*store, folder, endpoint, problems);
  return endpoint;
}

void ReadStores(const Section& root, const std::string& folder, Settings& settings,
                Problems& problems) {
  const std::optional<Section> stores = root.Child("stores", kStoresKeys);
  if (!stores) return root.Unexpected("stores", "nothing", "a map with legacy and new");
  if (!root.Find("stores")->value.IsMap()) return;
  settings.legacy = ReadStore(*stores, "legacy", folder, problems);
  settings.new_store = ReadStore(*stores, "new", folder, problems);
}

void ReadMirror(const Section& root, MirrorSettings& mirror) {
  const std::optional<Section> section = root.Child("mirror", kMirrorKeys);
  if (!section) return;
  section->Choice<Ack>("ack", {{"authority", Ack::kAuthority}, {"both", Ack::kBoth}}, mirror.ack);
  section->Time("ack_timeout", 1ms, 1h, mirror.ack_timeout);
  section->Size("memory", 64ull << 10, 1ull << 40, mirror.memory_bytes);
  section->Size("big_key", 0, 1ull << 40, mirror.big_key_bytes);
  section->Choice<FollowerData>(
      "follower_data", {{"refuse", FollowerData::kRefuse}, {"trust", FollowerData::kTrust}},
      mirror.follower_data);
  section->Choice<Scripts>(
      "scripts", {{"auto", Scripts::kAuto}, {"replay", Scripts::kReplay}, {"sync", Scripts::kSync}},
      mirror.scripts);
  section->Choice<UndeclaredKeys>(
      "undeclared_keys", {{"replay", UndeclaredKeys::kReplay}, {"refuse", UndeclaredKeys::kRefuse}},
      mirror.undeclared_keys);
}

void ReadJournal(const Section& root, const std::string& folder, JournalSettings& journal) {
  const std::optional<Section> section = root.Child("journal", kJournalKeys);
  if (!section) return;
  journal.dir = "/var/lib/crossfade";
  if (const auto dir = section->Text("dir", "the path of a folder"); dir && !dir->empty()) {
    journal.dir = (std::filesystem::path(folder) / *dir).lexically_normal().string();
  }
  section->Choice<JournalMode>("mode",
                               {{"process", JournalMode::kProcess},
                                {"disk", JournalMode::kDisk},
                                {"none", JournalMode::kNone}},
                               journal.mode);
  section->Size("disk", 256ull << 20, 1ull << 40, journal.disk_bytes);
  section->Choice<JournalError>(
      "on_error", {{"suspect", JournalError::kSuspect}, {"refuse", JournalError::kRefuse}},
      journal.on_error);
}

void ReadBackfill(const Section& root, BackfillSettings& backfill) {
  const std::optional<Section> section = root.Child("backfill", kBackfillKeys);
  if (!section) return;
  section->Count("keys_per_second", 0, 100'000'000, backfill.keys_per_second);
  section->Size("bytes_per_second", 0, 1ull << 40, backfill.bytes_per_second);
  section->Time("max_authority_p99", 0ms, 1h, backfill.max_authority_p99);
  section->Choice<bool>("auto_start", {{"true", true}, {"false", false}}, backfill.auto_start);
  section->Choice<ExistingKeys>("existing",
                                {{"refuse", ExistingKeys::kRefuse},
                                 {"overwrite", ExistingKeys::kOverwrite},
                                 {"keep_equal", ExistingKeys::kKeepEqual}},
                                backfill.existing);
}

void ReadArtifacts(const Section& root, const std::string& folder, Settings& settings) {
  settings.artifacts.dir = DefaultArtifactsDir(settings.journal);
  const std::optional<Section> section = root.Child("artifacts", kArtifactsKeys);
  if (!section) return;
  if (const auto dir = section->Text("dir", "the path of a folder"); dir && !dir->empty()) {
    settings.artifacts.dir = (std::filesystem::path(folder) / *dir).lexically_normal().string();
  }
  section->Count("keep", 0, 10'000, settings.artifacts.keep);
}

// Others connect to it: it must be one address.
void ReadAdvertised(const Section& section, const char* key, std::optional<Endpoint>& endpoint) {
  constexpr const char* kExpected = "host:port, [v6]:port or unix:PATH that clients can reach";
  const std::optional<std::string> text = section.Text(key, kExpected);
  if (!text) return;
  const Result<Endpoint> address = ParseListenAddress(*text);
  if (!address || !Advertisable(*address)) {
    section.Unexpected(key, Quote(*text), kExpected);
  } else {
    endpoint = *address;
  }
}

void ReadOwnership(const Section& root, OwnershipSettings& ownership) {
  const std::optional<Section> section = root.Child("ownership", kOwnershipKeys);
  if (!section) return;
  section->Choice<bool>("enabled", {{"true", true}, {"false", false}}, ownership.enabled);
  section->Time("lease", 500ms, 1h, ownership.lease);
  ReadAdvertised(*section, "advertise", ownership.advertise);
  ReadAdvertised(*section, "advertise_tls", ownership.advertise_tls);
}

void ReadLimits(const Section& root, Limits& limits) {
  const std::optional<Section> section = root.Child("limits", kLimitsKeys);
  if (!section) return;
  section->Count("clients", 1, 1'000'000, limits.clients);
  section->Count("pinned", 0, 1'000'000, limits.pinned);
  section->Size("request", 1ull << 10, 2ull << 30, limits.request_bytes);
  section->Size("client_output", 1ull << 10, 1ull << 40, limits.client_output_bytes);
  section->Size("memory", 1ull << 20, 1ull << 40, limits.memory_bytes);
  section->Time("client_idle", 0ms, 8760h, limits.client_idle);
  section->Time("connect_timeout", 1ms, 1h, limits.connect_timeout);
  section->Time("command_timeout", 1ms, 1h, limits.command_timeout);
  section->Time("stop_timeout", 0ms, 1h, limits.stop_timeout);
}

// It travels in an HTTP header.
bool IsToken(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

void ReadToken(const Section& admin, const std::string& folder, std::string& token) {
  const std::optional<std::string> text = admin.Text("token", "a token");
  const std::optional<std::string> from_file = SecretFromFile(admin, "token_file", folder);
  if (admin.Has("token") && admin.Has("token_file")) {
    return admin.Unexpected("token_file", "a second token", "one, in token or in token_file");
  }
  const char* key = text ? "token" : "token_file";
  if (!text && !from_file) return;
  const Result<std::string> expanded = text ? ExpandEnvironment(*text) : *from_file;
  if (!expanded) {
    admin.Unexpected(key, kSecretFound, expanded.error().message);
  } else if (!IsToken(*expanded)) {
    admin.Unexpected(key, kSecretFound, "printable ASCII without spaces");
  } else {
    token = *expanded;
  }
}

void ReadAdmin(const Section& root, const std::string& folder, Settings& settings) {
  settings.admin_listen = Endpoint{"127.0.0.1", 9380, "", "", ""};
  const std::optional<Section> section = root.Child("admin", kAdminKeys);
  if (!section) return;
  constexpr const char* kExpected = "host:port or [v6]:port";
  if (const std::optional<std::string> text = section->Text("listen", kExpected)) {
    const Result<Endpoint> address = ParseListenAddress(*text);
    if (!address) {
      section->Unexpected("listen", Quote(*text), address.error().message);
    } else if (!address->unix_path.empty()) {
      section->Unexpected("listen", Quote(*text), kExpected);
    } else {
      settings.admin_listen = *address;
    }
  }
  ReadToken(*section, folder, settings.admin_token);
}

void ReadLog(const Section& root, Settings& settings) {
  const std::optional<Section> section = root.Child("log", kLogKeys);
  if (!section) return;
  section->Choice<std::string>("level",
                               {{"trace", "trace"},
                                {"debug", "debug"},
                                {"info", "info"},
                                {"warn", "warn"},
                                {"error", "error"}},
                               settings.log_level);
  section->Choice<LogFormat>("format", {{"text", LogFormat::kText}, {"json", LogFormat::kJson}},
                             settings.log_format);
}

}  // namespace

std::optional<std::string> SecretFromFile(const Section& section, std::string_view key,
                                          const std::string& folder) {
  const std::optional<std::string> file = section.Text(key, "the path of a file");
  if (!file) return std::nullopt;
  const std::string path = (std::filesystem::path(folder) / *file).string();
  Result<std::string> secret = ReadSecretFile(path);
  if (!secret) {
    section.Unexpected(key, Quote(path) + ", which " + secret.error().message,
                       "a file with the secret");
    return std::nullopt;
  }
  return std::move(*secret);
}

std::string DefaultArtifactsDir(const JournalSettings& journal) {
  return journal.dir.empty() ? "" : journal.dir + "/artifacts";
}

Settings ReadSections(const Entry& root, const std::string& folder, Problems& problems) {
  Settings settings;
  const Section section(root, "", kRootKeys, problems);
  if (!root.value.IsMap()) return settings;
  settings.listen = ReadListen(section, folder, problems);
  section.Count("workers", 1, 64, settings.workers);
  ReadStores(section, folder, settings, problems);
  section.Choice<Stage>(
      "stage", {{"observe", Stage::kObserve}, {"mirror", Stage::kMirror}, {"ramp", Stage::kRamp}},
      settings.stage, {"soak", "complete"});
  ReadMirror(section, settings.mirror);
  ReadJournal(section, folder, settings.journal);
  ReadBackfill(section, settings.backfill);
  ReadOwnership(section, settings.ownership);
  ReadVerify(section, settings.verify);
  ReadArtifacts(section, folder, settings);
  settings.routes = ReadRoutes(section, problems);
  settings.allow = ReadAllow(section, problems);
  ReadLimits(section, settings.limits);
  settings.users = ReadUsers(section, folder, problems);
  ReadAdmin(section, folder, settings);
  ReadLog(section, settings);
  CheckConsistency(settings, problems);
  return settings;
}

}  // namespace crossfade::config
