#include "proxy/backfill/backfiller.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "config/limits.h"
#include "config/values.h"
#include "proxy/backend/client_keys.h"
#include "proxy/journal/intent_committer.h"
#include "proxy/worker/worker.h"
#include "routing/commands/reserved_keys.h"

namespace crossfade::proxy {
namespace {

using replication::BackfillPhase;
using replication::BackfillRecord;
using replication::PartitionSet;
using replication::Throttle;

constexpr std::string_view kScanPage = "1000";  // keys, about
constexpr int64_t kStepUs = 10'000;
constexpr int64_t kAdaptEveryUs = 250'000;
constexpr int64_t kRetryUs = 1'000'000;
constexpr std::chrono::milliseconds kConnectTimeout{1'000};

std::string BytesOf(const PartitionSet& set) {
  std::string bytes(set.size() / 8, '\0');
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i]) bytes[i / 8] |= static_cast<char>(1 << i % 8);
  }
  return bytes;
}

PartitionSet SetOf(const std::string& bytes) {
  PartitionSet set;
  for (size_t i = 0; i < set.size() && i / 8 < bytes.size(); ++i) {
    set[i] = (static_cast<uint8_t>(bytes[i / 8]) >> i % 8 & 1) != 0;
  }
  return set;
}

BackfillRecord RecordOf(const config::BackfillRow& row) {
  BackfillRecord record;
  record.phase = static_cast<BackfillPhase>(row.phase);
  record.position = {row.position_in_follower, row.position_db, row.position_cursor};
  record.finished = SetOf(row.finished);
  record.names = row.names;
  record.copied = row.copied;
  record.kept = row.kept;
  record.spool_bytes = row.spool_bytes;
  record.mark = row.mark;
  return record;
}

uint64_t NewMark() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

std::string PairOf(const config::Settings& settings) {
  return settings.legacy.Display() + " -> " + settings.new_store.Display();
}

}  // namespace

Status Backfiller::Open(const config::Plan& plan) {
  const config::Settings& settings = plan.settings;
  const std::string pair = PairOf(settings);
  const bool disk = settings.journal.mode == config::JournalMode::kDisk;
  Result<std::unique_ptr<FileSpool>> file = FileSpool::OpenTemporary();
  if (settings.journal.Wanted()) {
    using Durability = config::Catalog::Durability;
    auto catalog = config::Catalog::Open(settings.journal.dir + "/catalog.db", pair,
                                         disk ? Durability::kDisk : Durability::kProcess);
    if (!catalog) return tl::unexpected(catalog.error());
    catalog_ = std::move(*catalog);
    const Result<bool> paused = catalog_->LoadPaused();
    if (!paused) return tl::unexpected(paused.error());
    paused_ = paused_saved_ = *paused;
    file = FileSpool::Open(settings.journal.dir + "/backfill.spool", disk);
  }
  if (!file) return tl::unexpected(file.error());
  file_ = std::move(*file);
  backfill_ = std::make_unique<replication::Backfill>(*this, *file_, pair);
  return {};
}

std::optional<PartitionSet> Backfiller::Former() {
  if (!catalog_) return std::nullopt;
  const Result<config::BackfillRow> row = catalog_->LoadBackfill();
  if (!row || row->phase == static_cast<int>(BackfillPhase::kNone)) return std::nullopt;
  return SetOf(row->finished);
}

void Backfiller::WithReplicator(const std::function<void(replication::Replicator&)>& f) {
  const std::lock_guard lock(core_.mutex);
  f(core_.replicator);
}

Status Backfiller::Save(const BackfillRecord& record) {
  if (!catalog_) return {};
  config::BackfillRow row;
  row.phase = static_cast<int>(record.phase);
  row.position_in_follower = record.position.follower;
  row.position_db = record.position.db;
  row.position_cursor = record.position.cursor;
  row.finished = BytesOf(record.finished);
  row.names = record.names;
  row.copied = record.copied;
  row.kept = record.kept;
  row.mark = record.mark;
  row.spool_bytes = record.spool_bytes;
  row.plan_digest = plan_digest_;
  return catalog_->SaveBackfill(row);
}

bool Backfiller::WriteJournal() { return !core_.journal || core_.journal->Settle(); }

// What the follower alone holds is found from its side. A db that is empty now holds
// later what clients write, and of that the names are noted.
Status Backfiller::Measure(StoreClient& authority, StoreClient& follower) {
  const auto of_authority = CountClientKeys(authority);
  const auto of_follower = CountClientKeys(follower);
  if (!of_authority) return tl::unexpected(of_authority.error());
  if (!of_follower) return tl::unexpected(of_follower.error());
  targets_.clear();
  for (const auto& [db, keys] : *of_authority) {
    if (keys > 0) targets_.push_back({false, db});
  }
  for (const auto& [db, keys] : *of_follower) {
    if (keys > 0) targets_.push_back({true, db});
  }
  total_ = Sum(*of_authority);
  scanned_.reset();
  measured_ = true;
  return {};
}

Status Backfiller::Begin(const ActivePlan& plan, StoreClient& authority, StoreClient& follower) {
  EndRun("given_up", "the copy begins again");
  plan_digest_ = plan.plan->digest;
  active_ = false;
  if (const Status found = Measure(authority, follower); !found) return found;
  if (const Status begun = backfill_->Begin(NewMark()); !begun) return begun;
  WithReplicator([this](replication::Replicator& replicator) {
    synced_bytes_ = replicator.counters().synced_bytes;
  });
  active_ = true;
  BeginRun(false);
  SetError("");
  return {};
}

Status Backfiller::Resume(const replication::Recovered& former) {
  const Result<config::BackfillRow> row = catalog_->LoadBackfill();
  if (!row) return tl::unexpected(row.error());
  BackfillRecord record = RecordOf(*row);
  // All finished, but the journal was not told so any more.
  if (record.phase == BackfillPhase::kDone) record.phase = BackfillPhase::kCopying;
  measured_ = false;
  if (const Status resumed = backfill_->Resume(record, former.dirty); !resumed) return resumed;
  active_ = true;
  spdlog::info("the backfill goes on phase={} partitions_finished={} keys_found={} begun_under={}",
               replication::Name(record.phase), record.finished.count(), record.names,
               row->plan_digest);
  plan_digest_ = row->plan_digest;
  resumed_ = true;
  return {};
}

void Backfiller::NoteFormerlyDone() {
  if (!catalog_) return;
  const Result<config::BackfillRow> row = catalog_->LoadBackfill();
  if (!row || row->phase == static_cast<int>(BackfillPhase::kNone)) return;
  BackfillRecord record = RecordOf(*row);
  record.phase = BackfillPhase::kDone;
  record.finished.set();
  backfill_->Restore(record);
  plan_digest_ = row->plan_digest;
  Publish();
}

void Backfiller::Reopen() {
  bool wanted = false;
  WithReplicator([&wanted](replication::Replicator& replicator) {
    wanted = replicator.state() == replication::MirrorState::kCopying && replicator.by_partition();
  });
  if (!wanted) return;
  if (const Status reopened = backfill_->Reopen(); !reopened) {
    return SetError(reopened.error().message);
  }
  measured_ = true;  // nothing is to be enumerated
  active_ = true;
  SetError("");
}

void Backfiller::Abandon() {
  EndRun("given_up", "nothing is known of any key any more");
  backfill_->Abandon();
  active_ = false;
  Publish();
}

bool Backfiller::Step(const ActivePlan& plan) {
  SaveOrders();
  if (!active()) {
    SetError("");
    return false;
  }
  const int64_t begun_us = Worker::ClockUs();
  if (std::exchange(resumed_, false)) BeginRun(true);
  if (begun_us < retry_us_) return false;
  bool more = true;
  int64_t now_us = begun_us;
  while (more && now_us - begun_us < kStepUs) {
    const Result<bool> worked = Work(plan, now_us);
    if (!worked) {
      SetError(worked.error().message);
      retry_us_ = now_us + kRetryUs;
      scanned_.reset();
      more = false;
    } else {
      SetError("");
      more = *worked;
    }
    now_us = Worker::ClockUs();
  }
  active_ = backfill_->active();
  if (!active()) EndRun("done", "");
  if (backfill_->record().phase != BackfillPhase::kEnumerating) scanned_.reset();
  Publish();
  return more;
}

Result<bool> Backfiller::Work(const ActivePlan& plan, int64_t now_us) {
  Adapt(plan, now_us);
  if (const Status pumped = Pump(now_us); !pumped) return tl::unexpected(pumped.error());
  if (backfill_->record().phase != BackfillPhase::kEnumerating || Waits()) return false;
  // However slow the authority always is, the enumeration ends one day.
  if (throttle_.overloaded() && now_us - scanned_us_ < kAdaptEveryUs) return false;
  scanned_us_ = now_us;
  if (const Status scanned = ScanPage(); !scanned) return tl::unexpected(scanned.error());
  return true;
}

void Backfiller::Adapt(const ActivePlan& plan, int64_t now_us) {
  const config::BackfillSettings& settings = plan.plan->settings.backfill;
  {
    const std::lock_guard lock(mutex_);
    const std::chrono::microseconds p99 =
        bounds_.max_authority_p99.value_or(settings.max_authority_p99);
    throttle_.SetBounds({bounds_.keys_per_second.value_or(settings.keys_per_second),
                         bounds_.bytes_per_second.value_or(settings.bytes_per_second),
                         p99.count()});
  }
  if (now_us - rated_us_ < kAdaptEveryUs) return;
  throttle_.OnLatency(latency_.TakeP99Us(core_));
  const uint64_t copied = backfill_->record().copied;
  const std::lock_guard lock(mutex_);
  if (rated_us_ > 0 && copied >= rated_copied_) {
    progress_.keys_per_second =
        (copied - rated_copied_) * 1'000'000 / static_cast<uint64_t>(now_us - rated_us_);
  }
  rated_us_ = now_us;
  rated_copied_ = copied;
}

Status Backfiller::Pump(int64_t now_us) {
  uint64_t synced_bytes = 0;
  WithReplicator([&](replication::Replicator& replicator) {
    synced_bytes = replicator.counters().synced_bytes;
  });
  throttle_.Copied(synced_bytes - std::exchange(synced_bytes_, synced_bytes));
  const uint64_t allowed = throttle_.Allowed(now_us);
  uint64_t begun = 0;
  const Status pumped = backfill_->Pump(now_us, Waits() ? 0 : allowed, begun);
  throttle_.Began(begun);
  if (begun > 0) {
    core_.feed_wanted.store(true);
    core_.workers[0]->Wake();
  }
  return pumped;
}

// Connected to the target's store, in its db.
Result<StoreClient*> Backfiller::ClientOf(const Target& target) {
  if (!scanned_ || scanned_follower_ != target.follower) {
    StoreLink& link = target.follower ? core_.follower() : core_.authority();
    Result<StoreClient> client = StoreClient::Connect(link, kConnectTimeout, interrupt_);
    if (!client) return tl::unexpected(client.error());
    scanned_.emplace(std::move(*client));
    scanned_follower_ = target.follower;
    selected_db_ = -1;
  }
  if (selected_db_ != target.db) {
    const auto selected = scanned_->Command({"SELECT", std::to_string(target.db)});
    if (!selected) return tl::unexpected(selected.error());
    selected_db_ = target.db;
  }
  return &*scanned_;
}

Status Backfiller::ScanPage() {
  constexpr Target kEnd{true, UINT32_MAX};
  replication::ScanPosition position = backfill_->record().position;
  const Target at{position.follower, position.db};
  auto target = std::lower_bound(targets_.begin(), targets_.end(), at);
  if (target == targets_.end()) return backfill_->EndEnumeration();
  if (*target != at) position.cursor = "0";
  const Result<StoreClient*> client = ClientOf(*target);
  if (!client) return Fail("enumerating the keys failed: " + client.error().message);
  const Result<StoreClient::Reply> page = (*client)->Scan(position.cursor, kScanPage);
  if (!page) return Fail("enumerating the keys failed: " + page.error().message);
  std::vector<std::string_view> names;
  const redisReply& found = *(*page)->element[1];
  for (size_t i = 0; i < found.elements; ++i) {
    const std::string_view name = TextOf(*found.element[i]);
    if (!routing::IsReserved(name)) names.push_back(name);
  }
  const uint32_t db = target->db;
  position.cursor = TextOf(*(*page)->element[0]);
  if (position.cursor == "0") ++target;
  const Target next = target == targets_.end() ? kEnd : *target;
  backfill_->AddPage(db, names, {next.follower, next.db, std::move(position.cursor)});
  return {};
}

void Backfiller::Pause(bool pause) { paused_ = pause; }

// What outlasts the process, whether a backfill is under way or not.
void Backfiller::SaveOrders() {
  if (!catalog_) return;
  if (const bool now = paused(); now != paused_saved_) {
    if (const Status saved = catalog_->SavePaused(now); !saved) {
      return SetError(saved.error().message);
    }
    paused_saved_ = now;
  }
  const int64_t now_us = Worker::ClockUs();
  if (!save_now_.exchange(false) && now_us - quarantine_saved_us_ < kRetryUs) return;
  quarantine_saved_us_ = now_us;
  if (const Status saved = SaveQuarantine(); !saved) SetError(saved.error().message);
}

Status Backfiller::SaveQuarantine() {
  std::vector<config::QuarantineRow> rows;
  uint64_t changes = 0;
  {
    const std::lock_guard lock(core_.mutex);
    const replication::Quarantine& quarantine = core_.replicator.quarantine();
    changes = quarantine.changes();
    if (changes == quarantine_saved_.load()) return {};
    for (replication::QuarantinedKey& key : quarantine.Lasting(limits::kQuarantinedKept)) {
      rows.push_back(
          {key.db, std::move(key.name), std::move(key.reason), key.first_seen_ms, key.accepted});
    }
  }
  const Status saved = catalog_->SaveQuarantine(rows);
  if (saved) quarantine_saved_ = changes;
  return saved;
}

Status Backfiller::AwaitQuarantineSaved() {
  uint64_t changes = 0;
  {
    const std::lock_guard lock(core_.mutex);
    changes = core_.replicator.quarantine().changes();
  }
  const int64_t until_us = Worker::ClockUs() + 2 * kRetryUs;
  while (catalog_ && quarantine_saved_.load() < changes) {
    if (Worker::ClockUs() > until_us) {
      return Fail("it holds, but not over a restart: " + progress().error);
    }
    save_now_ = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return {};
}

void Backfiller::RememberQuarantine() {
  if (!catalog_) return;
  const auto rows = catalog_->LoadQuarantine();
  if (!rows) return spdlog::warn("{}", rows.error().message);
  for (const config::QuarantineRow& row : *rows) {
    core_.replicator.quarantine().Remember(
        {row.db, row.name, row.reason, row.first_seen_ms, 0, row.accepted});
  }
}

std::string Backfiller::SetBounds(const BackfillBounds& bounds) {
  {
    const std::lock_guard lock(mutex_);
    bounds_ = bounds;
  }
  std::string text;
  const auto add = [&text](const char* name, const std::string& value) {
    text += (text.empty() ? "" : ", ") + std::string(name) + " " + value;
  };
  if (bounds.keys_per_second) add("keys_per_second", std::to_string(*bounds.keys_per_second));
  if (bounds.bytes_per_second) {
    add("bytes_per_second", config::SizeText(*bounds.bytes_per_second));
  }
  if (bounds.max_authority_p99) {
    add("max_authority_p99", config::TimeText(*bounds.max_authority_p99));
  }
  if (text.empty()) return "the bounds of the configuration hold again";
  return text + " until the proxy ends; the others as configured";
}

void Backfiller::SetError(const std::string& error) {
  const std::lock_guard lock(mutex_);
  if (trouble_.Note(error, Worker::ClockUs())) {
    spdlog::warn("the backfill does not get on reason=\"{}\"", error);
  }
  progress_.error = trouble_.shown();
}

void Backfiller::Publish() {
  const BackfillRecord& record = backfill_->record();
  const std::lock_guard lock(mutex_);
  progress_.phase = record.phase;
  progress_.names = record.names;
  progress_.copied = record.copied;
  progress_.kept = record.kept;
  progress_.kept_seen = backfill_->kept_seen();
  progress_.total = std::max(total_, record.names);
  progress_.partition = backfill_->current();
  progress_.finished = record.finished.count();
  progress_.rate_limit = throttle_.rate();
  progress_.held_back = throttle_.held_back();
  progress_.spool_bytes = backfill_->spool_bytes();
}

Backfiller::Progress Backfiller::progress() const {
  const std::lock_guard lock(mutex_);
  Progress progress = progress_;
  progress.paused = paused();
  return progress;
}

}  // namespace crossfade::proxy
