// Block: reference-counted bytes that several connections may send from: the
// authority's lane and the mirror log share a large request this way. The count
// is atomic, since a block may be released by another worker; the bytes are
// written by the worker that made it, before it is shared.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "config/check.h"

namespace crossfade::replication {

class Block {
 public:
  static Block* Make(size_t capacity) {
    void* memory = std::malloc(sizeof(Block) + capacity);
    CROSSFADE_CHECK(memory != nullptr);
    return new (memory) Block(capacity);
  }
  void Retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void Release() {
    if (references_.load(std::memory_order_acquire) == 1 ||
        references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      std::free(this);
    }
  }
  // Nobody else holds it.
  bool Unshared() const { return references_.load(std::memory_order_acquire) == 1; }
  char* data() { return reinterpret_cast<char*>(this + 1); }
  size_t capacity() const { return capacity_; }

 private:
  explicit Block(size_t capacity) : capacity_(capacity) {}
  std::atomic<uint32_t> references_{1};
  size_t capacity_;
};

// Owns one reference.
class BlockRef {
 public:
  BlockRef() = default;
  explicit BlockRef(Block* block) : block_(block) {}  // takes over a reference
  static BlockRef Share(Block* block) {
    if (block != nullptr) block->Retain();
    return BlockRef(block);
  }
  BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef&& other) noexcept {
    if (this != &other) {
      Reset();
      block_ = std::exchange(other.block_, nullptr);
    }
    return *this;
  }
  BlockRef(const BlockRef&) = delete;
  BlockRef& operator=(const BlockRef&) = delete;
  ~BlockRef() { Reset(); }

  void Reset() {
    if (block_ != nullptr) std::exchange(block_, nullptr)->Release();
  }
  Block* get() const { return block_; }
  Block* operator->() const { return block_; }
  explicit operator bool() const { return block_ != nullptr; }

 private:
  Block* block_ = nullptr;
};

}  // namespace crossfade::replication
