// Restorer: writes a snapshot's blocks into a store, pipelined, each key with its
// absolute deadline. A key that the store refuses is reported and counted; when it
// refuses for a reason of its own (out of memory, read-only), nothing more is sent.
// For one thread; blocking; a lost connection is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "proxy/backend/store_client.h"
#include "replication/snapshot/format.h"

namespace crossfade::proxy {

struct RestoreCounts {
  uint64_t restored = 0;
  uint64_t expired = 0;  // their deadline had passed
  uint64_t refused = 0;
  uint64_t functions = 0;  // 1: libraries were restored
};

class Restorer {
 public:
  using Refused = std::function<void(uint32_t db, std::string_view name, std::string_view reason)>;

  // Learns the store's clock and its longest request.
  static Result<Restorer> Begin(StoreClient& store);

  std::function<void(const RestoreCounts&)> progressed = [](const RestoreCounts&) {};
  Refused refused = [](uint32_t, std::string_view, std::string_view) {};

  // False when the store refuses for a reason of its own: the block is not restored whole.
  Result<bool> Restore(std::string_view records);
  const RestoreCounts& counts() const { return counts_; }
  const std::string& why_stopped() const { return why_stopped_; }

 private:
  struct Sent {
    std::string_view name;
    uint32_t db = 0;
  };
  Restorer(StoreClient& store, int64_t offset_ms, uint64_t longest)
      : store_(&store), offset_ms_(offset_ms), longest_(longest) {}
  Status Take(const replication::SnapshotRecord& record);
  Status TakeKey(const replication::SnapshotRecord& record);
  Status TakeFunctions(std::string_view payload);
  Status Select(uint32_t db);
  Status Flush();   // sends what is written, then reads what was sent before
  Status Settle();  // nothing is unanswered
  Status ReadReplies(std::vector<Sent>& sent);
  void Refuse(const Sent& key, std::string_view reason);

  StoreClient* store_;
  int64_t offset_ms_;  // of the store's clock
  uint64_t longest_;
  RestoreCounts counts_;
  std::string why_stopped_;
  std::optional<uint32_t> db_;  // that is selected
  std::string no_db_;           // why the last one is not
  std::string out_;
  std::vector<Sent> written_, sent_;
};

}  // namespace crossfade::proxy
