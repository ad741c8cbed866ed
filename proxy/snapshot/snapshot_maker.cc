#include "proxy/snapshot/snapshot_maker.h"

#include <map>

#include "proxy/backend/client_keys.h"
#include "routing/commands/reserved_keys.h"

namespace crossfade::proxy {
namespace {

using replication::SnapshotRecord;
using replication::SnapshotTag;

// The value behind "name:" on a line of its own.
std::string InfoField(std::string_view info, std::string_view name) {
  const std::string start = "\n" + std::string(name) + ":";
  const size_t at = info.find(start);
  if (at == info.npos) return "";
  const std::string_view value = info.substr(at + start.size());
  return std::string(value.substr(0, value.find_first_of("\r\n")));
}

bool IsUnknown(const std::string& error) { return error.find("nknown") != error.npos; }

Result<std::string> ReadServerInfo(StoreClient& store) {
  const auto info = store.Command({"INFO", "server"});
  if (!info) return Fail("INFO: " + info.error().message);
  std::string text(TextOf(**info));
  if (InfoField(text, "run_id").empty()) return Fail("its INFO tells no run_id");
  return text;
}

}  // namespace

Result<std::string> LearnRunId(StoreClient& store) {
  const Result<std::string> info = ReadServerInfo(store);
  if (!info) return info;
  return InfoField(*info, "run_id");
}

Result<StoreFacts> LearnStore(StoreClient& store) {
  const Result<std::string> info = ReadServerInfo(store);
  if (!info) return tl::unexpected(info.error());
  StoreFacts facts;
  facts.run_id = InfoField(*info, "run_id");
  facts.version = InfoField(*info, "redis_version");
  const auto counts = CountClientKeys(store);
  if (!counts) return Fail("counting its keys: " + counts.error().message);
  facts.keys = Sum(*counts);
  // Of a name that no client has; whether the user may read it is another matter.
  const auto dump = store.Command({"DUMP", routing::kWaitKey});
  if (!dump && IsUnknown(dump.error().message)) return Fail("DUMP: " + dump.error().message);
  const auto expiry = store.Command({"PEXPIRETIME", routing::kWaitKey});
  facts.has_expiretime = expiry || !IsUnknown(expiry.error().message);
  return facts;
}

Status SnapshotMaker::TakeFunctions() {
  const auto list = store_.Command({"FUNCTION", "LIST"});
  if (!list && IsUnknown(list.error().message)) return {};  // before 7.0
  if (!list) return Fail("FUNCTION LIST: " + list.error().message);
  if ((*list)->type != REDIS_REPLY_ARRAY || (*list)->elements == 0) return {};
  const auto dump = store_.Command({"FUNCTION", "DUMP"});
  if (!dump) return Fail("FUNCTION DUMP: " + dump.error().message);
  SnapshotRecord record;
  record.tag = SnapshotTag::kFunctions;
  record.payload = TextOf(**dump);
  return Add(record);
}

Status SnapshotMaker::Make(replication::SnapshotPosition from, bool has_functions) {
  const bool at_start = from == replication::SnapshotPosition{};
  if (at_start && !has_functions) {
    if (const Status taken = TakeFunctions(); !taken) return taken;
  }
  KeyReader reader(store_, facts_.has_expiretime, *this);
  db_ = from.db;
  uint64_t cursor = from.cursor;
  while (true) {
    const auto counts = store_.CountKeys();
    if (!counts) return Fail("INFO keyspace: " + counts.error().message);
    const auto next = counts->lower_bound(db_);
    if (next == counts->end()) return {};
    if (next->first != db_) cursor = 0;
    db_ = next->first;
    writer_.Reached({db_, cursor});
    const auto selected = store_.Command({"SELECT", std::to_string(db_)});
    if (!selected) return Fail("SELECT: " + selected.error().message);
    if (const Status read = reader.ReadDb(cursor); !read) return read;
    ++db_;
    cursor = 0;
    writer_.Reached({db_, cursor});
  }
}

Status SnapshotMaker::OnKey(std::string_view name, int64_t deadline_ms, std::string_view payload) {
  progressed();
  return Add({SnapshotTag::kKey, db_, deadline_ms, name, payload});
}

Status SnapshotMaker::OnRefused(std::string_view name, std::string_view reason) {
  refused(db_, name, reason);
  progressed();
  return Add({SnapshotTag::kRefused, db_, 0, name, reason});
}

Status SnapshotMaker::Add(const SnapshotRecord& record) {
  const Status added = writer_.Add(record);
  file_failed_ = file_failed_ || !added;
  return added;
}

void SnapshotMaker::OnVanished() {
  ++vanished_;
  progressed();
}

}  // namespace crossfade::proxy
