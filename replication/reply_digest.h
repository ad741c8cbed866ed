// The digest of a reply that the mirror log keeps to check the follower's by
// (design R5): short replies as they are, longer ones hashed. Never 0.
#pragma once

#include <cstdint>
#include <string_view>

namespace crossfade::replication {

uint64_t LongReplyDigest(std::string_view frame);

inline uint64_t ReplyDigest(std::string_view frame) {
  if (frame.size() > 7) return LongReplyDigest(frame);
  uint64_t packed = 0;
  for (const char c : frame) packed = packed << 8 | static_cast<unsigned char>(c);
  return packed << 8 | frame.size() << 1 | 1;
}

}  // namespace crossfade::replication
