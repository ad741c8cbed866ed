// MirrorLog: the ordered sequence of effects for the follower (design R4). An
// entry has a running sequence number that is never used again; its bytes are
// copied into the log's own chunks, or shared with the lane's block when large.
// Entries leave in order, when they are applied or given up. Guarded by the
// replication lock.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "replication/block.h"
#include "replication/ring.h"
#include "replication/write_keys.h"

namespace crossfade::replication {

enum class EntryKind : uint8_t {
  kDropped,  // nothing to be done any more
  kEffect,
  kSync,   // a key's whole state, or the last chunk of it
  kChunk,  // a chunk of a key's state, with more to come
  kFlush,  // FLUSHALL or FLUSHDB: always applied, survives losses
  kSwap,   // touches all keys, and can't be repeated: a loss means copying again
  // A script that may write keys it does not name: applied even where those it names
  // are dirty; a loss means copying again.
  kUndeclared,
  kLibrary,  // FUNCTION LOAD and the like: always applied, survives losses
  kShadow,   // a client's read, to be compared at this very position
  kVerify,   // a key's whole state, to be compared at this very position
  kCompare,  // the same of a dirty one, which is clean if they are equal
};

struct LogEntry {
  EntryKind kind = EntryKind::kDropped;
  bool sent = false;
  bool dump_alone = false;  // kCompare: other commands don't tell all of the value
  bool by_value = false;    // kEffect: right for a key that is half copied too
  uint32_t db = 0;
  uint64_t intent = 0;    // 0: none
  uint64_t expected = 0;  // digest of the reply that the last command must get; 0: any but an error
  uint32_t guards = 0;    // PTTL commands at the beginning
  uint32_t corrections = 0;    // commands at the end, behind the one whose reply is checked
  uint32_t replies = 0;        // how many replies it gets, guards included
  const char* head = nullptr;  // guards, and the effect unless it is shared
  uint32_t head_size = 0;
  uint32_t shared_size = 0;
  Block* head_block = nullptr;  // the chunk that head lies in
  const char* shared = nullptr;
  BlockRef shared_block;
  WriteKeys keys;
  // kShadow: what the authority's side was.
  int64_t authority_deadline_ms = -1;
  uint32_t route = 0;  // kVerify: the place of the key in Verification; kCompare: bytes

  uint32_t guard_size = 0;  // bytes of the guards

  // The effect alone, without the guards before it.
  std::string_view Effect() const {
    return shared != nullptr ? std::string_view(shared, shared_size)
                             : std::string_view(head + guard_size, head_size - guard_size);
  }
  size_t size() const { return size_t{head_size} + shared_size; }
  bool CopiesKey() const { return kind == EntryKind::kSync || kind == EntryKind::kChunk; }
  bool SurvivesLosses() const { return kind == EntryKind::kFlush || kind == EntryKind::kLibrary; }
};

class MirrorLog {
 public:
  // Appends an entry and returns it, to be filled in; its number is head_seq().
  // `head` is copied; `shared` is kept by reference to `block`, when not empty.
  LogEntry& Append(EntryKind kind, std::string_view guards, std::string_view head,
                   std::string_view shared, Block* block);

  uint64_t head_seq() const { return entries_.tail(); }     // newest number given; 0 none
  uint64_t applied_seq() const { return entries_.head(); }  // all up to it are done
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_ + entries_.size() * sizeof(LogEntry); }

  // By number: applied_seq() < seq <= head_seq().
  LogEntry& At(uint64_t seq) { return entries_.At(seq - 1); }
  // Gives the oldest entry back.
  void Pop();
  // Gives back the memory of a long queue; only when empty.
  void Shrink();

 private:
  struct Chunk {
    BlockRef block;
    size_t used = 0;
    uint64_t last_seq = 0;  // the newest entry with bytes in it
  };
  Chunk& RoomFor(size_t size);

  Ring<LogEntry> entries_{1024};  // entry n is at place n - 1
  std::deque<Chunk> chunks_;
  BlockRef spare_;
  size_t bytes_ = 0;
};

}  // namespace crossfade::replication
