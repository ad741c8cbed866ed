// MirrorDriver: what it learns of the stores once they are mirrored.
#include <algorithm>

#include "proxy/backend/libraries.h"
#include "proxy/backend/mirror_driver.h"
#include "proxy/core.h"
#include "proxy/worker/worker.h"
#include "routing/slot.h"

namespace crossfade::proxy {

// What a start that copies learns on the way.
bool MirrorDriver::FinishResuming() {
  Result<StoreClient> authority = Connect(core_.authority());
  Result<StoreClient> follower = Connect(core_.follower());
  if (!authority || !follower) {
    const std::string& reason = authority ? follower.error().message : authority.error().message;
    SetProgress("connecting", "a store is not reachable: " + reason);
    return false;
  }
  const Result<int64_t> theirs = authority->ClockOffsetMs();
  const Result<int64_t> followers = follower->ClockOffsetMs();
  if (theirs && followers) {
    const std::lock_guard lock(core_.mutex);
    core_.replicator.set_clock_offset_ms(*theirs - *followers);
  }
  if (const Status given = LearnLibraries(*authority, &*follower); !given) {
    SetProgress("connecting", "the functions can't be copied: " + given.error().message);
    return false;
  }
  if (backfiller_.active()) {
    if (const Status measured = backfiller_.Measure(*authority, *follower); !measured) {
      SetProgress("connecting", "a store does not answer: " + measured.error().message);
      return false;
    }
  }
  resumed_ = false;
  return true;
}

// What clients change of them while they are read comes behind in the log, if they
// are to be given to the follower; else what was read may be of before, and is read again.
Status MirrorDriver::LearnLibraries(StoreClient& authority, StoreClient* follower) {
  std::vector<replication::Library> former;
  if (follower != nullptr) {
    auto found = ReadLibraries(*follower, *core_.table.load());
    if (!found) return tl::unexpected(found.error());
    former = std::move(*found);
  }
  while (true) {
    uint64_t changes = 0;
    {
      const std::lock_guard lock(core_.mutex);
      changes = core_.replicator.scripts().library_changes();
    }
    const auto libraries = ReadLibraries(authority, *core_.table.load());
    if (!libraries) return tl::unexpected(libraries.error());
    const std::lock_guard lock(core_.mutex);
    replication::ScriptBook& book = core_.replicator.scripts();
    if (book.library_changes() != changes) continue;
    book.PutLibraries(*libraries);
    if (follower == nullptr) return {};
    // One that was deleted meanwhile may keep another's functions from being loaded.
    const bool others = std::any_of(former.begin(), former.end(), [&](const auto& library) {
      return std::none_of(libraries->begin(), libraries->end(), [&](const auto& wanted) {
        return wanted.verdict.name == library.verdict.name;
      });
    });
    core_.replicator.GiveLibraries(*libraries, others);
    core_.feed_wanted.store(true);
    return {};
  }
}

// A trusted follower's expiries: which keys have one is read from it. Those that
// are set meanwhile are noted as they are set.
void MirrorDriver::LearnExpiries(const ActivePlan&) {
  uint64_t era = 0;
  uint64_t since = 0;
  {
    const std::lock_guard lock(core_.mutex);
    core_.replicator.SettleExpiries(Worker::ClockUs());
    if (!core_.replicator.ExpiriesCanBeLearnt()) return;
    era = core_.replicator.era();
    since = core_.replicator.expiries_unknown_seq();
  }
  Result<StoreClient> follower = Connect(core_.follower());
  if (!follower) return;
  const Result<Counts> counts = follower->CountKeys();
  if (!counts) return;
  for (const auto& [db, keys] : *counts) {
    if (!follower->Command({"SELECT", std::to_string(db)})) return;
    std::string cursor = "0";
    do {
      const Result<StoreClient::Reply> page = follower->Scan(cursor, kScanPage);
      if (!page) return;
      cursor = TextOf(*(*page)->element[0]);
      const redisReply& names = *(*page)->element[1];
      for (size_t i = 0; i < names.elements; ++i) {
        const std::string_view name = TextOf(*names.element[i]);
        const Result<StoreClient::Reply> ttl = follower->Command({"PTTL", name});
        if (!ttl) return;
        if ((*ttl)->integer < 0) continue;
        const std::lock_guard lock(core_.mutex);
        core_.replicator.AddExpiry(routing::KeyHash(db, name));
      }
      if (!Sleep(std::chrono::milliseconds(0))) return;
    } while (cursor != "0");
  }
  const std::lock_guard lock(core_.mutex);
  const bool same =
      core_.replicator.era() == era && core_.replicator.expiries_unknown_seq() == since;
  if (same && core_.replicator.live()) core_.replicator.ExpiriesTold(Worker::ClockUs());
}

}  // namespace crossfade::proxy
