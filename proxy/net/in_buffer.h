// InBuffer: what a store has sent and is not yet parsed, in one piece. Views
// into it hold until the next Room. For one worker's thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "config/limits.h"

namespace crossfade::proxy {

class InBuffer {
 public:
  const char* begin() const { return bytes_.get() + begin_; }
  const char* end() const { return bytes_.get() + end_; }
  size_t size() const { return end_ - begin_; }

  // At least `least` free bytes behind what is there; may move what is there.
  char* Room(size_t least, size_t& room) {
    if (begin_ == end_) {
      begin_ = end_ = 0;
      if (capacity_ > 4 * limits::kStoreReadBytes) capacity_ = 0;  // after a huge reply
    }
    if (capacity_ - end_ < least) Rearrange(least);
    room = capacity_ - end_;
    return bytes_.get() + end_;
  }
  void Commit(size_t size) { end_ += size; }
  void Consume(size_t size) { begin_ += size; }
  void Clear() { begin_ = end_ = 0; }

 private:
  void Rearrange(size_t least) {
    const size_t held = size();
    if (capacity_ - held >= least && held <= capacity_ / 2) {
      std::memmove(bytes_.get(), begin(), held);
    } else {
      const size_t wanted = std::max({held + least, 2 * held, limits::kStoreReadBytes});
      auto larger = std::make_unique_for_overwrite<char[]>(wanted);
      if (held > 0) std::memcpy(larger.get(), begin(), held);
      bytes_ = std::move(larger);
      capacity_ = wanted;
    }
    begin_ = 0;
    end_ = held;
  }

  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace crossfade::proxy
