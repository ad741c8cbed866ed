#include "proxy/worker/stats.h"

namespace crossfade::proxy {

const char* Name(ReadReason reason) {
  switch (reason) {
    case ReadReason::kEligible:
      return "eligible";
    case ReadReason::kPercentage:
      return "percentage";
    case ReadReason::kCommand:
      return "command";
    case ReadReason::kPinned:
      return "pinned";
    case ReadReason::kNotLive:
      return "not_live";
    case ReadReason::kNotCopied:
      return "not_copied";
    case ReadReason::kDirty:
      return "dirty";
    case ReadReason::kLag:
      return "lag";
    case ReadReason::kPending:
      return "pending";
    case ReadReason::kUnanswered:
      return "unanswered";
    case ReadReason::kSeenNewer:
      return "seen_newer";
    case ReadReason::kDiffers:
      return "differs";
    case ReadReason::kOwnOrder:
      return "own_order";
    case ReadReason::kBreaker:
      return "breaker";
    case ReadReason::kNotConnected:
      return "not_connected";
    case ReadReason::kSuspended:
      return "suspended";
    case ReadReason::kSlower:
      return "slower";
    case ReadReason::kCount:
      break;
  }
  return "?";
}

const char* Name(ClientError error) {
  switch (error) {
    case ClientError::kProtocol:
      return "protocol";
    case ClientError::kUnknownCommand:
      return "unknown_command";
    case ClientError::kArity:
      return "arity";
    case ClientError::kRefused:
      return "refused_command";
    case ClientError::kNotServed:
      return "not_served";
    case ClientError::kStoreUnavailable:
      return "store_unavailable";
    case ClientError::kStoreLost:
      return "store_lost";
    case ClientError::kOutputLimit:
      return "output_limit";
    case ClientError::kMemoryLimit:
      return "memory_limit";
    case ClientError::kTls:
      return "tls";
    case ClientError::kNoAuth:
      return "not_authenticated";
    case ClientError::kNoPermission:
      return "no_permission";
    case ClientError::kCount:
      break;
  }
  return "?";
}

}  // namespace crossfade::proxy
