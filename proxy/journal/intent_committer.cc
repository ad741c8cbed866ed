#include "proxy/journal/intent_committer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "proxy/control/log.h"
#include "proxy/core.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

using config::JournalMode;
using std::chrono::milliseconds;

constexpr milliseconds kTryAgainAfter{1'000};
constexpr milliseconds kTickEvery{100};
constexpr milliseconds kSlowSync{500};
constexpr milliseconds kSlowLineEvery{10'000};

// Nothing when the machine does not say: then no journal outlives the proxy's process.
replication::BootId ReadBootId() {
  replication::BootId id{};
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  size_t at = 0;
  for (const char c : text) {
    if (c == '-' || at == 2 * id.size()) continue;
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    id[at / 2] = static_cast<uint8_t>(id[at / 2] << 4 | (digit & 0xf));
    ++at;
  }
  return id;
}

std::string PairText(const config::Settings& settings) {
  return "legacy " + settings.legacy.Display() + ", new " + settings.new_store.Display();
}

}  // namespace

IntentCommitter::IntentCommitter(Core& core, const config::Settings& settings)
    : core_(core), settings_(settings.journal), pair_(PairText(settings)), boot_(ReadBootId()) {}

IntentCommitter::~IntentCommitter() { Close(); }

Result<replication::Recovered> IntentCommitter::Open() {
  const std::lock_guard lock(mutex_);
  auto files = SegmentFiles::Open(settings_.dir);
  if (!files) return tl::unexpected(files.error());
  files_ = std::move(*files);
  const auto names = SegmentFiles::List(settings_.dir);
  if (!names) return tl::unexpected(names.error());
  replication::Recovery recovery(pair_, boot_);
  for (size_t i = 0; i < names->size(); ++i) {
    const Result<std::string> bytes = SegmentFiles::Read(settings_.dir, (*names)[i]);
    if (!bytes) return tl::unexpected(bytes.error());
    const bool last =
        i + 1 == names->size() || (*names)[i + 1].generation != (*names)[i].generation;
    recovery.Read(*bytes, last);
    generation_ = std::max(generation_, (*names)[i].generation);
  }
  marked_ = files_->MarkedSuspect();
  if (marked_) recovery.Suspect();
  if (!recovery.other_pair().empty()) {
    return Fail("journal.dir " + settings_.dir + " is of other stores (" + recovery.other_pair() +
                "), this configuration's are: " + pair_ +
                "; name another folder, or remove it if that migration is over");
  }
  replication::Recovered recovered = recovery.Finish();
  const bool nothing = recovered.claim == replication::FollowerClaim::kNothing;
  if (files_->used_before() && nothing && recovered.reason.empty()) {
    recovered.reason = "nothing is left of what a former run wrote";
  }
  return recovered;
}

Status IntentCommitter::Begin(const std::function<void(replication::Replicator&)>& tell) {
  const std::lock_guard lock(mutex_);
  const Status begun = BeginGeneration(tell);
  if (!begun) return begun;
  begun_ = true;
  thread_ = std::thread([this] { Run(); });
  return {};
}

// The first block is written at once, so that a folder which can't be written shows now.
Status IntentCommitter::BeginGeneration(const std::function<void(replication::Replicator&)>& tell) {
  ++generation_;
  {
    const std::lock_guard core_lock(core_.mutex);
    core_.replicator.BeginJournal(generation_, {.total_bytes = settings_.disk_bytes});
    if (tell) tell(core_.replicator);
    written_ = core_.replicator.intents().last();
    committed_.store(written_, std::memory_order_release);
  }
  reason_.clear();
  WritePending();
  if (!reason_.empty()) return Fail(reason_);
  told_.clear();
  RefuseWrites(false);
  return {};
}

bool IntentCommitter::Settle() {
  const std::lock_guard lock(mutex_);
  if (!begun_) return false;
  if (reason_.empty()) WritePending();
  if (reason_.empty() && settings_.mode == JournalMode::kDisk) {
    if (const Status synced = files_->Sync(); !synced) GiveUp(synced.error().message);
  }
  return reason_.empty() || let_go_;
}

bool IntentCommitter::CommitNow(uint64_t intent) {
  const std::lock_guard lock(mutex_);
  if (written_ < intent && reason_.empty()) WritePending();
  NoteSyncTime(SyncUnderWay());
  return committed_.load(std::memory_order_acquire) >= intent;
}

void IntentCommitter::WritePending() {
  bool taken = false, over = false;
  uint64_t last = 0;
  {
    const std::lock_guard core_lock(core_.mutex);
    taken = core_.replicator.TakeJournalBlock(Worker::UnixMs(), block_);
    last = core_.replicator.intents().last();
    over = core_.replicator.journal()->OverBound();
  }
  if (taken) {
    if (const Status written = WriteBlock(); !written) return GiveUp(written.error().message);
  }
  if (over) return GiveUp("journal.disk is full of writes that are not done");
  const bool unsynced = taken || written_ > committed_.load(std::memory_order_relaxed);
  written_ = last;
  if (settings_.mode == JournalMode::kDisk && unsynced) {
    sync_wanted_.notify_one();
    return;
  }
  committed_.store(written_, std::memory_order_release);
  RemoveUnneeded(std::exchange(removal_, {}));
}

Status IntentCommitter::WriteBlock() {
  if (block_.begins_segment) {
    const auto mode = settings_.mode == JournalMode::kDisk ? replication::JournalMode::kDisk
                                                           : replication::JournalMode::kProcess;
    const std::string header = replication::EncodeSegmentHeader(
        {mode, block_.generation, block_.segment, boot_, Worker::UnixMs(), pair_});
    // That there was this run is known even when the machine ends with it.
    const bool sync = settings_.mode == JournalMode::kDisk || block_.segment == 0;
    const Status created = files_->Create({block_.generation, block_.segment}, header, sync);
    if (!created) return created;
  }
  bytes_.clear();
  replication::AppendBlock(block_.header, block_.records, bytes_);
  if (const Status appended = files_->Append(bytes_); !appended) return appended;
  ++blocks_;
  // What comes from now on is complete again, once a state is on the disk.
  if (block_.replaces_generations && std::exchange(marked_, false)) {
    if (settings_.mode == JournalMode::kDisk) {
      if (const Status synced = files_->Sync(); !synced) return synced;
    }
    if (const Status marked = files_->MarkSuspect(false); !marked) return marked;
  }
  const SegmentName below{block_.generation, block_.remove_below};
  removal_.due = removal_.due || block_.replaces_generations || below != removed_below_;
  removal_.former = removal_.former || block_.replaces_generations;
  removal_.below = removed_below_ = below;
  return {};
}

IntentCommitter::Clock::duration IntentCommitter::SyncUnderWay() const {
  return syncing_since_ ? Clock::now() - *syncing_since_ : Clock::duration::zero();
}

// What waits for it is not the authority's fault.
void IntentCommitter::NoteSyncTime(Clock::duration time) {
  if (time < kSlowSync || Clock::now() < next_slow_line_) return;
  next_slow_line_ = Clock::now() + kSlowLineEvery;
  log::Warn("the disk is slow: writes wait for the intent journal to be synced",
            {{"milliseconds",
              static_cast<uint64_t>(std::chrono::duration_cast<milliseconds>(time).count())},
             {"journal.dir", settings_.dir}});
}

// Behind the block that says they are not needed.
void IntentCommitter::RemoveUnneeded(const Removal& removal) {
  if (!removal.due) return;
  if (const Status removed = files_->RemoveBelow(removal.below, removal.former); !removed) {
    log::Warn("a segment of the journal can't be removed", {{"reason", removed.error().message}});
  }
}

void IntentCommitter::GiveUp(const std::string& reason) {
  ++failures_;
  const bool refuse = settings_.on_error == config::JournalError::kRefuse;
  if (std::exchange(told_, reason) != reason) {
    log::Error(refuse ? "the intent journal can't be written: writes are refused"
                      : "the intent journal can't be written: should the proxy crash now, the "
                        "follower will be copied again",
               {{"reason", reason}, {"journal.on_error", refuse ? "refuse" : "suspect"}});
  }
  reason_ = reason;
  next_try_ = Clock::now() + kTryAgainAfter;
  {
    const std::lock_guard core_lock(core_.mutex);
    core_.replicator.EndJournal();
  }
  if (!begun_) {  // what is left of the former process is as it was
    (void)files_->RemoveGeneration(generation_);
    return;
  }
  LetGo();
}

// Nothing more is sent before no start can take what is on the disk for complete:
// until then Commit waits, or says no.
void IntentCommitter::LetGo() {
  const Status marked = files_->MarkSuspect(true);
  marked_ = marked_ || marked;
  const Status removed = files_->RemoveAll();
  let_go_ = marked || removed;
  const bool blocked = blocked_.exchange(!let_go_);
  RefuseWrites(!let_go_ || settings_.on_error == config::JournalError::kRefuse);
  if (!let_go_) {
    if (blocked) return;
    log::Error("nor can it be marked as incomplete or removed: writes are refused until it can",
               {{"reason", marked.error().message}});
    return;
  }
  committed_.store(UINT64_MAX, std::memory_order_release);
  for (const auto& worker : core_.workers) worker->Wake();
}

void IntentCommitter::RefuseWrites(bool refuse) {
  std::string text;
  if (refuse) {
    text = "MISCONF crossfade: the intent journal can't be written (" + reason_ +
           (let_go_ ? "), and journal.on_error is refuse" : "), nor marked as incomplete") +
           ": no write is accepted until it can be";
  }
  if (text == refusal_) return;
  refusal_ = text;
  for (const auto& worker : core_.workers) {
    worker->Post([text, to = worker.get()] { to->RefuseWrites(text); });
  }
}

// A low-water mark that no write brings, and what failed once more.
void IntentCommitter::Tick() {
  if (reason_.empty()) return WritePending();
  if (Clock::now() < next_try_) return;
  if (!let_go_) {
    next_try_ = Clock::now() + kTryAgainAfter;
    return LetGo();
  }
  const std::string before = reason_;
  if (BeginGeneration({})) log::Info("the intent journal is written again", {{"after", before}});
}

bool IntentCommitter::SyncWanted() const {
  return settings_.mode == JournalMode::kDisk && reason_.empty() &&
         (removal_.due || written_ > committed_.load());
}

void IntentCommitter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    sync_wanted_.wait_for(lock, kTickEvery, [this] { return stop_ || SyncWanted(); });
    if (stop_) return;
    if (SyncWanted()) {
      Sync(lock);
    } else {
      Tick();
    }
  }
}

// What is written meanwhile is for the next one.
void IntentCommitter::Sync(std::unique_lock<std::mutex>& lock) {
  const uint64_t target = written_;
  const uint64_t generation = generation_;
  const int fd = files_->Duplicate();
  const Removal removal = std::exchange(removal_, {});
  syncing_since_ = Clock::now();
  lock.unlock();
  const int problem = fd < 0 || fdatasync(fd) != 0 ? errno : 0;
  if (fd >= 0) close(fd);
  lock.lock();
  ++syncs_;
  NoteSyncTime(SyncUnderWay());
  syncing_since_.reset();
  if (generation != generation_ || !reason_.empty()) return;
  if (problem != 0) return GiveUp(std::string("syncing the journal: ") + std::strerror(problem));
  committed_.store(target, std::memory_order_release);
  RemoveUnneeded(removal);
  for (const auto& worker : core_.workers) worker->Wake();
}

void IntentCommitter::Close() {
  {
    const std::lock_guard lock(mutex_);
    if (!begun_ || stop_) return;
    stop_ = true;
    if (reason_.empty()) {
      {
        const std::lock_guard core_lock(core_.mutex);
        core_.replicator.CloseJournal();
      }
      WritePending();
      const int fd = reason_.empty() ? files_->Duplicate() : -1;
      if (fd >= 0) {
        (void)fdatasync(fd);
        close(fd);
        RemoveUnneeded(std::exchange(removal_, {}));
      }
    }
  }
  sync_wanted_.notify_all();
  if (thread_.joinable()) thread_.join();
}

JournalSnapshot IntentCommitter::Figures() const {
  const std::lock_guard lock(mutex_);
  JournalSnapshot figures;
  const bool waiting = reason_.empty() && SyncUnderWay() >= kSlowSync;
  figures.state = waiting ? "waiting" : reason_.empty() ? "ok" : "failed";
  figures.reason = waiting ? "the disk does not end a sync, for which writes wait" : reason_;
  figures.blocks = blocks_;
  figures.syncs = syncs_;
  figures.failures = failures_;
  const std::lock_guard core_lock(core_.mutex);
  if (core_.replicator.journal() != nullptr) figures.bytes = core_.replicator.journal()->bytes();
  return figures;
}

}  // namespace crossfade::proxy
