// What forbids to mirror, or to copy.
#include <spdlog/spdlog.h>

#include "proxy/backend/client_keys.h"
#include "proxy/backend/extra_keys.h"
#include "proxy/backend/mirror_driver.h"
#include "routing/store_health.h"

namespace crossfade::proxy {
namespace {

constexpr std::chrono::seconds kExtrasEvery{10};

std::string Holdings(uint64_t held, uint64_t wanted) {
  return "the new store holds " + std::to_string(held) + " keys, the legacy store " +
         std::to_string(wanted);
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
  const config::ExistingKeys existing = plan.plan->settings.backfill.existing;
  if (!trusts && existing == config::ExistingKeys::kRefuse && !ownership.follower_known) {
    SetProgress("refused", counts + "; such as " + Examples(follower, follower_counts) +
                               "; empty the new store, or set mirror.follower_data: trust if it "
                               "is a copy of legacy, or backfill.existing: overwrite to make it "
                               "one (what legacy does not have is removed), or keep_equal to copy "
                               "only what differs");
    return false;
  }
  const bool keeps = KeepsEqual(plan) && !ownership.follower_known;
  if (!trusts && keeps && !HoldsNoExtras(follower, follower_counts)) return false;
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

// A copy of before is mostly right where a store was restarted, or this proxy.
bool MirrorDriver::ComparesFirst(const ActivePlan& plan, uint64_t wanted, uint64_t held) const {
  if (held == 0) return false;
  const bool copied_before = begun_ || !former_follower_.empty();
  return KeepsEqual(plan) || (copied_before && held * 2 >= wanted);
}

bool MirrorDriver::KeepsEqual(const ActivePlan& plan) {
  return plan.plan->settings.backfill.existing == config::ExistingKeys::kKeepEqual;
}

// To remove them is nothing that one who keeps what is there expects.
bool MirrorDriver::HoldsNoExtras(StoreClient& follower, const Counts& follower_counts) {
  Result<StoreClient> authority = Connect(core_.authority());
  const auto extras = authority ? FindExtras(*authority, follower, follower_counts)
                                : Result<ExtraKeys>(tl::unexpected(authority.error()));
  if (!extras) {
    SetProgress("connecting", "a store does not answer: " + extras.error().message);
    return false;
  }
  if (extras->count == 0) return true;
  next_check_ = std::chrono::steady_clock::now() + kExtrasEvery;
  SetProgress("refused", "the new store holds " + std::to_string(extras->count) +
                             " keys that the legacy store does not have; such as " +
                             extras->examples +
                             "; remove them there, or set backfill.existing: overwrite, which "
                             "removes them");
  return false;
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
