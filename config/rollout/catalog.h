// Catalog: what a migration must know of itself after a restart: how far its
// backfill has come, and what the operator said of it. An SQLite file that belongs
// to one pair of stores; another pair's is refused, as is one that is damaged.
// One thread at a time. A call that fails has changed nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/result.h"

struct sqlite3;

namespace crossfade::config {

struct BackfillRow {
  int phase = 0;
  bool position_in_follower = false;
  uint32_t position_db = 0;
  std::string position_cursor = "0";
  std::string finished;  // one bit for each partition
  uint64_t names = 0;
  uint64_t copied = 0;
  uint64_t kept = 0;         // of those copied: equal on the follower already
  uint64_t spool_bytes = 0;  // at least so long is the spool
  uint64_t mark = 0;         // which backfill it is
  std::string plan_digest;   // of the plan that it was begun under
};

struct QuarantineRow {
  uint32_t db = 0;
  std::string name;
  std::string reason;
  int64_t first_seen_ms = 0;
  bool accepted = false;
};

class Catalog {
 public:
  enum class Durability { kProcess, kDisk };  // what a saved row survives
  // `pair`: the two stores, as text.
  static Result<std::unique_ptr<Catalog>> Open(const std::string& path, const std::string& pair,
                                               Durability durability);
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  Status SaveBackfill(const BackfillRow& row);
  // A row of phase 0 when there is none.
  Result<BackfillRow> LoadBackfill();
  // All of them, in place of those saved before.
  Status SaveQuarantine(const std::vector<QuarantineRow>& rows);
  Result<std::vector<QuarantineRow>> LoadQuarantine();
  Status SavePaused(bool paused);
  Result<bool> LoadPaused();

 private:
  class Statement;
  Catalog(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  Status Prepare(const std::string& pair, Durability durability);
  Status Check();
  Status Run(const char* sql);
  Status PutBackfill(const BackfillRow& row);
  Status PutText(const char* name, const std::string& value);
  Result<std::string> GetText(const char* name);
  Result<uint64_t> GetNumber(const char* name);
  Status Problem(const char* what) const;

  sqlite3* db_;
  const std::string path_;
};

}  // namespace crossfade::config
