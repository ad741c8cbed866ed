#include "replication/reply_digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace crossfade::replication {

uint64_t LongReplyDigest(std::string_view frame) {
  return (XXH3_64bits(frame.data(), frame.size()) & ~uint64_t{1}) | uint64_t{2};
}

}  // namespace crossfade::replication
