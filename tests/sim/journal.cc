#include "tests/sim/journal.h"

#include <algorithm>

#include "tests/sim/process.h"

namespace crossfade::sim {
namespace {

constexpr const char* kPair = "legacy and new";
constexpr int64_t kTryAgainUs = 1'000'000;

}  // namespace

// ---- JournalDisk

void JournalDisk::Append(const Name& name, std::string_view bytes) {
  segments_[name].bytes.append(bytes);
}

void JournalDisk::BeginSync() {
  for (auto& [name, segment] : segments_) segment.syncing = segment.bytes.size();
}

void JournalDisk::FinishSync() {
  for (auto& [name, segment] : segments_) {
    segment.synced = std::max(segment.synced, std::exchange(segment.syncing, 0));
  }
}

void JournalDisk::RemoveBelow(const Name& below, bool former_generations) {
  std::erase_if(segments_, [&](const auto& of) {
    const bool former = of.first.first < below.first;
    return former ? former_generations : of.first < below;
  });
}

replication::Recovered JournalDisk::Read() {
  const bool former = std::exchange(used_, true);
  replication::Recovery recovery(kPair, boot());
  for (auto it = segments_.begin(); it != segments_.end(); ++it) {
    const auto next = std::next(it);
    recovery.Read(it->second.bytes,
                  next == segments_.end() || next->first.first != it->first.first);
  }
  replication::Recovered recovered = recovery.Finish();
  // As the committer's Open says: the lock is there, and nothing else.
  const bool nothing = recovered.claim == replication::FollowerClaim::kNothing;
  if (former && nothing && recovered.reason.empty()) recovered.reason = "nothing is left of it";
  return recovered;
}

uint64_t JournalDisk::newest_generation() const {
  return segments_.empty() ? 0 : segments_.rbegin()->first.first;
}

replication::BootId JournalDisk::boot() const {
  replication::BootId id{};
  id[0] = boot_;
  return id;
}

void JournalDisk::Reboot() {
  ++boot_;
  for (auto& [name, segment] : segments_) {
    std::string& bytes = segment.bytes;
    const size_t unsynced = bytes.size() - segment.synced;
    const size_t kept = segment.synced + env_.random.Below(unsynced + 1);
    const size_t zeros = env_.random.OneIn(3) ? bytes.size() - kept : 0;
    bytes.resize(kept);
    bytes.append(zeros, '\0');
    segment.synced = bytes.size();
  }
}

// ---- Committer

Committer::Committer(Process& process, JournalDisk& disk, JournalMode mode)
    : process_(process), disk_(disk), mode_(mode), generation_(disk.newest_generation()) {
  Random& random = process.world.env.random;
  sizes_.segment_bytes = random.Pick<uint64_t>({200, 1'500, 16u << 20});
  sizes_.total_bytes = random.Pick<uint64_t>({6'000, 1u << 30, 1u << 30});
}

void Committer::Begin() { BeginGeneration(true); }

void Committer::BeginGeneration(bool first) {
  ++generation_;
  process_.replicator.BeginJournal(generation_, sizes_);
  if (first) process_.AdoptFormer();
  written_ = committed_ = process_.replicator.intents().last();
  failed_ = false;
  WritePending();
}

bool Committer::Commit(uint64_t intent) {
  if (written_ < intent && !failed_) WritePending();
  return committed_ >= intent;
}

void Committer::WriteBlock(size_t bytes_at_most) {
  Env& env = process_.world.env;
  const JournalDisk::Name name{block_.generation, block_.segment};
  std::string bytes;
  if (block_.begins_segment) {
    const auto mode = mode_ == JournalMode::kDisk ? replication::JournalMode::kDisk
                                                  : replication::JournalMode::kProcess;
    // The segment before is on the disk when another is begun.
    if (mode_ == JournalMode::kDisk) disk_.Sync();
    bytes = replication::EncodeSegmentHeader(
        {mode, block_.generation, block_.segment, disk_.boot(), env.UnixMs(), kPair});
    // Nor is it forgotten that there was this run.
    if ((mode_ == JournalMode::kDisk || block_.segment == 0) && bytes_at_most == SIZE_MAX) {
      disk_.Append(name, bytes);
      disk_.Sync();
      bytes.clear();
    }
  }
  replication::AppendBlock(block_.header, block_.records, bytes);
  disk_.Append(name, std::string_view(bytes).substr(0, bytes_at_most));
  if (bytes_at_most == SIZE_MAX && env.tracing) {
    env.Trace("journal block " + std::to_string(block_.header.number) + " low water " +
              std::to_string(block_.header.low_water));
  }
}

void Committer::WritePending() {
  replication::Replicator& replicator = process_.replicator;
  const bool taken = replicator.TakeJournalBlock(process_.world.env.UnixMs(), block_);
  if (taken) {
    WriteBlock(SIZE_MAX);
    removal_due_ = removal_due_ || block_.replaces_generations ||
                   block_.remove_below > remove_below_.second ||
                   block_.generation != remove_below_.first;
    remove_former_ = remove_former_ || block_.replaces_generations;
    remove_below_ = {block_.generation, block_.remove_below};
  }
  if (replicator.journal()->OverBound()) return GiveUp();
  const bool unsynced = taken || written_ > committed_;
  written_ = replicator.intents().last();
  if (mode_ == JournalMode::kDisk && unsynced) return WantSync();
  committed_ = written_;
  RemoveUnneeded();
}

void Committer::WantSync() {
  if (std::exchange(syncing_, true)) return;
  disk_.BeginSync();
  process_.After(
      process_.world.env.random.Between(50, 6'000),
      [this, target = written_, generation = generation_, flushes = std::exchange(flushes_, {})] {
        syncing_ = false;
        if (generation == generation_ && !failed_) FinishSync(target);
        for (const auto& then : flushes) then();
      });
}

void Committer::FinishSync(uint64_t target) {
  disk_.FinishSync();
  committed_ = std::max(committed_, target);
  if (written_ == target) RemoveUnneeded();
  if (written_ != target || !flushes_.empty()) WantSync();
  process_.WakeLanes();
}

void Committer::RemoveUnneeded() {
  if (!std::exchange(removal_due_, false)) return;
  disk_.RemoveBelow(remove_below_, std::exchange(remove_former_, false));
}

void Committer::GiveUp() {
  if (process_.world.env.tracing) process_.world.env.Trace("the journal is given up");
  failed_ = true;
  for (const auto& then : std::exchange(flushes_, {})) then();
  disk_.RemoveAll();
  process_.replicator.EndJournal();
  committed_ = UINT64_MAX;
  next_try_us_ = process_.now_us() + kTryAgainUs;
  process_.WakeLanes();
}

void Committer::Flush(std::function<void()> then) {
  if (!failed_) WritePending();
  if (failed_ || mode_ != JournalMode::kDisk) return then();
  flushes_.push_back(std::move(then));
  WantSync();
}

void Committer::Settle() {
  if (!failed_) WritePending();
  if (!failed_ && mode_ == JournalMode::kDisk) disk_.Sync();
}

void Committer::Tick() {
  if (!failed_) return WritePending();
  if (process_.now_us() >= next_try_us_) BeginGeneration(false);
}

void Committer::Close() {
  if (failed_) return;
  process_.replicator.CloseJournal();
  WritePending();
  if (failed_) return;
  disk_.Sync();
  RemoveUnneeded();
}

void Committer::Tear() {
  if (failed_) return;
  if (!process_.replicator.TakeJournalBlock(process_.world.env.UnixMs(), block_)) return;
  WriteBlock(process_.world.env.random.Below(block_.records.size() + 200));
}

}  // namespace crossfade::sim
