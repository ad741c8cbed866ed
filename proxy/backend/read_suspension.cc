#include "proxy/backend/read_suspension.h"

namespace crossfade::proxy {

std::string ReadSuspension::Text() const {
  const uint32_t reasons = this->reasons();
  if ((reasons & kAuthorityEvicted) != 0) {
    return "the authority has evicted keys that the follower still has; `crossfade resume` copies "
           "again, then reads go on";
  }
  if ((reasons & kFollowerEvicted) != 0) {
    return "the follower has evicted keys; it is copied again once its maxmemory-policy is "
           "noeviction";
  }
  if ((reasons & kFollowerDiffers) != 0) {
    return "verification found more keys different than it can keep; `crossfade verify --repair` "
           "copies them, then reads go on";
  }
  if ((reasons & kFollowerUnwell) != 0) {
    return "the follower is loading, read-only, out of memory, or set up to evict keys";
  }
  return "";
}

}  // namespace crossfade::proxy
