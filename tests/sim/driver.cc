#include "tests/sim/driver.h"

#include <algorithm>

#include "routing/slot.h"

namespace crossfade::sim {
namespace {

using replication::MirrorState;

constexpr int64_t kCheckEveryUs = 1'000'000;
constexpr uint32_t kPages = 3;  // of each db

}  // namespace

Driver::Driver(Process& process, const Plan& plan, bool may_trust)
    : process_(process),
      replicator_(process.replicator),
      plan_(plan),
      may_trust_(may_trust),
      backfill_(*this, process.world.spool, "legacy and new") {
  backfill_.set_compact_from(300);
  if (plan_.mirrors) replicator_.SetUnfinished();
}

void Driver::AdoptFormer(const replication::Recovered& former) {
  using replication::FollowerClaim;
  begun_ = former.claim != FollowerClaim::kNothing;
  if (plan_.mirrors && Adopt(former)) {
    ++process_.world.counts.resumed;
    return;
  }
  if (begun_) replicator_.NoteFollowerIsOurs();
  journal_failed_ = former.blocks > 0 || !former.reason.empty();
  if (plan_.mirrors && may_trust_) replicator_.BeginCopy();
}

bool Driver::Adopt(const replication::Recovered& former) {
  const std::string& authority = former.state.authority_run_id;
  const std::string& follower = former.state.follower_run_id;
  if (!TellsOfKeys(former.claim) || authority.empty() || follower.empty()) return false;
  auto finished = replication::PartitionSet().set();
  if (former.claim == replication::FollowerClaim::kPart) {
    replication::BackfillRecord record = process_.world.catalog;
    finished = record.finished;
    if (record.phase == replication::BackfillPhase::kDone) {
      record.phase = replication::BackfillPhase::kCopying;
    }
    if (!backfill_.Resume(record, former.dirty)) return false;
    ++process_.world.counts.backfills_resumed;
  }
  process_.authority.Expect(std::stoul(authority));
  process_.follower.Expect(std::stoul(follower));
  replicator_.Resume(former.state, former.dirty, finished);
  if (!replicator_.live()) replicator_.CompareFirst(process_.world.config.compares);
  return true;
}

Status Driver::Save(const replication::BackfillRecord& record) {
  process_.world.catalog = record;
  return {};
}

bool Driver::WriteJournal() {
  if (process_.committer) process_.committer->Settle();
  return true;
}

void Driver::Step() {
  const MirrorState state = replicator_.state();
  if (state == MirrorState::kCopying && !backfill_.active() && replicator_.by_partition()) {
    (void)backfill_.Reopen();
  }
  const bool copying = state == MirrorState::kCopying && backfill_.active();
  if (state != MirrorState::kLive && state != MirrorState::kCopying) backfill_.Abandon();
  if (copying || (state == MirrorState::kLive && backfill_.active())) PumpBackfill();
  if (busy_) return;
  const bool check = process_.now_us() >= next_check_us_;
  if (check) next_check_us_ = process_.now_us() + kCheckEveryUs;
  replicator_.set_memory_bytes(plan_.memory_bytes);
  if (!plan_.mirrors) {
    replicator_.SetOff();
    served_unmirrored_ = true;
    return;
  }
  replicator_.SetUnfinished();
  if (!process_.Settled(plan_.epoch)) return;
  if (replicator_.live()) return LearnExpiries();
  if (copying) return ScanPage();
  const bool again = std::exchange(process_.copy_wanted, false);
  if (check || again) StartMirroring();
}

void Driver::StartMirroring() {
  busy_ = true;
  process_.After(process_.Delay(), [this] {
    World& world = process_.world;
    busy_ = false;
    if (!world.legacy.up() || !world.new_store.up()) return;
    const uint64_t authority = process_.authority.run, follower = process_.follower.run;
    // They are to be greeted, and what a former run has left there closed, as by who
    // becomes their owner.
    const bool closed = process_.authority.former_killed && process_.follower.former_killed;
    if (authority == 0 || follower == 0 || !closed) {
      next_check_us_ = 0;
      return;
    }
    const bool trusted = may_trust_ && !begun_ && !journal_failed_ && !served_unmirrored_ &&
                         world.legacy.size() == world.new_store.size();
    if (!replicator_.Quiet()) return;
    replicator_.SetStores(std::to_string(authority), std::to_string(follower));
    const int64_t error_ms = world.env.random.Between(-20, 20);
    replicator_.set_clock_offset_ms(world.legacy.clock_offset_ms() -
                                    world.new_store.clock_offset_ms() + error_ms);
    begun_ = true;
    if (!trusted) replicator_.BeginCopy();
    replicator_.CompareFirst(world.config.compares);
    busy_ = true;
    process_.After(process_.Delay(), [this, trusted] {
      busy_ = false;
      if (trusted) return replicator_.Trust();
      if (replicator_.state() != MirrorState::kCopying) return;
      ++process_.world.counts.copies;
      (void)backfill_.Begin(process_.world.env.random.Next());
    });
  });
}

void Driver::PumpBackfill() {
  const size_t ahead = std::max<size_t>(process_.world.config.dirty_keys_max / 2, 1);
  const size_t dirty = replicator_.dirty().size();
  const uint64_t room = std::min<uint64_t>(ahead > dirty ? ahead - dirty : 0, 20);
  const uint64_t keys = process_.world.env.random.Below(room + 1);
  uint64_t begun = 0;
  (void)backfill_.Pump(process_.now_us(), keys, begun);
  if (begun > 0) process_.WantFeed();
}

void Driver::FlushSpool() {
  uint64_t begun = 0;
  constexpr int64_t kLater = 1'000'000;
  (void)backfill_.Pump(process_.now_us() + kLater, 0, begun);
}

// What is read now is handed on later, when the backfill may be another one.
void Driver::ScanPage() {
  using replication::BackfillPhase;
  if (backfill_.record().phase != BackfillPhase::kEnumerating) return;
  const replication::ScanPosition at = backfill_.record().position;
  if (at.db == kDbs) {
    (void)backfill_.EndEnumeration();
    return;
  }
  Store& store = at.follower ? process_.world.new_store : process_.world.legacy;
  const auto page = static_cast<uint32_t>(std::stoul(at.cursor));
  const uint64_t era = replicator_.era();
  busy_ = true;
  process_.After(process_.Delay(), [=, this, &store] {
    busy_ = false;
    if (!store.up() || store.paused_until_us() > process_.now_us()) return;
    std::vector<std::string> found;
    for (const auto& [key, entry] : PageOf(store, at.db, page)) found.push_back(key.name);
    busy_ = true;
    process_.After(process_.Delay(), [=, this] {
      busy_ = false;
      if (replicator_.era() != era || !backfill_.active()) return;
      const std::vector<std::string_view> names(found.begin(), found.end());
      replication::ScanPosition next = at;
      next.cursor = std::to_string((page + 1) % kPages);
      if (next.cursor == "0" && ++next.db == kDbs && !at.follower) next = {true, 0, "0"};
      backfill_.AddPage(at.db, names, next);
    });
  });
}

// What a SCAN of it tells.
std::vector<std::pair<KeyId, Entry>> Driver::PageOf(const Store& store, uint32_t db,
                                                    uint32_t page) const {
  std::vector<std::pair<KeyId, Entry>> found;
  for (const auto& [name, entry] : store.keys(db)) {
    const bool expired = entry.deadline_ms >= 0 && entry.deadline_ms <= store.NowMs();
    if (!expired && std::hash<std::string>()(name) % kPages == page) {
      found.push_back({{db, name}, entry});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return found;
}

void Driver::EnumerateFollower(uint32_t page, PerKey f, std::function<void()> done) {
  busy_ = true;
  process_.After(process_.Delay(), [=, this] {
    busy_ = false;
    const Store& store = process_.world.new_store;
    if (!store.up() || store.paused_until_us() > process_.now_us()) return;
    const auto found = PageOf(store, page / kPages, page % kPages);
    busy_ = true;
    process_.After(process_.Delay(), [=, this] {
      busy_ = false;
      for (const auto& [key, entry] : found) f(key, entry);
      if (page + 1 == kPages * kDbs) return done();
      EnumerateFollower(page + 1, f, done);
    });
  });
}

void Driver::LearnExpiries() {
  replicator_.SettleExpiries(process_.now_us());
  if (!replicator_.ExpiriesCanBeLearnt()) return;
  const uint64_t era = replicator_.era();
  const uint64_t since = replicator_.expiries_unknown_seq();
  const auto add = [this](const KeyId& key, const Entry& entry) {
    if (entry.deadline_ms >= 0) replicator_.AddExpiry(routing::KeyHash(key.db, key.name));
  };
  EnumerateFollower(0, add, [this, era, since] {
    const bool same = replicator_.era() == era && replicator_.expiries_unknown_seq() == since;
    if (same && replicator_.live()) replicator_.ExpiriesTold(process_.now_us());
  });
}

}  // namespace crossfade::sim
