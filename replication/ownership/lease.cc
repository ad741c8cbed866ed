#include "replication/ownership/lease.h"

#include <algorithm>

namespace crossfade::replication {
namespace {

// Clocks may run at rates that differ so much.
constexpr int64_t kDriftShare = 50;

uint64_t HighestEpoch(const Sighting& sighting) {
  return std::max(sighting.owner ? sighting.owner->epoch : 0,
                  sighting.tenure ? sighting.tenure->epoch : 0);
}

}  // namespace

Lease::Decision Lease::Judge(int64_t read_us, const Sighting& authority, const Sighting* follower) {
  if (authority.owner && authority.owner->id == id_) {
    const bool current = authority.owner->epoch == epoch_ && raise_above_ < epoch_;
    if (current && Holds(read_us)) return {Step::kRenew, {}};
    return Begin(authority, follower);
  }
  if (authority.owner_text.empty()) {
    const bool ours = !authority.tenure || authority.tenure->id == id_;
    if (Holds(read_us) && ours && raise_above_ < epoch_) return {Step::kRestore, {}};
    Lose();
    Decision decision;
    if (!MayBeTaken(read_us, authority, follower, decision)) return decision;
    return Begin(authority, follower);
  }
  Lose();
  if (authority.owner) {
    if (authority.owner_ended) return Begin(authority, follower);
    other_ = authority.owner;
    other_until_us_ = read_us + authority.expires_in_us;
  }
  return {Step::kWait, authority.owner};
}

// The authority has no owner's record. One that vanished before its time may have
// been removed by a client, with its owner at work.
bool Lease::MayBeTaken(int64_t read_us, const Sighting& authority, const Sighting* follower,
                       Decision& decision) {
  const bool released = authority.tenure && authority.tenure->state != TenureRecord::State::kHeld;
  if (released) return true;
  if (other_ && read_us < other_until_us_) {
    decision.other = other_;
    return false;
  }
  // It has expired before our eyes; what is removed takes the tenure's along.
  if (other_ && authority.tenure && authority.tenure->id == other_->id) return true;
  if (follower == nullptr || !follower->owner || follower->owner->id == id_) return true;
  const OwnerRecord& owner = *follower->owner;
  // Of a follower that has another authority nothing follows for this one.
  const bool same_pair =
      authority.tenure ? authority.tenure->pair == owner.pair : authority.run_id == owner.authority;
  const bool former = authority.tenure && authority.tenure->epoch > owner.epoch;
  if (follower->owner_ended || !same_pair || former) return true;
  decision.other = owner;
  return false;
}

Lease::Decision Lease::Begin(const Sighting& authority, const Sighting* follower) {
  uint64_t highest = std::max({epoch_, raise_above_, HighestEpoch(authority)});
  if (follower != nullptr) highest = std::max(highest, HighestEpoch(*follower));
  const std::optional<TenureRecord>& last = authority.tenure      ? authority.tenure
                                            : follower != nullptr ? follower->tenure
                                                                  : authority.tenure;
  // An attempt whose outcome was not heard of counts as our own, so that what was
  // found before it must be remembered.
  if (!last || last->id != id_) broken_ = true;
  begun_.epoch = highest + 1;
  begun_.kept = epoch_ != 0 && !broken_;
  begun_.former = authority.tenure;
  begun_.pair = authority.tenure ? authority.tenure->pair : pair_;
  return {Step::kAcquire, {}};
}

void Lease::Acquired(int64_t sent_us, const std::string& pair) {
  epoch_ = begun_.epoch;
  pair_ = pair;
  broken_ = false;
  other_.reset();
  Renewed(sent_us);
}

void Lease::Renewed(int64_t sent_us) {
  deadline_us_ = sent_us + lease_us_ - lease_us_ / kDriftShare;
}

void Lease::RaiseAbove(uint64_t epoch) { raise_above_ = std::max(raise_above_, epoch); }

FollowerVerdict JudgeFollower(const OwnerRecord& self, const Sighting& follower) {
  if (follower.owner && follower.owner->id != self.id && !follower.owner_ended) {
    if (follower.owner->pair != self.pair) return FollowerVerdict::kRefused;
    if (follower.owner->epoch >= self.epoch) return FollowerVerdict::kRaise;
  }
  if (!follower.owner && !follower.owner_text.empty()) return FollowerVerdict::kRefused;
  if (follower.tenure && follower.tenure->id != self.id && follower.tenure->epoch >= self.epoch) {
    return FollowerVerdict::kRaise;
  }
  const bool ours = follower.owner && follower.owner->id == self.id &&
                    follower.owner->epoch == self.epoch && follower.tenure &&
                    follower.tenure->id == self.id && follower.tenure->epoch == self.epoch;
  return ours ? FollowerVerdict::kRenew : FollowerVerdict::kTake;
}

}  // namespace crossfade::replication
