// What forbids to mirror, or to copy.
#include <spdlog/spdlog.h>

#include "proxy/backend/client_keys.h"
#include "proxy/backend/mirror_driver.h"
#include "proxy/mirror_events.h"
#include "routing/commands/reserved_keys.h"
#include "routing/store_health.h"

namespace crossfade::proxy {
namespace {

std::string Holdings(uint64_t held, uint64_t wanted) {
  return "the new store holds " + std::to_string(held) + " keys, the legacy store " +
         std::to_string(wanted);
}

// Names of a few keys that it holds, as an operator may read them.
std::string Examples(StoreClient& store, const std::map<uint32_t, uint64_t>& counts) {
  constexpr size_t kShown = 3;
  std::string names;
  size_t shown = 0;
  for (const auto& [db, keys] : counts) {
    if (keys == 0 || shown == kShown || !store.Command({"SELECT", std::to_string(db)})) continue;
    const Result<StoreClient::Reply> page = store.Scan("0", "100");
    if (!page) break;
    const redisReply& found = *(*page)->element[1];
    for (size_t i = 0; i < found.elements && shown < kShown; ++i) {
      const std::string_view name = TextOf(*found.element[i]);
      if (routing::IsReserved(name)) continue;
      names += (shown++ == 0 ? "" : ", ") + Printable(name) + " (db " + std::to_string(db) + ")";
    }
  }
  return names.empty() ? "(none can be shown)" : names;
}

}  // namespace

// A replica's keys change by writes that don't pass here.
bool MirrorDriver::IsMaster(StoreClient& store, const StoreLink& link, const char* role) {
  const Result<StoreClient::Reply> info = store.Command({"INFO", "replication"});
  if (!info) {
    SetProgress("connecting", "a store does not answer: " + info.error().message);
    return false;
  }
  const routing::StoreReport report = routing::ParseStoreReport(TextOf(**info));
  if (!report.replica) return true;
  SetProgress("refused", "the " + link.role() + " store (" + role + ") is a replica of " +
                             report.master + "; promote it, or give the address of its master");
  return false;
}

// Whether the follower may be written to, by what it holds and how it is set up.
bool MirrorDriver::MayBeWritten(const ActivePlan& plan, StoreClient& follower,
                                const Counts& authority_counts, const Counts& follower_counts,
                                bool& trusted) {
  const Result<std::string> policy = follower.Config("maxmemory-policy");
  const Result<std::string> memory = follower.Config("maxmemory");
  if (policy && memory && *memory != "0" && *policy != "noeviction") {
    SetProgress("refused", "the new store evicts keys (maxmemory-policy " + *policy +
                               "), so it can't follow; set it to noeviction");
    return false;
  }
  const Result<std::string> databases = follower.Config("databases");
  const uint32_t last_db = authority_counts.empty() ? 0 : authority_counts.rbegin()->first;
  if (databases && static_cast<uint32_t>(std::atoll(databases->c_str())) <= last_db) {
    SetProgress("refused", "the legacy store uses db " + std::to_string(last_db) +
                               ", the new store has only " + *databases +
                               " databases; raise `databases` there");
    return false;
  }
  const uint64_t held = Sum(follower_counts);
  // Another process may hold what is somebody else's.
  const bool ours = !former_follower_.empty() && core_.follower().run_id() == former_follower_;
  if (begun_ || ours || held == 0) return true;
  const Ownership::View ownership = core_.ownership.view();
  const uint64_t wanted = Sum(authority_counts);
  const std::string counts = Holdings(held, wanted);
  const bool trusts = plan.plan->settings.mirror.follower_data == config::FollowerData::kTrust;
  const bool overwrites = plan.plan->settings.backfill.existing == config::ExistingKeys::kOverwrite;
  if (!trusts && !overwrites && !ownership.follower_known) {
    SetProgress("refused", counts + "; such as " + Examples(follower, follower_counts) +
                               "; empty the new store, or set mirror.follower_data: trust if it "
                               "is a copy of legacy, or backfill.existing: overwrite to make it "
                               "one (what legacy does not have is removed)");
    return false;
  }
  // A former owner that did not end in step may have left anything undone.
  trusted = trusts && held == wanted && !served_unmirrored_ && !journal_failed_ &&
            (!ownership.former || ownership.in_step);
  if (trusted) {
    spdlog::info("the follower's data is trusted keys={}", held);
  } else {
    spdlog::warn(
        "the follower's data can't be trusted, all of it is compared by copying "
        "legacy_keys={} new_keys={} served_unmirrored={} former_owner={}",
        wanted, held, served_unmirrored_,
        !ownership.former   ? "none"
        : ownership.in_step ? "in_step"
                            : "unknown");
  }
  return true;
}

// To copy is to remove from the follower what the authority does not have: perhaps
// the last there is of what an authority has lost that came back without its data.
bool MirrorDriver::MayRemove(const Counts& authority_counts, const Counts& follower_counts) {
  const uint64_t held = Sum(follower_counts);
  const uint64_t wanted = Sum(authority_counts);
  const std::string run_id = core_.authority().run_id();
  if (copied_from_ != run_id && lost_in_ != run_id && wanted * 2 < held) {
    lost_in_ = run_id;
    loss_accepted_ = false;
  }
  loss_refused_ = lost_in_ == run_id && !loss_accepted_;
  if (!loss_refused_) return true;
  SetProgress("refused", Holdings(held, wanted) +
                             ": it may have lost its data, and mirroring would remove the rest "
                             "from the new store too. Start legacy with its data again; or take "
                             "it as it is: `crossfade resume --reason TEXT`");
  return false;
}

}  // namespace crossfade::proxy
