#include "proxy/artifacts/run_facts.h"

namespace crossfade::proxy {
namespace {

StoreFacts FactsOfStore(const StoreLink& link) {
  return {link.role(), link.endpoint().Display(), link.version(), link.run_id()};
}

}  // namespace

RunFacts FactsOf(Core& core, const ActivePlan& plan) {
  RunFacts facts;
  facts.plan_digest = plan.plan->digest;
  facts.plan_epoch = plan.plan->epoch;
  facts.stage = config::Name(plan.plan->settings.stage);
  facts.authority = FactsOfStore(core.authority());
  facts.follower = FactsOfStore(core.follower());
  const std::lock_guard lock(core.mutex);
  const auto& claim = core.replicator.scripts().claim;
  facts.exact = claim.holds();
  facts.doubts = claim.doubts;
  facts.doubt_script = claim.script;
  facts.doubt_reason = claim.reason;
  return facts;
}

}  // namespace crossfade::proxy
