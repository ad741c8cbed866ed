// SnapshotMaker: reads a store into a snapshot: its functions, then all keys of
// all dbs but the proxy's own. It is no point in time: a key is as it was when it
// was read, with its deadline, and keys that come and go meanwhile may be in it or
// not. For one thread; blocking.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "config/result.h"
#include "proxy/backend/store_client.h"
#include "proxy/snapshot/key_reader.h"
#include "replication/snapshot/writer.h"

namespace crossfade::proxy {

// What a snapshot has to know of a store.
struct StoreFacts {
  std::string run_id, version;
  bool has_expiretime = true;  // PEXPIRETIME; 7.0
  uint64_t keys = 0;           // clients', about
};
// Tells the store's processes apart; fails when it does not say.
Result<std::string> LearnRunId(StoreClient& store);
// Fails when it does not tell, or keys can't be read from it.
Result<StoreFacts> LearnStore(StoreClient& store);

class SnapshotMaker final : private KeyTaker {
 public:
  using Refused = std::function<void(uint32_t db, std::string_view name, std::string_view reason)>;

  SnapshotMaker(StoreClient& store, const StoreFacts& facts, replication::SnapshotWriter& writer)
      : store_(store), facts_(facts), writer_(writer) {}

  std::function<void()> progressed = [] {};  // called for every key
  Refused refused = [](uint32_t, std::string_view, std::string_view) {};

  // From there on; the end record is left to the caller.
  Status Make(replication::SnapshotPosition from, bool has_functions);
  // What failed is the file, not the store.
  bool file_failed() const { return file_failed_; }
  uint64_t vanished() const { return vanished_; }
  uint32_t db() const { return db_; }

 private:
  Status OnKey(std::string_view name, int64_t deadline_ms, std::string_view payload) override;
  Status OnRefused(std::string_view name, std::string_view reason) override;
  void OnVanished() override;
  void OnCursor(uint64_t cursor) override { writer_.Reached({db_, cursor}); }
  Status TakeFunctions();
  Status Add(const replication::SnapshotRecord& record);

  StoreClient& store_;
  const StoreFacts& facts_;
  replication::SnapshotWriter& writer_;
  uint32_t db_ = 0;
  uint64_t vanished_ = 0;
  bool file_failed_ = false;
};

}  // namespace crossfade::proxy
