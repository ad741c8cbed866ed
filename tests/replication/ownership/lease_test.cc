#include "replication/ownership/lease.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace crossfade::replication {
namespace {

constexpr int64_t kLeaseUs = 10'000'000;

// What a store holds, with its own expiry.
struct ModelStore {
  std::string owner, tenure;
  int64_t expires_us = 0;
  uint64_t version = 0;  // as WATCH knows it

  void Expire(int64_t now_us) {
    if (!owner.empty() && now_us >= expires_us) owner.clear();
  }
  Sighting Look(int64_t now_us, const std::vector<int64_t>& ended_pids = {}) {
    Expire(now_us);
    Sighting sighting{owner, tenure, ParseOwner(owner), ParseTenure(tenure), expires_us - now_us,
                      false, "run"};
    for (const int64_t pid : ended_pids) {
      if (sighting.owner && sighting.owner->process.pid == pid) sighting.owner_ended = true;
    }
    return sighting;
  }
  // As the transaction that is sent: only if it still holds what was seen.
  bool Write(int64_t now_us, const Sighting& seen, const std::string& new_owner,
             const std::string& new_tenure, int64_t lease_us) {
    Expire(now_us);
    if (owner != seen.owner_text || tenure != seen.tenure_text) return false;
    owner = new_owner;
    tenure = new_tenure;
    expires_us = now_us + lease_us;
    ++version;
    return true;
  }
  void Remove() {
    owner.clear();
    tenure.clear();
    ++version;
  }
};

// One proxy's dealings with the authority.
struct Proxy {
  explicit Proxy(std::string name) : id(std::move(name)), lease(id, kLeaseUs) {}

  OwnerRecord Record(uint64_t epoch, const std::string& pair) const {
    OwnerRecord record;
    record.id = id;
    record.epoch = epoch;
    record.pair = pair;
    record.lease_ms = kLeaseUs / 1000;
    record.authority = "run";
    return record;
  }
  TenureRecord TenureOf(uint64_t epoch, const std::string& pair) const {
    return {id, epoch, pair, TenureRecord::State::kHeld};
  }
  // All of a step at one moment.
  Lease::Step Go(int64_t now_us, ModelStore& authority, ModelStore* follower = nullptr,
                 const std::vector<int64_t>& ended = {}) {
    const Sighting seen = authority.Look(now_us, ended);
    std::optional<Sighting> there;
    if (follower != nullptr) there = follower->Look(now_us, ended);
    const Lease::Decision decision = lease.Judge(now_us, seen, there ? &*there : nullptr);
    if (decision.step == Lease::Step::kWait) return decision.step;
    const Lease::Tenure& begun = lease.begun();
    const bool acquires = decision.step == Lease::Step::kAcquire;
    const std::string pair = acquires ? (begun.pair.empty() ? "pair" : begun.pair) : "pair";
    const uint64_t epoch = acquires ? begun.epoch : lease.epoch();
    if (!authority.Write(now_us, seen, Encode(Record(epoch, pair)), Encode(TenureOf(epoch, pair)),
                         kLeaseUs)) {
      return Lease::Step::kWait;
    }
    if (acquires) {
      kept = begun.kept;
      former = begun.former;
      lease.Acquired(now_us, pair);
    } else {
      lease.Renewed(now_us);
    }
    return decision.step;
  }

  std::string id;
  Lease lease;
  bool kept = false;
  std::optional<TenureRecord> former;
};

using Step = Lease::Step;

TEST(Lease, FirstOnNewStoresHasItAtOnceAndRenewsIt) {
  ModelStore store;
  Proxy a("a");
  EXPECT_FALSE(a.lease.Holds(0));
  EXPECT_EQ(a.Go(0, store), Step::kAcquire);
  EXPECT_EQ(a.lease.epoch(), 1u);
  EXPECT_FALSE(a.kept);
  EXPECT_FALSE(a.former.has_value());
  EXPECT_TRUE(a.lease.Holds(0));
  EXPECT_EQ(a.Go(3'000'000, store), Step::kRenew);
  EXPECT_TRUE(a.lease.Holds(12'000'000));
  EXPECT_EQ(a.lease.epoch(), 1u);
}

TEST(Lease, IsOverBeforeTheStoreForgetsIt) {
  ModelStore store;
  Proxy a("a");
  a.Go(5'000, store);
  EXPECT_TRUE(a.lease.Holds(9'000'000));
  EXPECT_FALSE(a.lease.Holds(5'000 + kLeaseUs - 1));
  EXPECT_LT(a.lease.deadline_us(), store.expires_us);
}

TEST(Lease, AnotherWaitsWhileItIsHeldAndTakesItWhenItHasExpired) {
  ModelStore store;
  Proxy a("a"), b("b");
  a.Go(0, store);
  EXPECT_EQ(b.Go(1, store), Step::kWait);
  EXPECT_EQ(b.Go(kLeaseUs - 1, store), Step::kWait);
  EXPECT_EQ(b.Go(kLeaseUs, store), Step::kAcquire);
  EXPECT_EQ(b.lease.epoch(), 2u);
  EXPECT_FALSE(b.kept);
  ASSERT_TRUE(b.former.has_value());
  EXPECT_EQ(b.former->id, "a");
  EXPECT_EQ(b.former->state, TenureRecord::State::kHeld);
}

TEST(Lease, WhoSeesAnothersRecordHasLostItAtOnce) {
  ModelStore store;
  Proxy a("a"), b("b");
  a.Go(0, store);
  b.Go(kLeaseUs, store);
  // It was stopped all the while, and believes nothing by its own clock.
  EXPECT_FALSE(a.lease.Holds(kLeaseUs));
  EXPECT_EQ(a.Go(kLeaseUs + 1, store), Step::kWait);
  EXPECT_FALSE(a.lease.Holds(0));
}

TEST(Lease, OneWhoseProcessHasEndedIsNotWaitedFor) {
  ModelStore store;
  Proxy a("a"), b("b");
  a.Go(0, store);
  OwnerRecord record = *ParseOwner(store.owner);
  record.process.pid = 77;
  store.owner = Encode(record);
  EXPECT_EQ(b.Go(1, store, nullptr, {78}), Step::kWait);
  EXPECT_EQ(b.Go(2, store, nullptr, {77}), Step::kAcquire);
}

TEST(Lease, ReleasedIsTakenAtOnce) {
  ModelStore store;
  Proxy a("a"), b("b");
  a.Go(0, store);
  EXPECT_EQ(b.Go(1, store), Step::kWait);
  store.owner.clear();
  store.tenure = Encode(TenureRecord{"a", 1, "pair", TenureRecord::State::kInStep});
  EXPECT_EQ(b.Go(2, store), Step::kAcquire);
  EXPECT_EQ(b.former->state, TenureRecord::State::kInStep);
}

TEST(Lease, ExpiredWithNobodyInBetweenIsANewTenureThatKeepsWhatIsKnown) {
  ModelStore store;
  Proxy a("a");
  a.Go(0, store);
  EXPECT_EQ(a.Go(kLeaseUs + 5, store), Step::kAcquire);
  EXPECT_EQ(a.lease.epoch(), 2u);
  EXPECT_TRUE(a.kept);
  // The same while the store still has it, but its own clock says that it is over.
  EXPECT_EQ(a.Go(2 * kLeaseUs + 4, store), Step::kAcquire);
  EXPECT_EQ(a.lease.epoch(), 3u);
  EXPECT_TRUE(a.kept);
}

TEST(Lease, SomebodyInBetweenIsNoticedThoughItHasGone) {
  ModelStore store;
  Proxy a("a"), b("b");
  a.Go(0, store);
  b.Go(kLeaseUs, store);
  EXPECT_EQ(a.Go(3 * kLeaseUs, store), Step::kAcquire);
  EXPECT_EQ(a.lease.epoch(), 3u);
  EXPECT_FALSE(a.kept);
}

TEST(Lease, AnAttemptWhoseOutcomeIsNotKnownForgetsNothing) {
  ModelStore store;
  Proxy a("a"), b("b");
  a.Go(0, store);
  b.Go(kLeaseUs, store);
  // Its transaction is executed, but the reply is lost.
  const int64_t now = 3 * kLeaseUs;
  Sighting seen = store.Look(now);
  ASSERT_EQ(a.lease.Judge(now, seen, nullptr).step, Step::kAcquire);
  ASSERT_TRUE(
      store.Write(now, seen, Encode(a.Record(3, "pair")), Encode(a.TenureOf(3, "pair")), kLeaseUs));
  EXPECT_EQ(a.Go(now + 10, store), Step::kAcquire);
  EXPECT_EQ(a.lease.epoch(), 4u);
  EXPECT_FALSE(a.kept) << "b mirrored since a's last tenure";
}

TEST(Lease, WhatAClientRemovedIsWrittenAgain) {
  ModelStore store;
  Proxy a("a"), b("b");
  a.Go(0, store);
  EXPECT_EQ(b.Go(1, store), Step::kWait);
  store = {};
  EXPECT_EQ(b.Go(2, store), Step::kWait) << "its time is not over";
  EXPECT_EQ(a.Go(3, store), Step::kRestore);
  EXPECT_EQ(ParseOwner(store.owner)->id, "a");
  EXPECT_EQ(ParseTenure(store.tenure)->epoch, 1u);
}

TEST(Lease, ANewcomerBelievesTheFollowersRecordWhenTheAuthoritysIsGone) {
  ModelStore store, follower;
  Proxy a("a"), b("b");
  a.Go(0, store);
  follower = store;
  store = {};
  EXPECT_EQ(b.Go(2, store, &follower), Step::kWait);
  EXPECT_EQ(b.Go(kLeaseUs, store, &follower), Step::kAcquire) << "it has expired there";
  EXPECT_EQ(b.lease.epoch(), 2u) << "above what the follower remembers";
}

TEST(Lease, ANewcomerDoesNotWaitForTheOwnerOfAnotherPair) {
  ModelStore store, other, follower;
  Proxy a("a"), b("b");
  a.Go(0, other);
  follower = other;
  OwnerRecord record = *ParseOwner(follower.owner);
  record.authority = "another store's run";
  follower.owner = Encode(record);
  EXPECT_EQ(b.Go(1, store, &follower), Step::kAcquire);
}

TEST(Lease, RecordsOfNobodyAreWaitedFor) {
  ModelStore store;
  store.owner = "what an operator wrote";
  store.expires_us = INT64_MAX;
  Proxy a("a");
  EXPECT_EQ(a.Go(0, store), Step::kWait);
}

TEST(Lease, RaisedAboveTheFollowersEpoch) {
  ModelStore store;
  Proxy a("a");
  a.Go(0, store);
  a.lease.RaiseAbove(7);
  EXPECT_EQ(a.Go(1, store), Step::kAcquire);
  EXPECT_EQ(a.lease.epoch(), 8u);
  EXPECT_TRUE(a.kept);
  EXPECT_EQ(a.Go(2, store), Step::kRenew);
}

TEST(FollowersClaim, IsTakenRenewedRaisedOrRefused) {
  Proxy a("a"), b("b");
  const OwnerRecord self = a.Record(5, "pair");
  const auto held_by = [](const OwnerRecord& owner, const TenureRecord& tenure) {
    ModelStore store{Encode(owner), Encode(tenure), INT64_MAX};
    return store.Look(0);
  };
  EXPECT_EQ(JudgeFollower(self, {}), FollowerVerdict::kTake);
  EXPECT_EQ(JudgeFollower(self, held_by(self, a.TenureOf(5, "pair"))), FollowerVerdict::kRenew);
  EXPECT_EQ(JudgeFollower(self, held_by(a.Record(4, "pair"), a.TenureOf(4, "pair"))),
            FollowerVerdict::kTake);
  EXPECT_EQ(JudgeFollower(self, held_by(b.Record(4, "pair"), b.TenureOf(4, "pair"))),
            FollowerVerdict::kTake)
      << "of the same pair, and superseded";
  EXPECT_EQ(JudgeFollower(self, held_by(b.Record(5, "pair"), b.TenureOf(5, "pair"))),
            FollowerVerdict::kRaise);
  EXPECT_EQ(JudgeFollower(self, held_by(b.Record(4, "other"), b.TenureOf(4, "other"))),
            FollowerVerdict::kRefused);
  Sighting ended = held_by(b.Record(4, "other"), b.TenureOf(4, "other"));
  ended.owner_ended = true;
  EXPECT_EQ(JudgeFollower(self, ended), FollowerVerdict::kTake);
  Sighting gone;
  gone.tenure_text = Encode(b.TenureOf(9, "other"));
  gone.tenure = b.TenureOf(9, "other");
  EXPECT_EQ(JudgeFollower(self, gone), FollowerVerdict::kRaise);
  Sighting text;
  text.owner_text = "what an operator wrote";
  EXPECT_EQ(JudgeFollower(self, text), FollowerVerdict::kRefused);
}

TEST(OwnerRecord, IsReadAsItWasWritten) {
  OwnerRecord record{"00ff", 7, "pair", 10'000, "10.0.0.1:6380", "", "h:1", "run", "a b > c%", {}};
  record.process = {"boot", "pid:[1]", 12, 34};
  EXPECT_EQ(ParseOwner(Encode(record)), record);
  EXPECT_EQ(ParseOwner(Encode(record) + " later=1"), record);
  EXPECT_FALSE(ParseOwner("").has_value());
  EXPECT_FALSE(ParseOwner("crossfade-owner-1 id").has_value());
  EXPECT_FALSE(ParseOwner("crossfade-owner-1 id=%").has_value());
  EXPECT_FALSE(ParseOwner(Encode(record).substr(0, 40)).has_value());
  const TenureRecord tenure{"00ff", 7, "pair", TenureRecord::State::kReleased};
  EXPECT_EQ(ParseTenure(Encode(tenure)), tenure);
  EXPECT_FALSE(ParseTenure(Encode(record)).has_value());
  EXPECT_FALSE(ParseTenure("crossfade-tenure-1 id=a epoch=1 pair=p state=else").has_value());
}

// Proxies that read, are held up, and write; that stop for longer than the lease; a
// client that removes the records now and then, but leaves the follower's.
class Crowd {
 public:
  explicit Crowd(uint64_t seed) : random_(seed) {
    for (int i = 0; i < 4; ++i) actors_.emplace_back("p" + std::to_string(i));
  }

  void Go(int64_t now_us) {
    for (Actor& actor : actors_) {
      if (actor.pending && now_us >= actor.pending->arrives_us) Arrive(actor, now_us);
      if (!actor.pending && now_us >= actor.wakes_us) Look(actor, now_us);
    }
    if (Below(200) == 0) authority_.Remove();
  }
  int Holders(int64_t now_us) const {
    return static_cast<int>(std::count_if(actors_.begin(), actors_.end(), [&](const Actor& actor) {
      return actor.proxy.lease.Holds(now_us);
    }));
  }
  int tenures() const { return tenures_; }

 private:
  struct Pending {
    Sighting seen;
    uint64_t version;
    Step step;
    int64_t sent_us, arrives_us;
    uint64_t epoch;
  };
  struct Actor {
    explicit Actor(const std::string& name) : proxy(name) {}
    Proxy proxy;
    std::optional<Pending> pending;
    int64_t wakes_us = 0;
  };

  int64_t Below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }

  void Arrive(Actor& actor, int64_t now_us) {
    Proxy& proxy = actor.proxy;
    const Pending sent = *actor.pending;
    actor.pending.reset();
    const bool done = authority_.version == sent.version &&
                      authority_.Write(now_us, sent.seen, Encode(proxy.Record(sent.epoch, "pair")),
                                       Encode(proxy.TenureOf(sent.epoch, "pair")), kLeaseUs);
    if (!done) return;
    if (Below(20) == 0) return;  // it does not hear of it
    follower_ = authority_;
    if (sent.step != Step::kAcquire) return proxy.lease.Renewed(sent.sent_us);
    proxy.lease.Acquired(sent.sent_us, "pair");
    ++tenures_;
    EXPECT_GT(sent.epoch, last_epoch_) << "of those that were ever believed in";
    last_epoch_ = sent.epoch;
  }

  void Look(Actor& actor, int64_t now_us) {
    Lease& lease = actor.proxy.lease;
    const Sighting seen = authority_.Look(now_us);
    const Sighting there = follower_.Look(now_us);
    const Step step = lease.Judge(now_us, seen, &there).step;
    const bool stops = Below(100) == 0;
    actor.wakes_us = now_us + (stops ? 2 * kLeaseUs : Below(kLeaseUs / 3));
    if (step == Step::kWait) return;
    const uint64_t epoch = step == Step::kAcquire ? lease.begun().epoch : lease.epoch();
    const int64_t takes_us = stops ? 2 * kLeaseUs : Below(1'000'000);
    actor.pending = Pending{seen, authority_.version, step, now_us, now_us + takes_us, epoch};
  }

  std::mt19937_64 random_;
  ModelStore authority_, follower_;
  std::deque<Actor> actors_;
  uint64_t last_epoch_ = 0;
  int tenures_ = 0;
};

TEST(Lease, NeverTwoAtOnceWhateverTheDelays) {
  int tenures = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Crowd crowd(seed);
    for (int64_t now_us = 0; now_us < 60 * kLeaseUs; now_us += 200'000) {
      crowd.Go(now_us);
      ASSERT_LE(crowd.Holders(now_us), 1) << "seed " << seed << " at " << now_us;
    }
    tenures += crowd.tenures();
  }
  EXPECT_GT(tenures, 400);
}

}  // namespace
}  // namespace crossfade::replication
