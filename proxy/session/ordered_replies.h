// OrderedReplies: puts the replies of a session back into the order of its
// commands when they come from more than one connection, or must wait for the
// follower. Only sessions that need it have one, and only while something is in
// flight; workers keep them for reuse, so that their memory is not allocated
// again and again.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/limits.h"
#include "replication/ring.h"

namespace crossfade::proxy {

enum class Source : uint8_t { kAuthority, kFollower };

class OrderedReplies {
 public:
  // A command goes to `source`; its number is used for all that follows.
  uint64_t Push(Source source, std::span<const uint64_t> key_hashes);
  bool empty() const { return items_.empty(); }

  // Whether a command on this key (or one that shares its place) is unanswered.
  bool Busy(Source source, uint64_t key_hash) const;
  uint32_t unanswered(Source source) const { return unanswered_[Index(source)]; }

  // The reply to a command: `deliver` is called for it, and for those behind it
  // that have come before, if it is this one's turn; else it is kept.
  template <class F>
  void Complete(uint64_t number, std::string_view frame, F deliver) {
    Item& item = items_.At(number);
    Uncount(item);
    if (number != items_.head()) {
      item.held.assign(frame);
      item.done = true;
      return;
    }
    deliver(frame);
    items_.pop();
    while (!items_.empty() && items_.front().done) {
      std::string& held = items_.front().held;
      deliver(std::string_view(held));
      if (held.capacity() > limits::kKeptReplyBytes) std::string().swap(held);
      items_.pop();
    }
  }

  // The reply is there but must not be delivered before Complete is called with
  // it: kept meanwhile.
  void Hold(uint64_t number, std::string_view frame) { items_.At(number).held.assign(frame); }
  std::string TakeHeld(uint64_t number) { return std::move(items_.At(number).held); }

  std::span<const uint64_t> keys(uint64_t number) const { return items_.At(number).keys; }

  // The follower's reply does not count: the command goes to the authority now,
  // and so must those behind it that are on the follower with a key of it.
  void Retry(uint64_t number);
  bool must_retry(uint64_t number) const { return items_.At(number).must_retry; }
  void Clear();

 private:
  struct Item {
    Source source = Source::kAuthority;
    bool done = false;
    bool must_retry = false;
    std::vector<uint64_t> keys;
    std::string held;
  };
  static constexpr size_t kPlaces = 256;
  static size_t Index(Source source) { return static_cast<size_t>(source); }
  static size_t Place(uint64_t hash) { return (hash >> 20) % kPlaces; }
  void Count(Item& item, int change);
  void Uncount(Item& item) { Count(item, -1); }

  replication::Ring<Item> items_{16};
  std::array<std::array<uint32_t, kPlaces>, 2> busy_{};
  std::array<uint32_t, 2> unanswered_{};
};

}  // namespace crossfade::proxy
