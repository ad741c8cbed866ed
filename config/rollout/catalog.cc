#include "config/rollout/catalog.h"

#include <sqlite3.h>

#include <cstdlib>
#include <utility>

namespace crossfade::config {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS text (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS backfill (id INTEGER PRIMARY KEY CHECK (id = 1), phase INTEGER,"
    " in_follower INTEGER, db INTEGER, cursor TEXT, finished BLOB, names INTEGER, copied INTEGER,"
    " plan_digest TEXT);"
    "CREATE TABLE IF NOT EXISTS quarantine (db INTEGER, name BLOB, reason TEXT, first_seen INTEGER,"
    " accepted INTEGER);";
constexpr const char* kSpoolBytes = "backfill_spool_bytes";
constexpr const char* kKept = "backfill_kept";
constexpr const char* kMark = "backfill_mark";
constexpr const char* kRemoveIt =
    "; it is damaged. To remove it is safe: a backfill that is under way begins anew, and "
    "quarantined "
    "keys are to be accepted again";
constexpr int kVersion = 1;
constexpr int kBusyMs = 2'000;

}  // namespace

// One statement; ends with the scope.
class Catalog::Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    ok_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr) == SQLITE_OK;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void Bind(int at, int64_t value) { ok_ = ok_ && !sqlite3_bind_int64(statement_, at, value); }
  void Bind(int at, const std::string& value) {
    ok_ = ok_ && !sqlite3_bind_text(statement_, at, value.data(), static_cast<int>(value.size()),
                                    SQLITE_TRANSIENT);
  }
  void BindBytes(int at, const std::string& value) {
    ok_ = ok_ && !sqlite3_bind_blob(statement_, at, value.data(), static_cast<int>(value.size()),
                                    SQLITE_TRANSIENT);
  }
  // SQLITE_ROW, SQLITE_DONE, or an error.
  int Step() { return ok_ ? sqlite3_step(statement_) : SQLITE_ERROR; }
  int64_t Number(int at) { return sqlite3_column_int64(statement_, at); }
  std::string Text(int at) {
    const void* bytes = sqlite3_column_blob(statement_, at);
    const int size = sqlite3_column_bytes(statement_, at);
    return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
  bool ok_ = false;
};

Status Catalog::Problem(const char* what) const {
  const int error = sqlite3_errcode(db_);
  const bool damaged = error == SQLITE_CORRUPT || error == SQLITE_NOTADB;
  return Fail("the catalog " + path_ + " can't be " + what + ": " + sqlite3_errmsg(db_) +
              (damaged ? kRemoveIt : ""));
}

Result<std::unique_ptr<Catalog>> Catalog::Open(const std::string& path, const std::string& pair,
                                               Durability durability) {
  sqlite3* db = nullptr;
  const int opened = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Catalog> catalog(new Catalog(db, path));
  if (opened != SQLITE_OK) return tl::unexpected(catalog->Problem("opened").error());
  sqlite3_busy_timeout(db, kBusyMs);
  if (const Status prepared = catalog->Prepare(pair, durability); !prepared) {
    return tl::unexpected(prepared.error());
  }
  return catalog;
}

Catalog::~Catalog() { sqlite3_close(db_); }

Status Catalog::Check() {
  Statement check(db_, "PRAGMA quick_check(1)");
  if (check.Step() != SQLITE_ROW) return Problem("read");
  const std::string found = check.Text(0);
  if (found == "ok") return {};
  return Fail("the catalog " + path_ + " can't be read: " + found + kRemoveIt);
}

Status Catalog::Prepare(const std::string& pair, Durability durability) {
  int version = 0;
  {
    Statement asked(db_, "PRAGMA user_version");
    if (asked.Step() != SQLITE_ROW) return Problem("read");
    version = static_cast<int>(asked.Number(0));
  }
  if (version > kVersion) {
    return Fail("the catalog " + path_ + " is of version " + std::to_string(version) +
                ", this crossfade knows up to " + std::to_string(kVersion));
  }
  if (const Status whole = Check(); !whole) return whole;
  const bool disk = durability == Durability::kDisk;
  if (const Status set = Run(disk ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF"); !set) {
    return set;
  }
  if (const Status made = Run(kSchema); !made) return made;
  if (const Status set = Run("PRAGMA user_version=1"); !set) return set;
  const Result<std::string> known = GetText("pair");
  if (!known) return tl::unexpected(known.error());
  if (known->empty()) return PutText("pair", pair);
  if (*known == pair) return {};
  return Fail("the catalog " + path_ + " belongs to another pair of stores (" + *known +
              "), this configuration names " + pair +
              "; name another journal.dir, or remove the folder if that migration is over");
}

Status Catalog::Run(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return Problem("written");
  return {};
}

Status Catalog::PutText(const char* name, const std::string& value) {
  Statement put(db_, "INSERT OR REPLACE INTO text VALUES (?, ?)");
  put.Bind(1, std::string(name));
  put.Bind(2, value);
  if (put.Step() != SQLITE_DONE) return Problem("written");
  return {};
}

Result<std::string> Catalog::GetText(const char* name) {
  Statement get(db_, "SELECT value FROM text WHERE name = ?");
  get.Bind(1, std::string(name));
  const int step = get.Step();
  if (step == SQLITE_DONE) return std::string();
  if (step != SQLITE_ROW) return tl::unexpected(Problem("read").error());
  return get.Text(0);
}

Result<uint64_t> Catalog::GetNumber(const char* name) {
  const Result<std::string> text = GetText(name);
  if (!text) return tl::unexpected(text.error());
  return std::strtoull(text->c_str(), nullptr, 10);
}

Status Catalog::SaveBackfill(const BackfillRow& row) {
  if (const Status begun = Run("BEGIN IMMEDIATE"); !begun) return begun;
  Status saved = PutBackfill(row);
  if (saved) saved = PutText(kSpoolBytes, std::to_string(row.spool_bytes));
  if (saved) saved = PutText(kKept, std::to_string(row.kept));
  if (saved) saved = PutText(kMark, std::to_string(row.mark));
  if (saved) saved = Run("COMMIT");
  if (!saved) (void)sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  return saved;
}

Status Catalog::PutBackfill(const BackfillRow& row) {
  Statement put(db_, "INSERT OR REPLACE INTO backfill VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)");
  put.Bind(1, static_cast<int64_t>(row.phase));
  put.Bind(2, static_cast<int64_t>(row.position_in_follower));
  put.Bind(3, static_cast<int64_t>(row.position_db));
  put.Bind(4, row.position_cursor);
  put.BindBytes(5, row.finished);
  put.Bind(6, static_cast<int64_t>(row.names));
  put.Bind(7, static_cast<int64_t>(row.copied));
  put.Bind(8, row.plan_digest);
  if (put.Step() != SQLITE_DONE) return Problem("written");
  return {};
}

Result<BackfillRow> Catalog::LoadBackfill() {
  Statement get(db_,
                "SELECT phase, in_follower, db, cursor, finished, names, copied, plan_digest"
                " FROM backfill");
  const int step = get.Step();
  if (step == SQLITE_DONE) return BackfillRow{};
  if (step != SQLITE_ROW) return tl::unexpected(Problem("read").error());
  BackfillRow row;
  row.phase = static_cast<int>(get.Number(0));
  row.position_in_follower = get.Number(1) != 0;
  row.position_db = static_cast<uint32_t>(get.Number(2));
  row.position_cursor = get.Text(3);
  row.finished = get.Text(4);
  row.names = static_cast<uint64_t>(get.Number(5));
  row.copied = static_cast<uint64_t>(get.Number(6));
  row.plan_digest = get.Text(7);
  const Result<uint64_t> spool_bytes = GetNumber(kSpoolBytes);
  const Result<uint64_t> kept = GetNumber(kKept);
  if (!spool_bytes) return tl::unexpected(spool_bytes.error());
  if (!kept) return tl::unexpected(kept.error());
  const Result<uint64_t> mark = GetNumber(kMark);
  if (!mark) return tl::unexpected(mark.error());
  row.spool_bytes = *spool_bytes;
  row.kept = *kept;
  row.mark = *mark;
  return row;
}

Status Catalog::SaveQuarantine(const std::vector<QuarantineRow>& rows) {
  if (const Status begun = Run("BEGIN IMMEDIATE; DELETE FROM quarantine"); !begun) return begun;
  for (const QuarantineRow& row : rows) {
    Statement put(db_, "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)");
    put.Bind(1, static_cast<int64_t>(row.db));
    put.BindBytes(2, row.name);
    put.Bind(3, row.reason);
    put.Bind(4, row.first_seen_ms);
    put.Bind(5, static_cast<int64_t>(row.accepted));
    if (put.Step() == SQLITE_DONE) continue;
    const Status problem = Problem("written");
    (void)Run("ROLLBACK");
    return problem;
  }
  const Status committed = Run("COMMIT");
  if (!committed) (void)Run("ROLLBACK");
  return committed;
}

Result<std::vector<QuarantineRow>> Catalog::LoadQuarantine() {
  Statement get(db_, "SELECT db, name, reason, first_seen, accepted FROM quarantine");
  std::vector<QuarantineRow> rows;
  while (true) {
    const int step = get.Step();
    if (step == SQLITE_DONE) return rows;
    if (step != SQLITE_ROW) return tl::unexpected(Problem("read").error());
    rows.push_back({static_cast<uint32_t>(get.Number(0)), get.Text(1), get.Text(2), get.Number(3),
                    get.Number(4) != 0});
  }
}

Status Catalog::SavePaused(bool paused) {
  return PutText("backfill_paused", paused ? "yes" : "no");
}

Result<bool> Catalog::LoadPaused() {
  const Result<std::string> value = GetText("backfill_paused");
  if (!value) return tl::unexpected(value.error());
  return *value == "yes";
}

}  // namespace crossfade::config
