// Verifier: keys that were found different are synced, a few at a time, and compared
// again.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "proxy/backend/verifier.h"
#include "proxy/worker/worker.h"

namespace crossfade::proxy {
namespace {

using replication::Difference;
using replication::DifferenceKind;
using std::chrono::milliseconds;

constexpr size_t kAtOnce = 256;
constexpr uint64_t kKeysPerSecond = 5'000;  // unless the pass has a rate of its own
constexpr milliseconds kPause{5};
// So long without a key being synced, and the others are left as they are.
constexpr std::chrono::seconds kPatience{30};

}  // namespace

void Verifier::Tell(const Pass& pass, DeltaAction action, const Difference& difference) {
  const Delta delta{pass.report.id, Worker::UnixMs(), action, difference};
  for (DeltaSink* sink : sinks_) sink->Take(delta);
}

Status Verifier::Repair(Pass& pass) {
  VerifyReport& report = pass.report;
  if (!report.options.repair || pass.found.empty()) return {};
  std::vector<Difference> wanted;
  for (Difference& difference : pass.found) {
    if (difference.kind == DifferenceKind::kExtra && !report.options.delete_extra) {
      ++report.extra_kept;
    } else {
      wanted.push_back(std::move(difference));
    }
  }
  pass.found.clear();
  const auto deletes = std::count_if(wanted.begin(), wanted.end(), [](const Difference& d) {
    return d.kind == DifferenceKind::kExtra;
  });
  spdlog::warn("verification repairs pass={} keys={} deletes={} extra_kept={}", report.id,
               wanted.size(), deletes, report.extra_kept);
  pass.again = true;
  report.repairs_wanted = wanted.size();
  const uint64_t wished = report.options.keys_per_second;
  const uint64_t rate = wished == 0 ? kKeysPerSecond : wished;
  SetState(pass, PassState::kRepairing, "copying what differs, and comparing it again");
  for (size_t at = 0; at < wanted.size(); at += kAtOnce) {
    const auto begin = wanted.begin() + static_cast<ptrdiff_t>(at);
    const auto end = wanted.begin() + static_cast<ptrdiff_t>(std::min(at + kAtOnce, wanted.size()));
    std::vector<Difference> some(begin, end);
    if (const Status synced = SyncSome(pass, some); !synced) return synced;
    pass.differ_again.clear();
    for (const Difference& key : some) {
      if (const Status handed = HandIn(pass, key.db, {key.key}); !handed) return handed;
    }
    report.keys_selected -= some.size();  // they were counted when they were found
    if (const Status settled = Settle(pass); !settled) return settled;
    for (const Difference& key : some) {
      if (pass.differ_again.contains({key.db, key.key})) continue;  // told when it was found again
      ++report.repaired;
      const bool deleted = key.kind == DifferenceKind::kExtra;
      report.deleted += deleted ? 1 : 0;
      Tell(pass, deleted ? DeltaAction::kDeleted : DeltaAction::kRepaired, key);
    }
    Publish(pass);
    if (const Status paced = Pace(pass, some.size(), rate); !paced) return paced;
  }
  return {};
}

// Those that could not be synced are left out of `some`.
Status Verifier::SyncSome(Pass& pass, std::vector<Difference>& some) {
  {
    const std::lock_guard lock(core_.mutex);
    for (const Difference& key : some) core_.replicator.Repair(key.db, key.key);
  }
  core_.feed_wanted.store(true);
  core_.workers[0]->Wake();
  std::vector<Difference> synced, left;
  auto until = Clock::now() + kPatience;
  while (!some.empty()) {
    if (const Status go_on = MayGoOn(pass); !go_on) return go_on;
    left.clear();
    {
      const std::lock_guard lock(core_.mutex);
      for (Difference& key : some) {
        const bool dirty = core_.replicator.dirty().Contains(key.db, key.key);
        (dirty ? left : synced).push_back(std::move(key));
      }
    }
    if (left.size() < some.size()) until = Clock::now() + kPatience;
    some.swap(left);
    if (some.empty() || Clock::now() > until) break;
    if (!Sleep(kPause)) return Fail("stopped");
  }
  for (const Difference& key : some) Tell(pass, DeltaAction::kNotRepaired, key);
  some.swap(synced);
  return {};
}

}  // namespace crossfade::proxy
