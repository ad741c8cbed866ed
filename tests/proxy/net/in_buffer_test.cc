#include "proxy/net/in_buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <iostream>
#include <random>
#include <string>

namespace crossfade::proxy {
namespace {

void Receive(InBuffer& in, std::string_view bytes) {
  size_t room = 0;
  char* to = in.Room(bytes.size(), room);
  ASSERT_GE(room, bytes.size());
  std::memcpy(to, bytes.data(), bytes.size());
  in.Commit(bytes.size());
}

std::string_view Held(const InBuffer& in) { return {in.begin(), in.size()}; }

TEST(InBufferTest, IsInOnePieceHoweverItCame) {
  InBuffer in;
  EXPECT_EQ(in.size(), 0u);
  Receive(in, "half of ");
  Receive(in, "a reply");
  EXPECT_EQ(Held(in), "half of a reply");
  in.Consume(8);
  Receive(in, "!");
  EXPECT_EQ(Held(in), "a reply!");
  in.Clear();
  EXPECT_EQ(in.size(), 0u);
}

TEST(InBufferTest, BeginsAnewWhenAllIsConsumed) {
  InBuffer in;
  size_t room = 0;
  const char* first = in.Room(100, room);
  in.Commit(100);
  in.Consume(100);
  EXPECT_EQ(in.Room(100, room), first);
  EXPECT_EQ(room, limits::kStoreReadBytes);
}

TEST(InBufferTest, AHugeReplysMemoryIsNotKept) {
  InBuffer in;
  const std::string huge(5 * limits::kStoreReadBytes, 'x');
  Receive(in, huge);
  EXPECT_EQ(Held(in), huge);
  in.Consume(huge.size());
  size_t room = 0;
  in.Room(1, room);
  EXPECT_EQ(room, limits::kStoreReadBytes);
}

class InBufferRandomTest : public testing::TestWithParam<uint64_t> {};

TEST_P(InBufferRandomTest, HoldsWhatAStringWould) {
  std::cout << "seed " << GetParam() << "\n";
  std::mt19937_64 random(GetParam());
  InBuffer in;
  std::string expected;
  uint8_t next = 0;
  for (int i = 0; i < 3'000; ++i) {
    if (random() % 2 == 0) {
      const size_t most = random() % 20 == 0 ? 3 * limits::kStoreReadBytes : 20'000;
      std::string bytes(random() % most, 0);
      for (char& c : bytes) c = static_cast<char>(next++);
      Receive(in, bytes);
      expected += bytes;
    } else {
      const size_t size = random() % 3 == 0 ? expected.size() : random() % (expected.size() + 1);
      in.Consume(size);
      expected.erase(0, size);
    }
    ASSERT_EQ(Held(in), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, InBufferRandomTest, testing::Range<uint64_t>(1, 5));

}  // namespace
}  // namespace crossfade::proxy
