#include "tests/sim/store.h"

#include "config/check.h"
#include "routing/resp/encode.h"
#include "routing/resp/request.h"
#include "tests/sim/connection.h"

namespace crossfade::sim {

void SplitRequest(std::string_view request, std::vector<std::string_view>& args) {
  static thread_local routing::RequestDecoder decoder;
  const auto outcome =
      decoder.Decode(request.data(), request.data() + request.size(), INT64_MAX / 2);
  CROSSFADE_CHECK(outcome == routing::RequestDecoder::Outcome::kRequest);
  CROSSFADE_CHECK(decoder.length() == request.size());
  args.assign(decoder.args().begin(), decoder.args().end());
}

Store::Store(Env& env, std::string name, int64_t clock_offset_ms)
    : env_(env), name_(std::move(name)), clock_offset_ms_(clock_offset_ms) {}

Entry Store::Peek(uint32_t db, const std::string& name) const {
  const auto it = dbs_[db].find(name);
  if (it == dbs_[db].end()) return {};
  const bool expired = it->second.deadline_ms >= 0 && it->second.deadline_ms <= NowMs();
  return expired ? Entry{} : it->second;
}

size_t Store::size() const {
  size_t size = 0;
  for (const Keys& keys : dbs_) size += keys.size();
  return size;
}

// ---- Faults

void Store::Stop() {
  up_ = false;
  paused_until_us_ = 0;
  const std::set<Connection*> connections = std::exchange(connections_, {});
  for (Connection* connection : connections) connection->Reset();
}

void Store::Start(bool empty) {
  up_ = true;
  ++run_;
  out_of_memory_ = false;
  if (!empty) return;
  for (uint32_t db = 0; db < kDbs; ++db) Flush(db);
  ++stamp_;
  Tell(0);
}

void Store::KillAll() {
  const std::set<Connection*> connections = connections_;
  for (Connection* connection : connections) {
    if (connection->orphaned()) connection->Kill();
  }
}

// ---- Keys

const Entry* Store::Find(uint32_t db, std::string_view name) {
  scratch_.assign(name);
  const auto it = dbs_[db].find(scratch_);
  if (it == dbs_[db].end()) return nullptr;
  if (it->second.deadline_ms < 0 || it->second.deadline_ms > NowMs()) return &it->second;
  touched_.insert({db, scratch_});
  dbs_[db].erase(it);
  return nullptr;
}

void Store::Put(uint32_t db, std::string_view name, Entry entry) {
  std::string key(name);
  touched_.insert({db, key});
  const bool empty = std::visit(
      [](const auto& held) {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::string>) {
          return false;
        } else {
          return held.empty();
        }
      },
      *entry.value);
  const bool passed = entry.deadline_ms >= 0 && entry.deadline_ms <= NowMs();
  if (empty || passed) {
    dbs_[db].erase(key);
  } else {
    dbs_[db][std::move(key)] = std::move(entry);
  }
}

bool Store::Erase(uint32_t db, std::string_view name) {
  if (Find(db, name) == nullptr) return false;
  touched_.insert({db, scratch_});
  return dbs_[db].erase(scratch_) > 0;
}

void Store::Flush(uint32_t db) {
  for (const auto& [key, entry] : dbs_[db]) touched_.insert({db, key});
  dbs_[db].clear();
}

void Store::Swap() {
  for (const KeyId& key : std::set<KeyId>(touched_)) touched_.insert({1 - key.db, key.name});
  for (uint32_t db = 0; db < kDbs; ++db) {
    for (const auto& [key, entry] : dbs_[db]) {
      touched_.insert({0, key});
      touched_.insert({1, key});
    }
  }
  dbs_[0].swap(dbs_[1]);
  swapped_ = true;
}

// ---- Commands

bool Store::Refuses(const routing::CommandSpec* spec, std::string& error) {
  if (spec == nullptr) {
    error = "-ERR unknown command\r\n";
    return true;
  }
  const bool grows = (spec->flags & routing::kDenyOom) != 0;
  if (out_of_memory_ && grows) {
    error = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    return true;
  }
  const bool writes = (spec->flags & routing::kWrite) != 0;
  if (refuse_one_in_ > 0 && writes && env_.random.OneIn(refuse_one_in_)) {
    error = "-MISCONF Errors writing to the AOF file\r\n";
    return true;
  }
  return false;
}

void Store::Tell(uint64_t tag) {
  if (observer_) observer_({touched_, swapped_, stamp_, tag});
  touched_.clear();
  swapped_ = false;
}

std::string Store::Execute(ClientState& client, std::string_view request, uint64_t tag) {
  std::vector<std::string_view> args;
  SplitRequest(request, args);
  ++stamp_;
  if (client.multi && args[0] != "EXEC") {
    std::string error;
    if (Refuses(routing::CommandTable::Redis70().Find(args), error)) {
      client.aborted = true;
      return error;
    }
    client.queued.emplace_back(request);
    return "+QUEUED\r\n";
  }
  std::string reply;
  if (args[0] == "MULTI") {
    client.multi = true;
    reply = "+OK\r\n";
  } else if (args[0] == "EXEC") {
    reply = Exec(client);
  } else {
    reply = Run(client, args);
  }
  Tell(tag);
  if (env_.tracing) {
    env_.Trace("  " + name_ + " #" + std::to_string(stamp_) + " db" + std::to_string(client.db) +
               " " + Printable(request) + " -> " + Printable(reply));
  }
  return reply;
}

std::string Store::Exec(ClientState& client) {
  std::vector<std::string> queued;
  queued.swap(client.queued);
  const bool aborted = std::exchange(client.aborted, false);
  if (!std::exchange(client.multi, false)) return "-ERR EXEC without MULTI\r\n";
  if (aborted) {
    return "-EXECABORT Transaction discarded because of previous errors.\r\n";
  }
  std::string reply;
  routing::AppendHead(reply, '*', static_cast<int64_t>(queued.size()));
  std::vector<std::string_view> args;
  for (const std::string& command : queued) {
    SplitRequest(command, args);
    reply += Run(client, args);
  }
  return reply;
}

std::string Store::Run(ClientState& client, Args args) {
  if (args[0] == "SELECT") {
    if (args[1] != "0" && args[1] != "1") return "-ERR DB index is out of range\r\n";
    client.db = args[1] == "1" ? 1 : 0;
    return "+OK\r\n";
  }
  std::string error;
  if (!client.multi && Refuses(routing::CommandTable::Redis70().Find(args), error)) return error;
  return RunCommand(*this, client.db, args);
}

}  // namespace crossfade::sim
