// OutQueue: the bytes to be sent on a connection to a store, in blocks, until
// they are answered. Client bytes are received straight into it where they need
// no rewriting; large ones are shared with it. For one worker's thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "replication/block.h"
#include "replication/ring.h"

namespace crossfade::proxy {

class OutQueue {
 public:
  // Room for at least `least` bytes behind what is queued; `room` gets how many.
  // What is written there counts when Commit is called, and only if nothing was
  // appended in between.
  char* Reserve(size_t least, size_t& room);
  void Commit(size_t size);
  // Where the next committed byte goes.
  const char* position() const { return tail_ ? tail_->data() + used_ : nullptr; }
  // The block that the committed bytes lie in.
  replication::Block* block() const { return tail_.get(); }

  // Copies; returns where the bytes lie now. Bytes may lie in the reserved room.
  const char* Append(std::string_view bytes);
  // Keeps a reference to the block instead of copying.
  void AppendShared(replication::Block* block, const char* data, size_t size);

  size_t unsent() const { return unsent_; }
  size_t unanswered() const { return held_ - unsent_; }  // of what has been sent
  // How many buffers it filled in.
  int Gather(iovec* vectors, int most) const;
  void Sent(size_t size);
  // The oldest `size` bytes are answered: their blocks are free. What a store
  // answers before it is sent (it refused the beginning) is sent all the same.
  void Answered(size_t size);
  // Copies `size` bytes of those not answered, from `offset` on, behind `to`.
  void CopyUnanswered(size_t offset, size_t size, std::string& to) const;
  // Nothing that has been sent will be wanted again.
  void ReleaseSent() { Answered(unanswered()); }
  void Clear();

 private:
  struct Segment {
    replication::BlockRef block;
    const char* begin = nullptr;
    const char* end = nullptr;
  };
  void Extend(replication::Block* block, const char* data, size_t size);

  replication::Ring<Segment> segments_{8};
  uint64_t sending_ = 0;        // number of the segment with the first unsent byte
  const char* sent_ = nullptr;  // within it; nullptr: its beginning
  size_t unsent_ = 0;
  size_t held_ = 0;  // not answered
  size_t owed_ = 0;  // of the unsent, answered
  replication::BlockRef tail_;
  replication::BlockRef spare_;  // a block that came free, for the next tail
  size_t used_ = 0;              // of the tail block
};

}  // namespace crossfade::proxy
