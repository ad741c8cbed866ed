// Session: the proxy's own keys, which are not for clients: commands that name them
// are refused, replies that list keys or count them leave them out, and a flush is
// sent together with what puts them back.
#include <algorithm>
#include <charconv>

#include "proxy/session/session.h"
#include "proxy/worker/worker.h"
#include "routing/commands/reserved_keys.h"
#include "routing/resp/encode.h"
#include "routing/resp/number.h"
#include "routing/resp/reply.h"

namespace crossfade::proxy {

using routing::Args;
using routing::CommandId;
using routing::CommandSpec;

namespace {

constexpr int kRandomTries = 64;

bool IsReservedValue(std::string_view value) {
  const char* p = value.data();
  const char* const end = p + value.size();
  return p < end && routing::IsReserved(routing::ReadHead(p, end).text);
}

// The array without the reserved names.
std::string WithoutReserved(std::string_view array) {
  const char* p = array.data();
  const char* const end = p + array.size();
  const routing::ReplyHead head = routing::ReadHead(p, end);
  if (!head.IsAggregate() || head.nil) return std::string(array);
  std::string kept;
  int64_t count = 0;
  for (std::string_view rest(p, static_cast<size_t>(end - p)); !rest.empty();) {
    const std::string_view value = routing::FirstValue(rest);
    rest.remove_prefix(value.size());
    if (IsReservedValue(value)) continue;
    kept += value;
    ++count;
  }
  std::string text;
  routing::AppendHead(text, array.front(), count);
  return text + kept;
}

std::string WithoutReservedInPage(std::string_view page) {
  const char* p = page.data();
  const char* const end = p + page.size();
  const routing::ReplyHead head = routing::ReadHead(p, end);
  if (!head.IsAggregate() || head.elements != 2) return std::string(page);
  const std::string_view cursor = routing::FirstValue({p, static_cast<size_t>(end - p)});
  const std::string_view names(cursor.end(), static_cast<size_t>(end - cursor.end()));
  return std::string(page.begin(), cursor.end()) + WithoutReserved(names);
}

// Takes so much from what stands behind `field` in the line that begins at `at`.
uint64_t TakeFrom(std::string& text, size_t at, std::string_view field, uint64_t less) {
  const size_t begin = text.find(field, at) + field.size();
  const size_t end = text.find_first_of(",\r", begin);
  if (begin < field.size() || end == text.npos) return 1;
  uint64_t value = 0;
  std::from_chars(text.data() + begin, text.data() + end, value);
  value -= std::min(value, less);
  text.replace(begin, end - begin, std::to_string(value));
  return value;
}

}  // namespace

// Some argument looks like one: whether it is the name of a key.
bool Session::NamesReserved(const CommandSpec& spec, Args args) {
  if (!worker_.plan().plan->settings.ownership.enabled) return false;
  if (spec.single_key_at_1) return true;
  std::vector<routing::KeyPosition> positions;
  routing::ExtractKeys(spec, args, positions);
  return std::any_of(positions.begin(), positions.end(),
                     [&](const auto& key) { return routing::IsReserved(args[key.arg]); });
}

Session::Step Session::RefuseReserved() {
  if (in_flight_ > 0) {
    PauseFor(kDrain);
    return Step::kPaused;
  }
  LeaveGate();
  if (transaction_) transaction_->failed = true;
  ReplyError(ClientError::kRefused,
             "ERR crossfade: the keys 'crossfade:owner', 'crossfade:tenure' and 'crossfade:wait' "
             "are the proxy's own");
  return Step::kDone;
}

bool Session::ShowsKeys(const CommandSpec& spec) const {
  switch (spec.id) {
    case CommandId::kKeys:
    case CommandId::kScan:
    case CommandId::kDbsize:
    case CommandId::kRandomkey:
      return worker_.plan().plan->settings.ownership.enabled;
    default:
      return false;
  }
}

// Inside MULTI a random key can't be asked for again.
ReplyRewrite Session::ReservedFilter(const CommandSpec& spec, bool queued) {
  const CommandId id = spec.id;
  const int tries = queued ? 0 : kRandomTries;
  return [this, id, tries](std::string_view frame) -> std::string {
    switch (id) {
      case CommandId::kDbsize:
        return ClientKeys(frame);
      case CommandId::kRandomkey:
        return ClientKey(frame, tries);
      default:
        break;
    }
    if (frame.find(routing::kReservedPrefix) == frame.npos) return std::string(frame);
    return id == CommandId::kKeys ? WithoutReserved(frame) : WithoutReservedInPage(frame);
  };
}

std::string Session::ClientKeys(std::string_view frame) const {
  const char* p = frame.data();
  const routing::ReplyHead head = routing::ReadHead(p, p + frame.size());
  if (head.type != routing::ReplyType::kInteger || key_.db != 0) return std::string(frame);
  std::string text;
  const int64_t own = worker_.core().ownership.keys_held();
  routing::AppendInteger(text, std::max<int64_t>(0, head.number - own));
  return text;
}

// Empty while the store is asked for another one. May be called with the
// replication lock held.
std::string Session::ClientKey(std::string_view frame, int tries) {
  if (!IsReservedValue(frame)) return std::string(frame);
  if (tries == 0 || closed_ || !lane_->connection().ready()) return std::string(NilReply());
  std::string text;
  routing::AppendCommand(text, {"RANDOMKEY"});
  ++in_flight_;
  lane_->SentPlain({this}, RequestClass::kOther, text.size());
  lane_->out().Append(text);
  worker_.QueueLaneFlush(lane_);
  RewriteNextReply([this, tries](std::string_view next) { return ClientKey(next, tries - 1); });
  return {};
}

// INFO's line of db 0, which is left out when nothing else lies there.
void Session::LeaveOutReserved(std::string& info) const {
  constexpr std::string_view kLine = "\r\ndb0:keys=";
  const uint32_t own = worker_.core().ownership.keys_held();
  const size_t at = info.find(kLine);
  if (own == 0 || at == info.npos) return;
  const uint64_t left = TakeFrom(info, at, "keys=", own);
  TakeFrom(info, at, "expires=", own - 1);
  if (left == 0) info.erase(at, info.find("\r\n", at + 2) - at);
}

// ---- Flushes

// Whether the command removes what lies in db 0, and can be sent in a transaction:
// that would end a WATCH.
bool Session::RemovesReserved(const CommandSpec& spec, Args args) const {
  if (key_.user != 0 || pinned_ || !lane_->connection().may_multi()) return false;
  int64_t first = 0, second = 0;
  switch (spec.id) {
    case CommandId::kFlushall:
      return true;
    case CommandId::kFlushdb:
      return key_.db == 0;
    case CommandId::kSwapdb:
      return routing::ParseRedisInteger(args[1], first) &&
             routing::ParseRedisInteger(args[2], second) && (first == 0) != (second == 0);
    default:
      return false;
  }
}

// Between the commands that take the records away and those that write them again,
// all in one transaction. The client's reply is the fourth of EXEC's. False: they
// are not ours to keep. The arguments are gone afterwards.
bool Session::ForwardGuarded(ReplyTo to, replication::WriteRecord& write,
                             std::string_view request) {
  const auto records = worker_.core().ownership.records();
  if (!records) return false;
  const std::string db = std::to_string(key_.db);
  std::string text;
  routing::AppendCommand(text, {"MULTI"});
  routing::AppendCommand(text, {"SELECT", "0"});
  routing::AppendCommand(text, {"DEL", routing::kOwnerKey, routing::kTenureKey});
  routing::AppendCommand(text, {"SELECT", db});
  const size_t before = text.size();
  text += request;
  routing::AppendCommand(text, {"SELECT", "0"});
  routing::AppendCommand(
      text, {"SET", routing::kOwnerKey, records->owner, "PX", std::to_string(records->lease_ms)});
  routing::AppendCommand(text, {"SET", routing::kTenureKey, records->tenure});
  routing::AppendCommand(text, {"SELECT", db});
  routing::AppendCommand(text, {"EXEC"});
  const size_t size = request.size();
  Protect(worker_.batch.p);
  lane_->SentGuarded(to, text.size());
  write.request = {lane_->out().Append(text) + before, size};
  write.block = lane_->out().block();
  return true;
}

}  // namespace crossfade::proxy
