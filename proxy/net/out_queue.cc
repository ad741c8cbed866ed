#include "proxy/net/out_queue.h"

#include <algorithm>
#include <cstring>

#include "config/limits.h"

namespace crossfade::proxy {

using replication::Block;
using replication::BlockRef;

char* OutQueue::Reserve(size_t least, size_t& room) {
  if (tail_ && tail_->capacity() - used_ < least && tail_->Unshared()) used_ = 0;
  if (!tail_ || tail_->capacity() - used_ < least) {
    tail_ = spare_ && spare_->capacity() >= least
                ? std::move(spare_)
                : BlockRef(Block::Make(std::max(least, limits::kBlockBytes)));
    used_ = 0;
  }
  room = tail_->capacity() - used_;
  return tail_->data() + used_;
}

void OutQueue::Extend(Block* block, const char* data, size_t size) {
  if (!segments_.empty()) {
    Segment& last = segments_.back();
    if (last.end == data && last.block.get() == block) {
      last.end += size;
      unsent_ += size;
      held_ += size;
      return;
    }
  }
  Segment& segment = segments_.Push();
  segment.block = BlockRef::Share(block);
  segment.begin = data;
  segment.end = data + size;
  unsent_ += size;
  held_ += size;
}

void OutQueue::Commit(size_t size) {
  Extend(tail_.get(), tail_->data() + used_, size);
  used_ += size;
}

const char* OutQueue::Append(std::string_view bytes) {
  if (tail_ && bytes.data() >= position() && bytes.data() < tail_->data() + tail_->capacity()) {
    // It lies further up in the reserved room: it moves down, or stays.
    char* to = tail_->data() + used_;
    if (bytes.data() != to) std::memmove(to, bytes.data(), bytes.size());
    Commit(bytes.size());
    return to;
  }
  size_t room = 0;
  char* to = Reserve(bytes.size(), room);
  std::memcpy(to, bytes.data(), bytes.size());
  Commit(bytes.size());
  return to;
}

void OutQueue::AppendShared(Block* block, const char* data, size_t size) {
  Extend(block, data, size);
}

int OutQueue::Gather(iovec* vectors, int most) const {
  int count = 0;
  for (uint64_t i = std::max(sending_, segments_.head()); i != segments_.tail() && count < most;
       ++i) {
    const Segment& segment = segments_.At(i);
    const char* begin = i == sending_ && sent_ != nullptr ? sent_ : segment.begin;
    if (begin == segment.end) continue;
    vectors[count].iov_base = const_cast<char*>(begin);
    vectors[count].iov_len = static_cast<size_t>(segment.end - begin);
    ++count;
  }
  return count;
}

void OutQueue::Sent(size_t size) {
  unsent_ -= size;
  const size_t answered = std::min(size, owed_);
  while (size > 0) {
    const Segment& segment = segments_.At(sending_);
    const char* begin = sent_ != nullptr ? sent_ : segment.begin;
    const size_t here = std::min(size, static_cast<size_t>(segment.end - begin));
    sent_ = begin + here;
    size -= here;
    if (size > 0) {
      ++sending_;
      sent_ = nullptr;
    }
  }
  if (answered > 0) {
    owed_ -= answered;
    Answered(answered);
  }
}

void OutQueue::Answered(size_t size) {
  const size_t sent = held_ - unsent_;
  if (size > sent) {
    owed_ += size - sent;
    size = sent;
  }
  held_ -= size;
  while (size > 0) {
    Segment& segment = segments_.front();
    const size_t here = std::min(size, static_cast<size_t>(segment.end - segment.begin));
    segment.begin += here;
    size -= here;
    if (segment.begin == segment.end) {
      const bool reusable =
          !spare_ && segment.block->capacity() == limits::kBlockBytes && segment.block->Unshared();
      if (reusable) spare_ = std::move(segment.block);
      segment.block.Reset();
      segments_.pop();
    }
  }
  if (sending_ < segments_.head()) {
    sending_ = segments_.head();
    sent_ = nullptr;
  }
  if (segments_.empty() && tail_ && tail_->Unshared()) {
    if (tail_->capacity() > limits::kBlockBytes) {
      tail_.Reset();
    }
    used_ = 0;
  }
}

void OutQueue::CopyUnanswered(size_t offset, size_t size, std::string& to) const {
  offset += owed_;
  for (uint64_t i = segments_.head(); i != segments_.tail() && size > 0; ++i) {
    const Segment& segment = segments_.At(i);
    const size_t length = static_cast<size_t>(segment.end - segment.begin);
    const size_t from = std::min(offset, length);
    const size_t here = std::min(size, length - from);
    to.append(segment.begin + from, here);
    offset -= from;
    size -= here;
  }
}

void OutQueue::Clear() {
  while (!segments_.empty()) {
    segments_.front().block.Reset();
    segments_.pop();
  }
  sending_ = segments_.head();
  sent_ = nullptr;
  unsent_ = 0;
  held_ = 0;
  owed_ = 0;
  tail_.Reset();
  used_ = 0;
}

}  // namespace crossfade::proxy
