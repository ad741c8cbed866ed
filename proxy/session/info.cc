// Session: INFO. It is the authority's, with the figures of clients replaced by
// the proxy's own and a section about the proxy added.
#include <algorithm>
#include <array>

#include "proxy/admin/version.h"
#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/commands/token.h"
#include "routing/resp/encode.h"
#include "routing/resp/reply.h"

namespace crossfade::proxy {

using routing::Args;
using routing::IsToken;

namespace {

bool IsOwn(std::string_view section) { return IsToken(section, "crossfade"); }

bool ShowsOwn(Args sections) {
  constexpr std::array<std::string_view, 3> kCollections = {"default", "all", "everything"};
  return sections.empty() || std::any_of(sections.begin(), sections.end(), [&](auto section) {
           return IsOwn(section) ||
                  std::any_of(kCollections.begin(), kCollections.end(),
                              [&](auto collection) { return IsToken(section, collection); });
         });
}

uint64_t Sum(const Core& core, std::atomic<uint64_t> Worker::*count) {
  uint64_t sum = 0;
  for (const auto& worker : core.workers) {
    sum += ((*worker).*count).load(std::memory_order_relaxed);
  }
  return sum;
}

// In a blocking command, or held by CLIENT PAUSE.
uint64_t BlockedClients(const Core& core) {
  return Sum(core, &Worker::postponed_count) + core.waiting.blocked();
}

void Replace(std::string& text, std::string_view field, uint64_t value) {
  const size_t at = text.find("\r\n" + std::string(field) + ":");
  if (at == std::string::npos) return;
  const size_t begin = at + 2 + field.size() + 1;
  text.replace(begin, text.find("\r\n", begin) - begin, std::to_string(value));
}

}  // namespace

// Takes the replication lock.
std::string Session::InfoSection() const {
  Core& core = worker_.core();
  const config::Plan& plan = *worker_.plan().plan;
  std::string text = "# Crossfade\r\n";
  const auto add = [&text](std::string_view field, std::string_view value) {
    text.append("crossfade_").append(field).append(":").append(value).append("\r\n");
  };
  const auto count = [&add](std::string_view field, uint64_t value) {
    add(field, std::to_string(value));
  };
  add("version", kVersion);
  count("uptime_in_seconds",
        static_cast<uint64_t>(Worker::ClockUs() - core.started_us) / 1'000'000);
  count("workers", core.workers.size());
  add("stage", config::Name(plan.settings.stage));
  count("plan_epoch", plan.epoch);
  add("plan_digest", plan.digest);
  add("authority", core.authority().role());
  add("authority_address", core.authority().endpoint().Display());
  add("follower", core.follower().role());
  add("follower_address", core.follower().endpoint().Display());
  add("follower_connected", core.follower().ready.load() > 0 ? "1" : "0");
  count("clients", Sum(core, &Worker::session_count));
  count("blocked_clients", BlockedClients(core));
  const std::lock_guard lock(core.mutex);
  const replication::Replicator& replicator = core.replicator;
  add("mirror_state", replication::Name(replicator.state()));
  count("lag_ms", static_cast<uint64_t>(replicator.intents().LagUs(Worker::ClockUs())) / 1'000);
  count("log_entries", replicator.log().size());
  count("log_head", replicator.log().head_seq());
  count("watermark", replicator.applied_seq());
  count("dirty_keys", replicator.dirty().size());
  return text;
}

Session::Step Session::Info(const routing::CommandSpec& spec, Args args, std::string_view request) {
  const Args sections = args.subspan(1);
  const std::string own = ShowsOwn(sections) ? InfoSection() : "";
  if (!sections.empty() && std::all_of(sections.begin(), sections.end(), IsOwn)) {
    if (in_flight_ > 0) {
      PauseFor(kDrain);
      return Step::kPaused;
    }
    Reply(VerbatimReply(own));
    return Step::kDone;
  }
  return SendRewritten(spec, args, request,
                       [this, own](std::string_view frame) { return RewriteInfo(frame, own); });
}

ReplyRewrite Session::InfoElement(Args args) const {
  const std::string own = ShowsOwn(args.subspan(1)) ? InfoSection() : "";
  return [this, own](std::string_view frame) { return RewriteInfo(frame, own); };
}

// May be called with the replication lock held.
std::string Session::RewriteInfo(std::string_view frame, const std::string& own) const {
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  const bool verbatim = head.type == routing::ReplyType::kVerbatim;
  if (head.nil || (!verbatim && head.type != routing::ReplyType::kBulk)) return std::string(frame);
  std::string text(verbatim && head.text.size() >= 4 ? head.text.substr(4) : head.text);
  const Core& core = worker_.core();
  Replace(text, "connected_clients", Sum(core, &Worker::session_count));
  Replace(text, "blocked_clients", BlockedClients(core));
  Replace(text, "maxclients", worker_.limits().clients);
  LeaveOutReserved(text);
  if (!own.empty() && !text.empty()) text += "\r\n";
  return VerbatimReply(text + own);
}

}  // namespace crossfade::proxy
