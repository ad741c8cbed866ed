// Session: CLIENT TRACKING, which needs a connection to the authority of its own.
#include <string>
#include <vector>

#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/commands/token.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"

namespace crossfade::proxy {

using routing::Args;
using routing::IsToken;

// The store knows best, but for the id of the client that gets the invalidations.
Session::Step Session::TrackingInfo(const routing::CommandSpec& spec, Args args) {
  if (pinned_ && pinned_->tracking.on) {
    std::string request;
    routing::AppendCommand(request, args);
    Protect(worker_.batch.p);
    return SendRewritten(spec, args, request, [id = pinned_->tracking.redirect](auto frame) {
      constexpr std::string_view kField = "redirect\r\n:";
      std::string text(frame);
      const size_t at = text.find(kField);
      if (id <= 0 || at == text.npos) return text;
      const size_t begin = at + kField.size();
      return text.replace(begin, text.find('\r', begin) - begin, std::to_string(id));
    });
  }
  std::string text = resp3() ? "%3\r\n" : "*6\r\n";
  routing::AppendBulk(text, "flags");
  routing::AppendHead(text, resp3() ? '~' : '*', 1);
  routing::AppendBulk(text, "off");
  routing::AppendBulk(text, "redirect");
  routing::AppendInteger(text, -1);
  routing::AppendBulk(text, "prefixes");
  routing::AppendHead(text, '*', 0);
  Reply(text);
  return Step::kDone;
}

namespace {

// Only what must be known here; the store judges the rest. `id_at` gets the
// argument that names a client.
Pinned::Tracking ReadTracking(Args args, size_t& id_at) {
  Pinned::Tracking tracking;
  tracking.on = IsToken(args[2], "ON");
  for (size_t i = 3; i < args.size(); ++i) {
    if (IsToken(args[i], "REDIRECT") && i + 1 < args.size()) {
      id_at = ++i;
      routing::ParseRedisInteger(args[i], tracking.redirect);
    } else if (IsToken(args[i], "PREFIX")) {
      ++i;
    } else {
      tracking.bcast |= IsToken(args[i], "BCAST");
    }
  }
  return tracking;
}

}  // namespace

Session::Step Session::Tracking(Args args, std::string_view request) {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  size_t id_at = 0;
  const Pinned::Tracking wanted = ReadTracking(args, id_at);
  if (!wanted.on && !pinned_) {
    // Nothing to turn off; what is wrong with it the store would say so too.
    if (IsToken(args[2], "OFF")) {
      Reply("+OK\r\n");
    } else {
      ReplyError(ClientError::kRefused, "ERR syntax error");
    }
    return Step::kDone;
  }
  int64_t store_id = 0;
  if (wanted.redirect > 0) {
    store_id = worker_.core().StoreClientOf(static_cast<uint64_t>(wanted.redirect));
    if (store_id == 0) {
      ReplyError(ClientError::kRefused, "ERR The client ID you want redirect to does not exist");
      return Step::kDone;
    }
  }
  if (const Step step = OwnLane(Pinned::kTracking); step != Step::kDone) return Unpaused(step);
  pinned_->wanted_tracking = wanted;
  if (store_id == 0) {
    SendAwaited(Pinned::Awaited::kTracking, request);
    return Step::kTaken;
  }
  std::vector<std::string_view> changed(args.begin(), args.end());
  const std::string id = std::to_string(store_id);
  changed[id_at] = id;
  std::string text;
  routing::AppendCommand(text, Args(changed));
  SendOwn(Pinned::Awaited::kTracking, text);
  return Step::kTaken;
}

Session::Step Session::Caching(const routing::CommandSpec& spec, Args args,
                               std::string_view request) {
  if (pinned_ && (pinned_->reasons & Pinned::kTracking) != 0) {
    return SendPlain(spec, args, request, RequestClass::kOther);
  }
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  ReplyError(ClientError::kRefused,
             "ERR CLIENT CACHING can be called only when the client is in tracking mode with "
             "OPTIN or OPTOUT mode enabled");
  return Step::kDone;
}

}  // namespace crossfade::proxy
