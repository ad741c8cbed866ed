// Ring: a growing FIFO over a power-of-two array. Elements keep their place
// until they are popped, so an index (a running number) finds one in between;
// popped places are reused with what memory their elements hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace crossfade::replication {

template <class T>
class Ring {
 public:
  explicit Ring(size_t capacity = 16) : items_(capacity), mask_(capacity - 1) {}

  bool empty() const { return head_ == tail_; }
  size_t size() const { return static_cast<size_t>(tail_ - head_); }
  // Running numbers: of the oldest element, and of the next to be pushed.
  uint64_t head() const { return head_; }
  uint64_t tail() const { return tail_; }
  T& At(uint64_t number) { return items_[number & mask_]; }
  const T& At(uint64_t number) const { return items_[number & mask_]; }
  T& front() { return At(head_); }
  T& back() { return At(tail_ - 1); }
  void pop() { ++head_; }

  // The next place, with whatever a former element left in it.
  T& Push() {
    if (size() > mask_) Grow();
    return At(tail_++);
  }
  void clear() { head_ = tail_; }
  // Gives a large array back; only when empty.
  void Shrink(size_t capacity) {
    if (!empty() || items_.size() <= capacity) return;
    items_ = std::vector<T>(capacity);
    mask_ = capacity - 1;
  }

 private:
  void Grow() {
    std::vector<T> larger(items_.size() * 2);
    for (uint64_t i = head_; i != tail_; ++i) larger[i & (larger.size() - 1)] = std::move(At(i));
    items_.swap(larger);
    mask_ = items_.size() - 1;
  }

  std::vector<T> items_;
  uint64_t mask_;  // kept, since it is wanted at every step
  uint64_t head_ = 0, tail_ = 0;
};

}  // namespace crossfade::replication
