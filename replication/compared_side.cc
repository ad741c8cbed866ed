#include "replication/compared_side.h"

#include <algorithm>

#include "config/limits.h"
#include "replication/effects/derivation.h"
#include "replication/reply_digest.h"

namespace crossfade::replication {
namespace {

constexpr size_t kDumpTrailerBytes = 10;
// Of a dump's types, the newest that Redis 7.2 writes.
constexpr uint8_t kNewestTypeKnown = 21;

}  // namespace

std::string_view ValueOfDump(std::string_view payload) {
  return payload.substr(0, payload.size() - std::min(payload.size(), kDumpTrailerBytes));
}

bool CommandsTellAll(std::string_view payload) {
  return !payload.empty() && static_cast<uint8_t>(payload.front()) <= kNewestTypeKnown &&
         payload.size() <= limits::kVerifyDumpBytes;
}

void ComparedSide::TakeDump(std::string_view frame) {
  std::string_view payload;
  others = frame.starts_with('-');  // no right to DUMP may be one to all else
  if (effects::IsNilFrame(frame) || !effects::ReadBulkFrame(frame, payload)) return;
  told = true;
  others = CommandsTellAll(payload);
  digest = LongReplyDigest(ValueOfDump(payload));
}

void ComparedSide::TakeValue(std::string_view frame) {
  const auto found = StateDigest(type, type == KeyType::kNone ? std::string_view() : frame);
  told = found.has_value() && type != KeyType::kNone;
  digest = DigestOfType(type, found.value_or(0));
}

void ComparedSide::TakeDeadline(std::string_view frame) {
  if (!effects::ReadIntegerFrame(frame, deadline_ms)) deadline_ms = -2;
}

}  // namespace crossfade::replication
