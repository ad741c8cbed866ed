#include "proxy/snapshot/restorer.h"

#include <chrono>
#include <utility>

#include "routing/commands/reserved_keys.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"
#include "routing/store_health.h"

namespace crossfade::proxy {
namespace {

using replication::SnapshotRecord;
using replication::SnapshotTag;

constexpr size_t kFlushBytes = size_t{256} << 10;
constexpr size_t kFlushKeys = 512;
constexpr uint64_t kLongestByDefault = uint64_t{512} << 20;

int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Whether it says something of the store rather than of the key.
bool ConcernsStore(const std::string& error) {
  return !error.starts_with("NOPERM") &&
         routing::ClassifyError("-" + error) != routing::StoreError::kNone;
}

}  // namespace

Result<Restorer> Restorer::Begin(StoreClient& store) {
  const Result<int64_t> offset_ms = store.ClockOffsetMs();
  if (!offset_ms) return Fail("TIME: " + offset_ms.error().message);
  uint64_t longest = kLongestByDefault;
  int64_t told = 0;
  const Result<std::string> limit = store.Config("proto-max-bulk-len");
  if (limit && routing::ParseInteger(*limit, told) && told > 0) {
    longest = static_cast<uint64_t>(told);
  }
  return Restorer(store, *offset_ms, longest);
}

Result<bool> Restorer::Restore(std::string_view records) {
  replication::SnapshotRecords reader(records);
  SnapshotRecord record;
  while (why_stopped_.empty() && reader.Next(record)) {
    if (const Status taken = Take(record); !taken) return tl::unexpected(taken.error());
  }
  if (const Status settled = Settle(); !settled) return tl::unexpected(settled.error());
  return why_stopped_.empty();
}

Status Restorer::Take(const SnapshotRecord& record) {
  switch (record.tag) {
    case SnapshotTag::kKey:
      return TakeKey(record);
    case SnapshotTag::kFunctions:
      return TakeFunctions(record.payload);
    case SnapshotTag::kRefused:
      return {};
  }
  return {};
}

Status Restorer::TakeKey(const SnapshotRecord& record) {
  if (routing::IsReserved(record.name)) return {};
  if (record.deadline_ms != 0 && record.deadline_ms <= UnixMs() + offset_ms_) {
    ++counts_.expired;
    progressed(counts_);
    return {};
  }
  const Sent key{record.name, record.db};
  if (db_ != record.db) {
    if (const Status selected = Select(record.db); !selected) return selected;
    if (!why_stopped_.empty()) return {};
  }
  if (!no_db_.empty()) {
    Refuse(key, no_db_);
    return {};
  }
  if (record.payload.size() > longest_ || record.name.size() > longest_) {
    Refuse(key, "its dump of " + std::to_string(record.payload.size()) +
                    " bytes is over the store's proto-max-bulk-len of " + std::to_string(longest_));
    return {};
  }
  routing::AppendCommand(out_, {"RESTORE", record.name, std::to_string(record.deadline_ms),
                                record.payload, "REPLACE", "ABSTTL"});
  written_.push_back(key);
  if (out_.size() < kFlushBytes && written_.size() < kFlushKeys) return {};
  return Flush();
}

Status Restorer::TakeFunctions(std::string_view payload) {
  const std::string_view args[] = {"FUNCTION", "RESTORE", payload, "REPLACE"};
  const auto reply = store_->Ask(args);
  if (!reply) return tl::unexpected(reply.error());
  if ((*reply)->type != REDIS_REPLY_ERROR) {
    counts_.functions = 1;
    return {};
  }
  Refuse({"(functions)", 0}, {(*reply)->str, (*reply)->len});
  return {};
}

// Awaited: what follows a SELECT that was refused would land in another db.
Status Restorer::Select(uint32_t db) {
  if (const Status settled = Settle(); !settled) return settled;
  const std::string number = std::to_string(db);
  const std::string_view args[] = {"SELECT", number};
  const auto reply = store_->Ask(args);
  if (!reply) return tl::unexpected(reply.error());
  db_ = db;
  no_db_.clear();
  if ((*reply)->type != REDIS_REPLY_ERROR) return {};
  no_db_ = "SELECT " + number + ": " + std::string((*reply)->str, (*reply)->len);
  return {};
}

Status Restorer::Flush() {
  if (const Status sent = store_->Send(out_); !sent) return sent;
  out_.clear();
  if (out_.capacity() > 4 * replication::kSnapshotBlockBytes) out_.shrink_to_fit();
  std::vector<Sent> before = std::exchange(sent_, std::exchange(written_, {}));
  return ReadReplies(before);
}

Status Restorer::Settle() {
  if (!written_.empty()) {
    if (const Status flushed = Flush(); !flushed) return flushed;
  }
  std::vector<Sent> rest = std::exchange(sent_, {});
  return ReadReplies(rest);
}

Status Restorer::ReadReplies(std::vector<Sent>& sent) {
  for (const Sent& key : sent) {
    const auto reply = store_->Receive();
    if (!reply) return tl::unexpected(reply.error());
    if ((*reply)->type == REDIS_REPLY_ERROR) {
      Refuse(key, {(*reply)->str, (*reply)->len});
    } else {
      ++counts_.restored;
      progressed(counts_);
    }
  }
  return {};
}

void Restorer::Refuse(const Sent& key, std::string_view reason) {
  ++counts_.refused;
  refused(key.db, key.name, reason);
  const std::string error(reason);
  if (why_stopped_.empty() && ConcernsStore(error)) why_stopped_ = error;
  progressed(counts_);
}

}  // namespace crossfade::proxy
