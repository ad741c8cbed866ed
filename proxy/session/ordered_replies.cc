#include "proxy/session/ordered_replies.h"

namespace crossfade::proxy {

void OrderedReplies::Count(Item& item, int change) {
  const size_t source = Index(item.source);
  unanswered_[source] += static_cast<uint32_t>(change);
  for (const uint64_t hash : item.keys) {
    busy_[source][Place(hash)] += static_cast<uint32_t>(change);
  }
}

uint64_t OrderedReplies::Push(Source source, std::span<const uint64_t> key_hashes) {
  Item& item = items_.Push();
  item.source = source;
  item.done = false;
  item.must_retry = false;
  item.keys.assign(key_hashes.begin(), key_hashes.end());
  item.held.clear();
  Count(item, 1);
  return items_.tail() - 1;
}

bool OrderedReplies::Busy(Source source, uint64_t key_hash) const {
  return busy_[Index(source)][Place(key_hash)] > 0;
}

void OrderedReplies::Retry(uint64_t number) {
  Item& item = items_.At(number);
  Count(item, -1);
  item.source = Source::kAuthority;
  Count(item, 1);
  for (uint64_t later = number + 1; later != items_.tail(); ++later) {
    Item& other = items_.At(later);
    if (other.source != Source::kFollower || other.done) continue;
    for (const uint64_t hash : item.keys) {
      for (const uint64_t same : other.keys) {
        if (Place(hash) == Place(same)) other.must_retry = true;
      }
    }
  }
}

void OrderedReplies::Clear() {
  items_.clear();
  busy_ = {};
  unanswered_ = {};
}

}  // namespace crossfade::proxy
