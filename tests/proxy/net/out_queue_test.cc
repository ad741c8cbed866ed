#include "proxy/net/out_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "config/limits.h"

namespace crossfade::proxy {
namespace {

using replication::Block;
using replication::BlockRef;

std::string Gathered(const OutQueue& queue, int most = 1'000) {
  std::vector<iovec> vectors(static_cast<size_t>(most));
  const int count = queue.Gather(vectors.data(), most);
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    EXPECT_GT(vectors[i].iov_len, 0u);
    bytes.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
  }
  return bytes;
}

TEST(OutQueueTest, BytesLeaveInOrderHoweverTheyCame) {
  OutQueue queue;
  const BlockRef block(Block::Make(100));
  std::memcpy(block->data(), "shared", 6);
  queue.Append("one ");
  queue.AppendShared(block.get(), block->data(), 6);
  size_t room = 0;
  std::memcpy(queue.Reserve(10, room), " two", 4);
  EXPECT_GE(room, 10u);
  queue.Commit(4);
  EXPECT_EQ(queue.unsent(), 14u);
  EXPECT_EQ(Gathered(queue), "one shared two");
  EXPECT_EQ(Gathered(queue, 2), "one shared");
  queue.Sent(6);
  EXPECT_EQ(Gathered(queue), "ared two");
  EXPECT_EQ(queue.unsent(), 8u);
}

TEST(OutQueueTest, NeighboursAreSentAsOnePiece) {
  OutQueue queue;
  for (int i = 0; i < 100; ++i) queue.Append("command");
  iovec vectors[10];
  EXPECT_EQ(queue.Gather(vectors, 10), 1);
  queue.Sent(700);
  EXPECT_EQ(queue.Gather(vectors, 10), 0);
  queue.Append("more");
  EXPECT_EQ(Gathered(queue), "more") << "behind what has been sent, in the same piece";
}

// As when the mirror log skips an entry.
TEST(OutQueueTest, PiecesOfABlockWithAGapBetweenThemAreNoNeighbours) {
  OutQueue queue;
  const BlockRef block(Block::Make(10));
  std::memcpy(block->data(), "0123456789", 10);
  queue.AppendShared(block.get(), block->data(), 3);
  queue.AppendShared(block.get(), block->data() + 3, 2);
  queue.AppendShared(block.get(), block->data() + 7, 3);
  queue.AppendShared(block.get(), block->data(), 1);
  EXPECT_EQ(Gathered(queue), "012347890");
}

TEST(OutQueueTest, WhatIsCommittedStaysWhereItWasWritten) {
  OutQueue queue;
  size_t room = 0;
  char* to = queue.Reserve(5, room);
  std::memcpy(to, "hello", 5);
  EXPECT_EQ(queue.position(), to);
  queue.Commit(5);
  EXPECT_EQ(queue.position(), to + 5);
  EXPECT_EQ(queue.block()->data(), to);
}

// As a session does: requests lie behind each other in the reserved room, some
// go to the authority and some elsewhere.
TEST(OutQueueTest, RequestsInTheReservedRoomMoveDownInPlace) {
  OutQueue queue;
  queue.Append("before ");
  size_t room = 0;
  char* to = queue.Reserve(100, room);
  std::memcpy(to, "aaabbbbccc", 10);
  EXPECT_EQ(queue.Append({to, 3}), to) << "it stays";
  EXPECT_EQ(queue.Append({to + 7, 3}), to + 3) << "b went elsewhere";
  EXPECT_EQ(Gathered(queue), "before aaaccc");
}

TEST(OutQueueTest, OverlappingBytesMoveDownUnharmed) {
  OutQueue queue;
  size_t room = 0;
  char* to = queue.Reserve(1'000, room);
  std::string text;
  for (int i = 0; i < 500; ++i) text += static_cast<char>('a' + i % 26);
  std::memcpy(to + 3, text.data(), text.size());
  queue.Append({to + 3, text.size()});
  EXPECT_EQ(Gathered(queue), text);
}

TEST(OutQueueTest, AnsweredBytesFreeTheirBlocks) {
  OutQueue queue;
  const BlockRef block(Block::Make(10));
  queue.AppendShared(block.get(), block->data(), 10);
  queue.AppendShared(block.get(), block->data(), 4);  // no neighbour: the same again
  queue.Append("tail");
  queue.Sent(18);
  queue.Answered(9);
  EXPECT_FALSE(block->Unshared());
  queue.Answered(5);
  EXPECT_TRUE(block->Unshared());
  EXPECT_EQ(queue.unsent(), 0u);
}

TEST(OutQueueTest, AnAnsweredBlockIsUsedAgain) {
  OutQueue queue;
  const char* first = queue.Append("one");
  queue.Sent(3);
  queue.Answered(3);
  EXPECT_EQ(queue.Append("two"), first);
}

TEST(OutQueueTest, ABlockThatAnotherStillReadsIsNot) {
  OutQueue queue;
  const char* first = queue.Append("one");
  const BlockRef log = BlockRef::Share(queue.block());  // as the mirror log does
  queue.Sent(3);
  queue.Answered(3);
  EXPECT_NE(queue.Append("two"), first);
  EXPECT_EQ(std::string_view(first, 3), "one");
}

TEST(OutQueueTest, MoreThanABlockFitsAndIsGivenBack) {
  OutQueue queue;
  const std::string large(limits::kBlockBytes * 3, 'x');
  queue.Append(large);
  queue.Append("y");
  EXPECT_EQ(Gathered(queue), large + "y");
  queue.Sent(large.size() + 1);
  queue.Answered(large.size() + 1);
  size_t room = 0;
  queue.Reserve(1, room);
  EXPECT_EQ(room, limits::kBlockBytes) << "the large block is not kept";
}

TEST(OutQueueTest, ReleaseSentKeepsWhatIsNotSent) {
  OutQueue queue;
  const BlockRef block(Block::Make(10));
  std::memcpy(block->data(), "0123456789", 10);
  queue.AppendShared(block.get(), block->data(), 10);
  queue.Sent(4);
  queue.ReleaseSent();
  EXPECT_FALSE(block->Unshared());
  EXPECT_EQ(Gathered(queue), "456789");
  queue.Sent(6);
  queue.ReleaseSent();
  EXPECT_TRUE(block->Unshared());
}

TEST(OutQueueTest, ClearLetsGoOfEverything) {
  OutQueue queue;
  const BlockRef block(Block::Make(10));
  queue.AppendShared(block.get(), block->data(), 10);
  queue.Append("more");
  queue.Sent(3);
  queue.Clear();
  EXPECT_TRUE(block->Unshared());
  EXPECT_EQ(queue.unsent(), 0u);
  EXPECT_EQ(queue.position(), nullptr);
  queue.Append("anew");
  EXPECT_EQ(Gathered(queue), "anew");
}

// A store may refuse a request from its beginning, before the rest is sent: all
// of it still goes out, or the next would be taken for its rest.
TEST(OutQueueTest, WhatIsAnsweredBeforeItIsSentIsSentAllTheSame) {
  OutQueue queue;
  const BlockRef block(Block::Make(10));
  std::memcpy(block->data(), "0123456789", 10);
  queue.AppendShared(block.get(), block->data(), 10);
  queue.Append("next");
  queue.Sent(2);
  queue.Answered(10);
  EXPECT_EQ(queue.unsent(), 12u);
  EXPECT_EQ(Gathered(queue), "23456789next");
  queue.Sent(5);
  queue.Sent(5);
  EXPECT_TRUE(block->Unshared());
  EXPECT_EQ(Gathered(queue), "xt");
  queue.Sent(2);
  EXPECT_EQ(Gathered(queue), "");
  queue.Answered(4);
  queue.Append("again");
  EXPECT_EQ(Gathered(queue), "again");
}

// Against a plain string of bytes.
class OutQueueRandomTest : public testing::TestWithParam<uint64_t> {
 protected:
  uint64_t Below(uint64_t n) { return random_() % n; }
  std::string RandomBytes(size_t most) {
    std::string bytes(Below(most) + 1, 0);
    for (char& c : bytes) c = static_cast<char>(next_byte_++);
    return bytes;
  }
  size_t RandomMost() {
    const uint64_t dice = Below(100);
    return dice < 60 ? 50 : dice < 90 ? 3'000 : dice < 98 ? 40'000 : limits::kBlockBytes * 2;
  }
  void Queued(std::string_view bytes) { held_ += bytes; }

  // Requests are received into the reserved room; of some the bytes are queued
  // where they lie, others go elsewhere, and a part of the last is left.
  void Receive() {
    const size_t least = Below(20) == 0 ? limits::kBlockBytes + Below(1'000) : Below(20'000) + 1;
    size_t room = 0;
    char* to = queue_.Reserve(least, room);
    ASSERT_GE(room, least);
    const std::string received = RandomBytes(least);
    std::memcpy(to, received.data(), received.size());
    size_t at = 0;
    while (at < received.size()) {
      const size_t size = std::min(received.size() - at, Below(600) + 1);
      if (Below(5) != 0) {
        const char* lies = queue_.Append({to + at, size});
        ASSERT_EQ(std::string_view(lies, size), std::string_view(received).substr(at, size));
        Queued({lies, size});
        if (Below(40) == 0) Retain(queue_.block(), {lies, size});
      }
      at += size;
      if (Below(30) == 0) break;
    }
  }
  void Append() {
    const std::string bytes = RandomBytes(RandomMost());
    const char* lies = queue_.Append(bytes);
    Queued(bytes);
    if (Below(10) == 0) Retain(queue_.block(), {lies, bytes.size()});
  }
  void AppendShared() {
    const std::string bytes = RandomBytes(RandomMost());
    const BlockRef block(Block::Make(bytes.size()));
    std::memcpy(block->data(), bytes.data(), bytes.size());
    for (size_t at = 0; at < bytes.size();) {  // in pieces, as the mirror log gives them
      const size_t size = std::min(bytes.size() - at, Below(bytes.size()) + 1);
      if (Below(4) != 0) {
        queue_.AppendShared(block.get(), block->data() + at, size);
        Queued(std::string_view(bytes).substr(at, size));
      }
      at += size;
    }
    if (Below(2) == 0) Retain(block.get(), {block->data(), bytes.size()});
  }
  void Retain(Block* block, std::string_view bytes) {
    owners_.push_back({BlockRef::Share(block), bytes, std::string(bytes)});
  }
  void LetGo() {
    if (owners_.empty()) return;
    ASSERT_EQ(owners_.front().bytes, owners_.front().copy);
    owners_.pop_front();
  }
  void Send() {
    const int most = static_cast<int>(Below(8)) + 1;
    const std::string bytes = Gathered(queue_, most);
    ASSERT_EQ(bytes, std::string_view(held_).substr(sent_, bytes.size()));
    ASSERT_EQ(bytes.empty(), sent_ == held_.size());
    const size_t size = Below(3) == 0 ? Below(bytes.size() + 1) : bytes.size();
    queue_.Sent(size);
    sent_ += size;
    const size_t answered = std::min(size, owed_);
    owed_ -= answered;
    Forget(answered);
  }
  void Forget(size_t size) {
    held_.erase(0, size);
    sent_ -= size;
  }
  // Rarely, more than has been sent.
  void Answer() {
    if (Below(50) == 0 && owed_ == 0) {
      owed_ = Below(held_.size() - sent_ + 1);
      queue_.Answered(sent_ + owed_);
      return Forget(sent_);
    }
    if (sent_ == 0) return;
    const size_t size = Below(3) == 0 ? sent_ : Below(sent_) + 1;
    size == sent_&& Below(2) == 0 ? queue_.ReleaseSent() : queue_.Answered(size);
    Forget(size);
  }
  void Clear() {
    queue_.Clear();
    held_.clear();
    sent_ = 0;
    owed_ = 0;
  }

  struct Owner {
    BlockRef block;
    std::string_view bytes;
    std::string copy;
  };
  std::mt19937_64 random_{GetParam()};
  OutQueue queue_;
  std::string held_;  // not answered
  size_t sent_ = 0;   // of that
  size_t owed_ = 0;   // answered before it is sent
  std::deque<Owner> owners_;
  uint8_t next_byte_ = 0;
};

TEST_P(OutQueueRandomTest, SendsWhatAStringWould) {
  std::cout << "seed " << GetParam() << "\n";
  for (int i = 0; i < 4'000; ++i) {
    switch (Below(10)) {
      case 0:
      case 1:
        Receive();
        break;
      case 2:
        Append();
        break;
      case 3:
        AppendShared();
        break;
      case 4:
        LetGo();
        break;
      case 5:
      case 6:
      case 7:
        Send();
        break;
      default:
        Answer();
        break;
    }
    if (Below(500) == 0) Clear();
    if (held_.size() > 3'000'000) {  // as a lane that is full
      while (sent_ < held_.size()) Send();
      Answer();
    }
    ASSERT_EQ(queue_.unsent(), held_.size() - sent_);
    if (HasFatalFailure()) return;
  }
  while (!owners_.empty()) LetGo();
  ASSERT_EQ(Gathered(queue_), std::string_view(held_).substr(sent_));
}

INSTANTIATE_TEST_SUITE_P(Seeds, OutQueueRandomTest, testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace crossfade::proxy
