#include "replication/mirror_log.h"

#include <algorithm>
#include <cstring>

#include "config/limits.h"

namespace crossfade::replication {

MirrorLog::Chunk& MirrorLog::RoomFor(size_t size) {
  if (!chunks_.empty()) {
    Chunk& last = chunks_.back();
    if (last.block->capacity() - last.used >= size) return last;
  }
  Chunk chunk;
  if (spare_ && spare_->capacity() >= size) {
    chunk.block = std::move(spare_);
  } else {
    chunk.block = BlockRef(Block::Make(std::max(size, limits::kBlockBytes)));
  }
  chunks_.push_back(std::move(chunk));
  return chunks_.back();
}

LogEntry& MirrorLog::Append(EntryKind kind, std::string_view guards, std::string_view head,
                            std::string_view shared, Block* block) {
  const size_t head_size = guards.size() + head.size();
  Chunk& chunk = RoomFor(head_size);
  char* at = chunk.block->data() + chunk.used;
  if (!guards.empty()) std::memcpy(at, guards.data(), guards.size());
  if (!head.empty()) std::memcpy(at + guards.size(), head.data(), head.size());
  chunk.used += head_size;

  LogEntry& entry = entries_.Push();
  chunk.last_seq = head_seq();
  entry.kind = kind;
  entry.sent = false;
  entry.by_value = false;
  entry.db = 0;
  entry.intent = 0;
  entry.expected = 0;
  entry.guards = 0;
  entry.corrections = 0;
  entry.replies = 1;
  entry.head = at;
  entry.head_block = chunk.block.get();
  entry.head_size = static_cast<uint32_t>(head_size);
  entry.guard_size = static_cast<uint32_t>(guards.size());
  entry.shared = nullptr;
  entry.shared_size = 0;
  entry.authority_deadline_ms = -1;
  entry.route = 0;
  if (!shared.empty()) {
    entry.shared = shared.data();
    entry.shared_size = static_cast<uint32_t>(shared.size());
    entry.shared_block = BlockRef::Share(block);
  }
  bytes_ += entry.size();
  return entry;
}

void MirrorLog::Pop() {
  LogEntry& entry = entries_.front();
  bytes_ -= entry.size();
  entry.shared_block.Reset();
  const uint64_t seq = applied_seq() + 1;
  entries_.pop();
  while (!chunks_.empty() && chunks_.front().last_seq <= seq) {
    Chunk& done = chunks_.front();
    // The connection may still hold on to bytes that it has to send.
    const bool reusable = done.block->Unshared() && done.block->capacity() == limits::kBlockBytes;
    if (reusable && chunks_.size() == 1) {
      done.used = 0;
      done.last_seq = 0;
      return;
    }
    if (reusable && !spare_) spare_ = std::move(done.block);
    chunks_.pop_front();
  }
}

void MirrorLog::Shrink() {
  entries_.Shrink(1024);
  chunks_.clear();
}

}  // namespace crossfade::replication
