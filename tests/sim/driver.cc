#include "tests/sim/driver.h"

#include <algorithm>

#include "routing/slot.h"

namespace crossfade::sim {
namespace {

using replication::MirrorState;

constexpr int64_t kCheckEveryUs = 1'000'000;
constexpr uint32_t kPages = 3;  // of each db
constexpr int64_t kRoomUs = 5'000;

}  // namespace

Driver::Driver(Process& process, const Plan& plan, bool may_trust)
    : process_(process), replicator_(process.replicator), plan_(plan), may_trust_(may_trust) {
  if (plan_.mirrors) replicator_.SetUnfinished();
}

void Driver::AdoptFormer(const replication::Recovered& former) {
  using replication::FollowerClaim;
  begun_ = former.claim != FollowerClaim::kNothing;
  const std::string& authority = former.state.authority_run_id;
  const std::string& follower = former.state.follower_run_id;
  if (plan_.mirrors && former.claim == FollowerClaim::kLive && !authority.empty() &&
      !follower.empty()) {
    process_.authority.Expect(std::stoul(authority));
    process_.follower.Expect(std::stoul(follower));
    replicator_.Resume(former.state, former.dirty);
    ++process_.world.counts.resumed;
    return;
  }
  if (begun_) replicator_.NoteFollowerIsOurs();
  journal_failed_ = former.blocks > 0 || !former.reason.empty();
  if (plan_.mirrors && may_trust_) replicator_.BeginCopy();
}

void Driver::Step() {
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
    busy_ = true;
    process_.After(process_.Delay(), [this, trusted] {
      busy_ = false;
      if (trusted) return replicator_.Trust();
      Copy();
    });
  });
}

void Driver::Copy() {
  busy_ = true;
  ++process_.world.counts.copies;
  const auto copying = [this] { return replicator_.state() == MirrorState::kCopying; };
  const auto scanned = [this](const KeyId& key, const Entry&) {
    replicator_.AddScanned(key.db, key.name);
    process_.WantFeed();
  };
  Enumerate(process_.world.legacy, 0, copying, scanned, [this, copying, scanned] {
    Enumerate(process_.world.new_store, 0, copying, scanned, [this] { replicator_.FinishCopy(); });
  });
}

void Driver::Enumerate(Store& store, uint32_t page, std::function<bool()> goes_on, PerKey f,
                       std::function<void()> done) {
  busy_ = true;
  process_.After(process_.Delay(), [=, this, &store] {
    busy_ = false;
    if (!store.up() || store.paused_until_us() > process_.now_us()) return;
    std::vector<std::pair<KeyId, Entry>> found;
    const uint32_t db = page / kPages;
    for (const auto& [name, entry] : store.keys(db)) {
      const bool expired = entry.deadline_ms >= 0 && entry.deadline_ms <= store.NowMs();
      if (!expired && std::hash<std::string>()(name) % kPages == page % kPages) {
        found.push_back({{db, name}, entry});
      }
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    busy_ = true;
    process_.After(process_.Delay(), [=, this, &store] {
      busy_ = false;
      if (!goes_on()) return;
      for (const auto& [key, entry] : found) f(key, entry);
      if (page + 1 == kPages * kDbs) return done();
      AwaitRoom([=, this, &store] { Enumerate(store, page + 1, goes_on, f, done); });
    });
  });
}

void Driver::AwaitRoom(std::function<void()> next) {
  const size_t ahead = process_.world.config.dirty_keys_max / 2;
  const bool copying = replicator_.state() == MirrorState::kCopying;
  if (!copying || replicator_.dirty().size() <= ahead) return next();
  busy_ = true;
  process_.After(kRoomUs, [this, next = std::move(next)] {
    busy_ = false;
    AwaitRoom(next);
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
  Enumerate(
      process_.world.new_store, 0, [] { return true; }, add,
      [this, era, since] {
        const bool same = replicator_.era() == era && replicator_.expiries_unknown_seq() == since;
        if (same && replicator_.live()) replicator_.ExpiriesTold(process_.now_us());
      });
}

}  // namespace crossfade::sim
