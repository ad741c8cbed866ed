#include "config/plan.h"

#include <array>
#include <map>
#include <utility>

#include "config/secrets.h"
#include "config/sections.h"
#include "config/tls.h"
#include "config/values.h"
#include "config/verify_section.h"

namespace crossfade::config {
namespace {

using Lines = std::map<std::string, std::string>;

constexpr std::string_view kSecretMark = "sha256:";

const char* Name(Ack ack) { return ack == Ack::kBoth ? "both" : "authority"; }
const char* Name(FollowerData data) { return data == FollowerData::kTrust ? "trust" : "refuse"; }
const char* Name(Scripts scripts) {
  return scripts == Scripts::kAuto ? "auto" : scripts == Scripts::kReplay ? "replay" : "sync";
}
const char* Name(UndeclaredKeys keys) {
  return keys == UndeclaredKeys::kRefuse ? "refuse" : "replay";
}
const char* Name(JournalMode mode) {
  return mode == JournalMode::kProcess ? "process" : mode == JournalMode::kDisk ? "disk" : "none";
}
const char* Name(JournalError error) {
  return error == JournalError::kRefuse ? "refuse" : "suspect";
}
const char* Name(Prefer prefer) { return prefer == Prefer::kFastest ? "fastest" : "split"; }
const char* Name(LogFormat format) { return format == LogFormat::kJson ? "json" : "text"; }

std::string Secret(const std::string& value) {
  return value.empty() ? "none" : std::string(kSecretMark) + Sha256Hex(value);
}

// Quoted, so that no text can look like another value, or like the lack of one.
std::string TextValue(const std::string& text) {
  return text.empty() ? "any" : "\"" + Escape(text) + "\"";
}

// A file that changed in place is another value.
std::string FileValue(const TlsFile& file) {
  if (file.path.empty()) return "none";
  return TextValue(file.path) + " " + file.fingerprint + " until " + file.until;
}

void AddTls(const std::string& path, const TlsSettings& tls, bool of_store, Lines& lines) {
  lines[path + ".cert"] = FileValue(tls.cert);
  lines[path + ".key"] = tls.key_path.empty() ? "none" : TextValue(tls.key_path);
  lines[path + ".min_version"] = Name(tls.min_version);
  if (of_store) {
    lines[path + ".ca"] = tls.ca.path.empty() ? "system" : FileValue(tls.ca);
    lines[path + ".server_name"] = TextValue(tls.server_name);
    lines[path + ".verify"] = Name(tls.verify);
  } else {
    lines[path + ".client_ca"] = FileValue(tls.ca);
    lines[path + ".client_auth"] = Name(tls.client_auth);
  }
}

std::string ModeText(uint32_t mode) {
  std::string text = "0";
  for (const int shift : {6, 3, 0}) text += static_cast<char>('0' + (mode >> shift & 7));
  return text;
}

// What can't change while running is in one line; TLS settings have their own.
void AddListeners(const std::vector<Endpoint>& listeners, Lines& lines) {
  std::string listen;
  for (const Endpoint& endpoint : listeners) {
    const std::string address = Escape(endpoint.Display());
    if (!listen.empty()) listen += ", ";
    listen += address;
    if (endpoint.mode) listen += " mode " + ModeText(*endpoint.mode);
    if (!endpoint.tls) continue;
    listen += " with TLS";
    AddTls("tls[" + address + "]", *endpoint.tls, false, lines);
  }
  lines["listen"] = listen;
}

void AddStore(const std::string& path, const Endpoint& store, Lines& lines) {
  lines[path + ".address"] = Escape(store.Display()) + (store.tls ? " with TLS" : "");
  if (store.tls) AddTls("tls[" + path + "]", *store.tls, true, lines);
  lines[path + ".user"] = store.user.empty() ? "none" : TextValue(store.user);
  lines[path + ".password"] = Secret(store.password);
}

void AddReads(const std::string& path, const ReadPolicy& reads, Lines& lines) {
  lines[path + ".follower"] = ShareText(reads.follower_share);
  lines[path + ".staleness"] = TimeText(reads.staleness);
  lines[path + ".shadow"] = ShareText(reads.shadow_share);
  lines[path + ".prefer"] = Name(reads.prefer);
}

// Not named while it is as it was before there were such settings.
void AddOwnership(const OwnershipSettings& ownership, Lines& lines) {
  if (!ownership.enabled) lines["ownership.enabled"] = "false";
  static const OwnershipSettings kDefault;
  if (ownership.lease != kDefault.lease) {
    lines["ownership.lease"] = TimeText(ownership.lease);
  }
  if (ownership.advertise) lines["ownership.advertise"] = Escape(ownership.advertise->Display());
  if (ownership.advertise_tls) {
    lines["ownership.advertise_tls"] = Escape(ownership.advertise_tls->Display());
  }
}

void AddBackfill(const BackfillSettings& backfill, Lines& lines) {
  static const BackfillSettings kDefault;
  if (backfill.keys_per_second != kDefault.keys_per_second) {
    lines["backfill.keys_per_second"] = std::to_string(backfill.keys_per_second);
  }
  if (backfill.bytes_per_second != kDefault.bytes_per_second) {
    lines["backfill.bytes_per_second"] = SizeText(backfill.bytes_per_second);
  }
  if (backfill.max_authority_p99 != kDefault.max_authority_p99) {
    lines["backfill.max_authority_p99"] = TimeText(backfill.max_authority_p99);
  }
  if (!backfill.auto_start) lines["backfill.auto_start"] = "false";
  if (backfill.existing != kDefault.existing) {
    const bool keep = backfill.existing == ExistingKeys::kKeepEqual;
    lines["backfill.existing"] = keep ? "keep_equal" : "overwrite";
  }
}

void AddVerify(const VerifySettings& verify, Lines& lines) {
  static const VerifySettings kDefault;
  if (verify.keys_per_second != kDefault.keys_per_second) {
    lines["verify.keys_per_second"] = std::to_string(verify.keys_per_second);
  }
  if (verify.window) lines["verify.window"] = WindowText(*verify.window);
  if (verify.repair) lines["verify.repair"] = "true";
  if (verify.expiry_tolerance != kDefault.expiry_tolerance) {
    lines["verify.expiry_tolerance"] = TimeText(verify.expiry_tolerance);
  }
}

void AddArtifacts(const Settings& settings, Lines& lines) {
  const ArtifactSettings& artifacts = settings.artifacts;
  if (artifacts.dir != DefaultArtifactsDir(settings.journal)) {
    lines["artifacts.dir"] = TextValue(artifacts.dir);
  }
  if (artifacts.keep != ArtifactSettings().keep) {
    lines["artifacts.keep"] = std::to_string(artifacts.keep);
  }
}

// Routes go by their names, so that one more does not change the others' lines;
// their order is a line of its own.
void AddRoutes(const std::vector<Route>& routes, Lines& lines) {
  std::string order;
  for (const Route& route : routes) {
    if (!order.empty()) order += ", ";
    order += Escape(route.name);
    const bool last = &route == &routes.back();
    const std::string path = last ? "reads" : "reads.routes[" + Escape(route.name) + "]";
    AddReads(path, route.reads, lines);
    if (last) continue;
    lines[path + ".match.prefix"] = TextValue(route.match.key_prefix);
    lines[path + ".match.user"] = TextValue(route.match.user);
    lines[path + ".match.client"] = TextValue(route.match.client);
    lines[path + ".match.network"] = TextValue(route.match.network);
  }
  lines["reads.routes"] = order;
}

void AddAllow(const std::vector<AllowedCommand>& allow, Lines& lines) {
  std::map<std::string, bool> sorted;
  for (const AllowedCommand& allowed : allow) {
    sorted[allowed.command] = allowed.on == AllowOn::kBoth;
  }
  std::string text;
  for (const auto& [command, both] : sorted) {
    text += (text.empty() ? "" : ", ") + Escape(command) + (both ? " on both" : "");
  }
  // Absent when empty, as it was before there was such a setting.
  if (!text.empty()) lines["allow"] = text;
}

template <class Items, class Text>
std::string List(const Items& items, Text text) {
  std::string list;
  for (const auto& item : items) list += (list.empty() ? "" : " ") + Escape(text(item));
  return list.empty() ? "none" : list;
}

// As routes: by their names. Rules have an order, users have none.
void AddUsers(const std::vector<User>& users, Lines& lines) {
  const auto as_is = [](const std::string& text) { return text; };
  for (const User& user : users) {
    const std::string path = "users[" + Escape(user.name) + "]";
    std::string hashes;
    for (const std::string& hash : user.password_hashes) hashes += hash;
    lines[path + ".passwords"] = user.any_password ? "any" : Secret(hashes);
    lines[path + ".store_user"] = user.store_user.empty() ? "none" : TextValue(user.store_user);
    lines[path + ".store_password"] = Secret(user.store_password);
    lines[path + ".commands"] = List(user.commands, as_is);
    lines[path + ".keys"] = List(user.keys, [](const KeyRule& rule) { return rule.Text(); });
    lines[path + ".channels"] = List(user.channels, as_is);
  }
  if (users.empty()) lines["users"] = "none";
}

Lines LinesOf(const Settings& settings) {
  Lines lines;
  AddListeners(settings.listen, lines);
  lines["workers"] = std::to_string(settings.workers);
  AddStore("stores.legacy", settings.legacy, lines);
  AddStore("stores.new", settings.new_store, lines);
  lines["stage"] = Name(settings.stage);
  lines["mirror.ack"] = Name(settings.mirror.ack);
  lines["mirror.ack_timeout"] = TimeText(settings.mirror.ack_timeout);
  lines["mirror.memory"] = SizeText(settings.mirror.memory_bytes);
  lines["mirror.follower_data"] = Name(settings.mirror.follower_data);
  // Not named while they are as they were before there were such settings.
  if (settings.mirror.big_key_bytes != MirrorSettings{}.big_key_bytes) {
    lines["mirror.big_key"] = SizeText(settings.mirror.big_key_bytes);
  }
  if (settings.mirror.scripts != Scripts::kAuto) {
    lines["mirror.scripts"] = Name(settings.mirror.scripts);
  }
  if (settings.mirror.undeclared_keys != UndeclaredKeys::kReplay) {
    lines["mirror.undeclared_keys"] = Name(settings.mirror.undeclared_keys);
  }
  if (!settings.journal.dir.empty()) {  // absent as long as there is none
    lines["journal.dir"] = TextValue(settings.journal.dir);
    lines["journal.mode"] = Name(settings.journal.mode);
    lines["journal.disk"] = SizeText(settings.journal.disk_bytes);
    lines["journal.on_error"] = Name(settings.journal.on_error);
  }
  AddBackfill(settings.backfill, lines);
  AddOwnership(settings.ownership, lines);
  AddVerify(settings.verify, lines);
  AddArtifacts(settings, lines);
  AddRoutes(settings.routes, lines);
  AddAllow(settings.allow, lines);
  if (settings.users) AddUsers(*settings.users, lines);
  lines["limits.clients"] = std::to_string(settings.limits.clients);
  lines["limits.pinned"] = std::to_string(settings.limits.pinned);
  lines["limits.request"] = SizeText(settings.limits.request_bytes);
  lines["limits.client_output"] = SizeText(settings.limits.client_output_bytes);
  if (settings.limits.memory_bytes != config::Limits{}.memory_bytes) {
    lines["limits.memory"] = SizeText(settings.limits.memory_bytes);
  }
  lines["limits.client_idle"] = TimeText(settings.limits.client_idle);
  lines["limits.connect_timeout"] = TimeText(settings.limits.connect_timeout);
  lines["limits.command_timeout"] = TimeText(settings.limits.command_timeout);
  lines["limits.stop_timeout"] = TimeText(settings.limits.stop_timeout);
  lines["admin.listen"] = settings.admin_listen.Display();
  lines["admin.token"] = Secret(settings.admin_token);
  lines["log.level"] = settings.log_level;
  lines["log.format"] = Name(settings.log_format);
  return lines;
}

// What the two sides of a change look like; a hash tells an operator nothing.
std::string Shown(const std::string* value) {
  if (value == nullptr) return "absent";
  return value->starts_with(kSecretMark) ? "secret" : *value;
}

std::string DiffLine(const std::string& path, const std::string* from, const std::string* to) {
  const std::string before = Shown(from);
  const std::string after = Shown(to);
  return path + ": " + before + " -> " + (before == after ? "another " + after : after);
}

std::vector<std::string> DiffLines(const Lines& from, const Lines& to) {
  Lines all = from;
  all.insert(to.begin(), to.end());
  std::vector<std::string> lines;
  for (const auto& [path, unused] : all) {
    const auto before = from.find(path);
    const auto after = to.find(path);
    const std::string* old_value = before == from.end() ? nullptr : &before->second;
    const std::string* new_value = after == to.end() ? nullptr : &after->second;
    if (old_value != nullptr && new_value != nullptr && *old_value == *new_value) continue;
    lines.push_back(DiffLine(path, old_value, new_value));
  }
  return lines;
}

}  // namespace

std::string CanonicalText(const Settings& settings) {
  std::string text;
  for (const auto& [path, value] : LinesOf(settings)) {
    text += path;
    text += " = ";
    text += value;
    text += '\n';
  }
  return text;
}

PlanPtr MakePlan(Settings settings, uint64_t epoch) {
  auto plan = std::make_shared<Plan>();
  plan->epoch = epoch;
  plan->digest = Sha256Hex(CanonicalText(settings));
  plan->settings = std::move(settings);
  return plan;
}

std::vector<std::string> Diff(const Settings& from, const Settings& to) {
  return DiffLines(LinesOf(from), LinesOf(to));
}

std::string RefuseReload(const Settings& from, const Settings& to) {
  constexpr std::array<std::string_view, 6> kFixed = {"stores.", "workers",  "listen",
                                                      "admin.",  "journal.", "ownership."};
  std::string reason;
  for (const std::string& line : Diff(from, to)) {
    for (const std::string_view prefix : kFixed) {
      if (!line.starts_with(prefix)) continue;
      reason += reason.empty() ? "needs a restart: " : "; ";
      reason += line;
    }
  }
  return reason;
}

}  // namespace crossfade::config
