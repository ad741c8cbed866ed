#include "proxy/ownership/lease_store.h"

#include <algorithm>
#include <cctype>

#include "proxy/ownership/process_mark.h"
#include "routing/commands/reserved_keys.h"
#include "routing/resp/encode.h"

namespace crossfade::proxy {
namespace {

using replication::Sighting;
using Commands = std::vector<std::vector<std::string>>;

const std::string kOwner(routing::kOwnerKey);
const std::string kTenure(routing::kTenureKey);
constexpr size_t kIdSize = 16;

std::string_view Field(std::string_view line, std::string_view name) {
  const size_t at = line.find(name);
  if (at == line.npos) return {};
  const std::string_view rest = line.substr(at + name.size());
  return rest.substr(0, rest.find(' '));
}

// Of another proxy than `id`.
bool IsOthers(std::string_view name, std::string_view id) {
  if (!name.starts_with(routing::kReservedPrefix)) return false;
  name.remove_prefix(routing::kReservedPrefix.size());
  if (name.size() <= kIdSize || name[kIdSize] != ':') return false;
  const std::string_view owner = name.substr(0, kIdSize);
  const bool hex = std::all_of(owner.begin(), owner.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  return hex && owner != id;
}

}  // namespace

std::string ConnectionName(std::string_view id, std::string_view what) {
  return std::string(routing::kReservedPrefix).append(id).append(":").append(what);
}

Result<std::vector<StoreClient::Reply>> LeaseStore::Ask(const Commands& commands) {
  std::string request;
  for (const std::vector<std::string>& command : commands) {
    const std::vector<std::string_view> args(command.begin(), command.end());
    routing::AppendCommand(request, args);
  }
  Result<std::vector<StoreClient::Reply>> replies = client_.AskAll(request, commands.size());
  if (!replies) return replies;
  for (size_t i = 0; i < replies->size(); ++i) {
    const redisReply& reply = *(*replies)[i];
    if (reply.type != REDIS_REPLY_ERROR) continue;
    std::string name = commands[i][0];
    if (name == "CLIENT") name += " " + commands[i][1];
    return Fail("it refused " + name + ": " + std::string(reply.str, reply.len));
  }
  return replies;
}

Result<std::string> LeaseStore::RunId() {
  const auto info = Ask({{"INFO", "server"}});
  if (!info) return tl::unexpected(info.error());
  const std::string text(TextOf(*info->front()));
  const std::string_view id = Field(text, "run_id:");
  return std::string(id.substr(0, id.find_first_of("\r\n")));
}

Result<Sighting> LeaseStore::Look() {
  auto replies = Ask({{"WATCH", kOwner, kTenure}, {"MGET", kOwner, kTenure}, {"PTTL", kOwner}});
  if (!replies) return tl::unexpected(replies.error());
  const redisReply& records = *(*replies)[1];
  if (records.type != REDIS_REPLY_ARRAY || records.elements != 2) return Fail("no MGET reply");
  Sighting sighting;
  sighting.owner_text = TextOf(*records.element[0]);
  sighting.tenure_text = TextOf(*records.element[1]);
  sighting.owner = replication::ParseOwner(sighting.owner_text);
  sighting.tenure = replication::ParseTenure(sighting.tenure_text);
  const int64_t ttl_ms = (*replies)[2]->integer;
  constexpr int64_t kForever = int64_t{1} << 60;
  sighting.expires_in_us = ttl_ms < 0 ? (ttl_ms == -1 ? kForever : 0) : ttl_ms * 1'000;
  sighting.owner_ended = sighting.owner && HasEnded(sighting.owner->process);
  return sighting;
}

Result<bool> LeaseStore::Execute(Commands commands) {
  commands.insert(commands.begin(), {"MULTI"});
  commands.push_back({"EXEC"});
  const auto replies = Ask(commands);
  if (!replies) return tl::unexpected(replies.error());
  const redisReply& exec = *replies->back();
  if (exec.type != REDIS_REPLY_ARRAY) return false;
  for (size_t i = 0; i < exec.elements; ++i) {
    const redisReply& element = *exec.element[i];
    if (element.type != REDIS_REPLY_ERROR) continue;
    return Fail("it refused " + commands[i + 1][0] + ": " + std::string(element.str, element.len));
  }
  return true;
}

Result<bool> LeaseStore::Write(const replication::OwnerRecord& owner,
                               const replication::TenureRecord& tenure) {
  return Execute({{"SET", kOwner, Encode(owner), "PX", std::to_string(owner.lease_ms)},
                  {"SET", kTenure, Encode(tenure)}});
}

Result<bool> LeaseStore::Extend(int64_t lease_ms) {
  return Execute({{"PEXPIRE", kOwner, std::to_string(lease_ms)}});
}

Result<bool> LeaseStore::End(const replication::TenureRecord& tenure) {
  return Execute({{"DEL", kOwner}, {"SET", kTenure, Encode(tenure)}});
}

Status LeaseStore::Sweep() {
  const auto counts = client_.CountKeys();
  if (!counts) return tl::unexpected(counts.error());
  Commands commands;
  for (const auto& [db, keys] : *counts) {
    if (db == 0) continue;
    commands.push_back({"SELECT", std::to_string(db)});
    commands.push_back({"DEL", kOwner, kTenure});
  }
  if (commands.empty()) return {};
  commands.push_back({"SELECT", "0"});
  const auto swept = Ask(commands);
  if (!swept) return tl::unexpected(swept.error());
  return {};
}

Status LeaseStore::Forget() {
  const auto replies = Ask({{"UNWATCH"}});
  if (!replies) return tl::unexpected(replies.error());
  return {};
}

Result<size_t> LeaseStore::CloseOthers(std::string_view id) {
  const auto list = Ask({{"CLIENT", "LIST"}});
  if (!list) return tl::unexpected(list.error());
  const std::string text(TextOf(*(*list)[0]));
  Commands kills;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (!IsOthers(Field(line, " name="), id) || !line.starts_with("id=")) continue;
    kills.push_back({"CLIENT", "KILL", "ID", std::string(Field(line, "id="))});
  }
  if (kills.empty()) return size_t{0};
  const auto killed = Ask(kills);
  if (!killed) return tl::unexpected(killed.error());
  return kills.size();
}

}  // namespace crossfade::proxy
